#include "agentd/rpc/edit_lock.hpp"

#include "agentd/delivery/record.hpp"
#include "protocol/core/id.hpp"

namespace swarm::agentd {
namespace {

using coord::Lease;
using coord::Step;

/// Counted from the last edit. Commits are checked against the locks of others too.
constexpr std::chrono::minutes kShared{30};
/// Counted from the last call of its hooks: long enough for a review and a test, and not for ever.
constexpr std::chrono::hours kReserved{4};
/// Renewed when less is left, so that not every call of a hook writes.
constexpr std::chrono::hours kRenewBelow{3};

constexpr std::string_view kReason = "changes it with ";
constexpr std::string_view kReservedReason = "reserved until it is merged; changed with ";

bool reserved_by_edit(const Lease& lease) { return lease.purpose == coord::LockPurpose::edit; }

std::vector<git::Reserved> listed(const Step& step, const std::optional<std::string>& repo,
                                  const std::optional<std::string>& agent) {
  std::vector<git::Reserved> found;
  for (const auto& [id, lease] : step.locks.leases()) {
    if (!reserved_by_edit(lease) || (repo && lease.key.repository != *repo)) continue;
    if (agent && lease.owner.agent != *agent) continue;
    found.push_back({.id = id, .agent = lease.owner.agent, .path = lease.key.path});
  }
  return found;
}

}  // namespace

async::Task<Result<std::optional<std::string>>> lock_for_edit(TeamService& service, coord::Actor caller,
                                                              std::vector<api::Path> paths, std::string tool) {
  coord::Host& host = **service.team.host();
  const std::string with = tool.empty() ? "its edit tool" : tool;
  std::vector<std::string> fresh;
  std::optional<std::string> refused;
  for (const api::Path& path : paths) {
    if (!service.checkouts.holds(path.bytes)) continue;
    Result<coord::LockKey> key = service.checkouts.key(caller.name, {}, coord::LockKind::file, path.bytes);
    if (!key) {
      refused = key.error().message;
      break;
    }
    const bool own = service.checkouts.in_worktree_of(caller.name, path.bytes);
    coord::LockRequest wanted{.id = new_id("lck", service.loop.clock(), service.random),
                              .owner = {.agent = caller.name, .proven = caller.proven},
                              .key = std::move(*key),
                              .mode = coord::LockMode::exclusive,
                              .reason = std::string(own ? kReservedReason : kReason) + with,
                              .purpose = own ? coord::LockPurpose::edit : coord::LockPurpose::asked,
                              .ttl = own ? coord::Span(kReserved) : coord::Span(kShared)};
    const Result<coord::Acquired> got = co_await host.acquire(std::move(wanted), coord::Span(0));
    if (!got && got.error().code != Code::failed_precondition) co_return fail(got.error());
    if (!got) {
      refused = got.error().message;
      break;
    }
    if (!got->renewed && got->lease) fresh.push_back(got->lease->id);
  }
  if (!refused || fresh.empty()) co_return refused;
  auto task = host.with_locks("hook.give_back", [agent = caller.name, fresh](Step& step) -> Result<void> {
    for (const std::string& id : fresh) {
      const Result<bool> released = step.locks.release(id, agent, step.turn.now);
      if (!released) return fail(released.error());
    }
    return {};
  });
  const Result<void> given_back = co_await std::move(task);
  if (!given_back) co_return fail(given_back.error());
  co_return refused;
}

void keep_edit_locks(Step& step, const std::string& agent) {
  std::vector<std::string> old;
  for (const auto& [id, lease] : step.locks.leases()) {
    if (!reserved_by_edit(lease) || lease.owner.agent != agent || !lease.expires) continue;
    if (*lease.expires - step.turn.now < coord::Span(kRenewBelow)) old.push_back(id);
  }
  for (const std::string& id : old) {
    static_cast<void>(step.locks.renew(id, agent, coord::Span(kReserved), step.turn.now));  // it was there just now
  }
}

async::Task<Result<std::vector<git::Reserved>>> reserved_by_edits(TeamService& service, std::string repo,
                                                                  std::optional<std::string> agent) {
  if (!service.team.is_open()) co_return std::vector<git::Reserved>();
  auto look = [repo = std::move(repo), agent = std::move(agent)](Step& step) -> Result<std::vector<git::Reserved>> {
    std::vector<git::Reserved> found = listed(step, repo, agent);
    if (agent) return found;
    // Between the lock and the change that it is for nothing is newer yet.
    std::map<std::string, bool> changing;
    for (const git::Reserved& one : found) {
      if (changing.contains(one.agent)) continue;
      const auto heard = delivery::find(step.turn.db, one.agent);
      if (!heard) return fail(heard.error());
      changing[one.agent] = *heard && (*heard)->event == "PreToolUse";
    }
    std::erase_if(found, [&](const git::Reserved& one) { return changing[one.agent]; });
    return found;
  };
  auto task = (*service.team.host())->with_locks("edits.reserved", std::move(look));
  Result<std::vector<git::Reserved>> found = co_await std::move(task);
  co_return found;
}

async::Task<> give_back_edits(TeamService& service, std::vector<git::Reserved> locks) {
  if (!service.team.is_open()) co_return;
  auto task = (*service.team.host())->with_locks("edits.give_back", [locks = std::move(locks)](Step& step) {
    for (const git::Reserved& one : locks) {
      // What is no more is what is wanted.
      static_cast<void>(step.locks.release(one.id, one.agent, step.turn.now));
    }
    return Result<void>();
  });
  static_cast<void>(co_await std::move(task));  // else they end by themselves
}

async::Task<> drop_edit_locks(TeamService& service, std::string agent) {
  if (!service.team.is_open()) co_return;
  auto task = (*service.team.host())->with_locks("edits.drop", [agent = std::move(agent)](Step& step) {
    for (const git::Reserved& one : listed(step, std::nullopt, agent)) {
      static_cast<void>(step.locks.release(one.id, one.agent, step.turn.now));
    }
    return Result<void>();
  });
  static_cast<void>(co_await std::move(task));  // else they end by themselves
}

}  // namespace swarm::agentd
