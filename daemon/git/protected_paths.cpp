#include "daemon/git/protected_paths.hpp"

#include <algorithm>

namespace swarm::git {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Whether the pattern takes the whole of `text`, or ends where a name in it does.
bool takes(std::string_view pattern, std::string_view text) {  // NOLINT(misc-no-recursion): as deep as it has stars
  while (!pattern.empty()) {
    if (pattern.starts_with("**/")) {  // any number of directories, also none
      for (std::size_t at = 0; at != std::string_view::npos; at = text.find('/', at)) {
        if (at != 0) ++at;
        if (takes(pattern.substr(3), text.substr(at))) return true;
      }
      return false;
    }
    if (pattern.starts_with('*')) {
      const bool crosses = pattern.starts_with("**");
      const std::string_view rest = pattern.substr(crosses ? 2 : 1);
      for (std::size_t skipped = 0;; ++skipped) {
        if (takes(rest, text.substr(skipped))) return true;
        if (skipped == text.size() || (!crosses && text[skipped] == '/')) return false;
      }
    }
    if (text.empty()) return false;
    const bool same = pattern.front() == '?' ? text.front() != '/' : lower(pattern.front()) == lower(text.front());
    if (!same) return false;
    pattern.remove_prefix(1);
    text.remove_prefix(1);
  }
  return text.empty() || text.front() == '/';
}

}  // namespace

bool path_matches(std::string_view pattern, std::string_view path) {
  while (pattern.ends_with('/')) pattern.remove_suffix(1);
  const bool from_root = pattern.find('/') != std::string_view::npos;
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  if (pattern.empty()) return false;
  if (takes(pattern, path)) return true;
  if (from_root) return false;
  for (std::size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
    if (takes(pattern, path.substr(at + 1))) return true;
  }
  return false;
}

std::vector<std::string> protected_among(const std::vector<std::string>& patterns,
                                         const std::vector<std::string>& paths) {
  std::vector<std::string> found;
  for (const std::string& path : paths) {
    if (std::ranges::any_of(patterns, [&](const std::string& pattern) { return path_matches(pattern, path); })) {
      found.push_back(path);
    }
  }
  return found;
}

}  // namespace swarm::git
