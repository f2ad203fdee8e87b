#include "daemon/costs/meter.hpp"

#include <cmath>

namespace swarm::costs {
namespace {

using Int = std::int64_t;
using api::SandboxState;

/// Whether a sandbox costs.
enum class Phase : std::uint8_t {
  pending,  ///< asked for; the provider may or may not have it
  running,
  resting,  ///< paused where that is free
  over,     ///< it ended, as far as anybody knows; it is not gone for certain
};

constexpr store::Sql kLoad{"costs.open",
                           "SELECT sandbox, phase, swarm, label, provider, item, mcpu, mib, boot, since_ns, since_us,"
                           " bound_ns, told_us, booked_ns, gaps FROM cost_open WHERE sandbox = ?"};
constexpr store::Sql kLoadAll{"costs.all_open",
                              "SELECT sandbox, phase, swarm, label, provider, item, mcpu, mib, boot, since_ns,"
                              " since_us, bound_ns, told_us, booked_ns, gaps FROM cost_open WHERE phase = 1"};
constexpr store::Sql kSave{"costs.save_open",
                           "INSERT OR REPLACE INTO cost_open VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kDrop{"costs.drop_open", "DELETE FROM cost_open WHERE sandbox = ?"};
constexpr store::Sql kAgents{"costs.agents",
                             "SELECT swarm, agent, role, task FROM cost_agents WHERE sandbox = ? ORDER BY swarm, "
                             "agent"};
constexpr store::Sql kAllAgents{"costs.all_agents",
                                "SELECT sandbox, swarm, agent, role, task FROM cost_agents ORDER BY sandbox, swarm, "
                                "agent"};
constexpr store::Sql kJoin{"costs.join", "INSERT OR REPLACE INTO cost_agents VALUES (?, ?, ?, ?, ?)"};
constexpr store::Sql kLeave{"costs.leave", "DELETE FROM cost_agents WHERE sandbox = ? AND swarm = ? AND agent = ?"};
constexpr store::Sql kLeaveAll{"costs.leave_all", "DELETE FROM cost_agents WHERE sandbox = ?"};
constexpr store::Sql kAlone{"costs.alone",
                            "SELECT sandbox FROM cost_agents GROUP BY sandbox"
                            " HAVING COUNT(*) = 1 AND MIN(swarm) = ? AND MIN(agent) = ? ORDER BY sandbox"};
constexpr store::Sql kAlive{"costs.alive", "SELECT boot, ns, us FROM cost_alive"};
constexpr store::Sql kLong{"costs.long_open",
                           "SELECT sandbox FROM cost_open WHERE phase = 1 AND (boot <> ? OR since_ns < ?) LIMIT ?"};
constexpr store::Sql kSetAlive{"costs.set_alive", "INSERT OR REPLACE INTO cost_alive VALUES (1, ?, ?, ?)"};

Result<std::vector<Agent>> agents_of(store::Database& db, const std::string& sandbox) {
  const auto rows = db.all<std::string, std::string, std::string, std::string>(kAgents, sandbox);
  if (!rows) return fail(rows.error());
  std::vector<Agent> all;
  for (const auto& [swarm, agent, role, task] : *rows) all.push_back({swarm, agent, role, task});
  return all;
}

/// The share of the i-th of n in `whole`: all together they are the whole, and none differs by more than one.
constexpr Int share(Int whole, std::size_t i, std::size_t n) {
  const auto upto = [&](std::size_t k) {
    return static_cast<Int>(Int128{whole} * static_cast<Int>(k) / static_cast<Int>(n));
  };
  return upto(i + 1) - upto(i);
}

}  // namespace

/// A row of cost_open.
struct Meter::Open {
  std::string sandbox;
  Phase phase = Phase::pending;
  std::string swarm;
  std::string label;
  std::string provider;
  std::string item;
  std::uint32_t mcpu = 0;
  std::uint32_t mib = 0;
  std::string boot;
  Int since_ns = 0;            ///< where the open interval begins, on the clock of `boot`
  Int since_us = 0;            ///< and on the wall
  Int bound_ns = 0;            ///< how uncertain that is
  std::optional<Int> told_us;  ///< when the provider says that it all began
  Int booked_ns = 0;           ///< booked since it began
  bool gaps = false;           ///< it rested in between, so the provider's difference says nothing

