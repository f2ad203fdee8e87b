#include "client/commands/pane_target.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "client/commands/arguments.hpp"
#include "client/commands/swarm_target.hpp"
#include "protocol/api/sandbox.hpp"

namespace swarm::client {
namespace {

/// More than this many sandboxes are not searched for a name.
constexpr std::uint32_t kMostSearched = 200;

bool may_have_panes(api::SandboxState state) {
  return state == api::SandboxState::ready || state == api::SandboxState::claimed;
}

}  // namespace

void add_pane_place(CLI::App& command, PaneTarget& target) {
  CLI::Option* sandbox =
      command.add_option("--sandbox", target.sandbox, "The sandbox that it is in")->type_name("SANDBOX");
  command.add_option("--swarm", target.swarm, "The swarm whose agent it is")->type_name("SWARM")->excludes(sandbox);
}

void add_pane_target(CLI::App& command, PaneTarget& target, const std::string& name) {
  command.add_option(name, target.pane, "The agent, or the pane: agent-1")->required();
  add_pane_place(command, target);
}

async::Task<Result<std::vector<std::string>>> find_sandboxes(Client& client, PaneTarget target) {
  if (!target.sandbox.empty()) co_return std::vector<std::string>{target.sandbox};
  if (!target.swarm.empty()) {
    const Result<api::SwarmInfo> swarm = co_await find_swarm(client, {.swarm = target.swarm, .sandbox = {}});
    if (!swarm) co_return fail(swarm.error());
    std::vector<std::string> all;
    for (const api::SwarmPlace& place : swarm->places) {
      const bool here = target.pane.empty() || std::ranges::find(place.agents, target.pane) != place.agents.end();
      if (here && !place.sandbox.empty()) all.push_back(place.sandbox);
    }
    if (!all.empty()) co_return all;
    if (swarm->sandbox.empty()) {
      co_return fail(Code::failed_precondition, fmt::format("swarm '{}' has no sandbox", target.swarm));
    }
    co_return std::vector<std::string>{swarm->sandbox};
  }
  const Result<api::SandboxListReply> list = co_await client.call(api::kSandboxList, {.limit = kMostSearched});
  if (!list) co_return fail(list.error());
  std::vector<std::string> all;
  for (const api::SandboxInfo& sandbox : list->sandboxes) {
    if (may_have_panes(sandbox.state)) all.push_back(sandbox.id);
  }
  co_return all;
}

async::Task<Result<std::string>> find_pane(Client& client, PaneTarget target) {
  const bool searched = target.sandbox.empty() && target.swarm.empty();
  const Result<std::vector<std::string>> places = co_await find_sandboxes(client, target);
  if (!places) co_return fail(places.error());
  if (!searched) co_return places->front();
  std::vector<std::string> found;
  std::vector<std::string> others;
  for (const std::string& sandbox : *places) {
    const Result<api::PaneListReply> panes =
        co_await client.call(api::kPaneList, at_sandbox(sandbox, api::PaneListRequest{.states = false, .limit = 1000}));
    if (!panes) continue;  // it ended meanwhile
    for (const api::PaneInfo& pane : panes->panes) {
      if (pane.pane == target.pane) found.push_back(sandbox);
      others.push_back(fmt::format("{} in {}", pane.pane, sandbox));
    }
  }
  if (found.size() == 1) co_return found.front();
  if (found.empty()) {
    if (others.size() > 10) others.resize(10);
    co_return fail(Code::not_found, fmt::format("no agent or pane '{}'; {}", target.pane,
                                                others.empty() ? "there are none: 'swarmctl deploy' starts a swarm"
                                                               : fmt::format("there are {}", fmt::join(others, ", "))));
  }
  co_return fail(Code::invalid_argument, fmt::format("'{}' is in several sandboxes: {}; say which with --sandbox",
                                                     target.pane, fmt::join(found, ", ")));
}

}  // namespace swarm::client
