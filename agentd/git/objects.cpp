#include "agentd/git/objects.hpp"

#include <fmt/format.h>
#include <git2.h>

#include <algorithm>

#include "protocol/async/file.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Commit;
using swarm::git::failed;
using swarm::git::made;
using swarm::git::Reference;
using swarm::git::Signature;
using swarm::git::Tree;

bool is_trailer(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 >= line.size() || line[colon + 1] != ' ') return false;
  return std::ranges::all_of(line.substr(0, colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_ours_alone(std::string_view line) {
  const std::string start = lower(line.substr(0, 20));
  return is_trailer(line) && (start.starts_with("swarm-") || start.starts_with("reviewed-by:"));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// How many lines at the end are a paragraph of trailers. A message of one paragraph has none: that is its subject.
std::size_t trailer_lines(const std::vector<std::string_view>& lines) {
  std::size_t count = 0;
  while (count < lines.size() && is_trailer(lines[lines.size() - 1 - count])) ++count;
  return count < lines.size() && count > 0 && lines[lines.size() - 1 - count].empty() ? count : 0;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

Result<std::optional<Oid>> find_ref(git_repository* repository, const std::string& name) {
  git_oid id{};
  const int code = git_reference_name_to_id(&id, repository, name.c_str());
  if (code == GIT_ENOTFOUND) return std::optional<Oid>();
  if (code < 0) return failed(code, name);
  return std::optional(Oid(id));
}

Result<Oid> resolve(git_repository* repository, const std::string& text) {
  const auto none = [&text] {
    return fail(Code::not_found,
                fmt::format("no commit or branch '{}' here; give a full id, 'swarm/<swarm>/<agent>' or 'refs/...'",
                            shown(text)));
  };
  Oid id;
  if (const Result<Oid> direct = Oid::parse(text); direct) {
    id = *direct;
  } else {
    const std::string name = text.starts_with("refs/") ? text : "refs/heads/" + text;
    if (git_reference_is_valid_name(name.c_str()) == 0) return none();
    const Result<std::optional<Oid>> found = find_ref(repository, name);
    if (!found) return fail(found.error());
    if (!*found) return none();
    id = **found;
  }
  git_object* raw = nullptr;
  git_object* peeled = nullptr;
  if (git_object_lookup(&raw, repository, id.get(), GIT_OBJECT_ANY) < 0) return none();
  const int code = git_object_peel(&peeled, raw, GIT_OBJECT_COMMIT);
  git_object_free(raw);
  if (code < 0) return none();
  id = Oid(*git_object_id(peeled));
  git_object_free(peeled);
  return id;
}

Result<void> set_ref(git_repository* repository, const std::string& name, const Oid& to,
                     const std::optional<Oid>& from) {
  git_reference* raw = nullptr;
  const int code =
      from ? git_reference_create_matching(&raw, repository, name.c_str(), to.get(), 1, from->get(), nullptr)
           : git_reference_create(&raw, repository, name.c_str(), to.get(), 0, nullptr);
  const Reference made_ref(raw);
  if (code == GIT_EMODIFIED || code == GIT_EEXISTS || code == GIT_ENOTFOUND) {
    return fail(Code::failed_precondition, fmt::format("'{}' moved meanwhile; look and try again", shown(name)));
  }
  if (code < 0) return failed(code, "set " + name);
  return {};
}

Result<Oid> tree_of(git_repository* repository, const Oid& commit) {
  const Result<Commit> found = made<Commit>(
      "commit " + commit.text(), [&](git_commit** out) { return git_commit_lookup(out, repository, commit.get()); });
  if (!found) return fail(found.error());
  return Oid(*git_commit_tree_id(found->get()));
}

Result<Oid> integration_or_base(git_repository* repository, const std::string& swarm) {
  for (const std::string& name : {"refs/heads/" + integration_branch(swarm), std::string(kBaseRef)}) {
    const Result<std::optional<Oid>> found = find_ref(repository, name);
    if (!found) return fail(found.error());
    if (*found) return **found;
  }
  return fail(Code::not_found, "the repository has no commit that work could begin at; import it first");
}

Result<std::vector<Oid>> shallow_commits(const std::string& git_dir) {
  std::vector<Oid> ids;
  const Result<std::string> text = async::read_file_now(git_dir + "/shallow", std::size_t{16} << 20U);
  if (!text && text.error().code == Code::not_found) return ids;
  if (!text) return fail(text.error());
  for (const std::string_view line : lines_of(*text)) {
    const Result<Oid> id = Oid::parse(line);
    if (!id) return fail(id.error(), "shallow");
    ids.push_back(*id);
  }
  return ids;
}

Result<Divergence> divergence(git_repository* repository, const std::string& git_dir, const std::string& swarm,
                              const Oid& commit) {
  const Result<Oid> base = integration_or_base(repository, swarm);
  Result<std::vector<Oid>> shallow = shallow_commits(git_dir);
  if (!base) return fail(base.error());
  if (!shallow) return fail(shallow.error());
  swarm::git::History history(repository, *shallow);
  Result<swarm::git::History::Compared> compared = history.compare({commit}, {*base});
  if (!compared) return fail(compared.error());
  return Divergence{.base = *base, .shallow = std::move(*shallow), .compared = std::move(*compared)};
}

Author author_of(const std::string& agent, const std::string& swarm) {
  return {.name = agent, .email = fmt::format("{}@{}.swarm.invalid", agent, swarm)};
}

Result<Oid> make_commit(git_repository* repository, const Oid& tree, const std::vector<Oid>& parents,
                        const Author& author, const std::string& message) {
  const Result<Signature> signature = made<Signature>(
      "author", [&](git_signature** out) { return git_signature_now(out, author.name.c_str(), author.email.c_str()); });
  if (!signature) return fail(signature.error());
  const Result<Tree> content =
      made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, tree.get()); });
  if (!content) return fail(content.error());
  std::vector<Commit> held;
  std::vector<const git_commit*> pointers;
  for (const Oid& parent : parents) {
    Result<Commit> one = made<Commit>(
        "commit " + parent.text(), [&](git_commit** out) { return git_commit_lookup(out, repository, parent.get()); });
    if (!one) return fail(one.error());
    pointers.push_back(one->get());
    held.push_back(std::move(*one));
  }
  git_oid id{};
  const int code = git_commit_create(&id, repository, nullptr, signature->get(), signature->get(), nullptr,
                                     message.c_str(), content->get(), pointers.size(), pointers.data());
  if (code < 0) return failed(code, "make commit");
  return Oid(id);
}

std::string with_trailers(std::string_view message, const std::map<std::string, std::string>& trailers) {
  // First of all, since a commit's message ends at a NUL: one inside a name would hide a forged trailer until it is
  // gone.
  std::string text(message);
  std::erase(text, '\0');
  std::vector<std::string_view> lines = lines_of(text);
  std::erase_if(lines, is_ours_alone);
  while (!lines.empty() && lines.back().find_first_not_of(" \t\r") == std::string_view::npos) lines.pop_back();
  while (!lines.empty() && lines.front().find_first_not_of(" \t\r") == std::string_view::npos)
    lines.erase(lines.begin());
  std::string out;
  for (const std::string_view line : lines) out.append(line).append("\n");
  if (!trailers.empty() && trailer_lines(lines) == 0) out += "\n";
  for (const auto& [name, value] : trailers) out += fmt::format("{}: {}\n", name, value);
  return out;
}

std::map<std::string, std::string> trailers_of(std::string_view message) {
  std::vector<std::string_view> lines = lines_of(message);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  std::map<std::string, std::string> trailers;
  for (std::size_t i = lines.size() - trailer_lines(lines); i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(':');
    trailers[std::string(lines[i].substr(0, colon))] = lines[i].substr(colon + 2);
  }
  return trailers;
}

Result<void> check_trailers(const std::map<std::string, std::string>& trailers) {
  for (const auto& [name, value] : trailers) {
    if (!is_trailer(name + ": x") || value.find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos) {
      return fail(Code::invalid_argument,
                  fmt::format("'{}: {}' is no trailer; one is 'Name: value' on one line", shown(name), shown(value)));
    }
  }
  return {};
}

}  // namespace swarm::agentd::git
