#include "agentd/git/git.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "agentd/git/commit.hpp"
#include "agentd/git/export.hpp"
#include "agentd/git/import.hpp"
#include "agentd/git/look.hpp"
#include "agentd/git/rebase.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/core/tests_ran.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/tree/file_ends.hpp"

namespace swarm::agentd::git {
namespace {

constexpr std::size_t kMostLocks = 10;

/// One worktree of those that the caller may use, if that is clear.
Result<Record> choose(const Layout& layout, Caller caller, const std::optional<std::string>& repo,
                      const std::optional<std::string>& agent) {
  const bool for_all = caller.kind == Caller::Kind::daemon;
  if (!caller.agent.empty() && agent && *agent != caller.agent) {
    return fail(Code::permission_denied,
                fmt::format("you are '{}'; the worktree of '{}' is not yours", caller.agent, shown(*agent)));
  }
  const auto may_use = [&](const Record& record) {
    if (for_all) return true;
    if (!caller.agent.empty()) return record.agent == caller.agent;
    return record.user == std::to_string(caller.uid);
  };
  std::vector<Record> fitting;
  for (Record& record : all_records(layout)) {
    if (repo && record.repo != *repo) continue;
    if (agent && record.agent != *agent) continue;
    if (may_use(record)) fitting.push_back(std::move(record));
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty()) {
    return fail(Code::not_found,
                fmt::format("no worktree{}{}{}", repo ? " of '" + *repo + "'" : "", agent ? " of '" + *agent + "'" : "",
                            for_all                 ? ""
                            : !caller.agent.empty() ? " is yours, " + caller.agent
                                                    : fmt::format(" belongs to uid {}", caller.uid)));
  }
  std::vector<std::string> names;
  names.reserve(fitting.size());
  for (const Record& record : fitting) names.push_back(record.agent + "/" + record.repo);
  return fail(Code::invalid_argument, fmt::format("several worktrees could be meant: {}; say which by 'repo'{}",
                                                  fmt::join(names, ", "), for_all ? " and 'agent'" : ""));
}

Result<void> check_all_committed(const Worktree& place, const SnapshotLimits& limits) {
  const Result<api::GitStatusReply> now = agentd::git::status(place, limits);
  if (!now) return fail(now.error());
  if (now->total_changes == 0) return {};
  return fail(Code::failed_precondition, fmt::format("{} path(s) are not committed, '{}' among them: commit first",
                                                     now->total_changes, shown(now->changes.front().path.bytes)));
}

async::Task<> send_pack(async::Loop& loop, UniqueFd pack, std::unique_ptr<wire::ByteSink> sink) {
  const auto producer = std::make_shared<tree::FileProducer>(std::move(pack));
  // How it went travels with the stream.
  static_cast<void>(co_await tree::pump_out(loop, producer, *sink));
}

}  // namespace

async::Turn& Git::turn(const std::string& of) {
  auto& slot = turns_[of];
  if (!slot) slot = std::make_unique<async::Turn>(loop_);
  return *slot;
}

async::Task<Result<Worktree>> Git::find(Caller caller, std::optional<std::string> repo,
                                        std::optional<std::string> agent) {
  auto job = [layout = setup_.layout, user = setup_.user, caller, repo = std::move(repo),
              agent = std::move(agent)]() -> Result<Worktree> {
    Result<Record> record = choose(layout, caller, repo, agent);
    if (!record) return fail(record.error());
    Result<Credentials> who = user(record->user);
    if (!who) return fail(who.error());
    return Worktree{.layout = layout, .record = std::move(*record), .who = std::move(*who)};
  };
  co_return co_await async::run_blocking(loop_, std::move(job));
}

async::Task<Result<std::string>> Git::find_repository(std::optional<std::string> repo) {
  if (repo) co_return std::move(*repo);
  auto job = [layout = setup_.layout]() -> Result<std::string> {
    std::vector<std::string> all = layout.repositories();
    if (all.size() == 1) return std::move(all.front());
    return fail(all.empty() ? Code::not_found : Code::invalid_argument,
                all.empty()
                    ? "no repository was imported into this sandbox"
                    : fmt::format("there are several repositories: {}; say which by 'repo'", fmt::join(all, ", ")));
  };
  co_return co_await async::run_blocking(loop_, std::move(job));
}

void Git::tell_moved(const Record& record, const std::string& commit) {
  if (!setup_.moved) return;
  setup_.moved({.repo = record.repo, .agent = record.agent, .branch = record.branch(), .commit = commit});
}

async::Task<Result<api::GitImportReply>> Git::import(api::GitImportRequest request, OpenSource open) {
  if (const Result<void> ok = check_name("a repository", request.repo); !ok) co_return fail(ok.error());
  const auto guard = co_await turn(request.repo).take();
  const Layout layout = setup_.layout;
  const Result<void> ready =
      co_await async::run_blocking(loop_, [layout, repo = request.repo] { return open_repository(layout, repo); });
  if (!ready) co_return fail(ready.error());
  api::GitImportReply reply{.path = layout.repository(request.repo)};
  if (request.pack) {
    auto consumer =
        co_await async::run_blocking(loop_, [path = layout.git_dir(request.repo)] { return PackConsumer::into(path); });
    if (!consumer) co_return fail(consumer.error());
    const Result<std::unique_ptr<wire::ByteSource>> source = open();
    if (!source) co_return fail(source.error());
    const auto taken = co_await tree::pump_in(loop_, *consumer, **source);
    if (!taken) co_return fail(taken.error(), "import");
    reply.objects = (*consumer)->objects();
    reply.size_bytes = (*consumer)->size_bytes();
  }
  const Result<void> named = co_await async::run_blocking(
      loop_, [layout, request = std::move(request)] { return finish_import(layout, request); });
  if (!named) co_return fail(named.error());
  co_return reply;
}

async::Task<Result<api::GitRefsReply>> Git::refs(api::GitRefsRequest request) {
  auto job = [layout = setup_.layout, request = std::move(request)] { return list_refs(layout, request); };
  co_return co_await async::run_blocking(loop_, std::move(job));
}

async::Task<Result<api::GitWorktreeReply>> Git::worktree(api::GitWorktreeRequest request) {
  const auto guard = co_await turn(request.repo + "/" + request.agent).take();
  if (!request.user && setup_.account) request.user = setup_.account(request.agent);
  auto job = [layout = setup_.layout, user = setup_.user,
              request = std::move(request)]() -> Result<api::GitWorktreeReply> {
    Result<Credentials> who = user(request.user.value_or(request.agent));
    if (!who) return fail(who.error());
    const std::string uid = std::to_string(who->uid);
    const Worktree made{
        .layout = layout,
        .record = {.repo = request.repo, .agent = request.agent, .swarm = request.swarm, .user = uid, .merging = {}},
        .who = std::move(*who)};
    return make_worktree(made, request.base);
  };
  co_return co_await async::run_blocking(loop_, std::move(job));
}

async::Task<Result<api::Empty>> Git::remove_worktree(api::GitRemoveWorktreeRequest request) {
  const auto guard = co_await turn(request.repo + "/" + request.agent).take();
  const Result<Worktree> found = co_await find({}, request.repo, request.agent);
  if (!found) co_return fail(found.error());
  const Branch branch = request.keep_branch ? Branch::keep : Branch::drop;
  const Result<void> removed = co_await async::run_blocking(
      loop_, [found = *found, branch] { return agentd::git::remove_worktree(found, branch); });
  if (!removed) co_return fail(removed.error());
  co_await dropped(request.repo, request.agent);
  co_return api::Empty{};
}

async::Task<Result<Worktree>> Git::integrator(std::string repo, std::string swarm) {
  Result<Worktree> found = co_await find({}, repo, std::string(kIntegrator));
  if (found && found->record.swarm == swarm) co_return found;
  if (found) {
    co_return fail(Code::failed_precondition,
                   fmt::format("the integration of '{}' belongs to swarm '{}'", repo, found->record.swarm));
  }
  const Result<api::GitWorktreeReply> made = co_await worktree({.repo = repo,
                                                                .swarm = std::move(swarm),
                                                                .agent = std::string(kIntegrator),
                                                                .base = std::nullopt,
                                                                .user = std::nullopt});
  if (!made) co_return fail(made.error());
  co_return co_await find({}, std::move(repo), std::string(kIntegrator));
}

async::Task<Result<api::GitMergeReply>> Git::merge(api::GitMergeRequest request) {
  // A name of its own: imports need not wait until a test has ended.
  const auto guard = co_await turn(request.repo + ":merge").take();
  const Result<Worktree> place = co_await integrator(request.repo, request.swarm);
  if (!place) co_return fail(place.error());
  Result<Plan> plan =
      co_await async::run_blocking(loop_, [place = *place, request] { return plan_merge(place, request); });
  if (!plan) co_return fail(plan.error());
  if (!plan->commit) {
    const bool in =
        plan->reply.outcome == api::GitMergeOutcome::merged || plan->reply.outcome == api::GitMergeOutcome::empty;
    if (in) co_await merged(request.repo, plan->reply.candidate);
    co_return std::move(plan->reply);
  }

  if (request.test_command) {
    const Others others = request.keep_ignored ? Others::remove_untracked : Others::remove_all;
    const Result<void> ready = co_await async::run_blocking(
        loop_, [place = *place, commit = *plan->commit, others] { return check_out(place, commit, others); });
    if (!ready) co_return fail(ready.error(), "the merged tree");
    TestRequest run{.command = *request.test_command,
                    .directory = place->path(),
                    .user = place->record.user,
                    .timeout = request.timeout_ms,
                    .output_limit_bytes = request.output_limit_bytes};
    Result<TestResult> result = co_await setup_.test(std::move(run));
    if (!result) co_return fail(result.error(), "the test could not be run");
    api::GitMergeReply& reply = plan->reply;
    reply.exit_status = result->exit_status;
    reply.signal = result->signal;
    reply.timed_out = result->timed_out;
    reply.duration_ms = result->duration;
    reply.output.bytes = std::move(result->output);
    reply.output_dropped_bytes = result->dropped_bytes;
    // A command that ran no test says nothing about the tree, whatever it ends with.
    const bool ran_none = swarm::tests_ran(reply.output.bytes) == 0U;
    if (result->exit_status != 0U || result->timed_out || ran_none) {
      reply.outcome = api::GitMergeOutcome::red;
      co_return std::move(reply);
    }
  }
  const Result<void> moved =
      co_await async::run_blocking(loop_, [place = *place, plan = *plan] { return finish_merge(place, plan); });
  if (!moved) co_return fail(moved.error());
  plan->reply.outcome = api::GitMergeOutcome::merged;
  plan->reply.commit = plan->commit->text();
  plan->reply.integration = plan->commit->text();
  co_await merged(request.repo, plan->reply.candidate);
  co_return std::move(plan->reply);
}

async::Task<Result<api::GitExportReply>> Git::export_pack(api::GitExportRequest request, OpenSink open,
                                                          async::TaskSet& sending) {
  auto job = [layout = setup_.layout, request = std::move(request)] {
    // Shared, because what the pool gives back is copied nowhere but must be movable out of it.
    return std::make_shared<Result<Export>>(make_export(layout, request));
  };
  const std::shared_ptr<Result<Export>> made = co_await async::run_blocking(loop_, std::move(job));
  if (!*made) co_return fail(made->error());
  Result<std::unique_ptr<wire::ByteSink>> sink = open();
  if (!sink) co_return fail(sink.error());
  if ((*made)->pack) {
    sending.spawn(send_pack(loop_, std::move((*made)->pack), std::move(*sink)));
  } else {
    (*sink)->end();
  }
  co_return std::move((*made)->reply);
}

async::Task<Result<api::GitDiffReply>> Git::diff(Caller caller, api::GitDiffRequest request) {
  std::optional<Worktree> worktree;
  std::string repo;
  if (!request.from || !request.to) {
    Result<Worktree> found = co_await find(caller, request.repo, request.agent);
    if (!found) co_return fail(found.error());
    repo = found->record.repo;
    worktree = std::move(*found);
  } else {
    Result<std::string> found = co_await find_repository(request.repo);
    if (!found) co_return fail(found.error());
    repo = std::move(*found);
  }
  auto job = [layout = setup_.layout, limits = setup_.limits, repo, worktree, request = std::move(request)] {
    return agentd::git::diff(layout, repo, worktree, request, limits);
  };
  co_return co_await async::run_blocking(loop_, std::move(job));
}

async::Task<Result<api::GitLogReply>> Git::log(Caller caller, api::GitLogRequest request) {
  std::string repo;
  std::string branch;
  if (!request.from && !request.cursor) {
    const Result<Worktree> found = co_await find(caller, request.repo, request.agent);
    if (!found) co_return fail(found.error());
    repo = found->record.repo;
    branch = found->record.ref();
  } else {
    Result<std::string> found = co_await find_repository(request.repo);
    if (!found) co_return fail(found.error());
    repo = std::move(*found);
  }
  auto job = [layout = setup_.layout, repo, branch, request = std::move(request)] {
    return agentd::git::log(layout, repo, branch, request);
  };
  co_return co_await async::run_blocking(loop_, std::move(job));
}

async::Task<Result<void>> Git::check_locks(Record record, std::vector<std::string> paths) {
  if (!setup_.locked || paths.empty()) co_return {};
  LockQuestion question{.swarm = record.swarm, .agent = record.agent, .repo = record.repo, .paths = std::move(paths)};
  auto asking = setup_.locked(std::move(question));
  const Result<std::vector<LockedPath>> locked = co_await std::move(asking);
  if (!locked) co_return fail(locked.error(), "locks");
  if (locked->empty()) co_return {};
  std::string list;
  for (std::size_t i = 0; i < std::min(locked->size(), kMostLocks); ++i) {
    const LockedPath& one = (*locked)[i];
    list += fmt::format("{}{} ({}{}{})", i == 0 ? "" : ", ", shown(one.path), one.holder,
                        one.reason.empty() ? "" : ": ", shown(one.reason));
  }
  co_return fail(Code::failed_precondition,
                 fmt::format("nothing was committed. Others have locks on {} path(s): {}. Wait for them or undo your "
                             "change there",
                             locked->size(), list));
}

async::Task<Result<api::GitCommitReply>> Git::commit(Caller caller, api::GitCommitRequest request) {
  const Result<Worktree> first = co_await find(caller, request.repo, request.agent);
  if (!first) co_return fail(first.error());
  const auto guard = co_await turn(first->record.repo + "/" + first->record.agent).take();
  // Again, now that nobody else changes it: whether a merge is under way.
  const Result<Worktree> place = co_await find({}, first->record.repo, first->record.agent);
  if (!place) co_return fail(place.error());
  std::vector<std::string> paths;
  paths.reserve(request.paths.size());
  for (const api::Path& path : request.paths) paths.push_back(path.bytes);
  if (place->record.merging && !paths.empty()) {
    co_return fail(Code::failed_precondition,
                   "a sync with conflicts is under way: commit everything, or sync with 'abort'");
  }
  auto look = [place = *place, paths, limits = setup_.limits] {
    return std::make_shared<Result<Snapshot>>(take_snapshot(place, paths, limits));
  };
  const std::shared_ptr<Result<Snapshot>> snapshot = co_await async::run_blocking(loop_, std::move(look));
  if (!*snapshot) co_return fail(snapshot->error());

  if (setup_.locked) {
    auto compare = [snapshot] {
      return changed_paths((*snapshot)->staging->repository(), (*snapshot)->head_tree, (*snapshot)->tree);
    };
    const Result<std::vector<api::GitChange>> changes = co_await async::run_blocking(loop_, std::move(compare));
    if (!changes) co_return fail(changes.error());
    // What a sync brings in was written under its author's locks.
    if (!place->record.merging) {
      std::vector<std::string> changed;
      changed.reserve(changes->size());
      for (const api::GitChange& change : *changes) changed.push_back(change.path.bytes);
      const Result<void> free = co_await check_locks(place->record, std::move(changed));
      if (!free) co_return fail(free.error());
    }
  }
  auto finish = [snapshot, place = *place, request = std::move(request)]() mutable {
    return commit_snapshot(place, **snapshot, request);
  };
  Result<api::GitCommitReply> reply = co_await async::run_blocking(loop_, std::move(finish));
  if (reply && reply->created) tell_moved(place->record, reply->commit);
  co_return reply;
}

async::Task<Result<api::GitStatusReply>> Git::status(Caller caller, api::GitStatusRequest request) {
  const Result<Worktree> place = co_await find(caller, std::move(request.repo), std::move(request.agent));
  if (!place) co_return fail(place.error());
  auto job = [place = *place, limits = setup_.limits] { return agentd::git::status(place, limits); };
  co_return co_await async::run_blocking(loop_, std::move(job));
}

async::Task<Result<api::GitSyncReply>> Git::sync(Caller caller, api::GitSyncRequest request) {
  const Result<Worktree> first = co_await find(caller, std::move(request.repo), std::move(request.agent));
  if (!first) co_return fail(first.error());
  const auto guard = co_await turn(first->record.repo + "/" + first->record.agent).take();
  const Result<Worktree> place = co_await find({}, first->record.repo, first->record.agent);
  if (!place) co_return fail(place.error());
  auto job = [place = *place, limits = setup_.limits, abort = request.abort]() mutable -> Result<api::GitSyncReply> {
    if (abort) return abort_sync(place);
    if (place.record.merging) {
      return fail(Code::failed_precondition,
                  "a sync with conflicts is under way: resolve the markers and commit, or sync with 'abort'");
    }
    if (const Result<void> clean = check_all_committed(place, limits); !clean) return fail(clean.error());
    return agentd::git::sync(place);
  };
  Result<api::GitSyncReply> reply = co_await async::run_blocking(loop_, std::move(job));
  if (reply && reply->outcome == api::GitSyncOutcome::merged) tell_moved(place->record, reply->head);
  co_return reply;
}

async::Task<Result<api::GitRebaseReply>> Git::rebase(Caller caller, api::GitRebaseRequest request) {
  const Result<Worktree> first = co_await find(caller, std::move(request.repo), std::move(request.agent));
  if (!first) co_return fail(first.error());
  const auto guard = co_await turn(first->record.repo + "/" + first->record.agent).take();
  const Result<Worktree> place = co_await find({}, first->record.repo, first->record.agent);
  if (!place) co_return fail(place.error());
  if (place->record.merging) {
    co_return fail(Code::failed_precondition,
                   "a sync with conflicts is under way: resolve the markers and commit, or sync with 'abort'");
  }
  auto making = [place = *place, limits = setup_.limits]() -> Result<Rebase> {
    if (const Result<void> clean = check_all_committed(place, limits); !clean) return fail(clean.error());
    return plan_rebase(place);
  };
  Result<Rebase> rebase = co_await async::run_blocking(loop_, std::move(making));
  if (!rebase) co_return fail(rebase.error());
  if (!rebase->tip) co_return std::move(rebase->reply);
  // They are new commits, of files that somebody may have locked since the old ones were made.
  const Result<void> free = co_await check_locks(place->record, rebase->paths);
  if (!free) co_return fail(free.error());
  auto finish = [place = *place, rebase = *rebase] { return finish_rebase(place, rebase); };
  const Result<void> done = co_await async::run_blocking(loop_, std::move(finish));
  if (!done) co_return fail(done.error());
  tell_moved(place->record, rebase->reply.head);
  co_return std::move(rebase->reply);
}

}  // namespace swarm::agentd::git
