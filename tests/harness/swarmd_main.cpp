// The daemon for tests of crashes: the shipped one, with the provider `scripted` instead of its own ones, a store whose
// writes can fail, and a death at a chosen step.
//
//   SWARM_PROVIDER=SOCKET          where the provider program listens; "e2b": it is E2B instead, as configured, in a
//   hurry SWARM_PROVIDER_CAPACITY=N      how many it allows, as its plan says SWARM_RECONCILE_MS=N           how often
//   lists are compared, in place of each half second SWARM_STEPS=FILE               steps under way, see steps.hpp
//   SWARM_CRASH_AT=S:E:MOMENT:N    dies there, see CrashPlan
//   SWARM_STORE_FAULT=PLAN         see FaultVfs::plan_from_environment
//   swarmd-under-test steps        lists the pairs of state and event that move
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "daemon/providers/e2b/provider.hpp"
#include "daemon/serve.hpp"
#include "tests/fixtures/fault_vfs.hpp"
#include "tests/harness/remote_provider.hpp"
#include "tests/harness/steps.hpp"

namespace {

using namespace swarm;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

async::Task<Result<secrets::SecretString>> key_of(std::string key) { co_return secrets::SecretString(std::move(key)); }

/// E2B with a service next door: what takes it seconds takes this one less, and a test does not wait for more.
Parts::MakeProviders e2b_in_a_hurry(std::string key) {
  return [key = std::move(key)](async::Loop& loop, const config::Config& config,
                                const Places&) -> Result<std::vector<std::unique_ptr<providers::Provider>>> {
    Result<e2b::Settings> settings = e2b::settings_from(config, [key] { return key_of(key); });
    if (!settings) return fail(settings.error());
    settings->pace = {.lists_within = std::chrono::seconds(1),
                      .watch = std::chrono::milliseconds(250),
                      .watch_takes = std::chrono::seconds(5),
                      .lists_ended = std::chrono::seconds(5),
                      .patience = {.connect = std::chrono::seconds(5),
                                   .answer = std::chrono::seconds(2),
                                   .silence = std::chrono::seconds(2),
                                   .total = std::chrono::seconds(5)},
                      .first_pause = std::chrono::milliseconds(20)};
    std::vector<std::unique_ptr<providers::Provider>> all;
    all.push_back(std::make_unique<e2b::E2bProvider>(loop, std::move(*settings)));
    return all;
  };
}

Result<Parts> parts() {
  Parts made;
  providers::Capabilities can{.pause = true,
                              .listing = true,
                              .bills_paused = false,
                              .lists_within = std::chrono::milliseconds(400),
                              // By a call over a socket, from a process that has to be given the processor.
                              .notices_end_within = std::chrono::milliseconds(200)};
  if (const std::string most = variable("SWARM_PROVIDER_CAPACITY"); !most.empty()) {
    can.max_sandboxes = std::atoi(most.c_str());
  }
  const std::string socket = variable("SWARM_PROVIDER");
  const bool is_e2b = socket == "e2b";
  made.make_providers = [socket, can](async::Loop& loop, const config::Config&, const Places&) {
    std::vector<std::unique_ptr<providers::Provider>> all;
    all.push_back(std::make_unique<harness::RemoteProvider>(loop, socket, can));
    return Result<std::vector<std::unique_ptr<providers::Provider>>>(std::move(all));
  };
  if (is_e2b) made.make_providers = e2b_in_a_hurry(variable("E2B_API_KEY"));
  const std::string every = variable("SWARM_RECONCILE_MS");
  made.reconcile_every = std::chrono::milliseconds(every.empty() ? 500 : std::atoi(every.c_str()));
  made.adjust = [is_e2b](config::Config& config) { config.sandbox.provider = {is_e2b ? "e2b" : "scripted"}; };
  if (const std::string path = variable("SWARM_STEPS"); !path.empty()) {
    const std::string at = variable("SWARM_CRASH_AT");
    const Result<harness::CrashPlan> plan = at.empty() ? harness::CrashPlan{} : harness::CrashPlan::parse(at);
    if (!plan) return fail(plan.error());
    const Result<harness::Steps> steps = harness::Steps::map(path, *plan);
    if (!steps) return fail(steps.error());
    made.observer = [counted = *steps](sandbox::State from, sandbox::Event event, sandbox::StepMoment moment) mutable {
      counted.observe(from, event, moment);
    };
  }
  test::FaultVfs& faults = test::FaultVfs::instance();
  if (const Result<void> planned = faults.plan_from_environment("SWARM_STORE_FAULT"); !planned) {
    return fail(planned.error());
  }
  made.store_vfs = test::kFaultVfs;
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "steps") {
    fmt::print("{}", harness::list_of_steps());
    return 0;
  }
  Result<Parts> made = parts();
  if (!made) {
    fmt::print(stderr, "swarmd-under-test: {}\n", made.error().message);
    return 2;
  }
  const ParsedOptions parsed = parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  return serve(*parsed.options, std::move(*made));
}
