// What an agent's edits keep for it until its change is merged or dropped, and when that is.

#include <set>

#include "agentd/git/git.hpp"
#include "agentd/git/objects.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/git/staging.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::History;
using swarm::git::Repository;

/// Of these paths of an agent's worktree those at which nothing is newer than the merged candidate. None where the
/// candidate is not the agent's.
Result<std::set<std::string>> handed_in(const Worktree& worktree, const std::string& candidate,
                                        const std::set<std::string>& paths, const SnapshotLimits& limits) {
  const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
  if (!opened) return fail(opened.error());
  const Result<Oid> merged = resolve(opened->get(), candidate);
  const Result<Oid> head = resolve(opened->get(), worktree.record.ref());
  const Result<std::vector<Oid>> shallow = shallow_commits(worktree.git_dir());
  if (!merged) return fail(merged.error());
  if (!head) return fail(head.error());
  if (!shallow) return fail(shallow.error());
  History history(opened->get(), *shallow);
  const Result<bool> own = history.contains(*head, *merged);
  if (!own) return fail(own.error());
  if (!*own) return std::set<std::string>();
  const Result<Oid> tree = tree_of(opened->get(), *merged);
  if (!tree) return fail(tree.error());
  const Result<Snapshot> now = take_snapshot(worktree, {}, limits);
  if (!now) return fail(now.error());
  const Result<std::vector<api::GitChange>> newer = changed_paths(now->staging->repository(), *tree, now->tree);
  if (!newer) return fail(newer.error());
  std::set<std::string> same = paths;
  for (const api::GitChange& change : *newer) same.erase(change.path.bytes);
  return same;
}

}  // namespace

async::Task<> Git::merged(std::string repo, std::string candidate) {
  if (!setup_.reserved || !setup_.give_back) co_return;
  auto asking = setup_.reserved(repo, std::nullopt);
  const Result<std::vector<Reserved>> reserved = co_await std::move(asking);
  if (!reserved) co_return;  // they end by themselves, later
  std::map<std::string, std::set<std::string>> by_agent;
  for (const Reserved& one : *reserved) by_agent[one.agent].insert(one.path);
  std::vector<Reserved> over;
  for (const auto& [agent, paths] : by_agent) {
    const Result<Worktree> worktree = co_await find({}, repo, agent);
    if (!worktree) continue;  // it works in the checkout that all share
    auto job = [worktree = *worktree, candidate, paths, limits = setup_.limits] {
      return handed_in(worktree, candidate, paths, limits);
    };
    const Result<std::set<std::string>> same = co_await async::run_blocking(loop_, std::move(job));
    if (!same) continue;
    for (const Reserved& one : *reserved) {
      if (one.agent == agent && same->contains(one.path)) over.push_back(one);
    }
  }
  if (over.empty()) co_return;
  auto giving = setup_.give_back(std::move(over));
  co_await std::move(giving);
}

async::Task<> Git::dropped(std::string repo, std::string agent) {
  if (!setup_.reserved || !setup_.give_back) co_return;
  auto asking = setup_.reserved(repo, agent);
  Result<std::vector<Reserved>> reserved = co_await std::move(asking);
  if (!reserved || reserved->empty()) co_return;
  auto giving = setup_.give_back(std::move(*reserved));
  co_await std::move(giving);
}

}  // namespace swarm::agentd::git
