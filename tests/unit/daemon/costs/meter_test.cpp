#include "daemon/costs/meter.hpp"

#include <rapidcheck/catch.h>

#include "fixture.hpp"

using namespace swarm;
using namespace swarm::costs;
using namespace swarm::costs::tests;
using namespace std::chrono_literals;
using State = api::SandboxState;

namespace {

const std::string kBox = "saaaaaaaaaaaaaaaaaaaa";

/// A sandbox that was asked for and is there, both now.
void begin(Ledger& ledger, const std::string& sandbox = kBox) {
  ledger.go(sandbox, State::creating);
  ledger.go(sandbox, State::starting);
  ledger.go(sandbox, State::ready);
  ledger.go(sandbox, State::claimed);
}

void end(Ledger& ledger, const std::string& sandbox = kBox) {
  ledger.go(sandbox, State::stopping);
  ledger.go(sandbox, State::gone);
}

Quantities of(Duration time, int cpus = 2, int mib = 4096) {
  const Int128 ns = time.count();
  return {.ns = ns, .mcpu_ns = ns * cpus * 1000, .mib_ns = ns * mib};
}

}  // namespace

TEST_CASE("a run of 37 s costs 37 s, also when the daemon was restarted and the wall clock jumped") {
  Ledger ledger;
  begin(ledger);
  ledger.clock.advance(11s);
  ledger.restart();
  ledger.clock.jump_wall(-3h);
  ledger.clock.advance(26s);
  CHECK(ledger.sum({}, true).total.amount.usd() == "0.001702");  // still running: the same
  end(ledger);
  const Summary sum = ledger.sum();
  CHECK(sum.total.quantities == of(37s));
  CHECK(sum.total.amount.usd() == "0.001702");  // 37 * (2 * 0.000014 + 4 * 0.0000045)
  CHECK(sum.total.bound_ns == 0);
  CHECK(ledger.sum({}, true).open.entries == 0);
  end(ledger);  // told twice
  CHECK(ledger.sum().total == sum.total);
}

TEST_CASE("paused time is free where the provider says so, and costs where it does not") {
  Ledger ledger;
  SECTION("free") {
    begin(ledger);
    ledger.clock.advance(10s);
    ledger.go(kBox, State::paused);
    ledger.clock.advance(1h);
    ledger.restart();
    ledger.go(kBox, State::claimed);
    ledger.clock.advance(5s);
    ledger.go(kBox, State::paused);
    ledger.clock.advance(1h);
    end(ledger);
    CHECK(ledger.sum().total.quantities == of(15s));
  }
  SECTION("billed") {
    std::vector<PriceTable> tables = list_prices();
    for (PriceTable& table : tables) table.bills_paused = true;
    ledger.prices(tables);
    begin(ledger);
    ledger.clock.advance(10s);
    ledger.go(kBox, State::paused);
    ledger.clock.advance(1h);
    end(ledger);
    CHECK(ledger.sum().total.quantities == of(1h + 10s));
  }
}

TEST_CASE("what was never made costs nothing; what may have been is an estimate") {
  Ledger ledger;
  ledger.go(kBox, State::creating);
  ledger.clock.advance(2s);
  SECTION("refused") { ledger.go(kBox, State::failed); }
  SECTION("ended while it was made, and it turned out that it never was") {
    ledger.go(kBox, State::stopping);
    Transition gone = ledger.step(kBox, State::gone);
    gone.existed = false;
    ledger.go(gone);
  }
  SECTION("ended while it was made, and it was") {
    ledger.go(kBox, State::stopping);
    ledger.clock.advance(1s);
    ledger.go(kBox, State::gone);
    CHECK(ledger.sum().total.quantities == of(3s));
    CHECK(ledger.sum().total.bound_ns == Duration(3s).count());
    return;
  }
  CHECK(ledger.entries().empty());
}

TEST_CASE("the time between question and answer is the bound of the error") {
  Ledger ledger;
  ledger.go(kBox, State::creating);
  ledger.clock.advance(2s);
  ledger.go(kBox, State::unknown);
  ledger.clock.advance(30s);
  ledger.go(kBox, State::starting);
  ledger.clock.advance(10s);
  end(ledger);
  CHECK(ledger.sum().total.quantities == of(42s));
  CHECK(ledger.sum().total.bound_ns == Duration(32s).count());
}

