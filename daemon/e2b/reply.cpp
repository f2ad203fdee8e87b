#include "daemon/e2b/reply.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <charconv>
#include <ctime>

#include "protocol/api/json.hpp"

namespace swarm::e2b_endpoint {
namespace {

constexpr std::size_t kMostJson = std::size_t{16} << 20U;  // as E2B limits it

const Value* present(const Value& map, std::string_view name) {
  const Value* found = map.find(name);
  return found == nullptr || found->is_nil() ? nullptr : found;
}

std::unexpected<Refusal> wrong_type(std::string_view name, std::string_view wanted, const Value& got) {
  return refuse(400, fmt::format("{}: has to be {}, not {}", name, wanted, got.kind_name()));
}

}  // namespace

Refusal refusal_of(const Error& error) {
  switch (error.code) {
    case Code::invalid_argument:
    case Code::out_of_range:
      return {.status = 400, .message = error.message};
    case Code::not_found:
      return {.status = 404, .message = error.message};
    case Code::already_exists:
    case Code::failed_precondition:
      return {.status = 409, .message = error.message};
    case Code::permission_denied:
      return {.status = 403, .message = error.message};
    case Code::unauthenticated:
      return {.status = 401, .message = error.message};
    case Code::resource_exhausted:
      return {.status = 429, .message = error.message};
    case Code::deadline_exceeded:
      return {.status = 504, .message = error.message};
    case Code::unavailable:
      return {.status = 503, .message = error.message};
    case Code::unimplemented:
      return {.status = 501, .message = error.message};
    case Code::cancelled:
      return {.status = 499, .message = error.message};
    case Code::internal:
      break;
  }
  return {.status = 500, .message = error.message, .error_code = "internal_server_error"};
}

async::Task<> send_json(http::Exchange& exchange, int status, Value body, http::Headers more) {
  more.set("content-type", "application/json; charset=utf-8");
  const Result<void> sent =
      co_await exchange.respond({.status = status, .headers = std::move(more)}, api::to_json(body));
  static_cast<void>(sent);  // it went
}

async::Task<> send_empty(http::Exchange& exchange, int status) {
  const Result<void> sent = co_await exchange.respond({.status = status, .headers = {}}, "");
  static_cast<void>(sent);  // it went
}

async::Task<> send_refusal(http::Exchange& exchange, Refusal refusal, http::Headers more) {
  Value body;
  body.set("code", refusal.status);
  body.set("message", refusal.message);
  if (!refusal.error_code.empty()) body.set("error_code", refusal.error_code);
  co_await send_json(exchange, refusal.status, std::move(body), std::move(more));
}

async::Task<Answered<Value>> read_json(http::Exchange& exchange, BodyIs body) {
  const Result<std::string> text = co_await exchange.read_all(kMostJson);
  if (!text) co_return std::unexpected(refusal_of(text.error()));
  if (text->empty() && body == BodyIs::optional) co_return Value(Value::Map{});
  Result<Value> value = api::value_from_json(*text);
  if (!value) co_return refuse(400, "the body is not JSON: " + value.error().message);
  if (value->as_map() == nullptr) co_return refuse(400, "the body has to be a JSON object");
  co_return std::move(*value);
}

Answered<std::optional<std::string>> text_field(const Value& map, std::string_view name) {
  const Value* found = present(map, name);
  if (found == nullptr) return std::optional<std::string>();
  const std::string* text = found->as_string();
  if (text == nullptr) return wrong_type(name, "a string", *found);
  return *text;
}

Answered<std::optional<std::int64_t>> int_field(const Value& map, std::string_view name) {
  const Value* found = present(map, name);
  if (found == nullptr) return std::optional<std::int64_t>();
  if (const std::int64_t* number = found->as_int()) return *number;
  return wrong_type(name, "a whole number", *found);
}

Answered<std::optional<bool>> bool_field(const Value& map, std::string_view name) {
  const Value* found = present(map, name);
  if (found == nullptr) return std::optional<bool>();
  if (const bool* yes = found->as_bool()) return *yes;
  return wrong_type(name, "true or false", *found);
}

Answered<std::map<std::string, std::string>> text_map_field(const Value& map, std::string_view name) {
  std::map<std::string, std::string> out;
  const Value* found = present(map, name);
  if (found == nullptr) return out;
  if (found->as_map() == nullptr) return wrong_type(name, "an object of strings", *found);
  for (const auto& [key, value] : *found->as_map()) {
    if (value.as_string() == nullptr) return wrong_type(fmt::format("{}.{}", name, key), "a string", value);
    out[key] = *value.as_string();
  }
  return out;
}

std::optional<std::int64_t> parse_int(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(by), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Answered<std::int64_t> query_number(const std::map<std::string, std::string>& query, const std::string& name,
                                    std::int64_t low, std::int64_t high, std::int64_t otherwise) {
  const auto found = query.find(name);
  if (found == query.end()) return otherwise;
  const auto value = parse_int(found->second);
  if (!value || *value < low || *value > high) {
    return refuse(400, fmt::format("{}: has to be a whole number from {} to {}", name, low, high));
  }
  return *value;
}

Value text_map(const std::map<std::string, std::string>& map) {
  Value::Map out;
  for (const auto& [key, value] : map) out.emplace_back(key, value);
  return out;
}

std::string rfc3339(std::int64_t time_us) {
  const std::time_t seconds = time_us / 1'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, time_us % 1'000'000);
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && !a.empty() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace swarm::e2b_endpoint
