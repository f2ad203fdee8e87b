#include "client/commands/sight.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/word.hpp"
#include "protocol/api/message.hpp"

namespace swarm::client {
namespace {

std::string path_of(const api::Path& path) { return path.bytes.empty() ? "everything" : one_line(path.bytes); }

std::string ended_line(const api::LockEnded& lock) {
  std::string line = fmt::format("lock {} of {}: {}", path_of(lock.path), one_line(lock.agent), word(lock.end));
  if (lock.by && *lock.by != lock.agent) line += " by " + one_line(*lock.by);
  return line;
}

async::Task<Result<void>> look_at_work(Client& client, Sight& sight) {
  const std::string id = sight.swarm.id;
  api::FromAgent<api::TaskListRequest> tasks;
  tasks.swarm = id;
  tasks.limit = 1000;
  Result<api::TaskListReply> listed = co_await client.call(api::kTaskList, tasks);
  if (!listed) co_return fail(listed.error());
  sight.tasks = std::move(listed->tasks);
  api::FromAgent<api::ReviewListRequest> reviews;
  reviews.swarm = id;
  reviews.states = {api::ReviewState::open, api::ReviewState::challenged, api::ReviewState::changes_requested};
  Result<api::ReviewListReply> reviewed = co_await client.call(api::kReviewList, reviews);
  if (!reviewed) co_return fail(reviewed.error());
  sight.reviews = std::move(reviewed->reviews);
  api::FromAgent<api::ProposalListRequest> proposals;
  proposals.swarm = id;
  Result<api::ProposalListReply> proposed = co_await client.call(api::kProposalList, proposals);
  if (!proposed) co_return fail(proposed.error());
  sight.proposals = std::move(proposed->proposals);
  co_return {};
}

}  // namespace

Parts& Parts::operator|=(const Parts& other) {
  swarm |= other.swarm;
  agents |= other.agents;
  locks |= other.locks;
  work |= other.work;
  cost |= other.cost;
  return *this;
}

Parts parts_of(const api::Event& event) {
  const auto is = [&event](std::string_view domain) { return event.type.starts_with(domain); };
  Parts parts;
  parts.swarm = is("swarm.") || is("run.") || is("task.") || is("human.");
  parts.agents = is("agent.") || is("message.") || is("lock.") || is("swarm.");
  parts.locks = is("lock.");
  parts.work = is("task.") || is("review.") || is("proposal.") || is("run.");
  return parts;
}

async::Task<Result<void>> look(Client& client, Sight& sight, Parts parts) {
  const std::string id = sight.swarm.id;
  if (parts.swarm) {
    Result<api::SwarmInfo> swarm = co_await client.call(api::kSwarmInfo, in_swarm<api::SwarmRequest>(id));
    if (!swarm) co_return fail(swarm.error());
    sight.swarm = std::move(*swarm);
  }
  if (parts.cost) {
    const Result<api::CostSummaryReply> cost = co_await client.call(api::kCostSummary, {.filter = {.swarm = id}});
    if (cost) sight.cost = cost->total;
  }
  if (parts.agents) {
    Result<api::AgentListReply> agents =
        co_await client.call(api::kAgentList, in_swarm(id, api::AgentListRequest{.all = true, .limit = 1000}));
    sight.agents = agents ? std::move(agents->agents) : std::vector<api::AgentInfo>();
  }
  if (parts.locks) {
    Result<api::LockListReply> locks = co_await client.call(api::kLockList, in_swarm<api::LockListRequest>(id));
    sight.locks = locks ? std::move(*locks) : api::LockListReply{};
  }
  if (!parts.work || sight.swarm.run.empty()) co_return {};
  Result<void> worked = co_await look_at_work(client, sight);
  co_return worked;
}

std::string talk_line(const api::Event& event) {
  const std::string agent = one_line(event.agent.value_or(""));
  if (event.type == api::kMessageQueued.name) {
    const auto data = data_of<api::MessageQueued>(event);
    return data ? fmt::format("{} to {}: {}", one_line(data->sender), one_line(data->address), one_line(data->body))
                : "";
  }
  if (event.type == api::kMessageEscalated.name) {
    const auto data = data_of<api::MessageEscalated>(event);
    return data ? fmt::format("{} does not answer {}; told the {}", one_line(data->recipient), one_line(data->id),
                              one_line(data->to))
                : "";
  }
  if (event.type == api::kAgentStalled.name) {
    const auto data = data_of<api::AgentStalled>(event);
    return data ? fmt::format("{} is {}: {} ({})", agent, word(data->kind), word(data->rung), one_line(data->seen))
                : "";
  }
  if (event.type == api::kLockEnded.name) {
    const auto data = data_of<api::LockEnded>(event);
    // That somebody gave it back, or that its time was over, is no news.
    if (!data || (data->end != api::LockEnd::broken && data->end != api::LockEnd::owner_gone)) return {};
    return ended_line(*data);
  }
  if (event.type == api::kLockDeadlock.name) {
    const auto data = data_of<api::LockDeadlock>(event);
    return data ? fmt::format("lock {} refused, a deadlock: {}", path_of(data->path), one_line(data->circle)) : "";
  }
  return {};
}

std::string detail_line(const api::Event& event) {
  const std::string agent = one_line(event.agent.value_or(""));
  if (event.type == api::kLockGranted.name) {
    const auto data = data_of<api::LockGranted>(event);
    return data ? fmt::format("{} locks {}", one_line(data->agent), path_of(data->path)) : "";
  }
  if (event.type == api::kLockEnded.name) {
    const auto data = data_of<api::LockEnded>(event);
    return data ? ended_line(*data) : "";
  }
  if (event.type == api::kAgentState.name) {
    const auto data = data_of<api::AgentStateChanged>(event);
    if (!data) return {};
    std::string line = fmt::format("{} is {}", agent, word(data->state));
    if (!data->task.empty()) line += ": " + one_line(data->task);
    if (!data->detail.empty()) line += " (" + one_line(data->detail) + ")";
    return line;
  }
  return {};
}

Value snapshot(const Sight& sight, WallTime now) {
  const auto list = [](const auto& items) {
    Value::Array out;
    for (const auto& item : items) out.push_back(api::encode(item));
    return out;
  };
  return Value::Map{{"time_us", now.us},
                    {"swarm", api::encode(sight.swarm)},
                    {"agents", list(sight.agents)},
                    {"tasks", list(sight.tasks)},
                    {"reviews", list(sight.reviews)},
                    {"proposals", list(sight.proposals)},
                    {"locks", list(sight.locks.locks)},
                    {"waiting", list(sight.locks.waiting)},
                    {"cost", api::encode(sight.cost)},
                    {"lines", Value::Array(sight.lines.begin(), sight.lines.end())}};
}

}  // namespace swarm::client
