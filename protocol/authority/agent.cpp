#include <algorithm>
#include <map>

#include "protocol/authority/steps.hpp"

namespace swarm::authority {
namespace {

using api::AgentInfo;
using coord::Step;

api::AgentCard card_of(const coord::AgentCard& card) {
  api::AgentCard out{.skills = {}, .tools = card.tools, .availability = card.availability, .about = card.about};
  for (const coord::Skill& skill : card.skills) out.skills.push_back({.name = skill.name, .rate = skill.rate});
  return out;
}

coord::AgentCard card_of(const api::AgentCard& card) {
  coord::AgentCard out{.skills = {}, .tools = card.tools, .availability = card.availability, .about = card.about};
  for (const api::AgentSkill& skill : card.skills) out.skills.push_back({.name = skill.name, .rate = skill.rate});
  return out;
}

using Delivery = decltype(Desk::delivery);

AgentInfo info_of(const Step& step, const Delivery& delivery, const coord::AgentRecord& record,
                  const std::map<std::string, std::int64_t>& unread) {
  AgentInfo info{.id = record.id,
                 .role = record.role,
                 .state = static_cast<api::AgentState>(record.state),
                 .identity = identity_of(record.proven),
                 .task = record.task,
                 .detail = record.detail,
                 .registered_us = step.turn.wall_us(record.registered),
                 .heartbeat_us = step.turn.wall_us(record.heartbeat),
                 .locks = {},
                 .unread = 0,
                 .card = card_of(record.card),
                 .delivery = {}};
  if (delivery) info.delivery = delivery(step.turn, record.id);
  if (record.uid) info.uid = static_cast<std::uint32_t>(*record.uid);
  for (const coord::Lease* lease : step.locks.leases_of(record.id)) info.locks.push_back(lease->id);
  if (const auto at = unread.find(record.id); at != unread.end()) info.unread = static_cast<std::uint64_t>(at->second);
  return info;
}

Result<AgentInfo> one(Step& step, const Delivery& delivery, const std::string& agent) {
  const auto record = step.registry.find(step.turn, agent);
  if (!record) return fail(record.error());
  const auto unread = step.messages.unread(step.turn);
  if (!unread) return fail(unread.error());
  return info_of(step, delivery, *record, *unread);
}

bool wanted(const AgentInfo& info, const api::AgentListRequest& request) {
  const bool over = info.state == api::AgentState::stale || info.state == api::AgentState::gone;
  if (request.role && info.role != *request.role) return false;
  if (!request.states.empty()) return std::ranges::find(request.states, info.state) != request.states.end();
  return request.all || !over;
}

Result<api::AgentListReply> list(Step& step, const Delivery& delivery, const api::AgentListRequest& request) {
  const auto records = step.registry.list(step.turn);
  if (!records) return fail(records.error());
  const auto unread = step.messages.unread(step.turn);
  if (!unread) return fail(unread.error());
  api::AgentListReply reply;
  for (const coord::AgentRecord& record : *records) {
    if (request.cursor && record.id <= *request.cursor) continue;
    AgentInfo info = info_of(step, delivery, record, *unread);
    if (!wanted(info, request)) continue;
    if (reply.agents.size() == request.limit) {
      reply.next_cursor = reply.agents.back().id;
      break;
    }
    reply.agents.push_back(std::move(info));
  }
  return reply;
}

Result<api::AgentFindReply> find(Step& step, const api::AgentFindRequest& request) {
  const auto found = step.registry.with_skills(step.turn, request.skills, request.tools, request.except);
  if (!found) return fail(found.error());
  api::AgentFindReply reply;
  for (const coord::Candidate& one : *found) reply.candidates.push_back({.agent = one.agent, .score = one.score});
  return reply;
}

/// The update and the answer are one step.
Result<AgentInfo> update(Step& step, const Delivery& delivery, const std::string& agent,
                         const api::AgentUpdateRequest& request) {
  std::optional<coord::AgentState> state;
  if (request.state) {
    state = static_cast<coord::AgentState>(*request.state);
    if (*request.state == api::AgentState::unknown || !coord::is_live(*state)) {
      return fail(Code::invalid_argument, "an agent says of itself: starting, working, idle, waiting or rate_limited");
    }
  }
  if (auto done = step.registry.update(step.turn, agent, state, request.task, request.detail); !done) {
    return fail(done.error());
  }
  if (request.card) {
    if (auto set = step.registry.set_card(step.turn, agent, card_of(*request.card)); !set) return fail(set.error());
  }
  return one(step, delivery, agent);
}

async::Task<Result<api::AgentListReply>> list_all(Desk& desk, Asked<api::InSwarm<api::AgentListRequest>> asked) {
  auto task = detail::look<api::AgentListReply>(
      desk, std::move(asked),
      [delivery = desk.delivery](Step& step, const auto& call) { return list(step, delivery, call.request); });
  Result<api::AgentListReply> reply = co_await std::move(task);
  if (!reply || !desk.add_program) co_return reply;
  for (AgentInfo& info : reply->agents) desk.add_program(info, false);
  co_return reply;
}

async::Task<Result<AgentInfo>> info(Desk& desk, Asked<api::InSwarm<api::AgentInfoRequest>> asked) {
  auto task = detail::look<AgentInfo>(desk, std::move(asked), [delivery = desk.delivery](Step& step, const auto& call) {
    return one(step, delivery, call.request.agent);
  });
  Result<AgentInfo> found = co_await std::move(task);
  if (found && desk.add_program) desk.add_program(*found, true);
  co_return found;
}

async::Task<Result<AgentInfo>> change(Desk& desk, Asked<api::InSwarm<api::AgentUpdateRequest>> asked) {
  auto task = detail::change<AgentInfo>(desk, std::move(asked), api::kAgentUpdate.name, store::Durability::process,
                                        [delivery = desk.delivery](Step& step, const auto& call) {
                                          return update(step, delivery, call.caller.name, call.request);
                                        });
  Result<AgentInfo> result = co_await std::move(task);
  co_return result;
}

}  // namespace

void add_agent(std::vector<Entry>& entries) {
  add_task(entries, api::kAgentList, Who::anyone, list_all);
  add_look(entries, api::kAgentFind, [](Step& step, const auto& call) { return find(step, call.request); });
  add_task(entries, api::kAgentInfo, Who::anyone, info);
  add_task(entries, api::kAgentUpdate, Who::agents, change);
}

}  // namespace swarm::authority
