#include "daemon/providers/e2b/control.hpp"

#include <fmt/format.h>

#include <set>

#include "protocol/async/timer.hpp"
#include "protocol/http/url.hpp"

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;
using http_client::escape;

// No answer of the API is near this; a page holds at most 100 sandboxes.
constexpr std::size_t kAnswerMost = std::size_t{16} << 20U;
constexpr int kPageSize = 100;
// A list that goes on for ever is not believed.
constexpr int kPagesMost = 1000;
// A pause that a "retry after" asks for is waited out here up to this; beyond it the caller decides.
constexpr Duration kWaitMost = 10s;

std::string path_of(const std::string& id, std::string_view action = "") {
  return fmt::format("/sandboxes/{}{}", escape(id), action);
}

std::string seconds_body(std::string_view key, std::chrono::seconds value) {
  return fmt::format(R"({{"{}":{}}})", key, value.count());
}

}  // namespace

Control::Control(async::Loop& loop, http_client::Client& client, Random& random, ControlOptions options)
    : loop_(loop), client_(client), random_(random), options_(std::move(options)) {}

async::Task<Control::Outcome> Control::once(Call call) {
  const Result<secrets::SecretString> key = co_await options_.key();
  if (!key) co_return std::unexpected(Failure{.refusal = {.error = key.error()}, .connected = false});
  http_client::Trace trace;
  http_client::Request request{.method = call.method,
                               .url = options_.api_url + call.path,
                               .headers = {{"X-API-Key", std::string(key->reveal())}, {"Accept", "application/json"}},
                               .body = std::move(call.body),
                               .patience = options_.patience,
                               .trace = &trace};
  if (!request.body.empty()) request.headers.push_back({"Content-Type", "application/json"});
  auto response = co_await client_.send(std::move(request));
  if (!response) {
    co_return std::unexpected(
        Failure{.refusal = {.error = response.error(), .unknown = trace.connected}, .connected = trace.connected});
  }
  Result<std::string> body = co_await (*response)->read_all(kAnswerMost);
  const int status = (*response)->status();
  if (!body) {
    co_return std::unexpected(Failure{.refusal = {.error = body.error(), .unknown = true}, .status = status});
  }
  if (status >= 200 && status < 300) {
    co_return Answer{
        .status = status, .body = std::move(*body), .next = (*response)->header("X-Next-Token").value_or("")};
  }
  const std::optional<std::string> retry_after = (*response)->header("Retry-After");
  Refusal refusal = refusal_of(status, *body, retry_after, (*response)->describe(), loop_.clock().wall());
  if (refusal.retry_after) blocked_until_ = loop_.clock().now() + *refusal.retry_after;
  co_return std::unexpected(Failure{.refusal = std::move(refusal), .status = status});
}

async::Task<Control::Outcome> Control::call(Call call) {
  Duration pause = options_.first_pause;
  for (int left = options_.tries;; --left) {
    Outcome outcome = co_await once(call);
    if (outcome || left <= 1) co_return outcome;
    const Failure& failure = outcome.error();
    // A conflict is a state that the caller must read again.
    if (!failure.refusal.error.retryable || failure.status == 409) co_return outcome;
    const auto jitter = Duration(static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(pause.count()))));
    const Duration wait = std::max(pause + jitter, failure.refusal.retry_after.value_or(Duration{0}));
    if (wait > kWaitMost) co_return outcome;
    co_await async::sleep_for(loop_, wait);
    pause *= 2;
  }
}

async::Task<Result<void>> Control::order(Call call) {
  const Outcome outcome = co_await this->call(std::move(call));
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return {};
}

async::Task<CreateAnswer> Control::create(NewSandbox wanted) {
  const auto refused = [](Error error) {
    return CreateAnswer{.kind = CreateAnswer::Kind::refused, .error = std::move(error)};
  };
  for (;;) {
    Result<std::string> body = encode(wanted, route_);
    if (!body) co_return refused(body.error());
    const Route used = route_;
    const Outcome outcome = co_await once(
        {.method = "POST", .path = used == Route::v1 ? "/sandboxes" : "/v2/sandboxes", .body = std::move(*body)});
    if (outcome) {
      Result<Remote> made = decode_sandbox(outcome->body);
      if (made) co_return CreateAnswer{.kind = CreateAnswer::Kind::created, .sandbox = std::move(*made)};
      co_return CreateAnswer{.kind = CreateAnswer::Kind::unknown, .error = made.error().with_context("create")};
    }
    const Failure& failure = outcome.error();
    // The first version of the call is on its way out. A 404 that speaks of a template is about the template.
    const bool retired = failure.status == 405 || failure.status == 410 ||
                         (failure.status == 404 && failure.refusal.error.message.find("emplate") == std::string::npos);
    if (retired && used == Route::v1) {
      route_ = Route::v2;
      continue;
    }
    const bool unknown = failure.connected && failure.refusal.unknown;
    co_return CreateAnswer{.kind = unknown ? CreateAnswer::Kind::unknown : CreateAnswer::Kind::refused,
                           .error = failure.refusal.error,
                           .retry_after = failure.refusal.retry_after};
  }
}

