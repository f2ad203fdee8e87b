#pragma once
// What the hooks of an agent's program mean for its swarm: its state, the locks on files that it is about to change,
// and the messages that go with the answer. One step, since it runs with every tool call of every agent.

#include "protocol/api/hook.hpp"
#include "protocol/authority/desk.hpp"

namespace swarm::authority {

/// A file that is about to be changed.
struct Edit {
  coord::LockKey key;
  bool own = false;  ///< in the agent's own worktree: reserved until its change is merged
};

/// What a hook told.
struct Hook {
  std::string event;
  std::string tool;
  std::string detail;
  std::vector<Edit> edits;
  std::optional<std::string> refused;  ///< one of the files cannot be locked at all, for this reason
  bool take = true;
  bool wake = false;
  std::uint64_t max_bytes = 32768;
};

/// What an event says of the agent; nothing: no more than that it lives. `letters`: it gets some with the answer.
std::optional<coord::AgentState> state_of(const Hook& hook, bool letters);

/// Takes the locks, all or none, and hands out messages. `also` runs in the same transaction. The caller's role, and
/// the swarm's name, are for whoever knows them to add.
async::Task<Result<api::HookEventReply>> hook_event(
    Desk& desk, coord::Actor caller, Hook hook,
    std::function<Result<void>(coord::Step&, std::optional<coord::AgentState>)> also);

/// The lock was taken by a hook, until the change is merged or dropped.
bool reserved_by_edit(std::string_view reason);

/// Moves on the time of what is reserved for this agent.
void keep_edit_locks(coord::Step& step, const std::string& agent);

}  // namespace swarm::authority
