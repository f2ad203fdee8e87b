#include "protocol/api/lock.hpp"
#include "protocol/authority/steps.hpp"
#include "protocol/core/id.hpp"

namespace swarm::authority {
namespace {

using coord::Step;

coord::Span span_of(std::chrono::milliseconds time) { return coord::Span(time); }

/// The answer that the caller sees, with the lease as it is after the step.
struct Granted {
  coord::Lease lease;
  coord::Span paused{0};
};

async::Task<Result<api::LockAcquireReply>> acquire(Desk& desk, Asked<api::InSwarm<api::LockAcquireRequest>> asked) {
  const coord::Actor& caller = asked.caller;
  const api::LockAcquireRequest& request = asked.request;
  coord::Host& host = desk.host();
  Result<coord::LockKey> key =
      desk.key(caller.name, request.repository, static_cast<coord::LockKind>(request.kind), request.path.bytes);
  if (!key) co_return fail(key.error());
  coord::LockRequest wanted{.id = new_id("lck", desk.loop.clock(), desk.random),
                            .owner = {.agent = caller.name, .proven = caller.proven},
                            .key = std::move(*key),
                            .mode = static_cast<coord::LockMode>(request.mode),
                            .reason = request.reason};
  if (request.ttl_ms) wanted.ttl = span_of(*request.ttl_ms);
  Result<coord::Acquired> got = co_await host.acquire(std::move(wanted), span_of(request.wait_ms));
  if (!got) co_return fail(got.error());
  co_return api::LockAcquireReply{.lock = lock_info(*got->lease, host.step_time().paused), .renewed = got->renewed};
}

async::Task<Result<api::LockInfo>> renew(Desk& desk, Asked<api::InSwarm<api::LockRenewRequest>> asked) {
  const coord::Actor& caller = asked.caller;
  const api::LockRenewRequest& request = asked.request;
  auto task = desk.host().with_locks(
      "lock.renew",
      [agent = caller.name, request = api::LockRenewRequest(request)](Step& step) -> Result<api::LockInfo> {
        const auto lease = step.locks.renew(request.id, agent, span_of(request.ttl_ms), step.turn.now);
        if (!lease) return fail(lease.error());
        return lock_info(*lease, step.turn.paused);
      });
  Result<api::LockInfo> result = co_await std::move(task);
  co_return result;
}

async::Task<Result<api::LockReleaseReply>> release(Desk& desk, Asked<api::InSwarm<api::LockReleaseRequest>> asked) {
  const coord::Actor& caller = asked.caller;
  const api::LockReleaseRequest& request = asked.request;
  std::optional<coord::LockKey> key;
  if (request.path) {
    Result<coord::LockKey> made =
        desk.key(caller.name, request.repository, static_cast<coord::LockKind>(request.kind), request.path->bytes);
    if (!made) co_return fail(made.error());
    key = std::move(*made);
  }
  auto task = desk.host().with_locks(
      "lock.release",
      [agent = caller.name, id = request.id, key = std::move(key)](Step& step) -> Result<api::LockReleaseReply> {
        if (key) {
          const Result<int> count = step.locks.release_key(*key, agent, step.turn.now);
          if (!count) return fail(count.error());
          return api::LockReleaseReply{.released = static_cast<std::uint32_t>(*count)};
        }
        const Result<bool> released = step.locks.release(*id, agent, step.turn.now);
        if (!released) return fail(released.error());
        return api::LockReleaseReply{.released = *released ? 1U : 0U};
      });
  Result<api::LockReleaseReply> result = co_await std::move(task);
  co_return result;
}

async::Task<Result<api::LockInfo>> break_lock(Desk& desk, Asked<api::InSwarm<api::LockBreakRequest>> asked) {
  const coord::Actor& caller = asked.caller;
  const api::LockBreakRequest& request = asked.request;
  auto task = desk.host().with_locks(
      "lock.break",
      [person = caller.name, request = api::LockBreakRequest(request)](Step& step) -> Result<api::LockInfo> {
        const auto lease = step.locks.break_lease(request.id, person, request.reason, step.turn.now);
        if (!lease) return fail(lease.error());
        return lock_info(*lease, step.turn.paused);
      });
  Result<api::LockInfo> result = co_await std::move(task);
  co_return result;
}

api::LockWaiter waiter_info(const coord::Waiter& waiter, const coord::Turn& turn) {
  const coord::LockRequest& request = waiter.request;
  return {.id = request.id,
          .agent = request.owner.agent,
          .repository = request.key.repository,
          .kind = static_cast<api::LockKind>(request.key.kind),
          .path = api::Path(request.key.path),
          .mode = static_cast<api::LockMode>(request.mode),
          .reason = request.reason,
          .since_us = turn.wall_us(waiter.since),
          .until_us = request.wait_until ? turn.wall_us(*request.wait_until) : 0};
}

Result<api::LockListReply> list(const Step& step, const api::LockListRequest& request) {
  api::LockListReply reply;
  /// False where the page is full.
  const auto take = [&](const coord::Lease& lease) {
    if (request.cursor && lease.id <= *request.cursor) return true;
    if (reply.locks.size() == request.limit) {
      reply.next_cursor = reply.locks.back().id;
      return false;
    }
    reply.locks.push_back(lock_info(lease, step.turn.paused));
    return true;
  };
  if (request.agent) {
    for (const coord::Lease* lease : step.locks.leases_of(*request.agent)) {
      if (!take(*lease)) break;
    }
  } else {
    const auto& all = step.locks.leases();
    for (auto it = request.cursor ? all.upper_bound(*request.cursor) : all.begin(); it != all.end(); ++it) {
      if (!take(it->second)) break;
    }
  }
  for (const coord::Waiter& waiter : step.locks.waiters()) {
    if (!request.agent || waiter.request.owner.agent == *request.agent) {
      reply.waiting.push_back(waiter_info(waiter, step.turn));
    }
  }
  return reply;
}

async::Task<Result<api::LockCheckReply>> check(Desk& desk, Asked<api::InSwarm<api::LockCheckRequest>> asked) {
  const coord::Actor& caller = asked.caller;
  const api::LockCheckRequest& request = asked.request;
  const bool agent = caller.kind == coord::Actor::Kind::agent;
  std::string owner = agent ? caller.name : request.agent.value_or("");
  // Thousands of paths of a merge: off the loop.
  auto naming = async::run_blocking(
      desk.loop,
      [key_of = desk.key, owner, request = api::LockCheckRequest(request)]() -> Result<std::vector<coord::LockKey>> {
        std::vector<coord::LockKey> keys;
        keys.reserve(request.paths.size());
        for (const api::Path& path : request.paths) {
          Result<coord::LockKey> key = key_of(owner, request.repository, coord::LockKind::file, path.bytes);
          if (!key) return fail(key.error());
          keys.push_back(std::move(*key));
        }
        return keys;
      });
  Result<std::vector<coord::LockKey>> keys = co_await std::move(naming);
  if (!keys) co_return fail(keys.error());
  auto task =
      desk.host().with_locks("lock.check", [owner, keys = std::move(*keys)](Step& step) -> Result<api::LockCheckReply> {
        std::map<std::string, coord::Lease> found;
        for (const coord::LockKey& key : keys) {
          for (coord::Lease& lease : step.locks.conflicts(key, coord::LockMode::exclusive, owner)) {
            found.try_emplace(lease.id, std::move(lease));
          }
        }
        api::LockCheckReply reply;
        for (const auto& [id, lease] : found) reply.conflicts.push_back(lock_info(lease, step.turn.paused));
        return reply;
      });
  Result<api::LockCheckReply> result = co_await std::move(task);
  co_return result;
}

}  // namespace

api::LockInfo lock_info(const coord::Lease& lease, coord::Span paused) {
  api::LockInfo info{.id = lease.id,
                     .agent = lease.owner.agent,
                     .identity = identity_of(lease.owner.proven),
                     .repository = lease.key.repository,
                     .kind = static_cast<api::LockKind>(lease.key.kind),
                     .path = api::Path(lease.key.path),
                     .mode = static_cast<api::LockMode>(lease.mode),
                     .reason = lease.reason,
                     .granted_us = lease.granted.us + paused.count(),
                     .epoch = lease.fence.epoch,
                     .counter = lease.fence.counter};
  if (lease.expires) info.expires_us = lease.expires->us + paused.count();
  return info;
}

void add_lock(std::vector<Entry>& entries) {
  // Not through `in_tables`: a refusal undoes nothing, and a caller may stand in line.
  add_task(entries, api::kLockAcquire, Who::agents, acquire);
  add_task(entries, api::kLockRenew, Who::agents, renew);
  add_task(entries, api::kLockRelease, Who::agents, release);
  add_task(entries, api::kLockCheck, Who::anyone, check);
  add_task(entries, api::inside::kLockBreak, Who::anyone, break_lock);
  add_look(entries, api::kLockList, [](Step& step, const auto& call) { return list(step, call.request); });
}

}  // namespace swarm::authority
