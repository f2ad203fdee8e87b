#include "daemon/model/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "protocol/api/json.hpp"

namespace swarm::model {
namespace {

/// `path` is `at` or lies below it.
bool below(std::string_view path, std::string_view at) {
  return path.starts_with(at) && (path.size() == at.size() || path[at.size()] == '/' || path[at.size()] == ':');
}

template <std::size_t N>
bool below_any(std::string_view path, const std::array<std::string_view, N>& places) {
  return std::ranges::any_of(places, [&](std::string_view at) { return below(path, at); });
}

constexpr std::array<std::string_view, 2> kAnthropic = {"/v1/messages", "/v1/complete"};
constexpr std::array<std::string_view, 5> kOpenAi = {"/v1/responses", "/v1/chat/completions", "/v1/completions",
                                                     "/v1/embeddings", "/v1/moderations"};
constexpr std::array<std::string_view, 3> kGoogle = {"/v1beta/models", "/v1alpha/models", "/v1beta/cachedContents"};

/// Of this connection, or set anew.
constexpr std::array<std::string_view, 15> kOwn = {"host",
                                                   "connection",
                                                   "keep-alive",
                                                   "proxy-connection",
                                                   "proxy-authorization",
                                                   "transfer-encoding",
                                                   "content-length",
                                                   "te",
                                                   "trailer",
                                                   "upgrade",
                                                   "expect",
                                                   "accept-encoding",
                                                   "authorization",
                                                   "x-api-key",
                                                   "x-goog-api-key"};
constexpr std::array<std::string_view, 8> kOfAnswer = {
    "connection", "keep-alive", "transfer-encoding", "content-length", "trailer", "upgrade", "set-cookie", "alt-svc"};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::ranges::any_of(names, [&](std::string_view each) { return same_name(name, each); });
}

}  // namespace

std::optional<std::string> provider_of(const Request& request) {
  const std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
  // A path that another server could read differently leads nowhere.
  for (const std::string_view odd : {"..", "//", "\\", "%"}) {
    if (path.find(odd) != std::string_view::npos) return std::nullopt;
  }
  if (below_any(path, kAnthropic)) return "anthropic";
  if (below_any(path, kOpenAi)) return "openai";
  if (below_any(path, kGoogle)) return "google";
  if (below(path, "/v1/models")) {
    if (!request.header("anthropic-version").empty()) return "anthropic";
    return request.header("x-goog-api-key").empty() ? "openai" : "google";
  }
  return std::nullopt;
}

std::string target_of(const Request& request) {
  const std::size_t mark = request.target.find('?');
  if (mark == std::string::npos) return request.target;
  std::string out = request.target.substr(0, mark);
  char before = '?';
  for (std::string_view rest = std::string_view(request.target).substr(mark + 1); !rest.empty();) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (one.empty() || one.starts_with("key=") || one.starts_with("access_token=")) continue;
    out += before;
    out += one;
    before = '&';
  }
  return out;
}

std::vector<http_client::Header> headers_of(const Request& request) {
  std::vector<http_client::Header> out;
  for (const http_client::Header& header : request.headers) {
    if (!is_one_of(header.name, kOwn) && !same_name(header.name, "cookie")) out.push_back(header);
  }
  return out;
}

http_client::Header key_header(const std::string& provider, std::string_view key) {
  if (provider == "anthropic") return {.name = "x-api-key", .value = std::string(key)};
  if (provider == "google") return {.name = "x-goog-api-key", .value = std::string(key)};
  return {.name = "authorization", .value = "Bearer " + std::string(key)};
}

std::vector<http_client::Header> answer_headers(const std::vector<http_client::Header>& headers) {
  std::vector<http_client::Header> out;
  for (const http_client::Header& header : headers) {
    if (!is_one_of(header.name, kOfAnswer)) out.push_back(header);
  }
  return out;
}

std::string error_body(const std::string& provider, int status, const std::string& message) {
  const char* type = status == 401   ? "authentication_error"
                     : status == 403 ? "permission_error"
                     : status == 404 ? "not_found_error"
                     : status == 413 ? "request_too_large"
                     : status >= 500 ? "api_error"
                                     : "invalid_request_error";
  if (provider == "google") {
    return api::to_json(Value(Value::Map{
        {"error", Value::Map{{"code", std::int64_t{status}}, {"message", message}, {"status", std::string(type)}}}}));
  }
  return api::to_json(Value(Value::Map{{"type", std::string("error")},
                                       {"error", Value::Map{{"type", std::string(type)}, {"message", message}}}}));
}

}  // namespace swarm::model
