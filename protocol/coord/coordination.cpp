#include "protocol/coord/coordination.hpp"

#include <fmt/format.h>

namespace swarm::coord {
namespace {

using store::Sql;

constexpr std::size_t kMacKey = 32;
constexpr Sql kSwarm{"coord.swarm", "SELECT epoch, fence, revision, mac_key FROM coord_swarms WHERE swarm = ?"};
constexpr Sql kRevision{"coord.revision", "SELECT revision FROM coord_swarms WHERE swarm = ?"};
constexpr Sql kTime{"coord.time", "SELECT last_us, paused_us FROM coord_swarms WHERE swarm = ?"};
constexpr Sql kCreate{"coord.create",
                      "INSERT INTO coord_swarms (swarm, epoch, fence, revision, note_revision, last_us, paused_us,"
                      " mac_key) VALUES (?, ?, 0, 0, 0, ?, ?, ?)"};
constexpr Sql kSave{"coord.save",
                    "UPDATE coord_swarms SET epoch = ?, fence = ?, revision = ?, last_us = max(last_us, ?),"
                    " paused_us = ? WHERE swarm = ?"};
constexpr Sql kLeases{"coord.leases",
                      "SELECT id, agent, proven, repository, kind, path, mode, reason, purpose, granted_us,"
                      " expires_us, epoch, counter FROM coord_leases WHERE swarm = ?"};
constexpr Sql kPutLease{
    "coord.put_lease",
    "INSERT OR REPLACE INTO coord_leases (swarm, id, agent, proven, repository, kind, path, mode,"
    " reason, purpose, granted_us, expires_us, epoch, counter) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr Sql kDropLease{"coord.drop_lease", "DELETE FROM coord_leases WHERE swarm = ? AND id = ?"};

Result<void> write_change(const Turn& turn, const LockChange& change) {
  if (!change.lease) return turn.db.run(kDropLease, turn.swarm, change.id);
  const Lease& lease = *change.lease;
  std::optional<std::int64_t> expires;
  if (lease.expires) expires = lease.expires->us;
  return turn.db.run(kPutLease, turn.swarm, lease.id, lease.owner.agent, lease.owner.proven, lease.key.repository,
                     static_cast<int>(lease.key.kind), Bytes{lease.key.path}, static_cast<int>(lease.mode),
                     lease.reason, static_cast<int>(lease.purpose), lease.granted.us, expires, lease.fence.epoch,
                     lease.fence.counter);
}

std::optional<Moment> earlier(std::optional<Moment> a, std::optional<Moment> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

std::optional<Happening> happening_of(const LockNotice& notice, Span paused) {
  const bool about_lease = notice.kind == LockNotice::Kind::granted || notice.kind == LockNotice::Kind::ended;
  if (notice.kind == LockNotice::Kind::dropped) return std::nullopt;
  const LockKey& key = about_lease ? notice.lease.key : notice.waiter.request.key;
  const std::string& agent = about_lease ? notice.lease.owner.agent : notice.waiter.request.owner.agent;
  Value data = Value::Map{{"repository", key.repository}, {"kind", kind_name(key.kind)}, {"path", key.path}};
  if (notice.kind == LockNotice::Kind::deadlock) {
    data.set("circle", notice.note);
    return Happening{"lock.deadlock", agent, std::move(data)};
  }
  const Lease& lease = notice.lease;
  data.set("id", lease.id);
  data.set("agent", agent);
  data.set("mode", mode_name(lease.mode));
  data.set("epoch", lease.fence.epoch);
  data.set("counter", lease.fence.counter);
  if (notice.kind == LockNotice::Kind::granted) {
    data.set("reason", lease.reason);
    data.set("proven", lease.owner.proven);
    if (lease.expires) data.set("expires_us", lease.expires->us + paused.count());
    return Happening{"lock.granted", agent, std::move(data)};
  }
  data.set("end", end_name(notice.end));
  if (!notice.by.empty()) data.set("by", notice.by);
  if (!notice.note.empty()) data.set("reason", notice.note);
  return Happening{"lock.ended", agent, std::move(data)};
}

Result<TimeRecord> Coordination::recorded_time(store::Database& db, const std::string& swarm) {
  const auto row = db.one<std::int64_t, std::int64_t>(kTime, swarm);
  if (!row) return fail(row.error());
  if (!*row) return TimeRecord{};
  const auto& [last, paused] = **row;
  return TimeRecord{{last}, Span(paused)};
}

Result<void> Coordination::create(store::Database& db, StepTime time) {
  Bytes key{std::string(kMacKey, '\0')};
  random_.fill(std::as_writable_bytes(std::span(key.data)));
  return db.run(kCreate, swarm_, std::max<std::int64_t>(options_.epoch, 1), time.now.us, time.paused.count(), key);
}

Result<void> Coordination::load_leases(store::Database& db) {
  auto rows = db.all<std::string, std::string, bool, std::string, int, Bytes, int, std::string, int, std::int64_t,
                     std::optional<std::int64_t>, std::int64_t, std::int64_t>(kLeases, swarm_);
  if (!rows) return fail(rows.error());
  for (auto& [id, agent, proven, repository, kind, path, mode, reason, purpose, granted, expires, epoch, counter] :
       *rows) {
    Result<LockKey> key =
        recorded_key(std::move(repository), static_cast<LockKind>(kind), std::move(path.data), options_.paths);
    if (!key) return fail(key.error(), "lock " + id);
    locks_.restore({.id = std::move(id),
                    .owner = {std::move(agent), proven},
                    .key = std::move(*key),
                    .mode = static_cast<LockMode>(mode),
                    .reason = std::move(reason),
                    .purpose = static_cast<LockPurpose>(purpose),
                    .granted = {granted},
                    .expires = expires ? std::optional(Moment{*expires}) : std::nullopt,
                    .fence = {epoch, counter}});
  }
  return {};
}

Result<void> Coordination::load(store::Database& db, StepTime time, StepReport& report) {
  const auto known = db.one<std::int64_t>(kRevision, swarm_);
  if (!known) return fail(known.error());
  if (*known && std::get<0>(**known) == revision_) return {};
  if (!*known) {
    if (Result<void> created = create(db, time); !created) return created;
  }
  auto row = db.one<std::int64_t, std::int64_t, std::int64_t, Bytes>(kSwarm, swarm_);
  if (!row) return fail(row.error());
  auto& [epoch, fence, revision, mac_key] = **row;
  report.line_lost = !locks_.waiters().empty() || revision_ >= 0;
  revision_ = -1;
  locks_ = LockTable(Fence{epoch, fence});
  if (Result<void> loaded = load_leases(db); !loaded) return loaded;
  if (options_.epoch > epoch) {
    if (Result<void> begun = locks_.begin_epoch(options_.epoch); !begun) return begun;
  }
  messages_.emplace(options_.messages, options_.registry, std::move(mac_key.data));
  revision_ = revision;
  return {};
}

Result<void> Coordination::save(const Turn& turn, StepReport& report, Wrote wrote) {
  const std::vector<LockChange> changes = locks_.take_changes();
  for (const LockChange& change : changes) {
    if (Result<void> written = write_change(turn, change); !written) return written;
  }
  for (LockNotice& notice : locks_.take_notices()) {
    if (std::optional<Happening> happening = happening_of(notice, turn.paused)) {
      report.happenings.push_back(std::move(*happening));
    }
    report.notices.push_back(std::move(notice));
  }
  // A look at the clock that found nothing to do writes nothing.
  if (wrote == Wrote::yes || !changes.empty() || !report.happenings.empty()) {
    const Fence fence = locks_.fence();
    auto saved =
        turn.db.run(kSave, fence.epoch, fence.counter, revision_ + 1, turn.now.us, turn.paused.count(), swarm_);
    if (!saved) return saved;
    ++revision_;
  }
  const Result<std::optional<Moment>> due = messages_->next_deadline(turn);
  if (!due) return fail(due.error());
  report.next = earlier(locks_.next_deadline(), *due);
  return {};
}

Result<void> Coordination::advance(store::Database& db, StepTime time, StepReport& report) {
  const auto done = with_locks(db, time, report, [](Step& step) -> Result<void> {
    if (Result<void> served = step.messages.advance(step.turn); !served) return served;
    if (const auto stale = step.registry.advance(step.turn); !stale) return fail(stale.error());
    if (const auto pruned = step.messages.prune(step.turn, 200); !pruned) return fail(pruned.error());
    step.locks.advance(step.turn.now);
    return {};
  });
  if (!done) return fail(done.error());
  return *done;
}

}  // namespace swarm::coord
