#include "daemon/costs/ledger.hpp"

#include <fmt/format.h>

#include "daemon/costs/sums_codec.hpp"

namespace swarm::costs {
namespace {

using Int = std::int64_t;

constexpr std::array kMigrations = {
    store::Migration{1, "ledger, rollups, open intervals, budgets", R"sql(
      CREATE TABLE cost_prices (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, applies_to TEXT NOT NULL, valid_from_us INTEGER NOT NULL,
        bills_paused INTEGER NOT NULL, vcpu_hour INTEGER NOT NULL, gib_hour INTEGER NOT NULL,
        sandbox_hour INTEGER NOT NULL, input_million INTEGER NOT NULL, output_million INTEGER NOT NULL,
        cache_read_million INTEGER NOT NULL, cache_write_million INTEGER NOT NULL, call_million INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE cost_owners (
        id INTEGER PRIMARY KEY, swarm TEXT NOT NULL, agent TEXT NOT NULL, role TEXT NOT NULL, task TEXT NOT NULL,
        label TEXT NOT NULL, sandbox TEXT NOT NULL, provider TEXT NOT NULL, item TEXT NOT NULL,
        UNIQUE (sandbox, agent, task, swarm, role, label, provider, item)
      ) STRICT;
      CREATE TABLE cost_ledger (
        id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, start_us INTEGER NOT NULL, span_ns INTEGER NOT NULL,
        ns INTEGER NOT NULL, mcpu INTEGER NOT NULL, mib INTEGER NOT NULL, input INTEGER NOT NULL,
        output INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, calls INTEGER NOT NULL,
        bound_ns INTEGER NOT NULL, price INTEGER NOT NULL, owner INTEGER NOT NULL REFERENCES cost_owners (id)
      ) STRICT;
      CREATE INDEX cost_ledger_by_time ON cost_ledger (start_us, id);
      CREATE TABLE cost_sources (source TEXT PRIMARY KEY, start_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE cost_rollups (
        dimension INTEGER NOT NULL, span INTEGER NOT NULL, bucket INTEGER NOT NULL, swarm TEXT NOT NULL,
        key TEXT NOT NULL, sums BLOB NOT NULL, PRIMARY KEY (dimension, span, bucket, swarm, key)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE cost_open (
        sandbox TEXT PRIMARY KEY, phase INTEGER NOT NULL, swarm TEXT NOT NULL, label TEXT NOT NULL,
        provider TEXT NOT NULL, item TEXT NOT NULL, mcpu INTEGER NOT NULL, mib INTEGER NOT NULL,
        boot TEXT NOT NULL, since_ns INTEGER NOT NULL, since_us INTEGER NOT NULL, bound_ns INTEGER NOT NULL,
        told_us INTEGER, booked_ns INTEGER NOT NULL, gaps INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE cost_agents (
        sandbox TEXT NOT NULL, swarm TEXT NOT NULL, agent TEXT NOT NULL, role TEXT NOT NULL, task TEXT NOT NULL,
        PRIMARY KEY (sandbox, swarm, agent)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE cost_alive (
        id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT NOT NULL, ns INTEGER NOT NULL, us INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE cost_budgets (
        name TEXT PRIMARY KEY, swarm TEXT NOT NULL, agent TEXT NOT NULL, period INTEGER NOT NULL,
        nano INTEGER NOT NULL, warn INTEGER, stop INTEGER, pause INTEGER, kill INTEGER,
        since_us INTEGER NOT NULL, bucket INTEGER NOT NULL, reached INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    )sql"},
    // Kind 0 is a sandbox, 1 a model; a server that is called is free unless somebody says otherwise.
    store::Migration{2, "what was used without a price", R"sql(
      CREATE TABLE cost_unpriced (
        item TEXT NOT NULL, since_us INTEGER NOT NULL, until_us INTEGER, PRIMARY KEY (item, since_us)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO cost_unpriced (item, since_us)
        SELECT CASE l.kind WHEN 1 THEN 'model' ELSE o.provider END || '/' || o.item AS name, MIN(l.start_us)
        FROM cost_ledger l JOIN cost_owners o ON o.id = l.owner WHERE l.price = 0 AND l.kind < 2 GROUP BY name;
    )sql"},
};

constexpr store::Sql kOwner{"costs.owner",
                            "SELECT id FROM cost_owners WHERE sandbox = ? AND agent = ? AND task = ? AND swarm = ?"
                            " AND role = ? AND label = ? AND provider = ? AND item = ?"};
constexpr store::Sql kAddOwner{"costs.add_owner",
                               "INSERT INTO cost_owners (sandbox, agent, task, swarm, role, label, provider, item)"
                               " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kAddSource{"costs.add_source", "INSERT OR IGNORE INTO cost_sources VALUES (?, ?)"};
constexpr store::Sql kAddEntry{
    "costs.add",
    "INSERT INTO cost_ledger (kind, start_us, span_ns, ns, mcpu, mib, input, output, cache_read,"
    " cache_write, calls, bound_ns, price, owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
    "?)"};
constexpr store::Sql kRollup{"costs.rollup",
                             "SELECT sums FROM cost_rollups WHERE dimension = ? AND span = ? AND bucket = ?"
                             " AND swarm = ? AND key = ?"};
constexpr store::Sql kSetRollup{"costs.set_rollup", "INSERT OR REPLACE INTO cost_rollups VALUES (?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kRollups{"costs.rollups",
                              "SELECT bucket, swarm, key, sums FROM cost_rollups WHERE dimension = ? AND span = ?"
                              " AND bucket >= ? AND bucket < ? ORDER BY bucket, swarm, key"};
#define SWARM_COSTS_SCAN                                                                  \
  "SELECT l.id, l.kind, l.start_us, l.span_ns, l.ns, l.mcpu, l.mib, l.input, l.output,"   \
  " l.cache_read, l.cache_write, l.calls, l.bound_ns, l.price, o.swarm, o.agent, o.role," \
  " o.task, o.label, o.sandbox, o.provider, o.item FROM cost_ledger l"                    \
  " JOIN cost_owners o ON o.id = l.owner WHERE l.start_us >= ? AND l.start_us < ?"
constexpr store::Sql kScan{"costs.scan", SWARM_COSTS_SCAN " ORDER BY l.start_us, l.id"};
constexpr store::Sql kScanBack{"costs.scan_back", SWARM_COSTS_SCAN " ORDER BY l.start_us DESC, l.id DESC"};
#undef SWARM_COSTS_SCAN

Result<Int> owner_id(store::Database& db, const Owner& o) {
  const auto known = db.one<Int>(kOwner, o.sandbox, o.agent, o.task, o.swarm, o.role, o.label, o.provider, o.item);
  if (!known) return fail(known.error());
  if (*known) return std::get<0>(**known);
  if (Result<void> added = db.run(kAddOwner, o.sandbox, o.agent, o.task, o.swarm, o.role, o.label, o.provider, o.item);
      !added) {
    return fail(added.error());
  }
  return db.last_insert_rowid();
}

Result<Sums> damaged() { return fail(Code::internal, "a rollup of the ledger cannot be read; 'swarmctl db check'"); }

using RollupKey = std::tuple<int, int, Int, std::string, std::string>;

Result<void> add_to_rollup(store::Database& db, const RollupKey& key, Sums sums) {
  const auto& [dimension, span, bucket, swarm, name] = key;
  const auto row = db.one<Bytes>(kRollup, dimension, span, bucket, swarm, name);
  if (!row) return fail(row.error());
  if (*row) {
    const std::optional<Sums> before = decode_sums(std::get<0>(**row).data);
    if (!before) return fail(damaged().error());
    sums += *before;
  }
  return db.run(kSetRollup, dimension, span, bucket, swarm, name, Bytes{encode_sums(sums)});
}

}  // namespace

const store::Domain kCostDomain{"costs", kMigrations};

Quantities Entry::quantities() const {
  return {.ns = ns,
          .mcpu_ns = Int128{ns} * mcpu,
          .mib_ns = Int128{ns} * mib,
          .input = input,
          .output = output,
          .cache_read = cache_read,
          .cache_write = cache_write,
          .calls = calls};
}

Sums& Sums::operator+=(const Sums& more) {
  quantities += more.quantities;
  amount += more.amount;
  bound_ns += more.bound_ns;
  entries += more.entries;
  return *this;
}

Result<const PriceTable*> PriceCache::at(std::int64_t id) {
  auto found = known_.find(id);
  if (found == known_.end()) {
    Result<PriceTable> table = load_table(db_, id);
    if (!table) return fail(table.error());
    found = known_.emplace(id, std::move(*table)).first;
  }
  return &found->second;
}

Result<Sums> sums_of(const Entry& entry, PriceCache& prices) {
  const Result<const PriceTable*> table = prices.at(entry.price);
  if (!table) return fail(table.error());
  Sums sums{.quantities = entry.quantities(), .amount = {}, .bound_ns = entry.bound_ns, .entries = 1};
  const Result<Amount> amount = Amount::of(sums.quantities, (*table)->prices);
  if (!amount) return fail(amount.error());
  sums.amount = *amount;
  return sums;
}

const std::string& key_of(const Owner& owner, Dimension dimension) {
  static const std::string kNone;
  switch (dimension) {
    case Dimension::swarm:
      return kNone;
    case Dimension::agent:
      return owner.agent;
    case Dimension::role:
      return owner.role;
    case Dimension::task:
      return owner.task;
    case Dimension::label:
      return owner.label;
    case Dimension::provider:
      return owner.provider;
    case Dimension::item:
      return owner.item;
  }
  return kNone;
}

Result<std::size_t> book(store::Database& db, std::span<const Entry> entries) {
  PriceCache prices(db);
  std::map<RollupKey, Sums> added;
  std::map<Owner, Int> owners;
  std::size_t booked = 0;
  for (const Entry& e : entries) {
    if (!e.source.empty()) {
      if (Result<void> noted = db.run(kAddSource, e.source, e.start_us); !noted) return fail(noted.error());
      if (db.changes() == 0) continue;
    }
    const Result<Sums> sums = sums_of(e, prices);
    if (!sums) return fail(sums.error());
    auto owner = owners.find(e.owner);
    if (owner == owners.end()) {
      const Result<Int> id = owner_id(db, e.owner);
      if (!id) return fail(id.error());
      owner = owners.emplace(e.owner, *id).first;
    }
    Result<void> done = db.run(kAddEntry, static_cast<int>(e.kind), e.start_us, e.span_ns, e.ns, e.mcpu, e.mib, e.input,
                               e.output, e.cache_read, e.cache_write, e.calls, e.bound_ns, e.price, owner->second);
    if (!done) return fail(done.error());
    for (int d = 0; d < kDimensions; ++d) {
      const std::string& key = key_of(e.owner, static_cast<Dimension>(d));
      const auto add = [&](Span span, Int bucket) {
        added[{d, static_cast<int>(span), bucket, e.owner.swarm, key}] += *sums;
      };
      add(Span::hour, bucket_of(e.start_us, kHourUs));
      add(Span::day, bucket_of(e.start_us, kDayUs));
      add(Span::ever, 0);
    }
    ++booked;
  }
  for (const auto& [key, sums] : added) {
    if (Result<void> done = add_to_rollup(db, key, sums); !done) return fail(done.error());
  }
  return booked;
}

Result<std::vector<Rollup>> rollups(store::Database& db, Dimension dimension, Span span, std::int64_t first,
                                    std::int64_t last) {
  const auto rows = db.all<Int, std::string, std::string, Bytes>(kRollups, static_cast<int>(dimension),
                                                                 static_cast<int>(span), first, last);
  if (!rows) return fail(rows.error());
  std::vector<Rollup> all;
  all.reserve(rows->size());
  for (const auto& [bucket, swarm, key, bytes] : *rows) {
    const std::optional<Sums> sums = decode_sums(bytes.data);
    if (!sums) return fail(damaged().error());
    all.push_back({.bucket = bucket, .swarm = swarm, .key = key, .sums = *sums});
  }
  return all;
}

Result<Sums> rollup_of(store::Database& db, Dimension dimension, Span span, std::int64_t first, std::int64_t last,
                       const std::string& swarm, const std::string& key) {
  Sums total;
  for (std::int64_t bucket = first; bucket < last; ++bucket) {
    const auto row = db.one<Bytes>(kRollup, static_cast<int>(dimension), static_cast<int>(span), bucket, swarm, key);
    if (!row) return fail(row.error());
    if (!*row) continue;
    const std::optional<Sums> sums = decode_sums(std::get<0>(**row).data);
    if (!sums) return damaged();
    total += *sums;
  }
  return total;
}

Result<void> scan(store::Database& db, std::int64_t from_us, std::int64_t to_us,
                  const std::function<Result<bool>(std::int64_t id, const Entry& entry)>& visit, Order order) {
  Result<store::Statement> statement = db.prepare(order == Order::oldest_first ? kScan : kScanBack);
  if (!statement) return fail(statement.error());
  if (Result<void> bound = statement->bind(from_us, to_us); !bound) return bound;
  for (;;) {
    const Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return {};
    auto row =
        statement
            ->row<Int, int, Int, Int, Int, std::uint32_t, std::uint32_t, Int, Int, Int, Int, Int, Int, Int, std::string,
                  std::string, std::string, std::string, std::string, std::string, std::string, std::string>();
    if (!row) return fail(row.error());
    auto& [id, kind, start, span, ns, mcpu, mib, input, output, read, write, calls, bound, price, swarm, agent, role,
           task, label, sandbox, provider, item] = *row;
    const Entry entry{.kind = static_cast<Kind>(kind),
                      .start_us = start,
                      .span_ns = span,
                      .ns = ns,
                      .mcpu = mcpu,
                      .mib = mib,
                      .input = input,
                      .output = output,
                      .cache_read = read,
                      .cache_write = write,
                      .calls = calls,
                      .bound_ns = bound,
                      .price = price,
                      .source = {},
                      .owner = {std::move(swarm), std::move(agent), std::move(role), std::move(task), std::move(label),
                                std::move(sandbox), std::move(provider), std::move(item)}};
    const Result<bool> on = visit(id, entry);
    if (!on) return fail(on.error());
    if (!*on) return {};
  }
}

}  // namespace swarm::costs
