#include "daemon/providers/e2b/refusal.hpp"

#include <catch2/catch.hpp>

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{1'787'220'005'000'000};  // 2026-08-20T10:00:05Z

Refusal refusal(int status, std::string_view body, std::optional<std::string_view> retry_after = {}) {
  return refusal_of(status, body, retry_after, "POST https://api/sandboxes", kNow);
}

TEST_CASE("each status has its code", "[e2b]") {
  const std::pair<int, Code> table[] = {
      {400, Code::invalid_argument},    {401, Code::unauthenticated},    {403, Code::permission_denied},
      {404, Code::not_found},           {405, Code::unimplemented},      {408, Code::deadline_exceeded},
      {409, Code::failed_precondition}, {410, Code::unimplemented},      {413, Code::resource_exhausted},
      {418, Code::invalid_argument},    {429, Code::resource_exhausted}, {500, Code::internal},
      {502, Code::unavailable},         {503, Code::unavailable},        {504, Code::deadline_exceeded},
      {302, Code::unavailable}};
  for (const auto& [status, code] : table) {
    CAPTURE(status);
    CHECK(refusal(status, "").error.code == code);
  }
}

TEST_CASE("the service's own words are passed on, in one line", "[e2b]") {
  const Refusal said = refusal(400, R"({"code":400,"message":"Timeout cannot be\ngreater than 1 hours"})");
  CHECK(said.error.message == "POST https://api/sandboxes: E2B answers 400: Timeout cannot be greater than 1 hours");
  CHECK_FALSE(said.error.retryable);
  CHECK(refusal(502, "<html>bad</html>").error.message.find("16 bytes that are no JSON") != std::string::npos);
  CHECK(refusal(401, "").error.message.find("check the key") != std::string::npos);
  CHECK(refusal(500, R"({"message":")" + std::string(9000, 'x') + "\"}").error.message.size() < 700);
}

TEST_CASE("the three kinds of 429 are told apart", "[e2b]") {
  const Refusal rate = refusal(429, R"({"code":429,"message":"Rate limit exceeded"})", "7");
  CHECK(rate.retry_after == 7s);
  const Refusal cap = refusal(
      429, R"x({"code":429,"message":"you have reached the maximum number of concurrent E2B sandboxes (20)"})x");
  CHECK_FALSE(cap.retry_after);
  CHECK(cap.error.retryable);
  const Refusal edge = refusal(429, "<html>slow down</html>");
  CHECK(edge.retry_after == Duration{0});
}

TEST_CASE("only what may have made something is unknown", "[e2b]") {
  CHECK(refusal(504, R"({"code":504,"message":"x","error_code":"sandbox_placement_timeout"})").unknown);
  CHECK(refusal(502, "").unknown);
  CHECK(refusal(500, R"({"code":500,"message":"x"})").unknown);
  CHECK(refusal(302, "").unknown);
  CHECK_FALSE(refusal(500, R"({"code":500,"message":"x","error_code":"sandbox_create_failed"})").unknown);
  CHECK_FALSE(refusal(503, "").unknown);
  CHECK(refusal(503, R"({"error_code":"sandbox_capacity_unavailable"})", "3").retry_after == 3s);
  const Refusal none = refusal(503, R"({"error_code":"sandbox_no_compatible_node"})");
  CHECK_FALSE(none.error.retryable);
  CHECK_FALSE(none.retry_after);
  for (const int status : {400, 401, 403, 404, 409, 429}) CHECK_FALSE(refusal(status, "").unknown);
}

TEST_CASE("Retry-After is seconds or a date, within reason", "[e2b]") {
  CHECK(parse_retry_after("0", kNow) == Duration{0});
  CHECK(parse_retry_after("30", kNow) == 30s);
  CHECK(parse_retry_after("99999999999999", kNow) == 1h);
  CHECK(parse_retry_after("Thu, 20 Aug 2026 10:00:35 GMT", kNow) == 30s);
  CHECK(parse_retry_after("Thu, 20 Aug 2026 09:00:00 GMT", kNow) == 1s);  // its clock is behind ours
  CHECK_FALSE(parse_retry_after("soon", kNow));
  CHECK_FALSE(parse_retry_after("-1", kNow));
}

}  // namespace
}  // namespace swarm::e2b
