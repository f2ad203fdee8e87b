#pragma once
// The sandbox's git on a workspace in a temporary directory, with one uid for everybody.

#include <unistd.h>

#include "agentd/git/git.hpp"
#include "daemon/git/keeps.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/git_rig.hpp"

namespace swarm::tests {

struct SandboxGit : GitRig {
  swarm::git::Program program{loop};
  std::vector<agentd::git::LockedPath> locks;
  std::vector<agentd::git::Reserved> reserved;
  std::vector<agentd::git::TestRequest> tests_run;
  int tests_to_wait_for = 0;

  agentd::git::Git make() {
    std::filesystem::create_directories(directory / "workspace");
    agentd::git::GitSetup setup{.layout = {.workspace = directory / "workspace"}};
    setup.user = [](const std::string&) -> Result<agentd::Credentials> {
      return agentd::Credentials{.uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
    };
    setup.test = [this](agentd::git::TestRequest request) { return run_test(*this, std::move(request)); };
    setup.reserved = [this](std::string, std::optional<std::string> agent) { return reserved_of(*this, agent); };
    setup.give_back = [this](std::vector<agentd::git::Reserved> over) { return give_back(*this, std::move(over)); };
    setup.locked = [this](agentd::git::LockQuestion question) { return locked(*this, std::move(question)); };
    return agentd::git::Git(loop, std::move(setup));
  }
  agentd::git::Git git_service = make();

  static async::Task<Result<agentd::git::TestResult>> run_test(SandboxGit& self, agentd::git::TestRequest request) {
    self.tests_run.push_back(request);
    async::SpawnOptions options{
        .argv = {"/bin/sh", "-c", request.command}, .env = async::current_environment(), .cwd = request.directory};
    auto output = co_await async::run_command(self.loop, std::move(options));
    if (!output) co_return fail(output.error());
    agentd::git::TestResult result{.output = output->out + output->err};
    if (output->status.signal == 0) result.exit_status = static_cast<std::uint32_t>(output->status.code);
    co_return result;
  }
  static async::Task<Result<std::vector<agentd::git::LockedPath>>> locked(SandboxGit& self,
                                                                          agentd::git::LockQuestion question) {
    std::vector<agentd::git::LockedPath> found;
    for (const auto& lock : self.locks) {
      if (lock.holder != question.agent && std::ranges::find(question.paths, lock.path) != question.paths.end()) {
        found.push_back(lock);
      }
    }
    co_return found;
  }

  static async::Task<Result<std::vector<agentd::git::Reserved>>> reserved_of(SandboxGit& self,
                                                                             std::optional<std::string> agent) {
    std::vector<agentd::git::Reserved> found = self.reserved;
    if (agent) std::erase_if(found, [&](const auto& one) { return one.agent != *agent; });
    co_return found;
  }
  static async::Task<> give_back(SandboxGit& self, std::vector<agentd::git::Reserved> over) {
    std::erase_if(self.reserved, [&](const auto& one) { return std::ranges::find(over, one) != over.end(); });
    co_return;
  }

  template <class T>
  T must(async::Task<Result<T>> task) {
    Result<T> result = loop.block_on(std::move(task));
    if (!result) FAIL(result.error().to_string());
    return std::move(*result);
  }
  template <class T>
  Error refused(async::Task<Result<T>> task) {
    Result<T> result = loop.block_on(std::move(task));
    REQUIRE_FALSE(result.has_value());
    return result.error();
  }

  /// All that a repository on the host has, as the daemon would send it.
  api::GitImportReply import(const std::string& path, const std::string& repo = "repo") {
    auto source = must(swarm::git::Source::open(program, path, directory / "scratch"));
    const std::string head = must(source->start_commit(swarm::git::Dirty::leave));
    std::vector<std::string> have;
    auto there = loop.block_on(git_service.refs({.repo = repo}));
    if (there) {
      for (const api::GitRef& ref : there->refs) have.push_back(ref.id);
    }
    auto pack = must(source->pack({head}, have));
    api::GitImportRequest request{.repo = repo, .head = head, .shallow = source->info().shallow};
    if (pack) request.pack = 1;
    return must(git_service.import(std::move(request),
                                   [&pack]() -> Result<std::unique_ptr<wire::ByteSource>> { return std::move(pack); }));
  }
  api::GitWorktreeReply worktree(const std::string& agent) {
    return must(git_service.worktree({.repo = "repo", .swarm = "x", .agent = agent}));
  }
  api::GitCommitReply commit(const std::string& agent, const std::string& message) {
    return must(git_service.commit({}, {.agent = agent, .message = {message}}));
  }
  api::GitMergeReply merge(const std::string& candidate, std::optional<std::string> test = std::nullopt) {
    return must(
        git_service.merge({.repo = "repo", .swarm = "x", .candidate = candidate, .test_command = std::move(test)}));
  }
  /// What an export sends.
  std::pair<api::GitExportReply, std::string> exported(std::vector<std::string> refs, std::vector<std::string> have) {
    Received received(loop);
    async::TaskSet sending(loop);
    const api::GitExportReply reply = must(git_service.export_pack(
        {.repo = "repo", .refs = std::move(refs), .have = std::move(have), .pack = 1},
        [&]() -> Result<std::unique_ptr<wire::ByteSink>> { return std::make_unique<MemorySink>(received); }, sending));
    loop.block_on(sending.join());
    CHECK(received.ended);
    return {reply, received.text};
  }
  [[nodiscard]] std::string store() const { return (directory / "workspace") + "/repo/.git"; }
};

}  // namespace swarm::tests
