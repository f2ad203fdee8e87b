#include "daemon/steward/steward.hpp"

#include <cmath>

namespace swarm::steward {
namespace {

costs::Moment moment_of(const sandbox::Instant& instant) { return {.wall = instant.wall, .mono = instant.mono}; }

/// 5 a second is 5/s; 0.5 a second is one in 2 s.
Rate rate_of(double a_second) {
  const auto whole = static_cast<std::uint64_t>(std::llround(a_second));
  if (whole >= 1 && std::abs(a_second - static_cast<double>(whole)) < 1e-9) return {whole, std::chrono::seconds(1)};
  return {1, Duration(std::llround(1e9 / a_second))};
}

}  // namespace

std::string create_key(const std::string& provider) { return "provider/" + provider + "/create"; }
std::string api_key(const std::string& provider) { return "provider/" + provider + "/api"; }

std::vector<limits::Rule> plan_rules(const std::vector<providers::Provider*>& providers) {
  std::vector<limits::Rule> rules;
  for (const providers::Provider* provider : providers) {
    const auto most = provider->capabilities().creates_a_second;
    if (!most || !(*most > 0)) continue;
    // Across a network some arrive up to 200 ms later than they were sent, and a busy machine adds to that; the far end
    // counts when they arrive. Quick answers end it early, so that it is generous.
    rules.push_back({.pattern = create_key(provider->name()),
                     .spec = {.rate = rate_of(*most), .guard = std::chrono::milliseconds(250)},
                     .counted = true,
                     .from = "plan"});
  }
  return rules;
}

Result<void> AccountSteward::admit(const std::string& swarm) const { return costs_.budgets().admit(swarm, ""); }

Result<void> AccountSteward::admit_again(const std::string& swarm) const {
  return costs_.budgets().admit(swarm, "", costs::Level::pause);
}

async::Task<Result<sandbox::Leave>> AccountSteward::leave_to_create(sandbox::Turn turn) {
  const Result<limits::Permit> permit = co_await limiters_.acquire(
      create_key(turn.provider), {.priority = turn.refill ? limits::Priority::background : limits::Priority::normal,
                                  .swarm = turn.swarm,
                                  .deadline = turn.deadline});
  if (!permit) co_return fail(permit.error());
  co_return sandbox::Leave([permit = *permit](const providers::CreateOutcome& made) {
    if (made.kind == providers::CreateOutcome::Kind::unknown) return;  // nothing was said about the rate
    if (!made.retry_after) {
      permit.succeeded();
    } else {
      permit.throttled(*made.retry_after > Duration{0} ? made.retry_after : std::nullopt);
    }
  });
}

void AccountSteward::set_label(std::string label) {
  const std::lock_guard lock(mutex_);
  label_ = std::move(label);
}

Result<std::vector<std::string>> AccountSteward::open(store::Database& db) const { return costs::open_sandboxes(db); }

Result<void> AccountSteward::stepped(store::Changes& changes, const sandbox::Step& step) {
  const api::SandboxInfo& info = step.record.info;
  std::string wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted = label_;
  }
  const auto label = info.labels.find(wanted);
  const api::SandboxLimits& limits = step.record.hidden.limits;
  costs::Transition told{
      .sandbox = info.id,
      .to = info.state,
      .at = moment_of(step.at),
      .swarm = info.swarm.value_or(""),
      .label = label == info.labels.end() ? std::string() : label->second,
      .provider = info.provider,
      .template_name = info.template_name,
      .cpus = limits.cpus.value_or(0),
      .memory_bytes = limits.memory_bytes.value_or(0),
      .provider_started = step.provider_started,
      .provider_ended = step.when.ended,
      .found = step.when.found,
      .perhaps = step.when.perhaps,
      .late = step.late,
      .bills_paused = step.bills_paused,
      .existed = step.existed,
  };
  if (step.when.not_before) told.not_before = moment_of(*step.when.not_before);
  return costs_.meter().on_transition(changes, told);
}

}  // namespace swarm::steward
