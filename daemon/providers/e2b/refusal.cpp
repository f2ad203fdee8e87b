#include "daemon/providers/e2b/refusal.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <charconv>

#include "daemon/providers/e2b/codec.hpp"

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;

// Whoever says longer is mistaken, or its clock is.
constexpr Duration kLongest = 1h;

Code code_of(int status) {
  switch (status) {
    case 400:
    case 422:
      return Code::invalid_argument;
    case 401:
      return Code::unauthenticated;
    case 403:
      return Code::permission_denied;
    case 404:
      return Code::not_found;
    case 405:
    case 410:
    case 501:
      return Code::unimplemented;
    case 408:
    case 504:
      return Code::deadline_exceeded;
    case 409:
      return Code::failed_precondition;
    case 413:
    case 429:
    case 507:
      return Code::resource_exhausted;
    case 500:
      return Code::internal;
    default:
      return status < 400 || status >= 500 ? Code::unavailable : Code::invalid_argument;
  }
}

std::string_view advice(int status) {
  switch (status) {
    case 401:
      return "; check the key (swarmctl secret check, or E2B_API_KEY)";
    case 403:
      return "; see the account's state and plan";
    case 410:
    case 405:
      return "; the service no longer has this call";
    default:
      return status >= 300 && status < 400 ? "; redirects are not followed, check provider.e2b.api_url" : "";
  }
}

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view text, WallTime now) {
  long long seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem == std::errc{} && end == text.data() + text.size() && seconds >= 0) {
    return std::min<Duration>(std::chrono::seconds(std::min(seconds, 86'400LL)), kLongest);
  }
  const time_t date = curl_getdate(std::string(text).c_str(), nullptr);
  if (date == -1) return std::nullopt;
  const Duration left = std::chrono::seconds(date) - std::chrono::microseconds(now.us);
  return std::clamp<Duration>(left, 1s, kLongest);
}

Refusal refusal_of(int status, std::string_view body, std::optional<std::string_view> retry_after,
                   const std::string& what, WallTime now) {
  const ErrorBody said = decode_error(body);
  Refusal refusal;
  std::string words = said.message;
  if (words.empty())
    words = body.empty() ? "without a word" : fmt::format("with {} bytes that are no JSON", body.size());
  refusal.error = {.code = code_of(status),
                   .message = fmt::format("{}: E2B answers {}: {}{}", what, status, words, advice(status)),
                   .retryable = status == 429 || status == 408 || status == 409 || status >= 500};
  const std::optional<Duration> told = retry_after ? parse_retry_after(*retry_after, now) : std::nullopt;
  if (status == 429) {
    // At the cap on concurrent sandboxes waiting helps nobody; it is not about how fast we ask.
    const bool cap = !told && said.json && said.message.find("concurrent") != std::string::npos;
    if (!cap) refusal.retry_after = told.value_or(Duration{0});
  }
  if (status == 503) {
    if (said.slug == "sandbox_no_compatible_node") {
      refusal.error.retryable = false;
    } else {
      refusal.retry_after = told.value_or(Duration{0});
    }
  }
  // The node tried and failed, or the request never came as far as one: else something may have been made.
  const bool tried = said.slug == "sandbox_create_failed" || said.slug == "sandbox_no_compatible_node";
  refusal.unknown = (status >= 500 && status != 503 && status != 501 && !tried) || status == 408 || status < 400;
  return refusal;
}

}  // namespace swarm::e2b
