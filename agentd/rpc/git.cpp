#include "agentd/rpc/git.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "agentd/exec/foreground.hpp"
#include "agentd/rpc/edit_lock.hpp"
#include "agentd/team/far.hpp"
#include "protocol/api/codec.hpp"

namespace swarm::agentd {
namespace {

using git::Git;
using wire::CallContext;

constexpr uid_t kIntegratorUid = 2000;

Result<git::Caller> git_caller(const Team& team, const CallContext& context) {
  if (context.peer.kind == wire::Peer::Kind::daemon) return git::Caller{};
  if (!context.peer.credentials) return fail(Code::unauthenticated, "the kernel does not say who you are");
  git::Caller caller{.kind = git::Caller::Kind::agent, .agent = {}, .uid = context.peer.credentials->uid};
  if (!team.is_open()) return caller;
  const Result<coord::Actor> actor = team.caller(*context.peer.credentials);
  if (!actor) return fail(actor.error());
  if (actor->kind == coord::Actor::Kind::agent) caller.agent = actor->name;
  return caller;
}

/// Serves a method of both callers.
template <class Req, class Res>
void bind_for(wire::Router& router, Git& git, const Team& team, const api::Method<Req, Res>& method,
              async::Task<Result<Res>> (Git::*member)(git::Caller, Req)) {
  struct Refused {
    static async::Task<Result<Res>> with(Error error) { co_return fail(std::move(error)); }
  };
  router.bind(method, [&git, &team, member](CallContext& context, Req request) {
    Result<git::Caller> caller = git_caller(team, context);
    if (!caller) return Refused::with(std::move(caller).error());
    return (git.*member)(std::move(*caller), std::move(request));
  });
}

/// The same of a far team: the daemon says what conflicts, and here it is told which path each one is about.
async::Task<Result<std::vector<git::LockedPath>>> far_locked(TeamService& service, std::string repo, std::string agent,
                                                             std::vector<std::pair<std::string, coord::LockKey>> keys) {
  std::vector<git::LockedPath> found;
  if (keys.empty()) co_return found;
  constexpr std::size_t kAtOnce = 1000;
  for (std::size_t from = 0; from < keys.size(); from += kAtOnce) {
    api::InSwarm<api::LockCheckRequest> request;
    request.repository = repo;
    if (!agent.empty()) request.agent = agent;
    const std::size_t to = std::min(keys.size(), from + kAtOnce);
    for (std::size_t i = from; i < to; ++i) request.paths.emplace_back(keys[i].second.path);
    Result<api::LockCheckReply> reply =
        co_await ask_host_as(service.team, std::nullopt, api::kLockCheck, std::move(request));
    if (!reply) co_return fail(reply.error());
    for (const api::LockInfo& lock : reply->conflicts) {
      Result<coord::LockKey> held = coord::recorded_key(lock.repository, static_cast<coord::LockKind>(lock.kind),
                                                        lock.path.bytes, coord::PathRules{});
      if (!held) co_return fail(held.error());
      for (std::size_t i = from; i < to; ++i) {
        if (!keys[i].second.overlaps(*held)) continue;
        found.push_back({.path = keys[i].first, .holder = lock.agent, .reason = lock.reason});
      }
    }
  }
  co_return found;
}

/// Whose locks stand in the way of a change.
async::Task<Result<std::vector<git::LockedPath>>> locked_paths(TeamService& service, git::LockQuestion question) {
  std::vector<git::LockedPath> locked;
  if (!service.team.is_open()) co_return locked;
  // Thousands of paths, perhaps: off the loop.
  auto naming = [repo = question.repo, paths = std::move(question.paths)] {
    std::vector<std::pair<std::string, coord::LockKey>> keys;
    for (const std::string& path : paths) {
      // A name that no lock can have may still lie in a directory that has one.
      for (std::string_view at = path; !at.empty(); at = at.substr(0, at.rfind('/') == at.npos ? 0 : at.rfind('/'))) {
        Result<coord::LockKey> key = coord::make_key(repo, coord::LockKind::file, at, {});
        if (!key) continue;
        keys.emplace_back(path, std::move(*key));
        break;
      }
    }
    return keys;
  };
  auto keys = co_await async::run_blocking(service.loop, std::move(naming));
  if (service.team.is_far()) {
    auto asking = far_locked(service, question.repo, question.agent, std::move(keys));
    Result<std::vector<git::LockedPath>> found = co_await std::move(asking);
    co_return found;
  }
  const Result<coord::Host*> host = service.team.host();
  if (!host) co_return fail(host.error());
  auto step = [agent = question.agent,
               keys = std::move(keys)](coord::Step& locks_step) -> Result<std::vector<git::LockedPath>> {
    std::vector<git::LockedPath> found;
    for (const auto& [path, key] : keys) {
      for (const coord::Lease& lease : locks_step.locks.conflicts(key, coord::LockMode::exclusive, agent)) {
        found.push_back({.path = path, .holder = lease.owner.agent, .reason = lease.reason});
      }
    }
    return found;
  };
  auto task = (*host)->with_locks("git.commit", std::move(step));
  co_return co_await std::move(task);
}

/// What both outputs of a test leave behind: the last bytes, in the order in which they came.
struct Tail {
  std::string bytes;
  std::uint64_t dropped = 0;
  std::uint64_t limit = 0;
};

class TailSink final : public wire::ByteSink {
 public:
  explicit TailSink(Tail& into) : into_(into) {}
  async::Task<Result<void>> write(std::span<const std::byte> bytes) override {
    into_.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());  // NOLINT: bytes as characters
    if (into_.bytes.size() > 2 * into_.limit + 65536) cut();
    co_return {};
  }
  void end() override { cut(); }
  void fail(Error /*error*/) override { cut(); }

