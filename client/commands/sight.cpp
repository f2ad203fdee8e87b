#include "client/commands/sight.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/message.hpp"

namespace swarm::client {
namespace {

constexpr std::size_t kMostLocks = 6;
constexpr std::size_t kFewestLines = 4;

template <class E>
std::string word(E value) {
  const Value text = api::encode(value);
  return text.as_string() == nullptr ? std::string("?") : *text.as_string();
}

template <class T>
std::optional<T> data_of(const api::Event& event) {
  Result<T> data = api::decode_reply<T>(event.data);
  return data ? std::optional(std::move(*data)) : std::nullopt;
}

bool is_over(api::TaskState state) {
  return state == api::TaskState::done || state == api::TaskState::failed || state == api::TaskState::dropped;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

const api::AgentInfo* registered(const Sight& sight, const std::string& id) {
  const auto found = std::ranges::find(sight.agents, id, &api::AgentInfo::id);
  return found == sight.agents.end() ? nullptr : &*found;
}

Cell state_cell(const api::AgentInfo* agent, const std::string& program) {
  if (agent == nullptr) return {program.empty() ? "-" : one_line(program), Style::faint};
  std::string state = word(agent->state);
  if (agent->program && agent->program->stall) return {state + ": " + word(*agent->program->stall), Style::bad};
  const bool waits = agent->state == api::AgentState::waiting || agent->state == api::AgentState::rate_limited ||
                     agent->state == api::AgentState::stale;
  return {std::move(state), waits                                      ? Style::warning
                            : agent->state == api::AgentState::working ? Style::good
                            : agent->state == api::AgentState::gone    ? Style::faint
                                                                       : Style::plain};
}

Table agents_table(const Sight& sight, WallTime now) {
  Table table({{"AGENT"},
               {"KIND", Align::left, Fit::shorten},
               {"ROLE"},
               {"STATE"},
               {"MAIL", Align::right},
               {"LOCKS", Align::right},
               {"HEARD", Align::right},
               {"WORKS ON", Align::left, Fit::shorten}});
  for (const api::SwarmAgentInfo& agent : sight.swarm.agents) {
    const api::AgentInfo* inside = registered(sight, agent.id);
    std::vector<std::string> held;
    for (const api::TaskInfo& task : sight.tasks) {
      if (task.state == api::TaskState::claimed && task.agent == agent.id) held.push_back(one_line(task.title));
    }
    if (held.empty() && inside != nullptr && !inside->task.empty()) held.push_back(one_line(inside->task));
    table.add({agent.lead ? agent.id + " *" : agent.id, one_line(agent.kind),
               agent.role.empty() ? "any" : one_line(agent.role), state_cell(inside, agent.state),
               inside == nullptr ? "-" : std::to_string(inside->unread),
               inside == nullptr ? "-" : std::to_string(inside->locks.size()),
               inside == nullptr ? "-" : human_age(now, inside->heartbeat_us),
               held.empty() ? "-" : fmt::format("{}", fmt::join(held, "; "))});
  }
  return table;
}

std::vector<std::string> lock_lines(const Sight& sight, std::size_t width) {
  std::vector<std::string> lines;
  for (const api::LockInfo& lock : sight.locks.locks) {
    const std::string path = one_line(lock.path.bytes.empty() ? "everything" : lock.path.bytes);
    std::string line = fmt::format("lock {} by {}{}", path, one_line(lock.agent),
                                   lock.reason.empty() ? "" : ": " + one_line(lock.reason));
    std::vector<std::string> waiting;
    for (const api::LockWaiter& one : sight.locks.waiting) {
      if (one.path == lock.path) waiting.push_back(one_line(one.agent));
    }
    if (!waiting.empty()) line += fmt::format(" ({} waiting)", fmt::join(waiting, ", "));
    lines.push_back(cut_to_width(line, width));
  }
  if (lines.size() > kMostLocks) {
    const std::size_t more = lines.size() - kMostLocks + 1;
    lines.resize(kMostLocks - 1);
    lines.push_back(fmt::format("... {} more; 'swarmctl lock ls'", more));
  }
  return lines;
}

std::string heading(const Context& context, const Sight& sight) {
  const api::SwarmInfo& swarm = sight.swarm;
  const std::int64_t until = swarm.ended_us.value_or(context.now().us);
  std::string text = fmt::format("{}  {} ({})  {}/{} merged  {}", one_line(swarm.name), name_of(swarm.state),
                                 name_of(swarm.step), swarm.tasks.merged, swarm.tasks.total,
                                 human_duration(std::chrono::milliseconds((until - swarm.created_us) / 1000)));
  if (!sight.cost.usd.empty()) text += fmt::format("  {} USD", one_line(sight.cost.usd));
  const std::uint64_t tokens = sight.cost.input_tokens + sight.cost.output_tokens;
  if (tokens > 0) text += fmt::format("  {} tokens", tokens);
  return text;
}

void add(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

async::Task<Result<void>> look(Client& client, Sight& sight) {
  const std::string id = sight.swarm.id;
  Result<api::SwarmInfo> swarm = co_await client.call(api::kSwarmInfo, in_swarm<api::SwarmRequest>(id));
  if (!swarm) co_return fail(swarm.error());
  sight.swarm = std::move(*swarm);
  const Result<api::CostSummaryReply> cost = co_await client.call(api::kCostSummary, {.filter = {.swarm = id}});
  if (cost) sight.cost = cost->total;
  const auto agents =
      co_await client.call(api::kAgentList, in_swarm(id, api::AgentListRequest{.all = true, .limit = 1000}));
  sight.agents = agents ? agents->agents : std::vector<api::AgentInfo>();
  Result<api::LockListReply> locks = co_await client.call(api::kLockList, in_swarm<api::LockListRequest>(id));
  sight.locks = locks ? std::move(*locks) : api::LockListReply{};
  if (sight.swarm.run.empty()) co_return {};
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
  return {};
}

std::string drawn(Context& context, const Sight& sight, const TerminalSize& size) {
  const Paint paint = context.printer.paint();
  const std::size_t width = std::max<std::size_t>(size.columns, 20);
  const std::size_t rows = std::max<std::size_t>(size.rows, 8) - 1;  // the cursor's line stays free
  std::vector<std::string> head = {painted(cut_to_width(heading(context, sight), width), Style::strong, paint),
                                   cut_to_width(one_line(sight.swarm.feature), width), ""};
  add(head, lines_of(agents_table(sight, context.now()).render(width, paint)));
  std::vector<std::string> middle;
  if (!sight.locks.locks.empty()) {
    middle.emplace_back();
    add(middle, lock_lines(sight, width));
  }
  if (!sight.reviews.empty()) {
    middle.emplace_back();
    add(middle, lines_of(review_table(sight.reviews).render(width, paint)));
  }
  if (!sight.proposals.empty()) {
    middle.emplace_back();
    add(middle, lines_of(proposal_table(sight.proposals).render(width, paint)));
  }
  // Tasks that go on first: they are left out last.
  std::vector<api::TaskInfo> tasks;
  std::ranges::copy_if(sight.tasks, std::back_inserter(tasks), [](const auto& task) { return !is_over(task.state); });
  std::ranges::copy_if(sight.tasks, std::back_inserter(tasks), [](const auto& task) { return is_over(task.state); });
  std::vector<std::string> work =
      tasks.empty() ? std::vector<std::string>() : lines_of(task_table(tasks).render(width, paint));
  const std::size_t lines = std::min(sight.lines.size(), kFewestLines);
  const std::size_t taken = head.size() + middle.size() + lines + 2;
  const std::size_t room = rows > taken ? rows - taken : 0;
  if (work.size() > room) {
    const std::size_t kept = std::max<std::size_t>(room, 3) - 1;
    const std::size_t more = work.size() - kept;
    work.resize(kept);
    work.push_back(fmt::format("... {} more; 'swarmctl task ls' lists all", more));
  }
  std::vector<std::string> all = std::move(head);
  if (!work.empty()) {
    all.emplace_back();
    add(all, work);
  }
  add(all, middle);
  all.emplace_back();
  const std::size_t left = rows > all.size() ? rows - all.size() : 0;
  const std::size_t tail = std::min(left, sight.lines.size());
  for (auto line = sight.lines.end() - static_cast<std::ptrdiff_t>(tail); line != sight.lines.end(); ++line) {
    all.push_back(cut_to_width(*line, width));
  }
  if (all.size() > rows) all.resize(rows);
  return fmt::format("{}\n", fmt::join(all, "\n"));
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
