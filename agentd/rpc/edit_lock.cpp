#include "agentd/rpc/edit_lock.hpp"

#include "agentd/delivery/record.hpp"
#include "agentd/team/far.hpp"
#include "protocol/authority/hook.hpp"

namespace swarm::agentd {
namespace {

using authority::reserved_by_edit;
using coord::Step;

std::vector<git::Reserved> listed(const Step& step, const std::optional<std::string>& repo,
                                  const std::optional<std::string>& agent) {
  std::vector<git::Reserved> found;
  const auto consider = [&](const coord::Lease& lease) {
    if (lease.purpose != coord::LockPurpose::edit || (repo && lease.key.repository != *repo)) return;
    found.push_back({.id = lease.id, .agent = lease.owner.agent, .path = lease.key.path});
  };
  if (agent) {
    for (const coord::Lease* lease : step.locks.leases_of(*agent)) consider(*lease);
  } else {
    for (const auto& [id, lease] : step.locks.leases()) consider(lease);
  }
  return found;
}

/// The wire does not say what a lock is for: there it is told by the words of its reason. Of agents that live here: of
/// others nothing is known, and nothing is given back.
async::Task<Result<std::vector<git::Reserved>>> far_listed(TeamService& service, std::optional<std::string> repo,
                                                           std::optional<std::string> agent) {
  std::vector<git::Reserved> found;
  std::optional<std::string> after;
  do {
    api::InSwarm<api::LockListRequest> request;
    request.agent = agent;
    request.limit = 1000;
    request.cursor = after;
    Result<api::LockListReply> reply =
        co_await ask_host_as(service.team, std::nullopt, api::kLockList, std::move(request));
    if (!reply) co_return fail(reply.error());
    for (const api::LockInfo& lock : reply->locks) {
      if (!reserved_by_edit(lock.reason) || (repo && lock.repository != *repo)) continue;
      if (!service.team.find(lock.agent)) continue;
      found.push_back({.id = lock.id, .agent = lock.agent, .path = lock.path.bytes});
    }
    after = reply->next_cursor;
  } while (after);
  co_return found;
}

async::Task<> far_release(TeamService& service, std::vector<git::Reserved> locks) {
  for (const git::Reserved& one : locks) {
    api::InSwarm<api::LockReleaseRequest> request;
    request.id = one.id;
    // What is no more is what is wanted; else they end by themselves.
    static_cast<void>(co_await ask_host_as(service.team, one.agent, api::kLockRelease, std::move(request)));
  }
}

}  // namespace

async::Task<Result<std::vector<git::Reserved>>> reserved_by_edits(TeamService& service, std::string repo,
                                                                  std::optional<std::string> agent) {
  if (!service.team.is_open()) co_return std::vector<git::Reserved>();
  if (service.team.is_far()) {
    const bool all = !agent;
    auto listing = far_listed(service, std::move(repo), std::move(agent));
    Result<std::vector<git::Reserved>> found = co_await std::move(listing);
    if (!found || !all) co_return found;
    std::erase_if(*found, [&](const git::Reserved& one) {
      const auto heard = delivery::find(service.team.store()->reader(), one.agent);
      return !heard || (*heard && (*heard)->event == "PreToolUse");
    });
    co_return found;
  }
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
  if (service.team.is_far()) {
    co_await far_release(service, std::move(locks));
    co_return;
  }
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
  if (service.team.is_far()) {
    Result<std::vector<git::Reserved>> locks = co_await far_listed(service, std::nullopt, std::move(agent));
    if (locks) co_await far_release(service, std::move(*locks));
    co_return;
  }
  auto task = (*service.team.host())->with_locks("edits.drop", [agent = std::move(agent)](Step& step) {
    for (const git::Reserved& one : listed(step, std::nullopt, agent)) {
      static_cast<void>(step.locks.release(one.id, one.agent, step.turn.now));
    }
    return Result<void>();
  });
  static_cast<void>(co_await std::move(task));  // else they end by themselves
}

}  // namespace swarm::agentd
