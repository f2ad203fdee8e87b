#include "daemon/rpc/health.hpp"

#include <fmt/format.h>

namespace swarm::rpc {
namespace {

/// What the daemon can tell of itself, of its providers and of prices.
async::Task<Result<api::DaemonHealthReply>> health(Services& services, costs::Costs& costs) {
  api::DaemonHealthReply reply;
  const auto add = [&reply](std::string name, api::CheckStatus status, std::string summary, std::string fix = {}) {
    api::Check check{.name = std::move(name), .status = status, .summary = std::move(summary)};
    if (!fix.empty()) check.fix = std::move(fix);
    reply.status = std::max(reply.status, check.status);
    reply.checks.push_back(std::move(check));
  };
  const store::Health store = services.store.health();
  if (store.state == store::Health::State::ok) {
    add("store", api::CheckStatus::ok, "The store takes changes.");
  } else {
    add("store", api::CheckStatus::failed, "The store refuses changes: " + store.cause.message,
        store.state == store::Health::State::damaged ? "Stop the daemon and restore a copy of the database."
                                                     : "Make room on its disk; it tries again by itself.");
  }
  for (providers::Provider* provider : services.providers) {
    const std::vector<std::string> problems = co_await provider->problems();
    if (problems.empty()) add("provider." + provider->name(), api::CheckStatus::ok, "It can make sandboxes.");
    for (const std::string& problem : problems) add("provider." + provider->name(), api::CheckStatus::warning, problem);
    const std::vector<std::string> remarks = co_await provider->remarks();
    for (const std::string& remark : remarks) add("provider." + provider->name(), api::CheckStatus::ok, remark);
  }
  std::map<std::string, std::size_t> left_alone;
  for (const sandbox::Record* record : services.sandboxes.living()) {
    const bool here = std::ranges::any_of(services.providers,
                                          [&](const auto* each) { return each->name() == record->info.provider; });
    if (!here) ++left_alone[record->info.provider];
  }
  for (const auto& [name, count] : left_alone) {
    add("provider." + name, api::CheckStatus::warning,
        fmt::format("It is not configured any more, and {} of its sandboxes {} kept: {} may still run and cost.", count,
                    count == 1 ? "is" : "are", count == 1 ? "it" : "they"),
        "Configure it again: they are then looked after, or ended. 'swarmctl --provider " + name +
            " sandbox ls' lists them.");
  }
  const Result<std::vector<costs::Unpriced>> unpriced = co_await costs.unpriced_now();
  if (!unpriced) co_return fail(unpriced.error());
  for (const costs::Unpriced& each : *unpriced) {
    add("price." + each.item, api::CheckStatus::warning,
        fmt::format("No price applies to {}: since {} it is counted as free.", each.item,
                    costs::format_utc(each.since_us)),
        fmt::format("Write [price.NAME] with applies_to = \"{}\" in the configuration; sandbox_second = \"0\" says "
                    "that it is free.",
                    each.item));
  }
  co_return reply;
}

}  // namespace

void add_health_methods(wire::Router& router, Services& services, costs::Costs& costs) {
  router.bind(api::kDaemonHealth,
              [&services, &costs](wire::CallContext&, api::Empty) { return health(services, costs); });
  router.bind(api::kDaemonDoctor,
              [&services, &costs](wire::CallContext&, api::DaemonDoctorRequest) { return health(services, costs); });
}

}  // namespace swarm::rpc
