#include "agentd/git/merge.hpp"

#include <fmt/format.h>
#include <git2.h>

#include "agentd/git/merge_parts.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/git/staging.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Commit;
using swarm::git::failed;
using swarm::git::History;
using swarm::git::Index;
using swarm::git::made;
using swarm::git::Repository;
using swarm::git::Tree;

constexpr std::size_t kMostMerges = 100'000;  // of one integration branch that are searched for a candidate

Result<Commit> lookup(git_repository* repository, const Oid& id) {
  return made<Commit>("commit " + id.text(),
                      [&](git_commit** out) { return git_commit_lookup(out, repository, id.get()); });
}

/// The index that git_merge_commits makes, or the like where libgit2 cannot walk the history.
Result<Index> merge_index(git_repository* repository, const std::vector<Oid>& shallow, const Oid& ours,
                          const Oid& theirs) {
  const Result<Commit> one = lookup(repository, ours);
  const Result<Commit> other = lookup(repository, theirs);
  if (!one) return fail(one.error());
  if (!other) return fail(other.error());
  git_merge_options options{};
  git_merge_options_init(&options, GIT_MERGE_OPTIONS_VERSION);
  if (shallow.empty()) {
    return made<Index>("merge", [&](git_index** out) {
      return git_merge_commits(out, repository, one->get(), other->get(), &options);
    });
  }
  History history(repository, shallow);
  const Result<History::Compared> compared = history.compare({ours}, {theirs});
  if (!compared) return fail(compared.error());
  const auto tree = [repository](const Oid& commit) -> Result<Tree> {
    const Result<Oid> id = tree_of(repository, commit);
    if (!id) return fail(id.error());
    return made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, id->get()); });
  };
  Tree base;
  if (!compared->bases.empty()) {
    Result<Tree> found = tree(compared->bases.front());
    if (!found) return fail(found.error());
    base = std::move(*found);
  }
  const Result<Tree> our_tree = tree(ours);
  const Result<Tree> their_tree = tree(theirs);
  if (!our_tree) return fail(our_tree.error());
  if (!their_tree) return fail(their_tree.error());
  return made<Index>("merge", [&](git_index** out) {
    return git_merge_trees(out, repository, base.get(), our_tree->get(), their_tree->get(), &options);
  });
}

Result<Oid> write_tree(git_repository* repository, git_index* index) {
  git_oid tree{};
  if (const int code = git_index_write_tree_to(&tree, index, repository); code < 0) return failed(code, "write tree");
  return Oid(tree);
}

/// The merge commit that brought `candidate` in, on the branch's own line.
Result<std::optional<Oid>> merged_before(git_repository* repository, const Oid& tip, const Oid& candidate) {
  Oid at = tip;
  for (std::size_t i = 0; i < kMostMerges; ++i) {
    const Result<Commit> commit = lookup(repository, at);
    if (!commit) break;  // the edge of a shallow repository
    if (git_commit_parentcount(commit->get()) > 1 && Oid(*git_commit_parent_id(commit->get(), 1)) == candidate) {
      return std::optional(at);
    }
    if (git_commit_parentcount(commit->get()) == 0) break;
    at = Oid(*git_commit_parent_id(commit->get(), 0));
  }
  return std::optional<Oid>();
}

std::string short_name(const std::string& candidate) {
  const std::size_t slash = candidate.rfind('/');
  return candidate.size() == 40 && slash == std::string::npos ? candidate.substr(0, 12) : candidate.substr(slash + 1);
}

}  // namespace

Result<Merged> read_merged(git_repository* repository, git_index* index, const Sides& labels) {
  Merged merged;
  if (git_index_has_conflicts(index) == 0) {
    const Result<Oid> tree = write_tree(repository, index);
    if (!tree) return fail(tree.error());
    merged.tree = *tree;
    return merged;
  }
  const Result<std::vector<ConflictedPath>> conflicts = read_conflicts(repository, index, labels);
  if (!conflicts) return fail(conflicts.error());
  git_index_conflict_cleanup(index);
  for (const ConflictedPath& one : *conflicts) {
    git_index_entry entry{};
    entry.path = one.conflict.path.bytes.c_str();
    entry.mode = one.mode;
    if (one.keep) {
      entry.id = one.keep->raw;
    } else if (const int code =
                   git_blob_create_from_buffer(&entry.id, repository, one.marked->data(), one.marked->size());
               code < 0) {
      return failed(code, "write conflict");
    }
    if (const int code = git_index_add(index, &entry); code < 0) return failed(code, "write conflict");
    merged.conflicts.push_back(one.conflict);
  }
  const Result<Oid> tree = write_tree(repository, index);
  if (!tree) return fail(tree.error());
  merged.marked_tree = *tree;
  return merged;
}

Result<Merged> merge_commits(git_repository* repository, const std::vector<Oid>& shallow, const Oid& ours,
                             const Oid& theirs, const Sides& labels) {
  const Result<Index> index = merge_index(repository, shallow, ours, theirs);
  if (!index) return fail(index.error());
  return read_merged(repository, index->get(), labels);
}

