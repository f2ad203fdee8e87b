#include "daemon/team/authorities.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/log/log.hpp"
#include "daemon/team/chronicle.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/authority/hook.hpp"
#include "protocol/authority/options.hpp"
#include "protocol/authority/report.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::team {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals
using coord::Step;

/// Under a stream of messages one telling stands for many.
constexpr Duration kTogether = 20ms;
/// To a sandbox that could not be told.
constexpr Duration kAgain = 1s;

}  // namespace

/// A sandbox of a swarm, and what it has to be told.
struct Authorities::Branch {
  std::string sandbox;
  bool news = true;
  async::Condition changed;
  Branch(async::Loop& loop, std::string where) : sandbox(std::move(where)), changed(loop) {}
};

struct Authorities::Hosted {
  std::string swarm;
  std::string repository;
  std::unique_ptr<coord::Host> host;
  authority::Desk desk;
  Seats seats;
  std::map<std::string, std::shared_ptr<Branch>> branches;  ///< by sandbox; shared with who tells it
  async::TaskSet telling;                                   // last: its tasks use everything above

  Hosted(async::Loop& loop, Random& random, std::string id, std::string repo)
      : swarm(std::move(id)),
        repository(std::move(repo)),
        desk{.loop = loop,
             .random = random,
             .host = [this]() -> coord::Host& { return *host; },
             .key =
                 [named = repository](const std::string& agent, const std::string& given, coord::LockKind kind,
                                      const std::string& path) {
                   return authority::plain_key(agent, given.empty() ? named : given, kind, path);
                 },
             .notes_changed = async::Condition(loop)},
        telling(loop) {}
};

Authorities::Authorities(async::Loop& loop, store::Store& store, Random& random, Push push)
    : loop_(loop), store_(store), random_(random), push_(std::move(push)), tasks_(loop) {}

Authorities::~Authorities() {
  tasks_.cancel_all();
  for (const auto& [swarm, hosted] : hosted_) hosted->telling.cancel_all();
}

Result<void> Authorities::host(const std::string& swarm, const std::string& repository,
                               std::chrono::milliseconds paused) {
  if (hosts(swarm)) return {};
  auto hosted = std::make_shared<Hosted>(loop_, random_, swarm, repository);
  const api::TeamOpenRequest usual;
  Result<std::unique_ptr<coord::Host>> opened = coord::Host::open(
      loop_, store_, swarm, random_, authority::host_options(usual.epoch, usual.messages_per_minute, usual.patience));
  if (!opened) return fail(opened.error(), "coordination");
  hosted->host = std::move(*opened);
  hosted->host->on_happenings(
      [this, raw = hosted.get()](const std::vector<coord::Happening>& happenings) { happened(*raw, happenings); });
  if (paused.count() > 0) hosted->host->resumed(coord::Span(paused));
  hosted_.emplace(swarm, std::move(hosted));
  return {};
}

void Authorities::let_go(const std::string& swarm) {
  const auto found = hosted_.find(swarm);
  if (found == hosted_.end()) return;
  found->second->telling.cancel_all();
  found->second->branches.clear();
  hosted_.erase(found);
}

Result<std::shared_ptr<Authorities::Hosted>> Authorities::find(const std::string& swarm) const {
  const auto found = hosted_.find(swarm);
  if (found == hosted_.end()) {
    return fail(Code::failed_precondition,
                fmt::format("the daemon does not decide about messages, locks and notes of swarm '{}' now: it is "
                            "paused or over, or the agentd of its one sandbox does",
                            shown(swarm)));
  }
  return found->second;
}

void Authorities::seat(const std::string& swarm, Seats seats) {
  const auto found = hosted_.find(swarm);
  if (found == hosted_.end()) return;
  Hosted& hosted = *found->second;
  if (hosted.seats == seats) return;
  hosted.seats = std::move(seats);
  std::map<std::string, std::shared_ptr<Branch>> branches;
  for (const auto& [agent, seat] : hosted.seats) {
    if (seat.sandbox.empty() || branches.contains(seat.sandbox)) continue;
    const auto known = hosted.branches.find(seat.sandbox);
    std::shared_ptr<Branch> branch;
    if (known != hosted.branches.end()) {
      branch = known->second;
      branch->news = true;
      branch->changed.notify_all();
    } else {
      branch = std::make_shared<Branch>(loop_, seat.sandbox);
      hosted.telling.spawn(tell(this, &hosted, branch));
    }
    branches.emplace(seat.sandbox, std::move(branch));
  }
  std::swap(hosted.branches, branches);
  // Whoever told one that is left wakes up and ends.
  for (const auto& [sandbox, branch] : branches) branch->changed.notify_all();
}

void Authorities::connected(const std::string& sandbox) {
  for (const auto& [swarm, hosted] : hosted_) {
    const auto branch = hosted->branches.find(sandbox);
    if (branch == hosted->branches.end()) continue;
    branch->second->news = true;
    branch->second->changed.notify_all();
  }
}

