#pragma once
// JSON, for the faces that speak it (HTTP, MCP, `swarmctl rpc`, `--json`). Bytes travel as {"b64": "..."}: an object
// with this one key and a string is always bytes, so a map of ours with the single key "b64" cannot be told from them.

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"

namespace swarm::api {

/// What is refused while parsing, before memory is taken for it.
struct JsonLimits {
  std::size_t max_bytes = std::size_t{16} * 1024 * 1024;
  std::size_t max_depth = 64;
  /// Scalars, arrays, objects and keys together: `[[],[],...]` costs much more memory than text.
  std::size_t max_values = 1'000'000;
};

/// Reads exactly one JSON text. Code invalid_argument, with line and column, for what is malformed, not UTF-8, or has a
/// key twice; resource_exhausted beyond a limit. Never quotes the text, which may hold secrets.
Result<Value> value_from_json(std::string_view text, const JsonLimits& limits = {});

enum class JsonStyle { compact, indented };

/// One JSON text, without a newline at its end. Strings that are not UTF-8 become {"b64": ...}, numbers that are not
/// finite null, an extension {"ext": type, "b64": ...}.
std::string to_json(const Value& value, JsonStyle style = JsonStyle::compact);

}  // namespace swarm::api
