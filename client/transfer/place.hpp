#pragma once

#include <optional>
#include <string>

#include "protocol/core/error.hpp"

namespace swarm::client {

/// One side of a copy: `web:src/main.c`, `./notes.txt`, or `-`.
struct CopyPlace {
  std::optional<std::string> sandbox;
  std::string path;  ///< empty in a sandbox: its workspace
  [[nodiscard]] bool stream() const { return !sandbox && path == "-"; }
};

/// A colon before the first slash makes it a place in a sandbox; `./a:b` is a local name. `invalid_argument` when it
/// is empty.
Result<CopyPlace> parse_place(const std::string& text);

/// The last name of a path, without slashes at its end; "." and ".." have none.
std::string last_name(std::string_view path);

/// `directory/name`.
std::string below(const std::string& directory, const std::string& name);

}  // namespace swarm::client
