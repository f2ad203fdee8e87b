#include "protocol/api/limits.hpp"

#include <fmt/format.h>

#include "daemon/rpc/money.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::rpc {
namespace {

std::chrono::milliseconds to_ms(Duration d) { return std::chrono::ceil<std::chrono::milliseconds>(d); }

api::LimitInfo to_api(const limits::Status& from) {
  api::LimitInfo info{.key = from.key,
                      .rate = from.spec.rate ? std::optional(format_rate(*from.spec.rate)) : std::nullopt,
                      .burst = from.spec.burst,
                      .guard_ms = to_ms(from.spec.guard),
                      .queue = from.spec.queue,
                      .from = from.from,
                      .counted = from.counted,
                      .waiting = from.waiting,
                      .waiting_by_swarm = {},
                      .admitted = from.counters.admitted,
                      .waited = from.counters.waited,
                      .refused = from.counters.refused,
                      .expired = from.counters.expired,
                      .throttled = from.counters.throttled,
                      .speed_percent = from.thousandths / 10.0,
                      .blocked_ms = to_ms(from.blocked_for),
                      .next_ms = to_ms(from.next_in)};
  for (const auto& [swarm, count] : from.waiting_by_swarm) info.waiting_by_swarm[swarm] = count;
  return info;
}

async::Task<Result<api::LimitInfo>> set(limits::Limiters& limiters, api::LimitsSetRequest request) {
  limits::Spec spec = limiters.status(request.key).spec;
  if (request.rate && request.unlimited) {
    co_return fail(Code::invalid_argument, "either 'rate' or 'unlimited', not both");
  }
  if (request.unlimited) spec.rate.reset();
  if (request.rate) {
    const Result<Rate> rate = parse_rate(*request.rate);
    if (!rate) co_return fail(rate.error(), "'rate'");
    spec.rate = *rate;
  }
  if (request.burst) spec.burst = *request.burst;
  if (request.guard_ms) spec.guard = *request.guard_ms;
  if (request.queue) spec.queue = *request.queue;
  const Result<void> done = co_await limiters.set(request.key, std::move(spec));
  if (!done) co_return fail(done.error());
  co_return to_api(limiters.status(request.key));
}

async::Task<Result<api::LimitInfo>> reset(limits::Limiters& limiters, api::LimitsResetRequest request) {
  const Result<void> done = co_await limiters.reset(request.key);
  if (!done) co_return fail(done.error());
  co_return to_api(limiters.status(request.key));
}

}  // namespace

void add_limits_methods(wire::Router& router, limits::Limiters& limiters) {
  router.bind(api::kLimitsList,
              [&limiters](wire::CallContext&, api::LimitsListRequest request) -> Result<api::LimitsListReply> {
                api::LimitsListReply reply;
                for (const limits::Status& status : limiters.list(request.prefix)) {
                  reply.limits.push_back(to_api(status));
                }
                return reply;
              });
  router.bind(api::kLimitsSet, [&limiters](wire::CallContext&, api::LimitsSetRequest request) {
    return set(limiters, std::move(request));
  });
  router.bind(api::kLimitsReset, [&limiters](wire::CallContext&, api::LimitsResetRequest request) {
    return reset(limiters, std::move(request));
  });
}

store::NewEvent limit_event(const limits::Notice& notice) {
  const api::LimitEvent told{.key = notice.key,
                             .change = static_cast<api::LimitChange>(notice.kind),
                             .message = notice.message,
                             .pause_ms = notice.pause ? std::optional(to_ms(*notice.pause)) : std::nullopt};
  return {
      .type = std::string(api::kLimitsChanged.name), .swarm = notice.swarm, .data = wire::encode(api::encode(told))};
}

std::vector<limits::Rule> limit_rules(const config::Config& config, const std::vector<limits::Rule>& plans) {
  using limits::Rule;
  using namespace std::chrono_literals;
  std::vector<Rule> rules;
  for (const auto& [name, from] : config.rates) {
    rules.push_back({.pattern = from.key,
                     .spec = {.rate = from.rate, .burst = from.burst, .guard = from.guard, .queue = from.queue},
                     .counted = from.key.starts_with("provider/"),
                     .from = "configuration"});
  }
  // The longest pattern holds.
  std::ranges::sort(rules, [](const Rule& a, const Rule& b) {
    return std::tuple(b.pattern.size(), a.pattern) < std::tuple(a.pattern.size(), b.pattern);
  });
  rules.insert(rules.end(), plans.begin(), plans.end());
  const Rate local = config.local.create_rate;
  rules.push_back(
      {.pattern = "provider/local/create",
       .spec = {.rate = local, .burst = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(local.count, 1, 1000))},
       .from = "configuration"});
  // E2B's plans: 1 a second (Hobby) to 5 a second (Pro); the smaller one until the configuration says otherwise.
  rules.push_back({.pattern = "provider/e2b/create",
                   .spec = {.rate = Rate{1, 1s}, .guard = 200ms},
                   .counted = true,
                   .from = "built in"});
  // E2B allows 20,000 in 30 s and 40,000 in 60 s. A part is left for a daemon that was killed: it lists its sandboxes
  // before it does anything else, and would wait for the end of a span in which its predecessor may have asked for all.
  rules.push_back({.pattern = "provider/e2b/api",
                   .spec = {.rate = Rate{18'000, 30s}, .burst = 500, .guard = 1s, .reserve = 2'000},
                   .counted = true,
                   .from = "built in"});
  rules.push_back({.pattern = "provider/e2b/operations",
                   .spec = {.rate = Rate{36'000, 60s}, .burst = 500, .guard = 1s, .reserve = 4'000},
                   .counted = true,
                   .from = "built in"});
  // GitHub: 5,000 requests an hour, and a second between two that change something.
  rules.push_back({.pattern = "github/read/*",
                   .spec = {.rate = Rate{5'000, 1h}, .burst = 100},
                   .counted = true,
                   .from = "built in"});
  rules.push_back({.pattern = "github/write/*", .spec = {.rate = Rate{1, 1s}}, .counted = true, .from = "built in"});
  rules.push_back({.pattern = "mcp/*", .spec = {.rate = Rate{60, 1min}, .burst = 10}, .from = "built in"});
  rules.push_back({.pattern = "messages/*", .spec = {.rate = Rate{60, 1min}, .burst = 20}, .from = "built in"});
  return rules;
}

}  // namespace swarm::rpc
