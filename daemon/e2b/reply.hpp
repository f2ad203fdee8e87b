#pragma once
// How this endpoint answers and reads JSON: E2B's shapes of errors, and fields of bodies with a sentence for each
// mistake.

#include <optional>
#include <string>

#include "daemon/http/exchange.hpp"
#include "protocol/core/value.hpp"

namespace swarm::e2b_endpoint {

/// A failure as E2B's control plane and envd's REST face tell it.
struct Refusal {
  int status = 500;
  std::string message;
  std::string error_code{};  ///< the optional slug
};

template <class T>
using Answered = std::expected<T, Refusal>;

inline std::unexpected<Refusal> refuse(int status, std::string message) {
  return std::unexpected(Refusal{.status = status, .message = std::move(message)});
}

/// What a failure of ours is in E2B's words.
Refusal refusal_of(const Error& error);

async::Task<> send_json(http::Exchange& exchange, int status, Value body, http::Headers more = {});
async::Task<> send_empty(http::Exchange& exchange, int status);
async::Task<> send_refusal(http::Exchange& exchange, Refusal refusal, http::Headers more = {});

/// The body as JSON; an absent one is an empty map where `optional_body`.
enum class BodyIs { required, optional };
async::Task<Answered<Value>> read_json(http::Exchange& exchange, BodyIs body);

/// A member of a map, if it is there and not null. 400 when it is of another type.
Answered<std::optional<std::string>> text_field(const Value& map, std::string_view name);
Answered<std::optional<std::int64_t>> int_field(const Value& map, std::string_view name);
Answered<std::optional<bool>> bool_field(const Value& map, std::string_view name);
Answered<std::map<std::string, std::string>> text_map_field(const Value& map, std::string_view name);

/// A whole decimal number and nothing else.
std::optional<std::int64_t> parse_int(std::string_view text);
/// The parts between `by`, without empty ones.
std::vector<std::string> split(std::string_view text, char by);
/// A query parameter's number within both; `otherwise` when it is absent.
Answered<std::int64_t> query_number(const std::map<std::string, std::string>& query, const std::string& name,
                                    std::int64_t low, std::int64_t high, std::int64_t otherwise);
Value text_map(const std::map<std::string, std::string>& map);

/// "2026-08-20T10:00:05.123456Z".
std::string rfc3339(std::int64_t time_us);

/// True when both are the same, in a time that says nothing about where they differ.
bool same_secret(std::string_view a, std::string_view b);

}  // namespace swarm::e2b_endpoint
