#pragma once
// A ledger of its own for each test, and a machine whose clocks tests move.

#include <catch2/catch.hpp>

#include "daemon/costs/summary.hpp"
#include "protocol/store/core_schema.hpp"
#include "protocol/store/store.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::costs::tests {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline std::vector<PriceTable> list_prices() { return must(price_tables({})); }

struct Ledger {
  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  store::Identity identity{.program = "test 1"};
  store::Database db = open();
  store::StoreIdentity self{.store_id = "test", .epoch = 1};
  std::vector<store::Event> events;
  FakeClock clock;
  std::string boot = "boot-1";
  std::unique_ptr<Meter> meter = std::make_unique<Meter>(boot);

  Ledger() { prices(list_prices()); }

  store::Database open() {
    store::Database made = must(store::open_or_create(dir / "db", identity, {.access = store::Access::create}));
    const std::array domains = {store::kCoreDomain, kCostDomain};
    must(store::migrate(made, domains, identity));
    return made;
  }
  void prices(std::vector<PriceTable> tables) {
    store::Changes changes(db, self, clock.wall(), events);
    must(meter->set_prices(changes, std::move(tables)));
  }
  /// The daemon starts again, on the same machine or after the machine has.
  void restart(std::optional<std::string> new_boot = {}) {
    if (new_boot) boot = *new_boot;
    const auto before = meter->prices();
    meter = std::make_unique<Meter>(boot);
    prices(before->tables());
  }
  [[nodiscard]] Moment now() const { return {clock.wall(), clock.now()}; }

  Transition step(const std::string& sandbox, api::SandboxState to, const std::string& provider = "e2b") {
    return {.sandbox = sandbox,
            .to = to,
            .at = now(),
            .swarm = "swm_a",
            .label = "",
            .provider = provider,
            .template_name = "node",
            .cpus = 2,
            .memory_bytes = 4ULL << 30U};
  }
  void go(const Transition& transition) {
    store::Changes changes(db, self, clock.wall(), events);
    must(meter->on_transition(changes, transition));
  }
  void go(const std::string& sandbox, api::SandboxState to) { go(step(sandbox, to)); }
  void join(const std::string& sandbox, const Agent& agent) {
    store::Changes changes(db, self, clock.wall(), events);
    must(meter->agent_joined(changes, sandbox, agent, now()));
  }
  void leave(const std::string& sandbox, const std::string& agent) {
    store::Changes changes(db, self, clock.wall(), events);
    must(meter->agent_left(changes, sandbox, "swm_a", agent, now()));
  }
  void alive() {
    store::Changes changes(db, self, clock.wall(), events);
    must(meter->alive(changes, now()));
  }
  void settle() {
    store::Changes changes(db, self, clock.wall(), events);
    must(meter->settle(changes, now(), 1000));
  }
  void use(Usage usage) {
    store::Changes changes(db, self, clock.wall(), events);
    must(meter->record(changes, usage));
  }
  Summary sum(const Query& query = {}, bool with_open = false) {
    std::vector<Entry> open;
    if (with_open) open = must(meter->accrued(db, now()));
    return must(summarize(db, query, open));
  }
  std::vector<Entry> entries() {
    std::vector<Entry> all;
    must(scan(db, INT64_MIN / 2, INT64_MAX / 2, [&](std::int64_t, const Entry& entry) -> Result<bool> {
      all.push_back(entry);
      return true;
    }));
    return all;
  }
};

}  // namespace swarm::costs::tests
