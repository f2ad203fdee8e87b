#pragma once
// What agents do in their own worktree, and the list of the methods of git.hpp. Who calls is the uid that the kernel
// reports; `agent` is looked at only where a sandbox cannot tell its agents apart (one uid for all).

#include "protocol/api/git.hpp"

namespace swarm::api {

struct GitCommitRequest {
  std::optional<std::string> repo;
  std::optional<std::string> agent;
  Text message;
  std::vector<Path> paths;
  std::optional<std::string> task;
  std::optional<std::string> run;
  bool operator==(const GitCommitRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitCommitRequest", "A commit of the caller's worktree.");
    d.field("repo", &GitCommitRequest::repo, "The repository; needed where the caller has several.")
        .non_empty()
        .max_length(100);
    d.field("agent", &GitCommitRequest::agent, "Who, where uids do not tell.").non_empty().max_length(100);
    d.field("message", &GitCommitRequest::message, "What was done and why.").required().max_length(65'536);
    d.field("paths", &GitCommitRequest::paths,
            "Only these files and what is below these directories; else all changes.")
        .max_length(10'000);
    d.field("task", &GitCommitRequest::task, "For the trailer `Swarm-Task`.").non_empty().max_length(100);
    d.field("run", &GitCommitRequest::run, "For the trailer `Swarm-Run`.").non_empty().max_length(100);
  }
};

/// Data of `git.committed`.
struct GitCommitted {
  std::string repo;
  std::string agent;
  std::string branch;
  std::string commit;
  bool operator==(const GitCommitted&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitCommitted", "An agent's branch has a new commit.");
    d.field("repo", &GitCommitted::repo, "The repository inside.").required();
    d.field("agent", &GitCommitted::agent, "Whose branch it is.").required();
    d.field("branch", &GitCommitted::branch, "The branch: `swarm/<swarm>/<agent>`.").required();
    d.field("commit", &GitCommitted::commit, "The commit.").required();
  }
};

struct GitCommitReply {
  std::string commit;
  bool created = false;
  std::string branch;
  std::vector<GitChange> files;
  std::uint64_t total_files = 0;
  bool operator==(const GitCommitReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitCommitReply", "A commit.");
    d.field("commit", &GitCommitReply::commit, "The branch's commit now.").required();
    d.field("created", &GitCommitReply::created, "false: there was nothing to commit.").required();
    d.field("branch", &GitCommitReply::branch, "The branch.").required();
    d.field("files", &GitCommitReply::files, "Changed paths, at most 1,000.");
    d.field("total_files", &GitCommitReply::total_files, "How many there are.").required();
  }
};

struct GitStatusRequest {
  std::optional<std::string> repo;
  std::optional<std::string> agent;
  bool operator==(const GitStatusRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitStatusRequest", "Which worktree.");
    d.field("repo", &GitStatusRequest::repo, "The repository; needed where the caller has several.")
        .non_empty()
        .max_length(100);
    d.field("agent", &GitStatusRequest::agent, "Who, where uids do not tell.").non_empty().max_length(100);
  }
};

struct GitStatusReply {
  std::string repo;
  Path path;
  std::string branch;
  std::string head;
  std::uint64_t ahead = 0;
  std::uint64_t behind = 0;
  std::optional<std::string> merging;
  std::vector<GitChange> changes;
  std::uint64_t total_changes = 0;
  bool operator==(const GitStatusReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitStatusReply", "The state of a worktree.");
    d.field("repo", &GitStatusReply::repo, "The repository.").required();
    d.field("path", &GitStatusReply::path, "Where the worktree is.").required();
    d.field("branch", &GitStatusReply::branch, "Its branch.").required();
    d.field("head", &GitStatusReply::head, "The branch's commit.").required();
    d.field("ahead", &GitStatusReply::ahead, "Commits that the integration branch does not have.").required();
    d.field("behind", &GitStatusReply::behind, "Commits of the integration branch that it does not have.").required();
    d.field("merging", &GitStatusReply::merging,
            "The commit that a sync with conflicts brings in; commit to finish it.");
    d.field("changes", &GitStatusReply::changes, "What is not committed, at most 1,000 paths.").required();
    d.field("total_changes", &GitStatusReply::total_changes, "How many there are.").required();
  }
};

enum class GitSyncOutcome : std::uint8_t { up_to_date, merged, conflict, aborted, unknown };

template <class D>
void describe_enum(D& d, GitSyncOutcome*) {
  d.type("GitSyncOutcome", "How a sync ended.");
  d.value("up_to_date", GitSyncOutcome::up_to_date, "The branch had everything.");
  d.value("merged", GitSyncOutcome::merged, "The branch and the worktree have the integration branch now.");
  d.value("conflict", GitSyncOutcome::conflict,
          "The worktree has conflict markers: resolve them and commit, or sync with `abort`.");
  d.value("aborted", GitSyncOutcome::aborted, "The worktree is as the branch is.");
  d.value("unknown", GitSyncOutcome::unknown, "An outcome of a newer version.");
  d.unknown(GitSyncOutcome::unknown);
}

struct GitSyncRequest {
  std::optional<std::string> repo;
  std::optional<std::string> agent;
  bool abort = false;
  bool operator==(const GitSyncRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitSyncRequest", "Take over what the integration branch has.");
    d.field("repo", &GitSyncRequest::repo, "The repository; needed where the caller has several.")
        .non_empty()
        .max_length(100);
    d.field("agent", &GitSyncRequest::agent, "Who, where uids do not tell.").non_empty().max_length(100);
    d.field("abort", &GitSyncRequest::abort,
            "Give a sync with conflicts up: tracked files become those of the branch.");
  }
};

struct GitSyncReply {
  GitSyncOutcome outcome = GitSyncOutcome::unknown;
  std::string head;
  std::vector<GitConflict> conflicts;
  bool operator==(const GitSyncReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitSyncReply", "How a sync ended.");
    d.field("outcome", &GitSyncReply::outcome, "How.").required();
    d.field("head", &GitSyncReply::head, "The branch's commit.").required();
    d.field("conflicts", &GitSyncReply::conflicts, "What to resolve.");
  }
};

enum class GitRebaseOutcome : std::uint8_t { up_to_date, rebased, conflict, unknown };

template <class D>
void describe_enum(D& d, GitRebaseOutcome*) {
  d.type("GitRebaseOutcome", "How a rebase ended.");
  d.value("up_to_date", GitRebaseOutcome::up_to_date, "The branch had everything.");
  d.value("rebased", GitRebaseOutcome::rebased, "The branch's own commits stand on the integration branch now.");
  d.value("conflict", GitRebaseOutcome::conflict, "A commit does not fit there; nothing was changed.");
  d.value("unknown", GitRebaseOutcome::unknown, "An outcome of a newer version.");
  d.unknown(GitRebaseOutcome::unknown);
}

struct GitRebaseRequest {
  std::optional<std::string> repo;
  std::optional<std::string> agent;
  bool operator==(const GitRebaseRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitRebaseRequest", "Put a branch's own commits on top of the integration branch.");
    d.field("repo", &GitRebaseRequest::repo, "The repository; needed where the caller has several.")
        .non_empty()
        .max_length(100);
    d.field("agent", &GitRebaseRequest::agent, "Who, where uids do not tell.").non_empty().max_length(100);
  }
};

struct GitRebaseReply {
  GitRebaseOutcome outcome = GitRebaseOutcome::unknown;
  std::string head;
  std::string before;
  std::string onto;
  std::uint64_t replayed = 0;
  std::uint64_t left_out = 0;
  std::optional<std::string> commit;
  std::optional<std::string> subject;
  std::vector<GitConflict> conflicts;
  bool operator==(const GitRebaseReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitRebaseReply", "How a rebase ended.");
    d.field("outcome", &GitRebaseReply::outcome, "How.").required();
    d.field("head", &GitRebaseReply::head, "The branch's commit.").required();
    d.field("before", &GitRebaseReply::before, "The one that it had.").required();
    d.field("onto", &GitRebaseReply::onto, "The integration branch's commit.").required();
    d.field("replayed", &GitRebaseReply::replayed, "Commits that were made anew.").required();
    d.field("left_out", &GitRebaseReply::left_out,
            "Commits that were not: merges of the integration branch, and those whose change is there already.")
        .required();
    d.field("commit", &GitRebaseReply::commit, "With `conflict`: the commit that does not fit.");
    d.field("subject", &GitRebaseReply::subject, "The first line of its message.");
    d.field("conflicts", &GitRebaseReply::conflicts, "Where it does not fit.");
  }
};

/// The methods as agentd serves them.
namespace inside {

inline constexpr ErrorDoc kNoSuchRepo{Code::not_found, "no such repository, worktree, branch or commit"};

inline constexpr Method<GitImportRequest, GitImportReply> kGitImport{{
    .name = "git.import",
    .doc = "Brings a repository in, or what is new in one. Names are set when all objects are there.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "the pack is damaged, or objects that it needs are missing"},
               {Code::resource_exhausted, "the disk is full"}},
}};
inline constexpr Method<GitRefsRequest, GitRefsReply> kGitRefs{{
    .name = "git.refs",
    .doc = "Lists names and their commits.",
    .caller = Caller::daemon,
    .errors = {kNoSuchRepo},
}};
inline constexpr Method<GitWorktreeRequest, GitWorktreeReply> kGitWorktree{{
    .name = "git.worktree",
    .doc = "Makes an agent's branch and worktree, or finds them.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {kNoSuchRepo, {Code::already_exists, "something else stands in its place"}},
}};
inline constexpr Method<GitRemoveWorktreeRequest, Empty> kGitRemoveWorktree{{
    .name = "git.remove_worktree",
    .doc = "Removes a worktree with everything in it.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {kNoSuchRepo},
}};
inline constexpr Method<GitMergeRequest, GitMergeReply> kGitMerge{{
    .name = "git.merge",
    .doc = "Merges a candidate on top of the integration branch, tests the merged tree, and moves the branch when the "
           "test succeeds. Merges of one repository take turns.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {kNoSuchRepo},
}};
inline constexpr Method<GitDiffRequest, GitDiffReply> kGitDiff{{
    .name = "git.diff",
    .doc = "Compares commits, or a worktree with a commit.",
    .caller = Caller::both,
    .errors = {kNoSuchRepo},
}};
inline constexpr Method<GitLogRequest, GitLogReply> kGitLog{{
    .name = "git.log",
    .doc = "Lists commits.",
    .caller = Caller::both,
    .errors = {kNoSuchRepo},
}};
inline constexpr Method<GitExportRequest, GitExportReply> kGitExport{{
    .name = "git.export",
    .doc = "Sends what the caller does not have. Answers when the pack is made; the stream's end says whether all was "
           "sent.",
    .caller = Caller::daemon,
    .errors = {kNoSuchRepo},
}};

inline constexpr Method<GitCommitRequest, GitCommitReply> kGitCommit{{
    .name = "git.commit",
    .doc = "Commits what changed in a worktree, with its agent as author.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {kNoSuchRepo,
               {Code::failed_precondition,
                "another agent has a lock on a path, a line looks like a secret, or conflict "
                "markers are left; the message names the place"},
               {Code::resource_exhausted, "a file is too large"}},
}};
inline constexpr Method<GitStatusRequest, GitStatusReply> kGitStatus{{
    .name = "git.status",
    .doc = "Says what is not committed, and how a branch stands to the integration branch.",
    .caller = Caller::both,
    .errors = {kNoSuchRepo},
}};
inline constexpr Method<GitSyncRequest, GitSyncReply> kGitSync{{
    .name = "git.sync",
    .doc = "Merges the integration branch into an agent's branch and worktree.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {kNoSuchRepo, {Code::failed_precondition, "the worktree has changes that are not committed"}},
}};
inline constexpr Method<GitRebaseRequest, GitRebaseReply> kGitRebase{{
    .name = "git.rebase",
    .doc =
        "Makes a branch's own commits anew on top of the integration branch: all of them, or none where one does not "
        "fit. Authors, messages and trailers stay. The old tip is kept under `refs/swarm/before/`.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors =
        {kNoSuchRepo,
         {Code::failed_precondition,
          "the worktree has changes that are not committed, a sync with conflicts is under way, another agent has "
          "a lock on a path, or a merge on the branch holds more than a merge"}},
}};

}  // namespace inside

/// Every `git.*` method of agentd: what the daemon may call; those for both are on the inner socket too.
inline constexpr EventType<GitCommitted> kGitCommitted{
    {.name = "git.committed", .doc = "An agent committed in its worktree; its branch stands there now."}};

std::span<const MethodInfo* const> git_methods();
std::span<const EventInfo* const> git_events();

}  // namespace swarm::api