void Authorities::happened(Hosted& hosted, const std::vector<coord::Happening>& happenings) {
  hosted.desk.happened(happenings);
  std::vector<store::NewEvent> notices;
  bool mail = false;
  for (const coord::Happening& one : happenings) {
    mail = mail || one.type.starts_with("message.");
    auto notice =
        notice_for({.seq = 0, .time_us = 0, .type = one.type, .agent = one.agent, .data = one.data}, hosted.swarm);
    if (notice) notices.push_back(std::move(*notice));
  }
  if (!notices.empty()) tasks_.spawn(notify(&store_, std::move(notices)));
  if (!mail) return;
  for (const auto& [sandbox, branch] : hosted.branches) {
    branch->news = true;
    branch->changed.notify_all();
  }
}

async::Task<> Authorities::notify(store::Store* store, std::vector<store::NewEvent> notices) {
  auto task = store->write("team.notice", store::Durability::power,
                           [notices = std::move(notices)](store::Changes& changes) -> Result<void> {
                             for (const store::NewEvent& notice : notices) {
                               if (auto told = changes.append(notice); !told) return fail(told.error());
                             }
                             return {};
                           });
  static_cast<void>(co_await std::move(task));  // what it is about stays to be seen in the log
}

async::Task<> Authorities::tell(Authorities* self, Hosted* hosted, std::shared_ptr<Branch> branch) {
  const auto stands = [&] {
    const auto known = hosted->branches.find(branch->sandbox);
    return known == hosted->branches.end() || known->second == branch;
  };
  // The first round begins before the branch is in the map.
  co_await async::sleep_for(self->loop_, kTogether);
  while (hosted->branches.contains(branch->sandbox) && stands()) {
    if (!branch->news) {
      co_await branch->changed.wait();
      continue;
    }
    branch->news = false;
    auto asking = hosted->host->with_locks("team.unread", [](Step& step) { return step.messages.unread(step.turn); });
    const Result<std::map<std::string, std::int64_t>> unread = co_await std::move(asking);
    bool told = unread.has_value();
    if (unread) {
      api::TeamMailRequest mail;
      for (const auto& [agent, count] : *unread) {
        const auto seat = hosted->seats.find(agent);
        if (count > 0 && seat != hosted->seats.end() && seat->second.sandbox == branch->sandbox) {
          mail.unread[agent] = static_cast<std::uint64_t>(count);
        }
      }
      auto pushing = self->push_(branch->sandbox, std::move(mail));
      const Result<void> pushed = co_await std::move(pushing);
      told = pushed.has_value();
      if (!pushed) {
        log::logger<"team">().debug("a sandbox waits for the news of its mail",
                                    {{"sandbox", branch->sandbox}, {"error", pushed.error()}});
      }
    }
    if (!told) branch->news = true;
    co_await async::sleep_for(self->loop_, told ? kTogether : kAgain);
  }
}

async::Task<Result<void>> Authorities::join(std::string swarm, coord::NewAgent agent) {
  const auto hosted = find(swarm);
  if (!hosted) co_return fail(hosted.error());
  const std::shared_ptr<Hosted> held = *hosted;
  auto task = held->host->in_tables("team.join", store::Durability::power, [agent](Step& step) -> Result<void> {
    // Back from the dead, or known already: nothing of what it said of itself is lost.
    const auto state = step.registry.state_of(step.turn, agent.id);
    if (!state) return fail(state.error());
    if (*state && coord::is_live(**state)) return {};
    const Result<coord::AgentRecord> added = step.registry.add(step.turn, agent);
    if (!added) return fail(added.error());
    return {};
  });
  Result<void> done = co_await std::move(task);
  co_return done;
}

async::Task<Result<void>> Authorities::leave(std::string swarm, std::string agent, std::string why) {
  const auto hosted = find(swarm);
  if (!hosted) co_return fail(hosted.error());
  const std::shared_ptr<Hosted> held = *hosted;
  auto task = held->host->in_tables("team.leave", store::Durability::power, [agent, why](Step& step) -> Result<void> {
    if (auto gone = step.registry.gone(step.turn, agent, why); !gone) return gone;
    step.locks.owner_gone(agent, step.turn.now);
    return {};
  });
  Result<void> done = co_await std::move(task);
  co_return done;
}

async::Task<Result<void>> Authorities::merged(std::string swarm, std::string agent, std::string repository,
                                              std::vector<std::string> paths) {
  const auto hosted = find(swarm);
  if (!hosted) co_return fail(hosted.error());
  const std::shared_ptr<Hosted> held = *hosted;
  auto task = held->host->with_locks("edits.merged", [agent, repository, paths](Step& step) -> Result<void> {
    std::vector<std::string> over;
    for (const coord::Lease* lease : step.locks.leases_of(agent)) {
      if (lease->key.repository != repository || lease->purpose != coord::LockPurpose::edit) continue;
      if (std::ranges::find(paths, lease->key.path) != paths.end()) over.push_back(lease->id);
    }
    for (const std::string& id : over) {
      static_cast<void>(step.locks.release(id, agent, step.turn.now));  // it was there just now
    }
    return {};
  });
  Result<void> done = co_await std::move(task);
  co_return done;
}