  [[nodiscard]] std::string priced_as() const { return price_item(Kind::sandbox, provider, item); }
};

/// Where an interval ends.
struct Meter::End {
  Moment at;
  std::optional<Moment> not_before;
  bool found = false;
  std::optional<WallTime> told;
};

/// How long an interval was.
struct Meter::Extent {
  Int ns = 0;
  Int bound_ns = 0;
};

std::string price_item(Kind kind, const std::string& provider, const std::string& item) {
  return (kind == Kind::sandbox ? provider : kind == Kind::model ? std::string("model") : provider) + "/" + item;
}

Result<std::optional<Meter::Open>> Meter::load(store::Database& db, const std::string& sandbox) {
  const auto row = db.one<std::string, int, std::string, std::string, std::string, std::string, std::uint32_t,
                          std::uint32_t, std::string, Int, Int, Int, std::optional<Int>, Int, bool>(kLoad, sandbox);
  if (!row) return fail(row.error());
  if (!*row) return std::optional<Open>();
  const auto& [id, phase, swarm, label, provider, item, mcpu, mib, boot, ns, us, bound, told, booked, gaps] = **row;
  return std::optional<Open>(Open{id, static_cast<Phase>(phase), swarm, label, provider, item, mcpu, mib, boot, ns, us,
                                  bound, told, booked, gaps});
}

Result<void> Meter::save(store::Database& db, const Open& o) {
  return db.run(kSave, o.sandbox, static_cast<int>(o.phase), o.swarm, o.label, o.provider, o.item, o.mcpu, o.mib,
                o.boot, o.since_ns, o.since_us, o.bound_ns, o.told_us, o.booked_ns, o.gaps);
}

void Meter::start(Open& open, Moment at) const {
  open.boot = boot_id_;
  open.since_ns = at.mono.since_boot.count();
  open.since_us = at.wall.us;
  open.bound_ns = 0;
}

Result<void> Meter::set_prices(store::Changes& changes, std::vector<PriceTable> tables) {
  if (Result<void> numbered = number_tables(changes.db(), tables); !numbered) return numbered;
  auto book = std::make_shared<const PriceBook>(std::move(tables));
  const std::lock_guard lock(mutex_);
  prices_ = std::move(book);
  return {};
}

std::shared_ptr<const PriceBook> Meter::prices() const {
  const std::lock_guard lock(mutex_);
  return prices_;
}

Result<Meter::Extent> Meter::extent(store::Database& db, const Open& open, const End& end) const {
  if (end.not_before) {
    // It goes on to `at` at most, and to `not_before` at least.
    Result<Extent> most = extent(db, open, {.at = end.at});
    if (!most) return most;
    const Int unsure = std::clamp<Int>((end.at.mono - end.not_before->mono).count(), 0, most->ns);
    most->ns -= unsure - unsure / 2;
    most->bound_ns += unsure - unsure / 2;
    return most;
  }
  const Int now_ns = end.at.mono.since_boot.count();
  if (open.boot == boot_id_ && !end.found) {
    return Extent{.ns = std::max<Int>(0, now_ns - open.since_ns), .bound_ns = open.bound_ns};
  }
  // Up to the last moment at which somebody watched the time is known; the rest is not.
  const auto row = db.one<std::string, Int, Int>(kAlive);
  if (!row) return fail(row.error());
  Int known = 0;
  Int watched_us = open.since_us;
  if (*row && std::get<0>(**row) == open.boot) {
    known = std::max<Int>(0, std::get<1>(**row) - open.since_ns);
    watched_us = std::max(open.since_us, std::get<2>(**row));
  }
  Int rest = 0;
  if (open.boot == boot_id_) {
    rest = std::max<Int>(0, now_ns - open.since_ns - known);
  } else {
    rest = std::max<Int>(0, (end.at.wall.us - watched_us) * 1000);  // another boot: only the wall clock went on
  }
  if (!end.found) return Extent{.ns = known + rest, .bound_ns = open.bound_ns + rest};
  return Extent{.ns = known + rest / 2, .bound_ns = open.bound_ns + rest - rest / 2};
}

std::vector<Entry> Meter::cut(const Open& open, const Extent& extent, const std::vector<Agent>& agents) const {
  const std::shared_ptr<const PriceBook> prices = this->prices();
  const std::string item = open.priced_as();
  std::vector<Entry> entries;
  const std::size_t n = std::max<std::size_t>(1, agents.size());
  Int bound = extent.bound_ns;
  for (Int from = 0; from < extent.ns;) {
    // The piece ends with its hour, or where another price begins.
    const Int begins_us = open.since_us + from / 1000;
    Int ends_us = (bucket_of(begins_us, kHourUs) + 1) * kHourUs;
    if (const auto change = prices->next_change(item, begins_us)) ends_us = std::min(ends_us, *change);
    const Int to = std::min(extent.ns, std::max(from + 1, (ends_us - open.since_us) * 1000));
    const PriceTable* table = prices->find(item, begins_us);
    for (std::size_t i = 0; i < n; ++i) {
      Entry entry{.kind = Kind::sandbox,
                  .start_us = begins_us,
                  .span_ns = to - from,
                  .ns = share(to - from, i, n),
                  .mcpu = open.mcpu,
                  .mib = open.mib,
                  .bound_ns = share(bound, i, n),
                  .price = table == nullptr ? 0 : table->id,
                  .owner = {.swarm = open.swarm,
                            .label = open.label,
                            .sandbox = open.sandbox,
                            .provider = open.provider,
                            .item = open.item}};
      if (!agents.empty()) {
        entry.owner.swarm = agents[i].swarm;
        entry.owner.agent = agents[i].agent;
        entry.owner.role = agents[i].role;
        entry.owner.task = agents[i].task;
      }
      entries.push_back(std::move(entry));
    }
    bound = 0;  // once is enough
    from = to;
  }
  return entries;
}

/// Books what ran up to its end, and begins the next interval where that one ends.
Result<void> Meter::close(store::Database& db, Open& open, const End& end) const {
  Result<Extent> measured = extent(db, open, end);
  if (!measured) return fail(measured.error());
  if (end.told && open.told_us && !open.gaps) {
    measured->ns = std::max<Int>(0, (end.told->us - *open.told_us) * 1000 - open.booked_ns);
    measured->bound_ns = 0;
  }
  const Result<std::vector<Agent>> agents = agents_of(db, open.sandbox);
  if (!agents) return fail(agents.error());
  const std::vector<Entry> entries = cut(open, *measured, *agents);
  const Result<std::size_t> booked = book(db, entries);
  if (!booked) return fail(booked.error());
  open.booked_ns += measured->ns;
  start(open, end.at);
  return {};
}

Result<void> Meter::on_transition(store::Changes& changes, const Transition& t) {
  store::Database& db = changes.db();
  Result<std::optional<Open>> loaded = load(db, t.sandbox);
  if (!loaded) return fail(loaded.error());
  const bool known = loaded->has_value();
  Open open = known ? std::move(**loaded) : Open{.sandbox = t.sandbox};

  const auto describe = [&] {
    open.swarm = t.swarm;
    open.label = t.label;
    open.provider = t.provider;
    open.item = t.template_name;
    open.mcpu = static_cast<std::uint32_t>(std::clamp(std::llround(t.cpus * 1000), 0LL, 4'000'000'000LL));
    open.mib = static_cast<std::uint32_t>(std::min<std::uint64_t>((t.memory_bytes + 1048575) >> 20U, UINT32_MAX));
  };
  const End end{.at = t.at, .not_before = t.not_before, .found = t.found, .told = {}};
  const auto same = [&] {
    const Open before = open;
    describe();
    const bool equal = std::tie(before.swarm, before.label, before.mcpu, before.mib) ==
                       std::tie(open.swarm, open.label, open.mcpu, open.mib);
    if (!equal) open = before;
    return equal;
  };

  switch (t.to) {
    case SandboxState::requested:
      return {};
    case SandboxState::creating:
    case SandboxState::unknown:
      if (known) return {};
      describe();
      open.phase = Phase::pending;
      start(open, t.at);
      return save(db, open);
    case SandboxState::paused: {
      const PriceTable* table = prices()->find(price_item(Kind::sandbox, t.provider, t.template_name), t.at.wall.us);
      if (t.bills_paused || (table != nullptr && table->bills_paused)) break;
      if (!known || open.phase == Phase::resting) return {};
      if (open.phase == Phase::running) {
        if (Result<void> closed = close(db, open, end); !closed) return closed;
      }
      open.phase = Phase::resting;
      open.gaps = true;
      return save(db, open);
    }
    case SandboxState::lost: {
      if (!known || open.phase != Phase::running) break;
      const Int since_ns = open.since_ns;
      const Int since_us = open.since_us;
      const std::string boot = open.boot;
      const Int before = open.booked_ns;
      const bool exact = t.provider_ended && open.told_us && !open.gaps;
      End lost = end;
      lost.told = t.provider_ended;
      if (Result<void> closed = close(db, open, lost); !closed) return closed;
      if (boot == boot_id_ && !exact) {
        // Should it turn up again, it has cost from there on.
        open.since_ns = since_ns + open.booked_ns - before;
        open.since_us = since_us + (open.booked_ns - before) / 1000;
      }
      open.phase = Phase::over;
      return save(db, open);
    }
    case SandboxState::gone:
    case SandboxState::failed: {
      if (!known) return {};
      const bool cost =
          open.phase == Phase::running || (open.phase == Phase::pending && t.existed && t.to == SandboxState::gone);
      if (cost) {
        if (open.phase == Phase::pending) {
          // Nobody ever learnt when it began: at the earliest when it was asked for, or never.
          if (t.provider_started) open.told_us = t.provider_started->us;
          open.bound_ns = std::max<Int>(0, t.at.mono.since_boot.count() - open.since_ns);
          if (open.boot != boot_id_) open.bound_ns = std::max<Int>(0, (t.at.wall.us - open.since_us) * 1000);
        }
        End gone = end;
        gone.told = t.provider_ended;
        if (Result<void> closed = close(db, open, gone); !closed) return closed;
      }
      if (Result<void> left = db.run(kLeaveAll, t.sandbox); !left) return left;
      return db.run(kDrop, t.sandbox);
    }
    case SandboxState::stopping:
      if (known && open.phase == Phase::pending) return {};  // its end will tell whether it ever was
      if (known && open.phase == Phase::over && !t.existed) return {};
      break;
    default:
      break;
  }

  // It runs.
  if (!known) {  // adopted: nothing is known of it but that it is there
    describe();
    start(open, t.at);
    if (t.provider_started) open.told_us = t.provider_started->us;
  } else if (open.phase == Phase::pending) {
    describe();
    // It began between the question and the answer.
    if (t.provider_started) open.told_us = t.provider_started->us;
    const Int now_ns = t.at.mono.since_boot.count();
    if (open.boot == boot_id_) {
      open.bound_ns = std::max<Int>(0, now_ns - open.since_ns);
    } else {
      open.bound_ns = std::max<Int>(0, (t.at.wall.us - open.since_us) * 1000);
    }
  } else if (open.phase == Phase::resting) {
    // What ends while it rests does not begin to cost again.
    if (t.to == SandboxState::stopping || t.to == SandboxState::lost) return {};
    describe();
    start(open, t.at);
  } else if (open.phase == Phase::over) {
    // It turned up again, and goes on from where it was thought to have ended.
  } else {
    if (same()) {
      // It was told before the provider was asked, and has begun between that and now.
      if (!t.not_before || open.boot != boot_id_ || open.since_ns < t.not_before->mono.since_boot.count()) return {};
      open.bound_ns = std::max<Int>(0, t.at.mono.since_boot.count() - open.since_ns);
      return save(db, open);
    }
    if (Result<void> closed = close(db, open, end); !closed) return closed;
    describe();
  }
  open.phase = Phase::running;
  return save(db, open);
}

Result<std::vector<std::string>> sandboxes_alone(store::Database& db, const std::string& swarm,
                                                 const std::string& agent) {
  const auto rows = db.all<std::string>(kAlone, swarm, agent);
  if (!rows) return fail(rows.error());
  std::vector<std::string> all;
  for (const auto& [sandbox] : *rows) all.push_back(sandbox);
  return all;
}

Result<void> Meter::agent_joined(store::Changes& changes, const std::string& sandbox, const Agent& agent, Moment at) {
  store::Database& db = changes.db();
  const Result<std::vector<Agent>> before = agents_of(db, sandbox);
  if (!before) return fail(before.error());
  if (std::ranges::find(*before, agent) != before->end()) return {};
  Result<std::optional<Open>> open = load(db, sandbox);
  if (!open) return fail(open.error());
  if (*open && (*open)->phase == Phase::running) {
    if (Result<void> closed = close(db, **open, {.at = at}); !closed) return closed;
    if (Result<void> saved = save(db, **open); !saved) return saved;
  }
  return db.run(kJoin, sandbox, agent.swarm, agent.agent, agent.role, agent.task);
}

Result<void> Meter::agent_left(store::Changes& changes, const std::string& sandbox, const std::string& swarm,
                               const std::string& agent, Moment at) {
  store::Database& db = changes.db();
  const Result<std::vector<Agent>> before = agents_of(db, sandbox);
  if (!before) return fail(before.error());
  const bool there = std::ranges::any_of(*before, [&](const Agent& a) { return a.swarm == swarm && a.agent == agent; });
  if (!there) return {};
  Result<std::optional<Open>> open = load(db, sandbox);
  if (!open) return fail(open.error());
  if (*open && (*open)->phase == Phase::running) {
    if (Result<void> closed = close(db, **open, {.at = at}); !closed) return closed;
    if (Result<void> saved = save(db, **open); !saved) return saved;
  }
  return db.run(kLeave, sandbox, swarm, agent);
}

Result<void> Meter::record(store::Changes& changes, const Usage& usage) {
  if (std::min({usage.input, usage.output, usage.cache_read, usage.cache_write, usage.calls}) < 0) {
    return fail(Code::invalid_argument, "usage: a count below zero");
  }
  const PriceTable* table = nullptr;
  const std::shared_ptr<const PriceBook> book_of_prices = prices();
  table = book_of_prices->find(price_item(usage.kind, usage.owner.provider, usage.owner.item), usage.at.us);
  const Entry entry{.kind = usage.kind,
                    .start_us = usage.at.us,
                    .input = usage.input,
                    .output = usage.output,
                    .cache_read = usage.cache_read,
                    .cache_write = usage.cache_write,
                    .calls = usage.calls,
                    .price = table == nullptr ? 0 : table->id,
                    .source = usage.source,
                    .owner = usage.owner};
  const Result<std::size_t> booked = book(changes.db(), std::span(&entry, 1));
  if (!booked) return fail(booked.error());
  return {};
}

Result<void> Meter::alive(store::Changes& changes, Moment at) {
  return changes.db().run(kSetAlive, boot_id_, at.mono.since_boot.count(), at.wall.us);
}

Result<std::size_t> Meter::settle(store::Changes& changes, Moment at, std::size_t limit) {
  store::Database& db = changes.db();
  const auto due = db.all<std::string>(kLong, boot_id_, at.mono.since_boot.count() - kHourUs * 1000, limit);
  if (!due) return fail(due.error());
  for (const auto& [sandbox] : *due) {
    Result<std::optional<Open>> open = load(db, sandbox);
    if (!open) return fail(open.error());
    if (!*open) continue;
    if (Result<void> closed = close(db, **open, {.at = at}); !closed) return fail(closed.error());
    if (Result<void> saved = save(db, **open); !saved) return fail(saved.error());
  }
  return due->size();
}

/// An open interval and who shares it.
struct Meter::Running {
  Open open;
  std::vector<Agent> agents;
};

Result<std::vector<Meter::Running>> Meter::load_running(store::Database& db) {
  std::map<std::string, std::vector<Agent>> agents;
  const auto members = db.all<std::string, std::string, std::string, std::string, std::string>(kAllAgents);
  if (!members) return fail(members.error());
  for (const auto& [sandbox, swarm, agent, role, task] : *members) {
    agents[sandbox].push_back({swarm, agent, role, task});
  }
  const auto rows = db.all<std::string, int, std::string, std::string, std::string, std::string, std::uint32_t,
                           std::uint32_t, std::string, Int, Int, Int, std::optional<Int>, Int, bool>(kLoadAll);
  if (!rows) return fail(rows.error());
  std::vector<Running> all;
  for (const auto& [id, phase, swarm, label, provider, item, mcpu, mib, boot, ns, us, bound, told, booked, gaps] :
       *rows) {
    all.push_back({.open = {id, static_cast<Phase>(phase), swarm, label, provider, item, mcpu, mib, boot, ns, us, bound,
                            told, booked, gaps},
                   .agents = std::move(agents[id])});
  }
  return all;
}

Result<std::vector<Entry>> Meter::accrued(store::Database& db, Moment now) const {
  const Result<std::vector<Running>> running = load_running(db);
  if (!running) return fail(running.error());
  std::vector<Entry> entries;
  for (const Running& each : *running) {
    const Result<Extent> measured = extent(db, each.open, {.at = now});
    if (!measured) return fail(measured.error());
    std::ranges::move(cut(each.open, *measured, each.agents), std::back_inserter(entries));
  }
  return entries;
}

Result<std::vector<Entry>> Meter::burning(store::Database& db, Moment now) const {
  Result<std::vector<Running>> running = load_running(db);
  if (!running) return fail(running.error());
  const std::shared_ptr<const PriceBook> prices = this->prices();
  std::vector<Entry> entries;
  for (Running& each : *running) {
    // An hour that lies within one hour, whatever the time is.
    each.open.since_us = bucket_of(now.wall.us, kHourUs) * kHourUs;
    const PriceTable* table = prices->find(each.open.priced_as(), now.wall.us);
    for (Entry& entry : cut(each.open, {.ns = kHourUs * 1000, .bound_ns = 0}, each.agents)) {
      entry.price = table == nullptr ? 0 : table->id;
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

}  // namespace swarm::costs
