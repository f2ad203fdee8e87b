#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swarm::git {

/// Whether `path` (of a repository, without a leading slash) is what `pattern` says, or lies below it. Patterns are as
/// in .gitignore, without `!`: one with a slash before its end holds from the root, any other at each depth; `*` and
/// `?` stay within a name, `**` crosses. ASCII letters match in either case: some file systems, and some services,
/// make no difference.
[[nodiscard]] bool path_matches(std::string_view pattern, std::string_view path);

/// Those of `paths` that one of the patterns takes, in their order.
[[nodiscard]] std::vector<std::string> protected_among(const std::vector<std::string>& patterns,
                                                       const std::vector<std::string>& paths);

}  // namespace swarm::git
