#pragma once
// Where things are and whose they are.
//
//   /workspace/<repo>/.git/                      agentd's: agents read, nobody else writes
//     objects/ refs/ shallow                     all commits of all agents
//     swarm/<agent>                              whose worktree it is, on which branch
//     worktrees/<agent>/                         the agent's: git(1)'s index and HEAD of the worktree
//   /workspace/.worktrees/<agent>/<repo>/        the agent's files
//
// What belongs to an agent may be anything at any time, links included. So it is only ever touched with that agent's
// rights (files/act_as.hpp), and nothing that is read there decides what is done with other rights.

#include <optional>
#include <string>
#include <vector>

#include "agentd/files/act_as.hpp"
#include "protocol/core/error.hpp"

namespace swarm::agentd::git {

/// The integrator's name among agents; its branch is `integration`.
inline constexpr std::string_view kIntegrator = "integrator";
inline constexpr std::string_view kBaseRef = "refs/swarm/base";

/// `invalid_argument` unless `name` can be a directory and a part of a branch's name; `what` says what it names.
Result<void> check_name(std::string_view what, std::string_view name);

/// "swarm/<swarm>/<agent>"
std::string branch_of(std::string_view swarm, std::string_view agent);
std::string integration_branch(std::string_view swarm);

struct Layout {
  std::string workspace = "/workspace";
  [[nodiscard]] std::string repository(std::string_view repo) const;
  [[nodiscard]] std::string git_dir(std::string_view repo) const;
  [[nodiscard]] std::string admin(std::string_view repo, std::string_view agent) const;
  [[nodiscard]] std::string worktree(std::string_view repo, std::string_view agent) const;
  /// Repositories that were imported.
  [[nodiscard]] std::vector<std::string> repositories() const;
};

/// One worktree, as agentd remembers it.
struct Record {
  std::string repo;
  std::string agent;
  std::string swarm;
  std::string user;                    ///< uid as a number
  std::optional<std::string> merging;  ///< the commit that a sync with conflicts brings in

  [[nodiscard]] std::string branch() const { return branch_of(swarm, agent); }
  [[nodiscard]] std::string ref() const { return "refs/heads/" + branch(); }
};

/// `not_found` when there is none.
Result<Record> load_record(const Layout& layout, const std::string& repo, const std::string& agent);
Result<void> save_record(const Layout& layout, const Record& record);
void remove_record(const Layout& layout, const Record& record);
std::vector<Record> all_records(const Layout& layout);

/// A worktree and the rights to work in it: what a job on the thread pool gets.
struct Worktree {
  Layout layout;
  Record record;
  Credentials who;

  [[nodiscard]] std::string git_dir() const { return layout.git_dir(record.repo); }
  [[nodiscard]] std::string admin() const { return layout.admin(record.repo, record.agent); }
  [[nodiscard]] std::string path() const { return layout.worktree(record.repo, record.agent); }
};

/// `not_found` without such a repository; `permission_denied` when what stands there is not ours.
Result<void> check_repository(const Layout& layout, const std::string& repo);

/// Makes a directory of ours, or finds it; `already_exists` when something else stands there.
Result<void> own_directory(const std::string& path, mode_t mode);

/// Runs `work` with the rights of `who`.
template <class F>
std::invoke_result_t<F&> as(const Credentials& who, F work) {
  const Result<ActAs> acting = ActAs::begin(who);
  if (!acting) return fail(acting.error());
  return work();
}

}  // namespace swarm::agentd::git
