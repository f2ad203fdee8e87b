#include "client/transfer/place.hpp"

#include <fmt/format.h>

namespace swarm::client {

Result<CopyPlace> parse_place(const std::string& text) {
  if (text.empty()) {
    return fail(Code::invalid_argument, "a copy needs a source and a target, for example 'swarmctl cp notes.txt web:'");
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || text.find('/') < colon) return CopyPlace{.path = text};
  if (colon == 0) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' names no sandbox before the colon; write './{}' for a local file", text, text));
  }
  return CopyPlace{.sandbox = text.substr(0, colon), .path = text.substr(colon + 1)};
}

std::string last_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return name == "." || name == ".." ? std::string() : std::string(name);
}

std::string below(const std::string& directory, const std::string& name) {
  if (name.empty()) return directory;
  if (directory.empty()) return name;
  return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

}  // namespace swarm::client
