#include "agentd/git/commit.hpp"

#include <fmt/format.h>
#include <git2.h>

#include "agentd/git/secret_scan.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Diff;
using swarm::git::failed;
using swarm::git::made;
using swarm::git::Tree;

constexpr std::size_t kMostFindings = 10;
constexpr std::size_t kMostCommitted = 1000;
constexpr git_off_t kMostSearched = git_off_t{8} << 20U;  // of one file; larger ones count as binary

struct Findings {
  bool merging = false;
  std::vector<std::string> places;

  static int line(const git_diff_delta* delta, const git_diff_hunk* /*hunk*/, const git_diff_line* line, void* self) {
    Findings& findings = *static_cast<Findings*>(self);
    if (line->origin != GIT_DIFF_LINE_ADDITION || findings.places.size() >= kMostFindings) return 0;
    const std::string_view text(line->content, line->content_len);
    std::optional<std::string> what = secret_in(text);
    if (!what && findings.merging && (text.starts_with("<<<<<<< ") || text.starts_with(">>>>>>> "))) {
      what = "conflict marker";
    }
    if (what)
      findings.places.push_back(fmt::format("{}:{} ({})", shown(delta->new_file.path), line->new_lineno, *what));
    return 0;
  }
};

}  // namespace

Result<void> check_added_lines(git_repository* repository, const Oid& from, const Oid& to, Merging merging) {
  const auto lookup = [repository](const Oid& id) {
    return made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, id.get()); });
  };
  const Result<Tree> before = lookup(from);
  const Result<Tree> after = lookup(to);
  if (!before) return fail(before.error());
  if (!after) return fail(after.error());
  git_diff_options options{};
  git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
  options.context_lines = 0;
  options.max_size = kMostSearched;
  const Result<Diff> diff = made<Diff>("compare", [&](git_diff** out) {
    return git_diff_tree_to_tree(out, repository, before->get(), after->get(), &options);
  });
  if (!diff) return fail(diff.error());
  Findings findings{.merging = merging == Merging::yes, .places = {}};
  if (const int code = git_diff_foreach(diff->get(), nullptr, nullptr, nullptr, &Findings::line, &findings); code < 0) {
    return failed(code, "compare");
  }
  if (findings.places.empty()) return {};
  return fail(
      Code::failed_precondition,
      fmt::format("nothing was committed. These lines look like secrets or unresolved conflicts: {}{}. Take them "
                  "out (read secrets from the environment) and commit again",
                  fmt::join(findings.places, ", "),
                  findings.places.size() == kMostFindings ? " and perhaps more" : ""));
}

Result<api::GitCommitReply> commit_snapshot(Worktree& worktree, Snapshot& snapshot,
                                            const api::GitCommitRequest& request) {
  git_repository* repository = snapshot.staging->repository();
  Record& record = worktree.record;
  Result<std::vector<api::GitChange>> changes = changed_paths(repository, snapshot.head_tree, snapshot.tree);
  if (!changes) return fail(changes.error());
  api::GitCommitReply reply{.commit = snapshot.head.text(), .branch = record.branch(), .total_files = changes->size()};
  std::vector<Oid> parents = {snapshot.head};
  if (record.merging) {
    const Result<Oid> other = Oid::parse(*record.merging);
    if (!other) return fail(other.error());
    parents.push_back(*other);
  }
  if (changes->empty() && !record.merging) {
    refresh_index(worktree, snapshot);
    return reply;
  }
  const Result<void> clean =
      check_added_lines(repository, snapshot.head_tree, snapshot.tree, record.merging ? Merging::yes : Merging::no);
  if (!clean) return fail(clean.error());

  std::map<std::string, std::string> trailers;
  if (request.task) trailers["Swarm-Task"] = *request.task;
  if (request.run) trailers["Swarm-Run"] = *request.run;
  if (const Result<void> ok = check_trailers(trailers); !ok) return fail(ok.error());
  const std::string message = with_trailers(request.message.bytes, trailers);
  if (message.find_first_not_of(" \n\t\r") == std::string::npos) {
    return fail(Code::invalid_argument, "the message is empty; say what was done and why");
  }
  const Result<Oid> commit =
      make_commit(repository, snapshot.tree, parents, author_of(record.agent, record.swarm), message);
  if (!commit) return fail(commit.error());
  if (const Result<void> stored = snapshot.staging->store(); !stored) return fail(stored.error());
  if (const Result<void> moved = set_ref(repository, record.ref(), *commit, snapshot.head); !moved) {
    return fail(moved.error());
  }
  if (record.merging) {
    record.merging.reset();
    if (const Result<void> saved = save_record(worktree.layout, record); !saved) return fail(saved.error());
  }
  refresh_index(worktree, snapshot);
  reply.commit = commit->text();
  reply.created = true;
  if (changes->size() > kMostCommitted) changes->resize(kMostCommitted);
  reply.files = std::move(*changes);
  return reply;
}

}  // namespace swarm::agentd::git