TEST_CASE("where the provider tells both ends, they count, whatever its clock says and however it was cut") {
  Ledger ledger;
  const WallTime theirs{ledger.clock.wall().us + 90'000'000};  // 90 s ahead of ours
  ledger.go(kBox, State::creating);
  ledger.clock.advance(2s);
  Transition made = ledger.step(kBox, State::starting);
  made.provider_started = WallTime{theirs.us + 700'000};
  ledger.go(made);
  ledger.clock.advance(20s);
  ledger.join(kBox, {.swarm = "swm_a", .agent = "agent-0"});
  ledger.clock.advance(3h);
  Transition gone = ledger.step(kBox, State::gone);
  gone.provider_ended = WallTime{theirs.us + 10'000'700'000};
  gone.found = true;
  ledger.go(gone);
  CHECK(ledger.sum().total.quantities == of(10'000s));
}

TEST_CASE("an end that nobody saw is put in the middle of what is possible, and marked") {
  Ledger ledger;
  begin(ledger);
  ledger.clock.advance(100s);
  ledger.alive();
  ledger.clock.advance(60s);
  SECTION("the daemon was away") {
    ledger.restart();
    Transition gone = ledger.step(kBox, State::gone);
    gone.found = true;
    ledger.go(gone);
    CHECK(ledger.sum().total.quantities == of(130s));
    CHECK(ledger.sum().total.bound_ns == Duration(30s).count());
  }
  SECTION("the machine was away, and its boot clock began anew") {
    ledger.restart("boot-2");
    Transition gone = ledger.step(kBox, State::gone);
    gone.found = true;
    ledger.go(gone);
    CHECK(ledger.sum().total.quantities == of(130s));
    CHECK(ledger.sum().total.bound_ns == Duration(30s).count());
  }
  SECTION("the machine was away, and the sandbox elsewhere lives on") {
    ledger.restart("boot-2");
    ledger.settle();
    ledger.clock.advance(5s);
    end(ledger);
    CHECK(ledger.sum().total.quantities == of(165s));
    CHECK(ledger.sum().total.bound_ns == Duration(60s).count());
  }
}

TEST_CASE("a price that changes while a sandbox runs holds from its time on") {
  Ledger ledger;
  std::vector<PriceTable> tables = list_prices();
  tables.push_back({.name = "e2b-new",
                    .applies_to = "e2b/*",
                    .valid_from_us = ledger.clock.wall().us + 10'000'000,
                    .prices = {.sandbox_hour = 3600}});  // a nano-USD a second
  ledger.prices(tables);
  begin(ledger);
  ledger.clock.advance(25s);
  end(ledger);
  const std::vector<Entry> entries = ledger.entries();
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].ns == Duration(10s).count());
  CHECK(entries[1].ns == Duration(15s).count());
  CHECK(ledger.sum().total.amount.nano() == 10 * 46'000 + 15);
  // The tables are kept for the entries that were made with them.
  ledger.prices(list_prices());
  CHECK(ledger.sum().total.amount.nano() == 10 * 46'000 + 15);
  CHECK(must(summarize_by_scan(ledger.db, {}, {})).total == ledger.sum().total);
}

TEST_CASE("what has no price is told once, kept until it has one, and named with the sums of that time") {
  Ledger ledger;
  const std::int64_t begun = ledger.clock.wall().us;
  ledger.go(ledger.step("s1", api::SandboxState::creating, "elsewhere"));
  ledger.go(ledger.step("s1", api::SandboxState::starting, "elsewhere"));
  ledger.go(ledger.step("s1", api::SandboxState::claimed, "elsewhere"));
  ledger.use({.source = "1", .at = ledger.clock.wall(), .owner = {.provider = "openai", .item = "gpt"}, .input = 5});
  ledger.use({.kind = Kind::call, .source = "2", .at = ledger.clock.wall(), .owner = {.provider = "mcp", .item = "x"}});
  begin(ledger);  // this one has
  const auto told = [&] {
    return std::ranges::count_if(ledger.events, [](const auto& event) { return event.type == "cost.unpriced"; });
  };
  CHECK(told() == 2);
  std::vector<Unpriced> now = must(unpriced(ledger.db, {}, {}));
  REQUIRE(now.size() == 2);
  CHECK(now[0].item == "elsewhere/node");
  CHECK(now[1].item == "model/gpt");
  ledger.clock.advance(1h);
  std::vector<PriceTable> tables = list_prices();
  tables.push_back({.name = "elsewhere", .applies_to = "elsewhere/*", .prices = {.sandbox_hour = 3600}});
  ledger.prices(tables);
  const std::int64_t priced = ledger.clock.wall().us;
  CHECK(must(unpriced(ledger.db, priced, {})).size() == 1);
  CHECK(must(unpriced(ledger.db, begun, {})).size() == 2);
  CHECK(must(unpriced(ledger.db, {}, begun)).empty());
  // The price is taken away again, and the sandbox runs on.
  ledger.clock.advance(1h);
  ledger.prices(list_prices());
  now = must(unpriced(ledger.db, ledger.clock.wall().us, {}));
  REQUIRE(now.size() == 2);
  CHECK(now[1].item == "elsewhere/node");
  CHECK(now[1].since_us == ledger.clock.wall().us);
  CHECK(told() == 3);
}

TEST_CASE("agents that share a sandbox bear equal parts of the time they were there") {
  Ledger ledger;
  begin(ledger);
  ledger.clock.advance(10s);
  for (int i = 0; i < 3; ++i) {
    ledger.join(kBox, {.swarm = "swm_a", .agent = "agent-" + std::to_string(i), .role = i == 0 ? "lead" : "coder"});
  }
  ledger.clock.advance(10s + 1ns);
  ledger.leave(kBox, "agent-1");
  ledger.leave(kBox, "agent-1");
  ledger.clock.advance(10s);
  end(ledger);
  const Summary sum = ledger.sum({.by = GroupBy::agent});
  std::map<std::string, Int128> ns;
  for (const Line& line : sum.lines) ns[line.key] = line.sums.quantities.ns;
  CHECK(ns.at("") == Duration(10s).count());
  CHECK(ns.at("agent-0") + ns.at("agent-1") + ns.at("agent-2") == Duration(20s + 1ns).count());
  CHECK(ns.at("agent-1") >= 3'333'333'333);
  CHECK(ns.at("agent-1") <= 3'333'333'334);
  CHECK(sum.total.quantities == of(30s + 1ns));
  CHECK(ledger.sum({.by = GroupBy::role}).lines.size() == 3);
}

TEST_CASE("a sandbox that is claimed from the pool costs its swarm from then on") {
  Ledger ledger;
  Transition made = ledger.step(kBox, State::starting);
  made.swarm = "";
  ledger.go(made);
  ledger.clock.advance(5s);
  ledger.go(kBox, State::claimed);
  ledger.clock.advance(7s);
  end(ledger);
  std::map<std::string, Int128> ns;
  for (const Line& line : ledger.sum({.by = GroupBy::swarm}).lines) ns[line.swarm] = line.sums.quantities.ns;
  CHECK(ns == std::map<std::string, Int128>{{"", Duration(5s).count()}, {"swm_a", Duration(7s).count()}});
}

TEST_CASE("tokens and calls are booked once, with the price of their time") {
  Ledger ledger;
  std::vector<PriceTable> tables = list_prices();
  tables.push_back({.name = "sonnet",
                    .applies_to = "model/claude-sonnet*",
                    .prices = {.input_million = 3'000'000'000,
                               .output_million = 15'000'000'000,
                               .cache_read_million = 300'000'000,
                               .cache_write_million = 3'750'000'000}});
  tables.push_back({.name = "github", .applies_to = "mcp/github", .prices = {.call_million = 1'000'000'000}});
  ledger.prices(tables);
  const Usage usage{.kind = Kind::model,
                    .source = "req_1",
                    .at = ledger.clock.wall(),
                    .owner = {.swarm = "swm_a", .agent = "agent-0", .provider = "anthropic", .item = "claude-sonnet-4"},
                    .input = 1000,
                    .output = 100,
                    .cache_read = 10'000,
                    .cache_write = 1};
  ledger.use(usage);
  ledger.use(usage);
  ledger.use({.kind = Kind::call,
              .source = "req_2",
              .at = ledger.clock.wall(),
              .owner = {.swarm = "swm_a", .provider = "mcp", .item = "github"},
              .calls = 3});
  const Summary sum = ledger.sum({.by = GroupBy::provider});
  REQUIRE(sum.lines.size() == 2);
  CHECK(sum.lines[0].sums.amount.nano() == 3'000'000 + 1'500'000 + 3'000'000 + 3750);
  CHECK(sum.lines[1].sums.amount.nano() == 3000);
  store::Changes changes(ledger.db, ledger.self, ledger.clock.wall(), ledger.events);
  CHECK_FALSE(ledger.meter->record(changes, {.input = -1}));
}

TEST_CASE("times of prices") {
  CHECK(parse_utc("1970-01-02").value() == kDayUs);
  CHECK(format_utc(parse_utc("2026-07-01T12:30:15Z").value()) == "2026-07-01T12:30:15Z");
  for (const char* bad : {"", "2026", "2026-02-30", "2026-07-01 12:00", "2026-13-01"}) CHECK_FALSE(parse_utc(bad));
}

namespace {

enum class Op { wait, create, pause, resume, join, leave, end, restart, jump, settle, watch };

struct Step {
  Op op;
  int box;
  int amount;
};

/// An account kept apart from the ledger: running nanoseconds of each sandbox, and who was there.
struct Account {
  struct Box {
    bool there = false;
    bool runs = false;
    std::set<int> agents;
    Int128 ns = 0;
  };
  std::array<Box, 3> boxes;
  std::map<int, Int128> three_agents_parts;
};

std::string box_name(int box) { return "s" + std::string(20, static_cast<char>('a' + box)); }

void play(Ledger& ledger, const std::vector<Step>& steps, Account& account) {
  for (const Step& s : steps) {
    const std::string name = box_name(s.box);
    Account::Box& box = account.boxes.at(static_cast<std::size_t>(s.box));
    switch (s.op) {
      case Op::wait: {
        const Duration::rep root = s.amount % 100'000;
        const Duration d{root * root * 977};  // up to 2.7 h, most of them shorter
        for (Account::Box& each : account.boxes) {
          if (each.runs) each.ns += d.count();
        }
        ledger.clock.advance(d);
        break;
      }
      case Op::create:
        if (!box.there) begin(ledger, name);
        box.runs = box.runs || !box.there;
        box.there = true;
        break;
      case Op::pause:
        if (box.runs) ledger.go(name, State::paused);
        box.runs = false;
        break;
      case Op::resume:
        if (box.there && !box.runs) ledger.go(name, State::claimed);
        box.runs = box.there;
        break;
      case Op::join:
        if (box.there) ledger.join(name, {.swarm = "swm_a", .agent = "agent-" + std::to_string(s.amount % 5)});
        break;
      case Op::leave:
        ledger.leave(name, "agent-" + std::to_string(s.amount % 5));
        break;
      case Op::end:
        if (box.there) end(ledger, name);
        box.there = box.runs = false;
        break;
      case Op::restart:
        ledger.restart();
        break;
      case Op::jump:
        ledger.clock.jump_wall(std::chrono::seconds(s.amount - 1'500'000));
        break;
      case Op::settle:
        ledger.settle();
        break;
      case Op::watch:
        ledger.alive();
        break;
    }
  }
}

std::vector<Step> any_steps() {
  return *rc::gen::container<std::vector<Step>>(
      rc::gen::construct<Step>(rc::gen::elementOf(std::vector{Op::wait, Op::wait, Op::wait, Op::create, Op::create,
                                                              Op::pause, Op::resume, Op::join, Op::join, Op::leave,
                                                              Op::end, Op::restart, Op::jump, Op::settle, Op::watch}),
                               rc::gen::inRange(0, 3), rc::gen::inRange(0, 3'000'000)));
}

}  // namespace

TEST_CASE("the ledger is an independent account, to the nanosecond, and parts are the whole") {
  rc::prop("through pauses, joins, restarts and jumps of the wall clock", [] {
    Ledger ledger;
    Account account;
    play(ledger, any_steps(), account);
    const Summary running = ledger.sum({}, true);
    for (int box = 0; box < 3; ++box) {
      if (account.boxes.at(static_cast<std::size_t>(box)).there) end(ledger, box_name(box));
    }
    std::map<std::string, Quantities> by_box;
    Quantities all;
    for (const Entry& entry : ledger.entries()) {
      by_box[entry.owner.sandbox] += entry.quantities();
      all += entry.quantities();
    }
    Quantities expected;
    for (int box = 0; box < 3; ++box) {
      const Quantities whole =
          of(Duration(static_cast<Duration::rep>(account.boxes.at(static_cast<std::size_t>(box)).ns)));
      RC_ASSERT((by_box[box_name(box)] == whole));
      expected += whole;
    }
    const Amount amount = must(Amount::of(expected, list_prices()[1].prices));
    RC_ASSERT((all == expected));
    RC_ASSERT((ledger.sum().total.amount == amount));
    RC_ASSERT((running.total.amount == amount));  // what runs counts as if it ended now
    Amount parts;
    for (const Line& line : ledger.sum({.by = GroupBy::agent}).lines) parts += line.sums.amount;
    RC_ASSERT((parts == amount));
    RC_ASSERT((ledger.sum().total.bound_ns == 0));
  });
}

TEST_CASE("rollups are what a full scan gives, over any time and grouping") {
  rc::prop("also where the window cuts entries", [] {
    Ledger ledger;
    Account account;
    play(ledger, any_steps(), account);
    const std::vector<Entry> open = must(ledger.meter->accrued(ledger.db, ledger.now()));
    const auto some_time = [&]() -> std::optional<std::int64_t> {
      if (*rc::gen::inRange(0, 3) == 0) return std::nullopt;
      const std::int64_t unit = *rc::gen::element<std::int64_t>(1, kHourUs, kDayUs);
      // Near what is booked as well as far from it, so that windows begin and end where entries do.
      const auto back = *rc::gen::element<std::int64_t>(3 * kDayUs, 6 * kHourUs, 6 * kHourUs);
      const std::int64_t at = ledger.clock.wall().us + *rc::gen::inRange<std::int64_t>(-back, kHourUs);
      return bucket_of(at, unit) * unit;
    };
    for (int i = 0; i < 5; ++i) {
      Query query{
          .by = static_cast<GroupBy>(*rc::gen::inRange(0, 9)), .since_us = some_time(), .until_us = some_time()};
      if (*rc::gen::inRange(0, 3) == 0) query.swarm = "swm_a";
      const Summary quick = must(summarize(ledger.db, query, open));
      const Summary slow = must(summarize_by_scan(ledger.db, query, open));
      RC_ASSERT((quick.total.quantities == slow.total.quantities));
      RC_ASSERT((quick.total.amount == slow.total.amount));
      RC_ASSERT(quick.lines.size() == slow.lines.size());
      for (std::size_t k = 0; k < quick.lines.size(); ++k) {
        RC_ASSERT(quick.lines[k].key == slow.lines[k].key);
        RC_ASSERT((quick.lines[k].sums == slow.lines[k].sums));
      }
    }
  });
}

TEST_CASE("sums do not depend on the order in which intervals are closed") {
  rc::prop("any order of the same entries", [] {
    const auto lengths = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 2'000'000'000));
    std::vector<Sums> sums;
    for (int turn = 0; turn < 2; ++turn) {
      Ledger ledger;
      std::vector<Entry> entries;
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        entries.push_back({.start_us = static_cast<std::int64_t>(i) * 7'000'000'000,
                           .span_ns = lengths[i],
                           .ns = lengths[i],
                           .mcpu = static_cast<std::uint32_t>(lengths[i] % 4001),
                           .mib = static_cast<std::uint32_t>(lengths[i] % 8191),
                           .price = 2,
                           .owner = {.swarm = "swm_a"}});
      }
      if (turn == 1) std::ranges::reverse(entries);
      const std::size_t half = turn == 0 ? 0 : entries.size() / 2;  // in one transaction, or in two
      must(book(ledger.db, std::span(entries).first(half)));
      must(book(ledger.db, std::span(entries).subspan(half)));
      sums.push_back(ledger.sum().total);
    }
    RC_ASSERT((sums[0] == sums[1]));
  });
}

TEST_CASE("what is asked of a provider and never answered is in doubt from then on, and no longer") {
  Ledger ledger;
  begin(ledger);
  ledger.clock.advance(10s);
  const auto ask = [&](State to) {
    Transition asked = ledger.step(kBox, to);
    asked.perhaps = true;
    asked.not_before = ledger.now();
    ledger.go(asked);
  };
  ask(State::paused);
  ledger.restart();
  ledger.clock.advance(4s);
  SECTION("it stood still from some time on") {
    ledger.go(kBox, State::paused);
    ledger.clock.advance(1h);
    end(ledger);
    CHECK(ledger.sum().total.quantities == of(12s));
    CHECK(ledger.sum().total.bound_ns == Duration(2s).count());
  }
  SECTION("it did not") {
    ledger.go(kBox, State::claimed);
    ledger.clock.advance(4s);
    end(ledger);
    CHECK(ledger.sum().total.quantities == of(18s));
    CHECK(ledger.sum().total.bound_ns == 0);
  }
  SECTION("nobody ever learns") {
    ask(State::claimed);
    Transition gone = ledger.step(kBox, State::gone);
    gone.provider_ended = ledger.clock.wall();
    ledger.go(gone);
    CHECK(ledger.sum().total.quantities == of(12s));
    CHECK(ledger.sum().total.bound_ns == Duration(2s).count());
  }
  SECTION("it stood still, and a resume was not answered either") {
    ledger.go(kBox, State::paused);
    ledger.clock.advance(1h);
    ask(State::claimed);
    ledger.clock.advance(6s);
    CHECK(ledger.sum({}, true).total.quantities == of(15s));
    end(ledger);
    CHECK(ledger.sum().total.quantities == of(15s));
    CHECK(ledger.sum().total.bound_ns == Duration(5s).count());
  }
}

TEST_CASE("one that is found running though it was paused may have run since it was last known to stand still") {
  Ledger ledger;
  begin(ledger);
  ledger.clock.advance(10s);
  ledger.go(kBox, State::paused);
  const auto find = [&] {
    Transition found = ledger.step(kBox, State::claimed);
    found.perhaps = true;
    found.found = true;
    found.late = 20s;
    ledger.go(found);
    ledger.go(kBox, State::paused);
  };
  Duration most{0};
  SECTION("an earlier run watched it for long") {
    ledger.clock.advance(100s);
    ledger.alive();
    ledger.restart();
    ledger.clock.advance(50s);
    find();
    most = 70s;
  }
  SECTION("and not for long") {
    ledger.clock.advance(4s);
    ledger.alive();
    ledger.restart();
    ledger.clock.advance(50s);
    find();
    most = 54s;
  }
  SECTION("the machine was restarted, too") {
    ledger.clock.advance(100s);
    ledger.alive();
    ledger.restart("boot-2");
    ledger.clock.advance(50s);
    find();
    most = 70s;
  }
  SECTION("nobody ever watched") {
    ledger.restart();
    ledger.clock.advance(50s);
    find();
    most = 50s;
  }
  SECTION("this run did") {
    ledger.clock.advance(40s);
    const Moment stood = ledger.now();
    ledger.clock.advance(6s);
    Transition found = ledger.step(kBox, State::claimed);
    found.at = stood;
    found.perhaps = true;
    ledger.go(found);
    ledger.go(kBox, State::paused);
    most = 6s;
  }
  ledger.clock.advance(1h);
  end(ledger);
  CHECK(ledger.sum().total.quantities == of(10s + most / 2));
  CHECK(ledger.sum().total.bound_ns == (most / 2).count());
}

TEST_CASE("one that is not listed any more is booked when it is certain what became of it, and never too much") {
  Ledger ledger;
  ledger.go(kBox, State::creating);
  ledger.clock.advance(3s);
  Transition made = ledger.step(kBox, State::starting);
  made.provider_started = WallTime{ledger.clock.wall().us - 1'000'000};  // a second ago
  ledger.go(made);
  ledger.clock.advance(10s);
  const Moment seen = ledger.now();
  ledger.clock.advance(20s);
  Transition lost = ledger.step(kBox, State::lost);
  lost.perhaps = true;
  lost.not_before = seen;
  ledger.go(lost);
  CHECK(ledger.sum().total.quantities == of(10s));  // it began 11 s before, or 13 s
  CHECK(ledger.sum().total.bound_ns == 0);
  ledger.clock.advance(5s);
  Transition gone = ledger.step(kBox, State::gone);
  SECTION("the provider tells") {
    gone.provider_ended = WallTime{made.provider_started->us + 12'345'678};
    ledger.go(gone);
    CHECK(ledger.sum().total.quantities == of(12'345'678us));
    CHECK(ledger.sum().total.bound_ns == 0);
  }
  SECTION("what was booked too much is taken back") {
    gone.provider_ended = WallTime{made.provider_started->us + 9'000'000};
    ledger.go(gone);
    CHECK(ledger.sum().total.quantities == of(9s));
    CHECK(must(summarize_by_scan(ledger.db, {}, {})).total == ledger.sum().total);
  }
  SECTION("the provider does not") {
    gone.found = true;
    ledger.go(gone);
    CHECK(ledger.sum().total.quantities == of(10s + 14s));
    CHECK(ledger.sum().total.bound_ns == Duration(14s).count());
  }
}
