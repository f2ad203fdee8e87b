#include "protocol/tree/entry.hpp"

#include <fmt/format.h>

#include <climits>

#include "protocol/core/utf8.hpp"

namespace swarm::tree {

Result<std::vector<std::string_view>> components(std::string_view path, const Limits& limits) {
  const auto refuse = [&](std::string_view why) {
    return fail(Code::invalid_argument, fmt::format("the tree holds the path '{}', which {}", shown(path), why));
  };
  if (path.empty()) return fail(Code::invalid_argument, "the tree holds an entry without a path");
  if (path.front() == '/') return refuse("is absolute");
  if (path.size() > limits.max_path_bytes) return refuse(fmt::format("has more than {} bytes", limits.max_path_bytes));
  if (path.find('\0') != std::string_view::npos) return refuse("holds a NUL byte");
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") return fail(Code::invalid_argument, "the tree holds a path that climbs with '..'");
    if (name.size() > NAME_MAX) return refuse(fmt::format("holds a name above {} bytes", NAME_MAX));
    if (names.size() == limits.max_depth) return refuse(fmt::format("is nested deeper than {}", limits.max_depth));
    names.push_back(name);
  }
  return names;
}

}  // namespace swarm::tree
