#pragma once
// What people and tools that know the files of old find in the workspace: ACTIVE_AGENTS.json, agent_messages.log and
// .agent_locks/*.lock. Made from the state, never read back. The workspace is the agents' to write, so nothing there is
// followed: files are made under a random name and renamed, directories are opened as what they are.

#include <map>
#include <set>

#include "agentd/team/team.hpp"
#include "protocol/async/event.hpp"

namespace swarm::agentd {

/// Keeps the views of a team current. Belongs to the loop's thread; the team must outlive it.
class Views {
 public:
  /// Begins with what is there now, when the team is open.
  Views(async::Loop& loop, Team& team);
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;
  ~Views();

 private:
  void happened(const Team::Happenings& happenings);
  static async::Task<> keep(Views* self);
  static async::Task<Result<void>> next_news(Views* self);

  async::Loop& loop_;
  Team& team_;
  async::Condition news_;
  bool stale_ = true;
  std::string log_;  ///< lines that are not written yet
  std::map<std::string, std::string> written_locks_;
  async::TaskSet tasks_;
};

/// The files as they shall be.
struct ViewFiles {
  std::string active_agents;
  std::map<std::string, std::string> locks;  ///< by name in `.agent_locks`
  std::set<std::string> unchanged;           ///< of these: written before, and only made anew where they are missing
  std::string log;                           ///< to be appended
};

/// Writes them into `workspace`; what is no lock any more goes. Blocks.
Result<void> write_views(const std::string& workspace, const ViewFiles& files);

}  // namespace swarm::agentd
