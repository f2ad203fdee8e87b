#include "daemon/costs/open.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/costs.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::costs {
namespace {

using Int = std::int64_t;

constexpr store::Sql kLoadOpen{
    "costs.open",
    "SELECT sandbox, phase, swarm, label, provider, item, mcpu, mib, boot, since_ns, since_us,"
    " bound_ns, told_us, booked_ns, gaps FROM cost_open WHERE sandbox = ?"};
constexpr store::Sql kLoadAll{
    "costs.all_open",
    "SELECT sandbox, phase, swarm, label, provider, item, mcpu, mib, boot, since_ns,"
    " since_us, bound_ns, told_us, booked_ns, gaps FROM cost_open WHERE phase IN (1, 3, 4, 5)"};
constexpr store::Sql kOpen{"costs.open_sandboxes", "SELECT sandbox FROM cost_open ORDER BY sandbox"};
constexpr store::Sql kSaveOpen{"costs.save_open",
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
constexpr store::Sql kIsUnpriced{"costs.is_unpriced",
                                 "SELECT 1 FROM cost_unpriced WHERE item = ? AND until_us IS NULL"};
constexpr store::Sql kUnpriced{"costs.unpriced", "INSERT OR REPLACE INTO cost_unpriced VALUES (?, ?, NULL)"};
constexpr store::Sql kUnpricedNow{"costs.unpriced_now",
                                  "SELECT item FROM cost_unpriced WHERE until_us IS NULL ORDER BY item"};
constexpr store::Sql kPriced{"costs.priced",
                             "UPDATE cost_unpriced SET until_us = ? WHERE item = ? AND until_us IS NULL"};
constexpr store::Sql kUnpricedIn{"costs.unpriced_in",
                                 "SELECT item, since_us, until_us FROM cost_unpriced WHERE since_us < ?"
                                 " AND (until_us IS NULL OR until_us > ?) ORDER BY since_us, item"};
constexpr store::Sql kRunningItems{"costs.running_items",
                                   "SELECT DISTINCT provider, item FROM cost_open WHERE phase IN (1, 3, 4, 5)"};
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

std::string price_item(Kind kind, const std::string& provider, const std::string& item) {
  return (kind == Kind::sandbox ? provider : kind == Kind::model ? std::string("model") : provider) + "/" + item;
}

Result<std::optional<Meter::Open>> Meter::load(store::Database& db, const std::string& sandbox) {
  const auto row = db.one<std::string, int, std::string, std::string, std::string, std::string, std::uint32_t,
                          std::uint32_t, std::string, Int, Int, Int, std::optional<Int>, Int, bool>(kLoadOpen, sandbox);
  if (!row) return fail(row.error());
  if (!*row) return std::optional<Open>();
  const auto& [id, phase, swarm, label, provider, item, mcpu, mib, boot, ns, us, bound, told, booked, gaps] = **row;
  return std::optional<Open>(Open{id, static_cast<Phase>(phase), swarm, label, provider, item, mcpu, mib, boot, ns, us,
                                  bound, told, booked, gaps});
}

Result<void> Meter::save(store::Database& db, const Open& o) {
  return db.run(kSaveOpen, o.sandbox, static_cast<int>(o.phase), o.swarm, o.label, o.provider, o.item, o.mcpu, o.mib,
                o.boot, o.since_ns, o.since_us, o.bound_ns, o.told_us, o.booked_ns, o.gaps);
}

Result<void> Meter::forget(store::Database& db, const std::string& sandbox) {
  if (Result<void> left = db.run(kLeaveAll, sandbox); !left) return left;
  return db.run(kDrop, sandbox);
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
  {
    const std::lock_guard lock(mutex_);
    prices_ = book;
  }
  const Int now_us = changes.now().us;
  const auto without = changes.db().all<std::string>(kUnpricedNow);
  if (!without) return fail(without.error());
  for (const auto& [item] : *without) {
    if (book->find(item, now_us) == nullptr) continue;
    if (Result<void> done = changes.db().run(kPriced, now_us, item); !done) return done;
  }
  const auto running = changes.db().all<std::string, std::string>(kRunningItems);
  if (!running) return fail(running.error());
  for (const auto& [provider, name] : *running) {
    const std::string item = price_item(Kind::sandbox, provider, name);
    if (book->find(item, now_us) != nullptr) continue;
    if (Result<void> done = note_unpriced(changes, item, now_us); !done) return done;
  }
  return {};
}

Result<void> Meter::note_unpriced(store::Changes& changes, const std::string& item, std::int64_t at_us) const {
  const auto known = changes.db().one<int>(kIsUnpriced, item);
  if (!known) return fail(known.error());
  if (*known) return {};
  if (Result<void> done = changes.db().run(kUnpriced, item, at_us); !done) return done;
  const auto seq =
      changes.append({.type = std::string(api::kCostUnpriced.name),
                      .data = wire::encode(api::encode(api::CostUnpriced{.item = item, .since_us = at_us}))});
  if (!seq) return fail(seq.error());
  return {};
}

Result<std::vector<Unpriced>> unpriced(store::Database& db, std::optional<Int> since_us, std::optional<Int> until_us) {
  const auto rows = db.all<std::string, Int, std::optional<Int>>(kUnpricedIn, until_us.value_or(INT64_MAX),
                                                                 since_us.value_or(INT64_MIN));
  if (!rows) return fail(rows.error());
  std::vector<Unpriced> all;
  for (const auto& [item, since, until] : *rows) all.push_back({.item = item, .since_us = since, .until_us = until});
  return all;
}

std::shared_ptr<const PriceBook> Meter::prices() const {
  const std::lock_guard lock(mutex_);
  return prices_;
}

Result<std::optional<Meter::Watched>> Meter::watched_before(store::Database& db) const {
  {
    const std::lock_guard lock(mutex_);
    if (watched_before_) return *watched_before_;
  }
  const auto row = db.one<std::string, Int, Int>(kAlive);
  if (!row) return fail(row.error());
  std::optional<Watched> read;
  if (*row) read = Watched{.boot = std::get<0>(**row), .ns = std::get<1>(**row), .us = std::get<2>(**row)};
  const std::lock_guard lock(mutex_);
  watched_before_ = read;
  return read;
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
  // Up to the last moment at which an earlier run watched the time is known; the rest is not.
  const Result<std::optional<Watched>> watched = watched_before(db);
  if (!watched) return fail(watched.error());
  Int known = 0;
  Int watched_us = open.since_us;
  if (*watched && (*watched)->boot == open.boot) {
    const Int late = end.found ? end.late.count() : 0;
    known = std::max<Int>(0, (*watched)->ns - late - open.since_ns);
    watched_us = std::max(open.since_us, (*watched)->us - late / 1000);
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

Result<Meter::Extent> Meter::measure(store::Database& db, const Open& open, const End& end) const {
  const bool doubtful = open.phase == Phase::halting || open.phase == Phase::waking;
  if (!doubtful && !(open.phase == Phase::ending && end.found)) return extent(db, open, end);
  // All of it may have cost, or nothing.
  const Result<Extent> all = extent(db, open, {.at = end.at});
  if (!all) return fail(all.error());
  const Int most = all->ns + all->bound_ns - open.bound_ns;
  return Extent{.ns = most / 2, .bound_ns = most - most / 2};
}

std::vector<Entry> Meter::cut(const Open& open, const Extent& extent, const std::vector<Agent>& agents) const {
  std::vector<Entry> entries;
  cut(*prices(), open, extent, agents, entries);
  return entries;
}

void Meter::cut(const PriceBook& prices, const Open& open, const Extent& extent, const std::vector<Agent>& agents,
                std::vector<Entry>& entries) const {
  const std::string item = open.priced_as();
  const std::size_t n = std::max<std::size_t>(1, agents.size());
  Int bound = extent.bound_ns;
  // Less than nothing takes back what was booked too much; nothing at all is said where it may have been something.
  bool once = extent.ns < 0 || (extent.ns == 0 && bound > 0);
  for (Int from = 0; once || from < extent.ns;) {
    // The piece ends with its hour, or where another price begins.
    const Int begins_us = open.since_us + from / 1000;
    Int ends_us = (bucket_of(begins_us, kHourUs) + 1) * kHourUs;
    if (const auto change = prices.next_change(item, begins_us)) ends_us = std::min(ends_us, *change);
    const Int to = once ? extent.ns : std::min(extent.ns, std::max(from + 1, (ends_us - open.since_us) * 1000));
    const PriceTable* table = prices.find(item, begins_us);
    for (std::size_t i = 0; i < n; ++i) {
      Entry entry{.kind = Kind::sandbox,
                  .start_us = begins_us,
                  .span_ns = once ? 0 : to - from,
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
    once = false;
    from = std::max(from, to);
  }
}

Result<void> Meter::book_extent(store::Database& db, Open& open, const Extent& extent) const {
  const Result<std::vector<Agent>> agents = agents_of(db, open.sandbox);
  if (!agents) return fail(agents.error());
  const std::vector<Entry> entries = cut(open, extent, *agents);
  const Result<std::size_t> booked = book(db, entries);
  if (!booked) return fail(booked.error());
  open.booked_ns += extent.ns;
  return {};
}

Result<void> Meter::close(store::Database& db, Open& open, const End& end) const {
  Result<Extent> measured = measure(db, open, end);
  if (!measured) return fail(measured.error());
  const bool unbroken = !open.gaps && open.phase != Phase::halting && open.phase != Phase::waking;
  if (end.told && open.told_us && unbroken) {
    measured->ns = (end.told->us - *open.told_us) * 1000 - open.booked_ns;
    measured->bound_ns = 0;
  }
  if (Result<void> booked = book_extent(db, open, *measured); !booked) return booked;
  start(open, end.at);
  return {};
}

Result<void> Meter::book_certain(store::Database& db, Open& open, const End& end) const {
  const Result<Extent> measured = extent(db, open, end);
  if (!measured) return fail(measured.error());
  const Int certain = std::max<Int>(0, measured->ns - measured->bound_ns);
  if (certain == 0) return {};
  if (Result<void> booked = book_extent(db, open, {.ns = certain, .bound_ns = 0}); !booked) return booked;
  open.since_ns += certain;
  open.since_us += certain / 1000;
  return {};
}

Result<std::vector<std::string>> sandboxes_alone(store::Database& db, const std::string& swarm,
                                                 const std::string& agent) {
  const auto rows = db.all<std::string>(kAlone, swarm, agent);
  if (!rows) return fail(rows.error());
  std::vector<std::string> all;
  for (const auto& [sandbox] : *rows) all.push_back(sandbox);
  return all;
}

Result<std::vector<std::string>> open_sandboxes(store::Database& db) {
  const auto rows = db.all<std::string>(kOpen);
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
  if (table == nullptr && usage.kind == Kind::model) {
    const std::string item = price_item(usage.kind, usage.owner.provider, usage.owner.item);
    if (Result<void> noted = note_unpriced(changes, item, usage.at.us); !noted) return noted;
  }
  const Result<std::size_t> booked = book(changes.db(), std::span(&entry, 1));
  if (!booked) return fail(booked.error());
  return {};
}

Result<void> Meter::alive(store::Changes& changes, Moment at) {
  // What an earlier run knew stands for what this one has not seen yet.
  if (const auto before = watched_before(changes.db()); !before) return fail(before.error());
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

Result<void> Meter::each_running(store::Database& db, const std::function<Result<void>(Running&)>& visit) {
  std::map<std::string, std::vector<Agent>> agents;
  const auto members = db.all<std::string, std::string, std::string, std::string, std::string>(kAllAgents);
  if (!members) return fail(members.error());
  for (const auto& [sandbox, swarm, agent, role, task] : *members) {
    agents[sandbox].push_back({swarm, agent, role, task});
  }
  Result<store::Statement> rows = db.prepare(kLoadAll);
  if (!rows) return fail(rows.error());
  if (Result<void> bound = rows->bind(); !bound) return bound;
  Running running;
  for (;;) {
    const Result<bool> more = rows->step();
    if (!more) return fail(more.error());
    if (!*more) return {};
    auto row = rows->row<std::string, int, std::string, std::string, std::string, std::string, std::uint32_t,
                         std::uint32_t, std::string, Int, Int, Int, std::optional<Int>, Int, bool>();
    if (!row) return fail(row.error());
    auto& [id, phase, swarm, label, provider, item, mcpu, mib, boot, ns, us, bound, told, booked, gaps] = *row;
    running.open = {std::move(id),
                    static_cast<Phase>(phase),
                    std::move(swarm),
                    std::move(label),
                    std::move(provider),
                    std::move(item),
                    mcpu,
                    mib,
                    std::move(boot),
                    ns,
                    us,
                    bound,
                    told,
                    booked,
                    gaps};
    running.agents.clear();
    if (!agents.empty()) {
      if (const auto mine = agents.find(running.open.sandbox); mine != agents.end()) running.agents = mine->second;
    }
    if (Result<void> done = visit(running); !done) return done;
  }
}

Result<void> Meter::accrued(store::Database& db, Moment now, const EntryVisitor& visit) const {
  const std::shared_ptr<const PriceBook> prices = this->prices();
  std::vector<Entry> entries;
  return each_running(db, [&](Running& each) -> Result<void> {
    const Result<Extent> measured = measure(db, each.open, {.at = now, .found = each.open.phase == Phase::ending});
    if (!measured) return fail(measured.error());
    entries.clear();
    cut(*prices, each.open, *measured, each.agents, entries);
    for (const Entry& entry : entries) {
      if (Result<void> done = visit(entry); !done) return done;
    }
    return {};
  });
}

Result<std::vector<Entry>> Meter::accrued(store::Database& db, Moment now) const {
  std::vector<Entry> entries;
  const Result<void> read = accrued(db, now, [&entries](const Entry& entry) -> Result<void> {
    entries.push_back(entry);
    return {};
  });
  if (!read) return fail(read.error());
  return entries;
}

Result<std::vector<Entry>> Meter::burning(store::Database& db, Moment now) const {
  const std::shared_ptr<const PriceBook> prices = this->prices();
  std::vector<Entry> entries;
  const Result<void> read = each_running(db, [&](Running& each) -> Result<void> {
    if (each.open.phase != Phase::running) return {};
    // An hour that lies within one hour, whatever the time is.
    each.open.since_us = bucket_of(now.wall.us, kHourUs) * kHourUs;
    const PriceTable* table = prices->find(each.open.priced_as(), now.wall.us);
    const std::size_t first = entries.size();
    cut(*prices, each.open, {.ns = kHourUs * 1000, .bound_ns = 0}, each.agents, entries);
    for (std::size_t i = first; i < entries.size(); ++i) entries[i].price = table == nullptr ? 0 : table->id;
    return {};
  });
  if (!read) return fail(read.error());
  return entries;
}

}  // namespace swarm::costs
