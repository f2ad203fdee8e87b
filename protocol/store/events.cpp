#include "protocol/store/events.hpp"

#include <fmt/format.h>

#include "protocol/store/shipped.hpp"

namespace swarm::store {
namespace {

using Text = std::optional<std::string>;

constexpr Sql kAppend{"events.append",
                      "INSERT INTO events (time_us, type, swarm, sandbox, agent, run, task,"
                      " origin_store, origin_epoch, origin_seq, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr Sql kOrigin{"events.origin", "SELECT epoch, seq FROM event_origins WHERE store = ?"};
constexpr Sql kSetOrigin{"events.set_origin",
                         "INSERT INTO event_origins (store, epoch, seq) VALUES (?, ?, ?)"
                         " ON CONFLICT (store) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq"};
constexpr Sql kRange{"events.range",
                     "SELECT coalesce((SELECT min(seq) FROM events), 0), coalesce((SELECT max(seq) FROM events), 0)"};
constexpr Sql kReadEvents{
    "events.read",
    "SELECT seq, time_us, type, swarm, sandbox, agent, run, task, origin_store, origin_epoch, origin_seq,"
    " data FROM events WHERE seq >= ? ORDER BY seq LIMIT ?"};
constexpr Sql kTooOld{"events.too_old",
                      "SELECT coalesce((SELECT seq FROM events WHERE time_us >= ? ORDER BY seq LIMIT 1), ?)"};
constexpr Sql kPruneEvents{"events.prune", "DELETE FROM events WHERE seq < ?"};

}  // namespace

Result<std::optional<Event>> append_event(Database& db, const StoreIdentity& self, WallTime time, NewEvent event) {
  Text origin_store;
  std::optional<std::int64_t> origin_seq;
  std::int64_t origin_epoch = self.epoch;
  if (event.origin) {
    const EventOrigin& origin = *event.origin;
    const Result<EventOrigin> last = last_from_origin(db, origin.store);
    if (!last) return fail(last.error());
    if (std::pair(origin.epoch, origin.seq) <= std::pair(last->epoch, last->seq)) return std::optional<Event>();
    if (auto set = db.run(kSetOrigin, origin.store, origin.epoch, origin.seq); !set) return fail(set.error());
    origin_store = origin.store;
    origin_epoch = origin.epoch;
    origin_seq = origin.seq;
  }
  auto appended = db.run(kAppend, time.us, event.type, event.swarm, event.sandbox, event.agent, event.run, event.task,
                         origin_store, origin_epoch, origin_seq, Bytes{event.data});
  if (!appended) return fail(appended.error());
  const std::int64_t seq = db.last_insert_rowid();
  return std::optional(Event{.seq = seq,
                             .time_us = time.us,
                             .type = std::move(event.type),
                             .swarm = std::move(event.swarm),
                             .sandbox = std::move(event.sandbox),
                             .agent = std::move(event.agent),
                             .run = std::move(event.run),
                             .task = std::move(event.task),
                             .origin = event.origin.value_or(EventOrigin{self.store_id, self.epoch, seq}),
                             .data = std::move(event.data)});
}

Result<EventRange> event_range(Database& db) {
  const auto row = db.one<std::int64_t, std::int64_t>(kRange);
  if (!row) return fail(row.error());
  const auto& [oldest, newest] = **row;
  return EventRange{.oldest = oldest, .newest = newest};
}

Result<std::vector<Event>> read_events(Database& db, const StoreIdentity& self, std::optional<std::int64_t> from,
                                       int limit) {
  const Result<EventRange> range = event_range(db);
  if (!range) return fail(range.error());
  if (from && *from < range->oldest && range->oldest > 1) {
    return fail(Code::out_of_range,
                fmt::format("event {} is not kept any more; the oldest is {}", *from, range->oldest));
  }
  if (from && *from > range->newest + 1) {
    return fail(
        Code::out_of_range,
        fmt::format("event {} does not exist yet; the newest is {}, the oldest {} (the store may have gone back to "
                    "a copy: its epoch is {})",
                    *from, range->newest, range->oldest, self.epoch));
  }
  auto rows = db.all<std::int64_t, std::int64_t, std::string, Text, Text, Text, Text, Text, Text, std::int64_t,
                     std::optional<std::int64_t>, Bytes>(kReadEvents, from.value_or(0), limit);
  if (!rows) return fail(rows.error());
  std::vector<Event> out;
  out.reserve(rows->size());
  for (auto& [seq, time_us, type, swarm, sandbox, agent, run, task, store, epoch, origin_seq, data] : *rows) {
    out.push_back({.seq = seq,
                   .time_us = time_us,
                   .type = std::move(type),
                   .swarm = std::move(swarm),
                   .sandbox = std::move(sandbox),
                   .agent = std::move(agent),
                   .run = std::move(run),
                   .task = std::move(task),
                   .origin = {store.value_or(self.store_id), epoch, origin_seq.value_or(seq)},
                   .data = std::move(data.data)});
  }
  return out;
}

Result<EventOrigin> last_from_origin(Database& db, const std::string& store) {
  const auto row = db.one<std::int64_t, std::int64_t>(kOrigin, store);
  if (!row) return fail(row.error());
  if (!*row) return EventOrigin{.store = store};
  const auto& [epoch, seq] = **row;
  return EventOrigin{.store = store, .epoch = epoch, .seq = seq};
}

Result<std::int64_t> let_go_events(Database& db, std::int64_t through, int limit) {
  const Result<EventRange> range = event_range(db);
  if (!range) return fail(range.error());
  if (range->newest == 0) return 0;
  const std::int64_t keep_from = std::min({through + 1, range->newest, range->oldest + limit});
  if (keep_from <= range->oldest) return 0;
  if (auto pruned = db.run(kPruneEvents, keep_from); !pruned) return fail(pruned.error());
  return db.changes();
}

Result<std::int64_t> prune_events(Database& db, const EventRetention& retention, WallTime now, int limit) {
  const Result<EventRange> range = event_range(db);
  if (!range) return fail(range.error());
  if (range->newest == 0) return 0;
  // Ordered by seq, not by time: a clock that was set back must not open a hole in the middle.
  const auto by_age = db.one<std::int64_t>(kTooOld, now.us - retention.max_age.count(), range->newest);
  if (!by_age) return fail(by_age.error());
  const std::int64_t by_count = range->newest - retention.max_count + 1;
  const std::int64_t wanted = std::max(std::get<0>(**by_age), by_count);
  const std::int64_t keep_from = std::min({wanted, range->newest, range->oldest + limit});
  if (keep_from <= range->oldest) return 0;
  if (auto pruned = db.run(kPruneEvents, keep_from); !pruned) return fail(pruned.error());
  return db.changes();
}

}  // namespace swarm::store
