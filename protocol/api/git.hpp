#pragma once
// Git inside a sandbox. The daemon brings a repository in as a pack, gives each agent a worktree and a branch
// (`swarm/<swarm>/<agent>`), merges and tests candidates on the integration branch (`swarm/<swarm>/integration`), and
// takes objects out as a pack. Agents commit, look and catch up through the inner socket; whose worktree it is, is the
// caller's uid.
//
// Names of repositories are one path component; commits are given as full ids or as branch names, short
// (`swarm/x/agent-0`) or full (`refs/heads/...`).

#include "protocol/api/method.hpp"

namespace swarm::api {

struct GitRef {
  std::string name;
  std::string id;
  bool operator==(const GitRef&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitRef", "A name of a commit.");
    d.field("name", &GitRef::name, "Full name: `refs/heads/main`.").required().non_empty().max_length(1000);
    d.field("id", &GitRef::id, "The commit, as 40 hexadecimal digits.").required().non_empty().max_length(40);
  }
};

enum class GitChangeKind : std::uint8_t { added, modified, deleted, type_changed, conflicted, other };

template <class D>
void describe_enum(D& d, GitChangeKind*) {
  d.type("GitChangeKind", "What happened to a path.");
  d.value("added", GitChangeKind::added, "It is new.");
  d.value("modified", GitChangeKind::modified, "Its content or its executable bit changed.");
  d.value("deleted", GitChangeKind::deleted, "It is gone.");
  d.value("type_changed", GitChangeKind::type_changed, "A file became a link or a submodule, or the other way round.");
  d.value("conflicted", GitChangeKind::conflicted, "It has conflict markers that nobody resolved.");
  d.value("other", GitChangeKind::other, "Something that this version does not know.");
  d.unknown(GitChangeKind::other);
}

struct GitChange {
  Path path;
  GitChangeKind kind = GitChangeKind::modified;
  std::uint64_t added = 0;
  std::uint64_t removed = 0;
  bool binary = false;
  bool operator==(const GitChange&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitChange", "A changed path.");
    d.field("path", &GitChange::path, "The path in the repository.").required();
    d.field("kind", &GitChange::kind, "What happened to it.").required();
    d.field("added", &GitChange::added, "Lines added, where lines were counted.");
    d.field("removed", &GitChange::removed, "Lines removed.");
    d.field("binary", &GitChange::binary, "It is no text.");
  }
};

struct GitHunk {
  std::uint64_t line = 0;
  Text text;
  bool operator==(const GitHunk&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitHunk", "A place where two changes do not fit together.");
    d.field("line", &GitHunk::line, "Line in the file as merged, with markers, from 1.").required();
    d.field("text", &GitHunk::text, "Both sides and what was there before, with markers.").required();
  }
};

struct GitConflict {
  Path path;
  std::string reason;
  std::vector<GitHunk> hunks;
  bool operator==(const GitConflict&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitConflict", "A path that could not be merged.");
    d.field("path", &GitConflict::path, "The path in the repository.").required();
    d.field("reason", &GitConflict::reason, "Why, in words: both changed it, one deleted what the other changed.")
        .required();
    d.field("hunks", &GitConflict::hunks, "The places; none for what is no text.");
  }
};

struct GitCommitInfo {
  std::string id;
  std::vector<std::string> parents;
  Text author_name;
  Text author_email;
  std::int64_t time_us = 0;
  Text subject;
  Text message;
  std::map<std::string, std::string> trailers;
  bool operator==(const GitCommitInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitCommitInfo", "A commit.");
    d.field("id", &GitCommitInfo::id, "Its id.").required();
    d.field("parents", &GitCommitInfo::parents, "Its parents; more than one after a merge.");
    d.field("author_name", &GitCommitInfo::author_name, "Who wrote it.");
    d.field("author_email", &GitCommitInfo::author_email, "The author's address.");
    d.field("time_us", &GitCommitInfo::time_us, "When it was committed, UTC.").required();
    d.field("subject", &GitCommitInfo::subject, "First line of the message.");
    d.field("message", &GitCommitInfo::message, "The whole message, at most 65,536 bytes.");
    d.field("trailers", &GitCommitInfo::trailers, "`Name: value` lines at its end; of several the last.");
  }
};

struct GitImportRequest {
  std::string repo;
  std::vector<GitRef> refs;
  std::string head;
  std::vector<std::string> shallow;
  std::optional<std::uint32_t> pack;
  bool operator==(const GitImportRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitImportRequest", "A repository, or what is new in it.");
    d.field("repo", &GitImportRequest::repo, "Its name: `[A-Za-z0-9._-]`, no dot in front.")
        .required()
        .non_empty()
        .max_length(100);
    d.field("refs", &GitImportRequest::refs,
            "Names to set: under `refs/heads/`, `refs/tags/`, `refs/remotes/` or "
            "`refs/swarm/`, never a branch of a worktree.")
        .max_length(100'000);
    d.field("head", &GitImportRequest::head, "Commit that work begins at; kept as `refs/swarm/base`.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("shallow", &GitImportRequest::shallow, "Commits whose parents are not there, in a shallow repository.")
        .max_length(100'000);
    d.field("pack", &GitImportRequest::pack, "Stream with a pack (thin ones too); absent when all is there already.")
        .min(1)
        .stream(StreamUse::from_caller);
  }
};

struct GitImportReply {
  Path path;
  std::uint64_t objects = 0;
  std::uint64_t size_bytes = 0;
  bool operator==(const GitImportReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitImportReply", "The repository is in the sandbox.");
    d.field("path", &GitImportReply::path, "Where: `/workspace/<repo>`.").required();
    d.field("objects", &GitImportReply::objects, "Objects that came.").required();
    d.field("size_bytes", &GitImportReply::size_bytes, "Bytes of the pack.").required();
  }
};

struct GitRefsRequest {
  std::string repo;
  std::string prefix = "refs/";
  bool operator==(const GitRefsRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitRefsRequest", "Which names.");
    d.field("repo", &GitRefsRequest::repo, "The repository.").required().non_empty().max_length(100);
    d.field("prefix", &GitRefsRequest::prefix, "Names that begin with this.").max_length(1000);
  }
};

struct GitRefsReply {
  std::vector<GitRef> refs;
  bool operator==(const GitRefsReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitRefsReply", "Names and their commits: what a next import or export need not send again.");
    d.field("refs", &GitRefsReply::refs, "Sorted by name.").required();
  }
};

struct GitWorktreeRequest {
  std::string repo;
  std::string swarm;
  std::string agent;
  std::optional<std::string> base;
  std::optional<std::string> user;
  bool operator==(const GitWorktreeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitWorktreeRequest", "A worktree for an agent.");
    d.field("repo", &GitWorktreeRequest::repo, "The repository.").required().non_empty().max_length(100);
    d.field("swarm", &GitWorktreeRequest::swarm, "Name of the swarm, for the branch's name.")
        .required()
        .non_empty()
        .max_length(100);
    d.field("agent", &GitWorktreeRequest::agent, "Whose: `agent-0`, or `integrator`, whose branch is `integration`.")
        .required()
        .non_empty()
        .max_length(100);
    d.field("base", &GitWorktreeRequest::base,
            "Commit that a new branch begins at; else the integration branch where there is one, else the import's "
            "head. A branch that is there stays where it is.")
        .non_empty()
        .max_length(1000);
    d.field("user", &GitWorktreeRequest::user,
            "Who owns the files: a user name or uid; else the user named as the agent.")
        .non_empty()
        .max_length(100);
  }
};

struct GitWorktreeReply {
  Path path;
  std::string branch;
  std::string head;
  bool created = false;
  bool operator==(const GitWorktreeReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitWorktreeReply", "A worktree.");
    d.field("path", &GitWorktreeReply::path, "`/workspace/.worktrees/<agent>/<repo>`.").required();
    d.field("branch", &GitWorktreeReply::branch, "`swarm/<swarm>/<agent>`.").required();
    d.field("head", &GitWorktreeReply::head, "The branch's commit.").required();
    d.field("created", &GitWorktreeReply::created, "It was not there before.").required();
  }
};

struct GitRemoveWorktreeRequest {
  std::string repo;
  std::string agent;
  bool keep_branch = true;
  bool operator==(const GitRemoveWorktreeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitRemoveWorktreeRequest", "A worktree that is not needed any more.");
    d.field("repo", &GitRemoveWorktreeRequest::repo, "The repository.").required().non_empty().max_length(100);
    d.field("agent", &GitRemoveWorktreeRequest::agent, "Whose.").required().non_empty().max_length(100);
    d.field("keep_branch", &GitRemoveWorktreeRequest::keep_branch, "Its commits stay reachable.");
  }
};

enum class GitMergeOutcome : std::uint8_t { merged, conflict, red, empty, unknown };

template <class D>
void describe_enum(D& d, GitMergeOutcome*) {
  d.type("GitMergeOutcome", "How a merge ended.");
  d.value("merged", GitMergeOutcome::merged, "The integration branch has it.");
  d.value("conflict", GitMergeOutcome::conflict, "It does not fit; the branch did not move.");
  d.value("red", GitMergeOutcome::red, "The test of the merged tree failed, or ran no test; the branch did not move.");
  d.value("empty", GitMergeOutcome::empty, "It changes nothing; the branch did not move.");
  d.value("unknown", GitMergeOutcome::unknown, "An outcome of a newer version.");
  d.unknown(GitMergeOutcome::unknown);
}

struct GitMergeRequest {
  std::string repo;
  std::string swarm;
  std::string candidate;
  Text message;
  std::map<std::string, std::string> trailers;
  std::optional<std::string> test_command;
  std::chrono::milliseconds timeout_ms{600'000};
  bool keep_ignored = false;
  std::uint64_t output_limit_bytes = std::uint64_t{64} * 1024;
  bool operator==(const GitMergeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitMergeRequest", "A candidate for the integration branch.");
    d.field("repo", &GitMergeRequest::repo, "The repository.").required().non_empty().max_length(100);
    d.field("swarm", &GitMergeRequest::swarm, "Name of the swarm.").required().non_empty().max_length(100);
    d.field("candidate", &GitMergeRequest::candidate, "A commit or a branch; a branch means its commit now.")
        .required()
        .non_empty()
        .max_length(1000);
    d.field("message", &GitMergeRequest::message, "Message of the merge commit; else one is made.").max_length(65'536);
    d.field("trailers", &GitMergeRequest::trailers, "`Name: value` lines for its end.").max_length(50);
    d.field("test_command", &GitMergeRequest::test_command,
            "A line for the shell, run on the merged tree as the integrator; absent: nothing is tested.")
        .non_empty()
        .max_length(100'000);
    d.field("timeout_ms", &GitMergeRequest::timeout_ms, "A test that takes longer is ended and counts as failed.")
        .min(1);
    d.field("keep_ignored", &GitMergeRequest::keep_ignored,
            "Leave ignored files of the run before in the tree (faster builds, but not the tree alone is tested).");
    d.field("output_limit_bytes", &GitMergeRequest::output_limit_bytes,
            "Most bytes of the test's output, the last ones.")
        .max(4.0 * 1024 * 1024);
  }
};

struct GitMergeReply {
  GitMergeOutcome outcome = GitMergeOutcome::unknown;
  std::string candidate;
  std::string integration;
  std::optional<std::string> commit;
  std::optional<std::uint32_t> exit_status;
  std::optional<std::uint32_t> signal;
  bool timed_out = false;
  std::optional<std::chrono::milliseconds> duration_ms;
  Text output;
  std::uint64_t output_dropped_bytes = 0;
  std::vector<GitConflict> conflicts;
  bool operator==(const GitMergeReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitMergeReply", "What became of a candidate.");
    d.field("outcome", &GitMergeReply::outcome, "How it ended.").required();
    d.field("candidate", &GitMergeReply::candidate, "The candidate's commit.").required();
    d.field("integration", &GitMergeReply::integration, "The integration branch's commit now.").required();
    d.field("commit", &GitMergeReply::commit, "The merge commit; the same when the same merge is asked for again.");
    d.field("exit_status", &GitMergeReply::exit_status, "Of the test, when it ended by itself.");
    d.field("signal", &GitMergeReply::signal, "The signal that ended the test.");
    d.field("timed_out", &GitMergeReply::timed_out, "The test was ended because `timeout_ms` ran out.");
    d.field("duration_ms", &GitMergeReply::duration_ms, "How long the test ran; absent when none was run now.");
    d.field("output", &GitMergeReply::output, "The last bytes of the test's output and error output.");
    d.field("output_dropped_bytes", &GitMergeReply::output_dropped_bytes, "Output before these.");
    d.field("conflicts", &GitMergeReply::conflicts, "Where it does not fit.");
  }
};

struct GitDiffRequest {
  std::optional<std::string> repo;
  std::optional<std::string> agent;
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::vector<Path> paths;
  bool patch = true;
  std::uint32_t context = 3;
  std::uint64_t limit_bytes = std::uint64_t{1024} * 1024;
  bool operator==(const GitDiffRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitDiffRequest", "What to compare.");
    d.field("repo", &GitDiffRequest::repo, "The repository; needed where there are several.")
        .non_empty()
        .max_length(100);
    d.field("agent", &GitDiffRequest::agent, "Whose worktree; an agent's own is the only one that it may name.")
        .non_empty()
        .max_length(100);
    d.field("from", &GitDiffRequest::from,
            "A commit or branch; else where the agent's branch left the integration branch.")
        .non_empty()
        .max_length(1000);
    d.field("to", &GitDiffRequest::to, "A commit or branch; else the agent's worktree with what is not committed.")
        .non_empty()
        .max_length(1000);
    d.field("paths", &GitDiffRequest::paths, "Only these files and what is below these directories.").max_length(1000);
    d.field("patch", &GitDiffRequest::patch, "Also the text of the changes.");
    d.field("context", &GitDiffRequest::context, "Unchanged lines around a change.").max(1000);
    d.field("limit_bytes", &GitDiffRequest::limit_bytes, "Most bytes of text.").max(8.0 * 1024 * 1024);
  }
};

struct GitDiffReply {
  std::string from;
  std::optional<std::string> to;
  std::vector<GitChange> files;
  Text patch;
  bool truncated = false;
  bool operator==(const GitDiffReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitDiffReply", "What differs.");
    d.field("from", &GitDiffReply::from, "The commit compared with.").required();
    d.field("to", &GitDiffReply::to, "The commit compared; absent for a worktree.");
    d.field("files", &GitDiffReply::files, "Changed paths, at most 10,000.").required();
    d.field("patch", &GitDiffReply::patch, "The changes as a unified diff.");
    d.field("truncated", &GitDiffReply::truncated, "There is more than fits.");
  }
};

struct GitLogRequest {
  std::optional<std::string> repo;
  std::optional<std::string> agent;
  std::optional<std::string> from;
  std::optional<std::string> exclude;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const GitLogRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitLogRequest", "Which commits.");
    d.field("repo", &GitLogRequest::repo, "The repository; needed where there are several.")
        .non_empty()
        .max_length(100);
    d.field("agent", &GitLogRequest::agent, "Whose branch, when `from` is not given.").non_empty().max_length(100);
    d.field("from", &GitLogRequest::from, "A commit or branch to begin at; else the agent's branch.")
        .non_empty()
        .max_length(1000);
    d.field("exclude", &GitLogRequest::exclude, "Nothing that this commit or branch has.").non_empty().max_length(1000);
    d.field("limit", &GitLogRequest::limit, "Most commits of one answer.").min(1).max(1000);
    d.field("cursor", &GitLogRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct GitLogReply {
  std::vector<GitCommitInfo> commits;
  std::optional<std::string> next_cursor;
  bool operator==(const GitLogReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitLogReply", "Commits, newest first.");
    d.field("commits", &GitLogReply::commits, "The commits.").required();
    d.field("next_cursor", &GitLogReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct GitExportRequest {
  std::string repo;
  std::vector<std::string> refs;
  std::vector<std::string> have;
  std::uint32_t pack = 0;
  bool operator==(const GitExportRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitExportRequest", "What to take out.");
    d.field("repo", &GitExportRequest::repo, "The repository.").required().non_empty().max_length(100);
    d.field("refs", &GitExportRequest::refs, "Full names; one that ends in `/` means all below.")
        .required()
        .max_length(10'000);
    d.field("have", &GitExportRequest::have,
            "Commits that the caller has with all that they need; unknown ones are ignored.")
        .max_length(100'000);
    d.field("pack", &GitExportRequest::pack, "Stream for a pack; it carries no byte when nothing is missing.")
        .required()
        .min(1)
        .stream(StreamUse::to_caller);
  }
};

struct GitExportReply {
  std::vector<GitRef> refs;
  std::vector<std::string> shallow;
  std::uint64_t objects = 0;
  std::uint64_t size_bytes = 0;
  bool operator==(const GitExportReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("GitExportReply", "What was sent.");
    d.field("refs", &GitExportReply::refs, "The names asked for, as they were when the pack was made.").required();
    d.field("shallow", &GitExportReply::shallow, "Commits whose parents are not there.");
    d.field("objects", &GitExportReply::objects, "Objects in the pack.").required();
    d.field("size_bytes", &GitExportReply::size_bytes, "Bytes of the pack.").required();
  }
};

}  // namespace swarm::api
