#include "daemon/git/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "protocol/async/file.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::git {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
  }
  return parts;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

bool is_object_id(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::vector<Ref> parse_refs(std::string_view text) {
  std::vector<Ref> refs;
  for (const std::string& line : split(text, '\n')) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    refs.push_back({.name = line.substr(space + 1), .id = line.substr(0, space)});
  }
  std::ranges::sort(refs);
  return refs;
}

Result<void> check_ids(const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    if (!is_object_id(id)) {
      return fail(Code::invalid_argument, fmt::format("'{}' is no commit id; one is 40 hexadecimal digits", shown(id)));
    }
  }
  return {};
}

async::Task<Result<std::vector<std::string>>> known_ids(const Program& program, GitCall base,
                                                        std::vector<std::string> ids) {
  std::vector<std::string> known;
  if (ids.empty()) co_return known;
  base.arguments = {"cat-file", "--batch-check"};
  for (const std::string& id : ids) base.input += id + "\n";
  const Result<std::string> answer = co_await program.run(std::move(base));
  if (!answer) co_return fail(answer.error());
  for (const std::string& line : split(*answer, '\n')) {
    if (line.contains(" commit ") || line.contains(" tag ")) known.push_back(line.substr(0, line.find(' ')));
  }
  co_return known;
}

Result<std::unique_ptr<wire::ByteSource>> pack_objects(const Program& program, GitCall base,
                                                       const std::vector<std::string>& want,
                                                       const std::vector<std::string>& have) {
  const std::set<std::string> there(have.begin(), have.end());
  std::string input;
  for (const std::string& id : want) {
    if (!there.contains(id)) input += id + "\n";
  }
  if (input.empty()) return std::unique_ptr<wire::ByteSource>();
  input += "--not\n";
  for (const std::string& id : there) input += id + "\n";
  base.arguments = {"pack-objects", "--revs", "--thin", "--stdout", "--delta-base-offset", "-q"};
  base.input = std::move(input);
  return program.stream_out(std::move(base));
}

Result<std::vector<std::string>> read_shallow(const std::string& path) {
  const Result<std::string> text = async::read_file_now(path, std::size_t{16} << 20U);
  if (!text && text.error().code == Code::not_found) return std::vector<std::string>();
  if (!text) return fail(text.error());
  std::vector<std::string> ids = split(*text, '\n');
  if (const Result<void> checked = check_ids(ids); !checked) return fail(checked.error(), path);
  return ids;
}

}  // namespace swarm::git
