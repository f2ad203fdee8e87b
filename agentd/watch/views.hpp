#pragma once
// What people and tools that know the files of old find in the workspace: ACTIVE_AGENTS.json, agent_messages.log and
// .agent_locks/*.lock. Made from the state, never read back. The workspace is the agents' to write, so nothing there is
// followed: files are made under a random name and renamed, directories are opened as what they are.

#include <map>
#include <memory>
#include <set>

#include "agentd/team/team.hpp"
#include "protocol/async/event.hpp"
#include "protocol/coord/coordination.hpp"

namespace swarm::agentd {

struct Shown;

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
  std::string log_;                ///< lines that are not written yet
  std::set<std::string> touched_;  ///< locks that were granted or have ended since the last look
  MonoTime compared_{};            ///< when all locks were compared with the files
  std::shared_ptr<Shown> shown_;   ///< shared with the job that reads or writes it, one at a time
  async::TaskSet tasks_;
};

/// The files as they shall be.
struct ViewFiles {
  std::string active_agents;
  std::map<std::string, std::string> locks;  ///< by name in `.agent_locks`
  std::set<std::string> fresh;               ///< of these: to be written, also where there is a file of that name
  std::string log;                           ///< to be appended
};

/// What the files say, so that a change of one lock among thousands is the work of one.
struct Shown {
  struct Lock {
    std::string agent;
    std::string path;
    std::string reason;
    std::optional<coord::Moment> expires;
    std::string file;
  };
  std::map<std::string, Lock> locks;  ///< by id
  coord::Span paused{0};              ///< of the times in the files
  ViewFiles files;
};

/// What the state has and the files do not say yet.
struct ViewNews {
  std::vector<coord::AgentRecord> agents;  ///< alive
  std::map<std::string, std::int64_t> unread;
  std::vector<coord::Lease> locks;  ///< new, or others than what is said
  std::vector<std::string> ended;   ///< by id
  coord::Moment now{};
  coord::Span paused{0};
};

enum class Among { touched, all };
/// Looks at the locks named, or compares all.
Result<ViewNews> view_news(coord::Step& step, const Shown& shown, const std::set<std::string>& touched, Among among);

/// Makes the files say it.
void say(Shown& shown, const ViewNews& news);

/// Writes them into `workspace`; what is no lock any more goes. Blocks.
Result<void> write_views(const std::string& workspace, const ViewFiles& files);

}  // namespace swarm::agentd