async::Task<Result<Value>> Authorities::as_person(std::string swarm, std::string method, Value params) {
  const auto hosted = find(swarm);
  if (!hosted) co_return fail(hosted.error());
  const std::shared_ptr<Hosted> held = *hosted;
  const authority::Entry* entry = authority::find_entry(method);
  if (entry == nullptr || entry->who == authority::Who::agents) {
    co_return fail(Code::unimplemented,
                   fmt::format("'{}' is not there for a swarm in several sandboxes; its agents are those it was "
                               "deployed with",
                               shown(method)));
  }
  auto task = entry->call(held->desk, {.kind = coord::Actor::Kind::person, .name = std::string(authority::kPerson)},
                          std::move(params));
  Result<Value> answer = co_await std::move(task);
  co_return answer;
}

Result<coord::Actor> Authorities::agent_in(const Hosted& hosted, const std::string& sandbox,
                                           const std::string& agent) const {
  const auto seat = hosted.seats.find(agent);
  if (seat == hosted.seats.end() || sandbox.empty() || seat->second.sandbox != sandbox) {
    log::logger<"team">().warn("a sandbox spoke for an agent that does not live there",
                               {{"swarm", hosted.swarm}, {"sandbox", sandbox}, {"agent", shown(agent, 64)}});
    return fail(Code::permission_denied,
                fmt::format("no agent '{}' lives in sandbox '{}', and no other speaks for it", shown(agent), sandbox));
  }
  return coord::Actor{.kind = coord::Actor::Kind::agent, .name = agent, .proven = seat->second.proven};
}

async::Task<Result<api::RelayCallReply>> Authorities::call(std::string swarm, std::string sandbox,
                                                           api::RelayCallRequest request) {
  const auto hosted = find(swarm);
  if (!hosted) co_return fail(hosted.error());
  const std::shared_ptr<Hosted> held = *hosted;
  const authority::Entry* entry = authority::find_entry(request.method);
  const bool for_agents =
      entry != nullptr && (entry->info->caller == api::Caller::both || entry->info->caller == api::Caller::tunnel);
  if (!for_agents) {
    co_return fail(Code::permission_denied, fmt::format("'{}' is not for agents", shown(request.method)));
  }
  coord::Actor actor{.kind = coord::Actor::Kind::system, .name = std::string(coord::kSystemName)};
  if (request.agent) {
    Result<coord::Actor> agent = agent_in(*held, sandbox, *request.agent);
    if (!agent) co_return fail(agent.error());
    actor = std::move(*agent);
  } else if (entry->who == authority::Who::agents || entry->info->effect != api::Effect::reads) {
    co_return fail(Code::permission_denied, fmt::format("'{}' needs the agent that calls", entry->info->name));
  }
  // The swarm is that of the sandbox, whatever is said.
  Value::Map* arguments = request.arguments.as_map();
  if (arguments != nullptr) std::erase_if(*arguments, [](const Value::Member& one) { return one.first == "swarm"; });
  auto task = entry->call(held->desk, std::move(actor), Value(Value::Array{std::move(request.arguments)}));
  Result<Value> answer = co_await std::move(task);
  if (!answer) co_return fail(answer.error());
  co_return api::RelayCallReply{.answer = std::move(*answer)};
}

async::Task<Result<api::HookEventReply>> Authorities::hook(std::string swarm, std::string sandbox,
                                                           api::RelayHookRequest request) {
  const auto hosted = find(swarm);
  if (!hosted) co_return fail(hosted.error());
  const std::shared_ptr<Hosted> held = *hosted;
  Result<coord::Actor> agent = agent_in(*held, sandbox, request.agent);
  if (!agent) co_return fail(agent.error());
  authority::Hook hook{.event = std::move(request.event),
                       .tool = std::move(request.tool),
                       .detail = std::move(request.detail),
                       .edits = {},
                       .refused = {},
                       .take = request.take,
                       .wake = request.wake,
                       .max_bytes = request.max_bytes};
  for (const api::RelayHookPath& path : request.paths) {
    Result<coord::LockKey> key = held->desk.key(agent->name, path.repository, coord::LockKind::file, path.path.bytes);
    if (!key) co_return fail(key.error());
    hook.edits.push_back({.key = std::move(*key), .own = path.own});
  }
  auto task = authority::hook_event(held->desk, std::move(*agent), std::move(hook), {});
  Result<api::HookEventReply> reply = co_await std::move(task);
  co_return reply;
}

async::Task<Result<api::Empty>> Authorities::report(std::string swarm, std::string sandbox,
                                                    api::RelayReportRequest request) {
  const auto hosted = find(swarm);
  if (!hosted) co_return fail(hosted.error());
  const std::shared_ptr<Hosted> held = *hosted;
  const Result<coord::Actor> agent = agent_in(*held, sandbox, request.agent);
  if (!agent) co_return fail(agent.error());
  auto task = authority::report(held->desk, std::move(request));
  Result<api::Empty> done = co_await std::move(task);
  co_return done;
}

}  // namespace swarm::team
