#pragma once

#include <string>
#include <string_view>

#include "daemon/providers/e2b/types.hpp"
#include "protocol/core/error.hpp"

namespace swarm::e2b {

/// Which of the two create requests: v2 always secures and knows no `secure` field.
enum class Route { v1, v2 };

/// The body of a create. `invalid_argument` when `mcp` is no JSON object.
Result<std::string> encode(const NewSandbox& wanted, Route route);

/// A sandbox from an answer of create, get, connect or one line of a list. `internal` for what is not one.
Result<Remote> decode_sandbox(std::string_view json);
Result<std::vector<Remote>> decode_sandboxes(std::string_view json);
Result<std::vector<Sample>> decode_metrics(std::string_view json);
Result<std::vector<LogLine>> decode_logs(std::string_view json);
Result<std::vector<TemplateInfo>> decode_templates(std::string_view json);

/// Bodies and answers of a template's build.
Result<std::string> encode_build_request(const std::string& name, std::uint64_t cpus, std::uint64_t memory_mib);
Result<std::string> encode(const NewBuild& build);
Result<BuildRef> decode_build(std::string_view json);
Result<FilesAddress> decode_files_address(std::string_view json);
Result<BuildStatus> decode_build_status(std::string_view json);
/// The newest build in a template's description.
Result<std::string> decode_newest_build(std::string_view json);

/// What an error's body says, in the shape of the API ("code", "message", "error_code") and of envd ("code" as text).
struct ErrorBody {
  bool json = false;
  std::string message;    ///< cleaned: one line of UTF-8, at most 500 bytes
  std::string slug;       ///< `error_code`, or envd's `code`
  bool has_port = false;  ///< the proxy reached the sandbox, and nothing listens on the port
};
ErrorBody decode_error(std::string_view body);

/// The value of the list's `metadata` parameter: a query string in a query value, encoded three times as the official
/// clients do and the server undoes.
std::string metadata_filter(const std::map<std::string, std::string>& metadata);

/// RFC 3339 with any offset; nothing for what is not a time.
std::optional<WallTime> parse_time(std::string_view text);

}  // namespace swarm::e2b
