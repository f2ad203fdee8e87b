#include "agentd/git/rebase.hpp"

#include <fmt/format.h>
#include <git2.h>

#include <algorithm>
#include <unordered_set>

#include "agentd/git/merge_parts.hpp"
#include "agentd/git/snapshot.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/git/staging.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Commit;
using swarm::git::failed;
using swarm::git::History;
using swarm::git::Index;
using swarm::git::made;
using swarm::git::OidHash;
using swarm::git::Repository;
using swarm::git::Signature;
using swarm::git::Tree;

constexpr std::size_t kMostReplayed = 10'000;

Result<Commit> commit_at(git_repository* repository, const Oid& id) {
  return made<Commit>("commit " + id.text(),
                      [&](git_commit** out) { return git_commit_lookup(out, repository, id.get()); });
}

Result<Tree> tree_at(git_repository* repository, const Oid& id) {
  return made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, id.get()); });
}

/// Parents before children. By their links alone: clocks of agents are not to be trusted, and a second has many
/// commits.
Result<std::vector<Oid>> oldest_first(History& history, const Oid& head, const std::vector<Oid>& own) {
  const std::unordered_set<Oid, OidHash> wanted(own.begin(), own.end());
  std::unordered_set<Oid, OidHash> seen;
  std::vector<Oid> order;
  std::vector<std::pair<Oid, bool>> stack = {{head, false}};
  while (!stack.empty()) {
    const auto [at, done] = stack.back();
    stack.pop_back();
    if (done) {
      order.push_back(at);
      continue;
    }
    if (!wanted.contains(at) || !seen.insert(at).second) continue;
    stack.emplace_back(at, true);
    const Result<std::vector<Oid>> parents = history.parents(at);
    if (!parents) return fail(parents.error());
    for (const Oid& parent : *parents) stack.emplace_back(parent, false);
  }
  return order;
}

/// What `commit` changed, done to `onto`.
Result<Merged> replay(git_repository* repository, git_commit* commit, const std::optional<Oid>& parent, const Oid& onto,
                      const Sides& labels) {
  Tree before;
  if (parent) {
    const Result<Oid> id = tree_of(repository, *parent);
    if (!id) return fail(id.error());
    Result<Tree> found = tree_at(repository, *id);
    if (!found) return fail(found.error());
    before = std::move(*found);
  }
  const Result<Tree> ours = tree_at(repository, onto);
  const Result<Tree> theirs = tree_at(repository, Oid(*git_commit_tree_id(commit)));
  if (!ours) return fail(ours.error());
  if (!theirs) return fail(theirs.error());
  git_merge_options options{};
  git_merge_options_init(&options, GIT_MERGE_OPTIONS_VERSION);
  const Result<Index> index = made<Index>("replay", [&](git_index** out) {
    return git_merge_trees(out, repository, before.get(), ours->get(), theirs->get(), &options);
  });
  if (!index) return fail(index.error());
  return read_merged(repository, index->get(), labels);
}

/// The same commit on another parent.
Result<Oid> remake(git_repository* repository, git_commit* commit, const Oid& tree, const Oid& parent,
                   const Author& committer) {
  const Result<Signature> now = made<Signature>("committer", [&](git_signature** out) {
    return git_signature_now(out, committer.name.c_str(), committer.email.c_str());
  });
  if (!now) return fail(now.error());
  const Result<Tree> content = tree_at(repository, tree);
  if (!content) return fail(content.error());
  const Result<Commit> below = commit_at(repository, parent);
  if (!below) return fail(below.error());
  const git_commit* parents[] = {below->get()};
  git_oid id{};
  const int code = git_commit_create(&id, repository, nullptr, git_commit_author(commit), now->get(),
                                     git_commit_message_encoding(commit), git_commit_message_raw(commit),
                                     content->get(), 1, parents);
  if (code < 0) return failed(code, "make commit");
  return Oid(id);
}

std::string subject_of(git_commit* commit) {
  const char* text = git_commit_summary(commit);
  return shown(text == nullptr ? "" : text);
}

/// Merges are not replayed. What was done in one beside merging would be lost without a word, so the result has to be
/// what a merge of both branches is.
Result<void> check_nothing_lost(git_repository* repository, const std::vector<Oid>& shallow, const Rebase& rebase,
                                const Oid& target, const Oid& result) {
  const Result<Merged> whole = merge_commits(repository, shallow, rebase.head, target, {.ours = "a", .theirs = "b"});
  if (!whole) return fail(whole.error());
  if (whole->tree && *whole->tree == result) return {};
  return fail(Code::failed_precondition,
              "nothing was changed. The branch has a merge in which more was done than merging (conflicts were "
              "resolved), and a rebase would lose that: take the integration branch over with a sync");
}

}  // namespace