async::Task<Result<Remote>> Control::get(std::string id) {
  const Outcome outcome = co_await call({.method = "GET", .path = path_of(id)});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_sandbox(outcome->body);
}

async::Task<Result<std::vector<Remote>>> Control::list(std::map<std::string, std::string> metadata) {
  std::vector<Remote> all;
  std::set<std::string> seen;
  std::string next;
  const std::string filter = metadata_filter(metadata);
  for (int page = 0; page < kPagesMost; ++page) {
    std::string path = fmt::format("/v2/sandboxes?limit={}&state=running%2Cpaused&metadata={}", kPageSize, filter);
    if (!next.empty()) path += "&nextToken=" + escape(next);
    const Outcome outcome = co_await call({.method = "GET", .path = std::move(path)});
    if (!outcome) co_return fail(outcome.error().refusal.error);
    Result<std::vector<Remote>> listed = decode_sandboxes(outcome->body);
    if (!listed) co_return fail(listed.error());
    for (Remote& each : *listed) {
      if (!seen.insert(each.id).second) continue;  // the list changed between two pages
      // A server that does not know the filter lists everything.
      const bool fits = std::ranges::all_of(metadata, [&each](const auto& wanted) {
        const auto found = each.metadata.find(wanted.first);
        return found != each.metadata.end() && found->second == wanted.second;
      });
      if (fits) all.push_back(std::move(each));
    }
    if (outcome->next.empty()) co_return all;
    if (outcome->next == next) co_return fail(Code::internal, "E2B's list names the same next page for ever");
    next = outcome->next;
  }
  co_return fail(Code::internal, fmt::format("E2B's list has more than {} pages", kPagesMost));
}

async::Task<Result<bool>> Control::kill(std::string id) {
  const Result<void> killed = co_await order({.method = "DELETE", .path = path_of(id)});
  if (killed) co_return true;
  if (killed.error().code == Code::not_found) co_return false;
  co_return fail(killed.error());
}

async::Task<Result<void>> Control::pause(std::string id) {
  // Not repeated: it takes seconds for each GiB and may outlast our patience. What came of it is read instead.
  const Outcome outcome = co_await once({.method = "POST", .path = path_of(id, "/pause"), .body = "{}"});
  if (outcome) co_return {};
  const Failure& failure = outcome.error();
  if (!failure.connected || (failure.status != 409 && !failure.refusal.unknown)) {
    co_return fail(failure.refusal.error);
  }
  const Result<Remote> now = co_await get(id);
  if (now && now->state == State::paused) co_return {};
  co_return fail(failure.refusal.error);
}

async::Task<Result<Remote>> Control::connect(std::string id, std::chrono::seconds timeout) {
  Call request{.method = "POST", .path = path_of(id, "/connect"), .body = seconds_body("timeout", timeout)};
  if (route_ == Route::v2) request.path = "/v2" + request.path;
  const Outcome outcome = co_await call(std::move(request));
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_sandbox(outcome->body);
}

async::Task<Result<void>> Control::set_timeout(std::string id, std::chrono::seconds timeout) {
  return order({.method = "POST", .path = path_of(id, "/timeout"), .body = seconds_body("timeout", timeout)});
}

async::Task<Result<void>> Control::refresh(std::string id, std::chrono::seconds duration) {
  const auto clamped = std::clamp<std::chrono::seconds>(duration, 0s, 3600s);
  return order({.method = "POST", .path = path_of(id, "/refreshes"), .body = seconds_body("duration", clamped)});
}

async::Task<Result<std::vector<Sample>>> Control::metrics(std::string id) {
  const Outcome outcome = co_await call({.method = "GET", .path = path_of(id, "/metrics")});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_metrics(outcome->body);
}

async::Task<Result<std::vector<LogLine>>> Control::logs(std::string id, std::int64_t cursor_ms, int limit) {
  const Outcome outcome =
      co_await call({.method = "GET",
                     .path = fmt::format("/v2{}?cursor={}&limit={}&direction=forward", path_of(id, "/logs"), cursor_ms,
                                         std::clamp(limit, 1, 1000))});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_logs(outcome->body);
}

async::Task<Result<std::vector<TemplateInfo>>> Control::templates() {
  std::vector<TemplateInfo> all;
  std::string next;
  for (int page = 0; page < kPagesMost; ++page) {
    const Outcome outcome = co_await call(
        {.method = "GET", .path = "/v2/templates?limit=100" + (next.empty() ? "" : "&nextToken=" + escape(next))});
    if (!outcome) co_return fail(outcome.error().refusal.error);
    Result<std::vector<TemplateInfo>> listed = decode_templates(outcome->body);
    if (!listed) co_return fail(listed.error());
    std::ranges::move(*listed, std::back_inserter(all));
    if (outcome->next.empty() || outcome->next == next) break;
    next = outcome->next;
  }
  co_return all;
}

async::Task<Result<void>> Control::check() {
  const Outcome outcome = co_await once({.method = "GET", .path = "/v2/sandboxes?limit=1"});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return {};
}

std::optional<Duration> Control::retry_after() const {
  if (!blocked_until_ || *blocked_until_ <= loop_.clock().now()) return std::nullopt;
  return *blocked_until_ - loop_.clock().now();
}

}  // namespace swarm::e2b
