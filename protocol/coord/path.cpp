#include "protocol/coord/path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

constexpr std::size_t kMaxPathBytes = 4096;
// As the kernel does (path_resolution(7)).
constexpr int kMaxLinks = 40;

std::unexpected<Error> refused(std::string_view path, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("the path '{}' {}", shown(path, 200), why));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(static_cast<unsigned char>(high * 16 + low));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// "%41" is an ordinary name; what is not is an encoding, however often repeated, that hides a separator, a dot name or
/// a control character.
bool hides_something(std::string_view name) {
  std::string now(name);
  while (true) {
    std::string next = percent_decoded(now);
    if (next == now) return false;
    now = std::move(next);
    if (now == "." || now == "..") return true;
    const auto bad = [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
    if (std::ranges::any_of(now, bad)) return true;
  }
}

void split(std::string_view path, std::deque<std::string>& out, std::deque<std::string>::iterator at) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) names.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  out.insert(at, std::make_move_iterator(names.begin()), std::make_move_iterator(names.end()));
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : "/") + name;
  return out;
}

Result<void> check_text(std::string_view path) {
  if (path.size() > kMaxPathBytes) {
    return fail(Code::invalid_argument, fmt::format("a path of {} bytes; the limit is {}", path.size(), kMaxPathBytes));
  }
  if (path.starts_with('/') || path.starts_with('\\')) {
    return refused(path, "is absolute; give it relative to the repository");
  }
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(path, control)) return refused(path, "has a control character");
  return {};
}

/// Resolves name by name, as the kernel would: a ".." behind a link leaves the link's target.
Result<std::string> walk(std::string_view path, const Links& links) {
  std::deque<std::string> open;
  split(path, open, open.begin());
  std::vector<std::string> done;
  int followed = 0;
  while (!open.empty()) {
    const std::string name = std::move(open.front());
    open.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      if (done.empty()) return refused(path, "leaves the repository");
      done.pop_back();
      continue;
    }
    if (hides_something(name)) return refused(path, "hides a separator or a dot name in percent signs");
    done.push_back(name);
    if (!links.target) continue;
    const std::optional<std::string> target = links.target(joined(done));
    if (!target) continue;
    if (++followed > kMaxLinks) return refused(path, "has too many links, or they go in a circle");
    if (target->starts_with('/')) return refused(path, "leaves the repository through a link");
    done.pop_back();
    split(*target, open, open.begin());
  }
  return joined(done);
}

std::string with_slashes(std::string_view path) {
  std::string out(path);
  std::ranges::replace(out, '\\', '/');
  return out;
}

/// The names before the first one with a wildcard, and the rest.
std::pair<std::string_view, std::string_view> split_glob(std::string_view glob) {
  const std::size_t wild = glob.find_first_of("*?[{");
  if (wild == std::string_view::npos) return {glob, {}};
  const std::size_t slash = glob.rfind('/', wild);
  if (slash == std::string_view::npos) return {{}, glob};
  return {glob.substr(0, slash), glob.substr(slash + 1)};
}

Result<void> follow_links(Pattern& pattern, const Links& links) {
  if (!links.all || !links.target) return {};
  std::vector<std::pair<std::string, std::string>> resolved;
  for (const std::string& link : links.all()) {
    // One that leads out is nobody's to lock; the edit through it is refused.
    if (Result<std::string> target = walk(link, links)) resolved.emplace_back(link, std::move(*target));
  }
  for (bool again = true; again;) {
    again = false;
    for (const auto& [link, target] : resolved) again = pattern.follow(link, target) || again;
  }
  if (pattern.alternatives() >= kMaxAlternativesWithLinks) {
    return fail(Code::invalid_argument, "the glob leads through too many links; lock a directory instead");
  }
  return {};
}

}  // namespace

std::string_view kind_name(LockKind kind) {
  if (kind == LockKind::file) return "file";
  return kind == LockKind::directory ? "directory" : "glob";
}

Result<std::string> normalise(std::string_view path, const PathRules& rules) {
  if (Result<void> fine = check_text(path); !fine) return fail(fine.error());
  Result<std::string> real = walk(with_slashes(path), rules.links);
  if (!real) return real;
  return folded(*real, rules.folding);
}

Result<LockKey> recorded_key(std::string repository, LockKind kind, std::string path, const PathRules& rules) {
  LockKey key{.repository = std::move(repository), .kind = kind, .path = std::move(path), .pattern = {}};
  if (kind == LockKind::file) {
    key.pattern = Pattern::file(key.path, rules.folding);
  } else if (kind == LockKind::directory) {
    key.pattern = Pattern::below(key.path, rules.folding);
  } else {
    Result<Pattern> pattern = Pattern::glob(key.path, rules.folding);
    if (!pattern) return fail(pattern.error());
    key.pattern = std::move(*pattern);
    if (Result<void> followed = follow_links(key.pattern, rules.links); !followed) return fail(followed.error());
  }
  return key;
}

Result<LockKey> make_key(std::string_view repository, LockKind kind, std::string_view path, const PathRules& rules) {
  if (path.empty())
    return fail(Code::invalid_argument, "the path is empty; '.' as a directory is the whole repository");
  if (kind == LockKind::file && (path.ends_with('/') || path.ends_with('\\'))) kind = LockKind::directory;
  if (kind == LockKind::glob) {
    if (Result<void> fine = check_text(path); !fine) return fail(fine.error());
    const auto [plain, wild] = split_glob(path);
    Result<std::string> start = walk(plain, rules.links);
    if (!start) return fail(start.error());
    std::string text = *start;
    if (!wild.empty()) text += (text.empty() ? "" : "/") + std::string(wild);
    // A name with brackets in it, reached through a link, would be read as a wildcard.
    if (start->find_first_of("*?[{") != std::string::npos) {
      return refused(path, "leads through a link to a name with wildcard characters; lock that directory itself");
    }
    return recorded_key(std::string(repository), kind, std::move(text), rules);
  }
  Result<std::string> real = normalise(path, rules);
  if (!real) return fail(real.error());
  if (kind == LockKind::file && real->empty()) {
    return refused(path, "is the repository itself; lock it as a directory");
  }
  return recorded_key(std::string(repository), kind, std::move(*real), rules);
}

Result<std::pair<std::string, std::string>> in_repository(std::string_view absolute,
                                                          std::span<const Checkout> checkouts) {
  const Checkout* best = nullptr;
  for (const Checkout& checkout : checkouts) {
    const std::string& dir = checkout.directory;
    if (!absolute.starts_with(dir) || (absolute.size() > dir.size() && absolute[dir.size()] != '/')) continue;
    if (best == nullptr || dir.size() > best->directory.size()) best = &checkout;
  }
  if (best == nullptr) {
    return fail(Code::not_found, fmt::format("'{}' is in no repository of this swarm", shown(absolute, 200)));
  }
  std::string_view rest = absolute.substr(best->directory.size());
  while (rest.starts_with('/')) rest.remove_prefix(1);
  return std::pair(best->repository, std::string(rest));
}

}  // namespace swarm::coord
