#include "protocol/api/registry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/api/agent.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/api/artifact.hpp"
#include "protocol/api/budget.hpp"
#include "protocol/api/costs.hpp"
#include "protocol/api/daemon.hpp"
#include "protocol/api/db.hpp"
#include "protocol/api/e2b.hpp"
#include "protocol/api/events.hpp"
#include "protocol/api/exec.hpp"
#include "protocol/api/files_transfer.hpp"
#include "protocol/api/forward.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/api/human.hpp"
#include "protocol/api/limits.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/note.hpp"
#include "protocol/api/pane.hpp"
#include "protocol/api/pool.hpp"
#include "protocol/api/proposal.hpp"
#include "protocol/api/relay.hpp"
#include "protocol/api/review.hpp"
#include "protocol/api/rpc.hpp"
#include "protocol/api/run.hpp"
#include "protocol/api/sandbox.hpp"
#include "protocol/api/secret.hpp"
#include "protocol/api/ship.hpp"
#include "protocol/api/stream.hpp"
#include "protocol/api/swarm.hpp"
#include "protocol/api/task.hpp"
#include "protocol/api/team.hpp"
#include "protocol/api/template.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::api {
namespace {

template <class Info>
using List = std::span<const Info* const>;

template <class Info>
std::vector<const Info*> joined(std::initializer_list<List<Info>> lists) {
  std::vector<const Info*> all;
  for (const List<Info>& list : lists) all.insert(all.end(), list.begin(), list.end());
  std::ranges::sort(all, {}, &Info::name);
  return all;
}

}  // namespace

std::span<const MethodInfo* const> all_methods() {
  // One a line: the lists of two changes merge.
  // clang-format off
  static const auto all = joined<MethodInfo>({
      agent_methods(),
      artifact_methods(),
      budget_methods(),
      cost_methods(),
      daemon_methods(),
      database_methods(),
      events_methods(),
      exec_methods(),
      files_methods(),
      files_transfer_methods(),
      e2b_methods(),
      forward_methods(),
      human_methods(),
      limits_methods(),
      lock_methods(),
      message_methods(),
      note_methods(),
      pane_methods(),
      pool_methods(),
      proposal_methods(),
      relay_methods(),
      review_methods(),
      rpc_methods(),
      run_methods(),
      sandbox_methods(),
      secret_methods(),
      ship_methods(),
      swarm_methods(),
      task_methods(),
      team_methods(),
      template_methods(),
  });
  // clang-format on
  return all;
}

std::span<const MethodInfo* const> agentd_methods() {
  static const auto all = joined<MethodInfo>(
      {rpc_methods(), agentd_own_methods(), team_inside_methods(), pane_inside_methods(), git_methods()});
  return all;
}

std::span<const EventInfo* const> all_events() {
  // One a line: the lists of two changes merge.
  // clang-format off
  static const auto all = joined<EventInfo>({
      agent_events(),
      artifact_events(),
      budget_events(),
      cost_events(),
      daemon_events(),
      events_events(),
      exec_events(),
      git_events(),
      human_events(),
      limits_events(),
      lock_events(),
      message_events(),
      note_events(),
      pool_events(),
      proposal_events(),
      review_events(),
      run_events(),
      sandbox_events(),
      ship_events(),
      swarm_events(),
      task_events(),
  });
  // clang-format on
  return all;
}

std::span<const NotificationInfo* const> all_notifications() {
  static const auto all = joined<NotificationInfo>({rpc_notifications(), stream_notifications(), files_notifications(),
                                                    template_notifications(), events_notifications()});
  return all;
}

const MethodInfo* find_method(std::span<const MethodInfo* const> methods, std::string_view name) {
  const auto found = std::ranges::find(methods, name, &MethodInfo::name);
  return found == methods.end() ? nullptr : *found;
}

Error unknown_method(std::span<const MethodInfo* const> methods, std::string_view name) {
  std::vector<std::string> names;
  names.reserve(methods.size());
  for (const MethodInfo* method : methods) names.emplace_back(method->name);
  std::string hint = did_you_mean(name, names);
  if (hint.empty()) hint = "; `rpc.discover` lists all";
  return {.code = Code::unimplemented,
          .message = fmt::format("unknown method '{}'{}", shown(name), hint),
          .retryable = false};
}

}  // namespace swarm::api