Result<Rebase> plan_rebase(const Worktree& worktree) {
  const Record& record = worktree.record;
  const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
  if (!opened) return fail(opened.error());
  git_repository* repository = opened->get();
  const Result<Oid> head = resolve(repository, record.ref());
  if (!head) return fail(head.error());
  const Result<Divergence> since = divergence(repository, worktree.git_dir(), record.swarm, *head);
  if (!since) return fail(since.error());
  const std::vector<Oid>& ours = since->compared.ours;
  const Result<Oid> head_tree = tree_of(repository, *head);
  const Result<Oid> target_tree = tree_of(repository, since->base);
  if (!head_tree) return fail(head_tree.error());
  if (!target_tree) return fail(target_tree.error());
  Rebase rebase{.reply = {}, .head = *head, .head_tree = *head_tree, .tip = {}, .paths = {}};
  rebase.reply.before = head->text();
  rebase.reply.head = head->text();
  rebase.reply.onto = since->base.text();
  if (since->compared.theirs.empty()) {
    rebase.reply.outcome = api::GitRebaseOutcome::up_to_date;
    return rebase;
  }
  if (ours.size() > kMostReplayed) {
    return fail(Code::resource_exhausted,
                fmt::format("the branch has {} commits of its own; more than {} are not rebased: take the integration "
                            "branch over with a sync",
                            ours.size(), kMostReplayed));
  }
  History history(repository, since->shallow);
  const Result<std::vector<Oid>> own = oldest_first(history, *head, ours);
  if (!own) return fail(own.error());
  const Author committer = author_of(record.agent, record.swarm);
  Oid tip = since->base;
  Oid tree = *target_tree;
  bool merges = false;
  for (const Oid& id : *own) {
    const Result<Commit> commit = commit_at(repository, id);
    if (!commit) return fail(commit.error());
    const Result<std::vector<Oid>> parents = history.parents(id);
    if (!parents) return fail(parents.error());
    if (parents->size() > 1) {
      merges = true;
      ++rebase.reply.left_out;
      continue;
    }
    const std::optional<Oid> parent = parents->empty() ? std::nullopt : std::optional(parents->front());
    Result<Merged> merged =
        replay(repository, commit->get(), parent, tree, {.ours = "integration", .theirs = record.agent});
    if (!merged) return fail(merged.error());
    if (!merged->tree) {
      rebase.reply.outcome = api::GitRebaseOutcome::conflict;
      rebase.reply.commit = id.text();
      rebase.reply.subject = subject_of(commit->get());
      rebase.reply.conflicts = std::move(merged->conflicts);
      return rebase;
    }
    const Oid before = tree;
    tree = *merged->tree;
    if (tree == before) {
      ++rebase.reply.left_out;
      continue;
    }
    const Result<Oid> again = remake(repository, commit->get(), tree, tip, committer);
    if (!again) return fail(again.error());
    tip = *again;
    ++rebase.reply.replayed;
  }
  if (merges) {
    const Result<void> whole = check_nothing_lost(repository, since->shallow, rebase, since->base, tree);
    if (!whole) return fail(whole.error());
  }
  const Result<std::vector<api::GitChange>> changes = changed_paths(repository, *target_tree, tree);
  if (!changes) return fail(changes.error());
  for (const api::GitChange& change : *changes) rebase.paths.push_back(change.path.bytes);
  rebase.reply.outcome = api::GitRebaseOutcome::rebased;
  rebase.reply.head = tip.text();
  rebase.tip = tip;
  return rebase;
}

Result<void> finish_rebase(const Worktree& worktree, const Rebase& rebase) {
  const Record& record = worktree.record;
  const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
  if (!opened) return fail(opened.error());
  git_repository* repository = opened->get();
  const std::string kept = fmt::format("refs/swarm/before/{}/{}/{}", record.swarm, record.agent, rebase.head.text());
  const Result<std::optional<Oid>> there = find_ref(repository, kept);
  if (!there) return fail(there.error());
  if (!*there && rebase.reply.replayed + rebase.reply.left_out > 0) {
    if (const Result<void> held = set_ref(repository, kept, rebase.head, std::nullopt); !held) return held;
  }
  const Result<void> filled = check_out(worktree, *rebase.tip, Others::keep, rebase.head_tree);
  if (!filled) return filled;
  return set_ref(repository, record.ref(), *rebase.tip, rebase.head);
}

}  // namespace swarm::agentd::git