Result<Plan> plan_merge(const Worktree& integrator, const api::GitMergeRequest& request) {
  if (const Result<void> ok = check_trailers(request.trailers); !ok) return fail(ok.error());
  const Result<Repository> opened = swarm::git::open_bare(integrator.git_dir());
  if (!opened) return fail(opened.error());
  git_repository* repository = opened->get();
  const Result<Oid> tip = resolve(repository, integrator.record.ref());
  const Result<Oid> candidate = resolve(repository, request.candidate);
  if (!tip) return fail(tip.error());
  if (!candidate) return fail(candidate.error());
  Plan plan;
  plan.reply.candidate = candidate->text();
  plan.reply.integration = tip->text();
  plan.integration = *tip;

  const Result<std::optional<Oid>> before = merged_before(repository, *tip, *candidate);
  if (!before) return fail(before.error());
  if (*before) {
    plan.reply.outcome = api::GitMergeOutcome::merged;
    plan.reply.commit = (*before)->text();
    return plan;
  }
  const Result<std::vector<Oid>> shallow = shallow_commits(integrator.git_dir());
  if (!shallow) return fail(shallow.error());
  History history(repository, *shallow);
  const Result<bool> contained = history.contains(*tip, *candidate);
  if (!contained) return fail(contained.error());
  const Result<Oid> old_tree = tree_of(repository, *tip);
  if (!old_tree) return fail(old_tree.error());
  plan.reply.outcome = api::GitMergeOutcome::empty;
  if (*contained) return plan;

  Result<Merged> merged = merge_commits(repository, *shallow, *tip, *candidate,
                                        {.ours = "integration", .theirs = short_name(request.candidate)});
  if (!merged) return fail(merged.error());
  if (!merged->tree) {
    plan.reply.outcome = api::GitMergeOutcome::conflict;
    plan.reply.conflicts = std::move(merged->conflicts);
    return plan;
  }
  if (*merged->tree == *old_tree) return plan;
  const std::string subject =
      request.message.bytes.empty() ? fmt::format("Merge {}", short_name(request.candidate)) : request.message.bytes;
  // The trailers are the caller's, who is the daemon; those that stand in the message go like an agent's own.
  const Result<Oid> commit =
      make_commit(repository, *merged->tree, {*tip, *candidate}, author_of(std::string(kIntegrator), request.swarm),
                  with_trailers(subject, request.trailers));
  if (!commit) return fail(commit.error());
  plan.commit = *commit;
  return plan;
}

Result<void> finish_merge(const Worktree& integrator, const Plan& plan) {
  const Result<Repository> opened = swarm::git::open_bare(integrator.git_dir());
  if (!opened) return fail(opened.error());
  return set_ref(opened->get(), integrator.record.ref(), *plan.commit, plan.integration);
}

Result<api::GitSyncReply> sync(Worktree& worktree) {
  Record& record = worktree.record;
  const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
  if (!opened) return fail(opened.error());
  git_repository* repository = opened->get();
  const Result<Oid> head = resolve(repository, record.ref());
  if (!head) return fail(head.error());
  const Result<Divergence> since = divergence(repository, worktree.git_dir(), record.swarm, *head);
  if (!since) return fail(since.error());
  const Result<Oid> head_tree = tree_of(repository, *head);
  if (!head_tree) return fail(head_tree.error());
  api::GitSyncReply reply{.outcome = api::GitSyncOutcome::up_to_date, .head = head->text()};
  if (since->compared.theirs.empty()) return reply;

  Oid next = since->base;
  if (!since->compared.ours.empty()) {
    Result<Merged> merged =
        merge_commits(repository, since->shallow, *head, since->base, {.ours = record.agent, .theirs = "integration"});
    if (!merged) return fail(merged.error());
    const Author author = author_of(record.agent, record.swarm);
    const Result<Oid> commit = make_commit(repository, merged->tree ? *merged->tree : *merged->marked_tree,
                                           {*head, since->base}, author, "Merge integration\n");
    if (!commit) return fail(commit.error());
    next = *commit;
    if (!merged->tree) {  // remembered before the files change, so that nothing takes them for the agent's own work
      record.merging = since->base.text();
      if (const Result<void> saved = save_record(worktree.layout, record); !saved) return fail(saved.error());
      const Result<void> marked = check_out(worktree, next, Others::keep, *head_tree);
      if (!marked) return fail(marked.error());
      reply.outcome = api::GitSyncOutcome::conflict;
      reply.conflicts = std::move(merged->conflicts);
      return reply;
    }
  }
  if (const Result<void> filled = check_out(worktree, next, Others::keep, *head_tree); !filled) {
    return fail(filled.error());
  }
  if (const Result<void> moved = set_ref(repository, record.ref(), next, *head); !moved) return fail(moved.error());
  reply.outcome = api::GitSyncOutcome::merged;
  reply.head = next.text();
  return reply;
}

Result<api::GitSyncReply> abort_sync(Worktree& worktree) {
  Record& record = worktree.record;
  if (!record.merging) return fail(Code::failed_precondition, "no sync with conflicts is under way");
  const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
  if (!opened) return fail(opened.error());
  const Result<Oid> head = resolve(opened->get(), record.ref());
  const Result<Oid> other = resolve(opened->get(), *record.merging);
  if (!head) return fail(head.error());
  if (!other) return fail(other.error());
  const Result<Oid> brought = tree_of(opened->get(), *other);
  if (!brought) return fail(brought.error());
  if (const Result<void> filled = check_out(worktree, *head, Others::keep, *brought); !filled) {
    return fail(filled.error());
  }
  record.merging.reset();
  if (const Result<void> saved = save_record(worktree.layout, record); !saved) return fail(saved.error());
  return api::GitSyncReply{.outcome = api::GitSyncOutcome::aborted, .head = head->text(), .conflicts = {}};
}

}  // namespace swarm::agentd::git