 private:
  void cut() {
    if (into_.bytes.size() <= into_.limit) return;
    const std::size_t over = into_.bytes.size() - into_.limit;
    into_.bytes.erase(0, over);
    into_.dropped += over;
  }
  Tail& into_;
};

async::Task<Result<git::TestResult>> run_test(ExecService& service, git::TestRequest request) {
  Result<ExecUser> user = service.users.find(request.user);
  if (!user) co_return fail(user.error());
  std::map<std::string, std::string> extra = {{"CI", "1"}};
  if (user->home == "/" || ::access(user->home.c_str(), F_OK) != 0) extra["HOME"] = "/tmp";
  ExecSpec spec{.argv = {"/bin/sh", "-c", request.command},
                .command = request.command,
                .env = make_environment(&service.defaults.environment, *user, "", extra),
                .cwd = request.directory,
                .user = std::move(*user),
                .terminal = {},
                .timeout = request.timeout,
                .labels = {{"purpose", "merge-test"}},
                .caller = "daemon"};
  Tail tail{.bytes = {}, .dropped = 0, .limit = request.output_limit_bytes};
  ExecStreams streams;
  streams.out = std::make_unique<TailSink>(tail);
  streams.err = std::make_unique<TailSink>(tail);
  Result<std::unique_ptr<Foreground>> run =
      co_await service.execs.start_foreground(std::move(spec), std::move(streams));
  if (!run) co_return fail(run.error());
  co_await (*run)->finish();
  const api::ExecStatus status = exec_status(*(*run)->exec());
  co_return git::TestResult{.exit_status = status.exit_code,
                            .signal = status.signal,
                            .timed_out = status.timed_out,
                            .duration = status.duration_ms.value_or(std::chrono::milliseconds(0)),
                            .output = std::move(tail.bytes),
                            .dropped_bytes = tail.dropped};
}

std::optional<uid_t> uid_of_name(const std::string& name) {
  if (name == git::kIntegrator) return kIntegratorUid;
  constexpr std::string_view kPrefix = "agent-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  uid_t number = 0;
  const char* end = name.data() + name.size();
  const auto [rest, problem] = std::from_chars(name.data() + kPrefix.size(), end, number);
  if (problem != std::errc{} || rest != end || number > 50'000) return std::nullopt;
  return kFirstAgentUid + number;
}

}  // namespace

std::function<Result<Credentials>(const std::string&)> git_users(const Users& users) {
  return [&users](const std::string& name) -> Result<Credentials> {
    const uid_t self = ::geteuid();
    if (self != 0) return Credentials{.uid = self, .gid = ::getegid(), .groups = {}};
    Result<ExecUser> user = users.find(name);
    if (!user) {
      const std::optional<uid_t> uid = uid_of_name(name);
      if (!uid) return fail(user.error());
      user = users.find(std::to_string(*uid));
    }
    if (!user) return fail(user.error());
    return Credentials{.uid = user->uid, .gid = user->gid, .groups = std::move(user->groups)};
  };
}

std::function<async::Task<Result<git::TestResult>>(git::TestRequest)> git_tests(ExecService& service) {
  return [&service](git::TestRequest request) { return run_test(service, std::move(request)); };
}

git::GitSetup git_setup(std::string workspace, const Users& users, ExecService& execs, TeamService& team,
                        Happenings& happenings) {
  git::GitSetup setup{.layout = {.workspace = std::move(workspace)}, .limits = {}, .user = git_users(users)};
  setup.account = [&team](const std::string& agent) -> std::optional<std::string> {
    const Result<const Member*> member = team.team.find(agent);
    if (!member) return std::nullopt;
    return std::to_string((*member)->account.uid);
  };
  setup.test = git_tests(execs);
  setup.locked = [&team](git::LockQuestion question) { return locked_paths(team, std::move(question)); };
  setup.reserved = [&team](std::string repo, std::optional<std::string> agent) {
    return reserved_by_edits(team, std::move(repo), std::move(agent));
  };
  setup.give_back = [&team](std::vector<git::Reserved> locks) { return give_back_edits(team, std::move(locks)); };
  setup.moved = [&happenings](const git::Moved& moved) {
    const api::GitCommitted told{
        .repo = moved.repo, .agent = moved.agent, .branch = moved.branch, .commit = moved.commit};
    happenings.add(api::kGitCommitted.name, api::encode(told));
  };
  return setup;
}

void bind_git(wire::Router& router, Git& git, const Team& team) {
  namespace in = api::inside;
  router.bind(in::kGitImport, [&git](CallContext& context, api::GitImportRequest request) {
    wire::Connection& connection = context.connection;
    const std::uint32_t stream = request.pack.value_or(0);
    return git.import(std::move(request), [&connection, stream] { return connection.open_source(stream); });
  });
  router.bind(in::kGitExport, [&git](CallContext& context, api::GitExportRequest request) {
    wire::Connection& connection = context.connection;
    const std::uint32_t stream = request.pack;
    return git.export_pack(
        std::move(request), [&connection, stream] { return connection.open_sink(stream); }, connection.tasks());
  });
  router.bind(in::kGitRefs, [&git](CallContext&, api::GitRefsRequest request) { return git.refs(std::move(request)); });
  router.bind(in::kGitWorktree,
              [&git](CallContext&, api::GitWorktreeRequest request) { return git.worktree(std::move(request)); });
  router.bind(in::kGitRemoveWorktree, [&git](CallContext&, api::GitRemoveWorktreeRequest request) {
    return git.remove_worktree(std::move(request));
  });
  router.bind(in::kGitMerge,
              [&git](CallContext&, api::GitMergeRequest request) { return git.merge(std::move(request)); });
  bind_for(router, git, team, in::kGitDiff, &Git::diff);
  bind_for(router, git, team, in::kGitLog, &Git::log);
  bind_for(router, git, team, in::kGitCommit, &Git::commit);
  bind_for(router, git, team, in::kGitStatus, &Git::status);
  bind_for(router, git, team, in::kGitSync, &Git::sync);
  bind_for(router, git, team, in::kGitRebase, &Git::rebase);
}

}  // namespace swarm::agentd
