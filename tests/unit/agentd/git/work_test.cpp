// Import, worktrees, commits, sync.

#include "tests/unit/agentd/git/git_rig.hpp"

namespace swarm::agentd::git {
namespace {

using tests::SandboxGit;

TEST_CASE_METHOD(SandboxGit, "a repository comes in whole, and the second time only what is new") {
  const std::string repo = repository("host");
  for (const char* name : {"sp ace", "new\nline", "\xff bytes", "-dash", "*glob?"}) write(repo + "/odd/" + name, name);
  write(repo + "/run.sh", "#!/bin/sh\n");
  std::filesystem::permissions(repo + "/run.sh", std::filesystem::perms::owner_all);
  std::filesystem::create_symlink("/etc/passwd", repo + "/link");
  const std::string first = commit_all(repo, "odd");
  CHECK(import(repo).objects > 8);
  git(store(), {"fsck", "--strict", "--full"});
  CHECK(git(store(), {"rev-parse", "refs/swarm/base"}) == first);

  write(repo + "/late", "late\n");
  const std::string second = commit_all(repo, "late");
  const api::GitImportReply again = import(repo);
  CHECK(again.objects == 3);
  CHECK(git(store(), {"ls-tree", "-r", "-z", "refs/swarm/base"}) == git(repo, {"ls-tree", "-r", "-z", second}));
  CHECK(import(repo).objects == 0);

  const api::GitWorktreeReply made = worktree("agent-0");
  CHECK(made.created);
  CHECK(made.branch == "swarm/x/agent-0");
  CHECK(made.head == second);
  const std::string files = made.path.bytes;
  CHECK(read(files + "/odd/new\nline") == "new\nline");
  CHECK(std::filesystem::read_symlink(files + "/link") == "/etc/passwd");
  CHECK((std::filesystem::status(files + "/run.sh").permissions() & std::filesystem::perms::owner_exec) !=
        std::filesystem::perms::none);
  CHECK(git(files, {"status", "--porcelain"}).empty());
  CHECK(git(files, {"branch", "--show-current"}) == "swarm/x/agent-0");
  CHECK_FALSE(worktree("agent-0").created);
}

TEST_CASE_METHOD(SandboxGit, "a damaged pack or a name without its commit changes nothing") {
  const std::string repo = repository("host");
  import(repo);
  const auto send = [&](std::string bytes, std::string head) {
    return loop.block_on(git_service.import(
        {.repo = "repo", .head = std::move(head), .pack = 1}, [&]() -> Result<std::unique_ptr<wire::ByteSource>> {
          return std::make_unique<tests::MemorySource>(loop, std::deque<std::string>{bytes});
        }));
  };
  const std::string before = git(store(), {"for-each-ref"});
  CHECK(send("PACKgarbage that is long enough", std::string(40, '1')).error().code == Code::failed_precondition);
  CHECK(send(std::string(100, 'x'), std::string(40, '1')).error().code == Code::failed_precondition);
  CHECK(send("", std::string(40, '1')).error().code == Code::failed_precondition);
  CHECK(send("", "nonsense").error().code == Code::invalid_argument);
  CHECK(git(store(), {"for-each-ref"}) == before);
  for (const auto& entry : std::filesystem::directory_iterator(store() + "/objects/pack")) {
    CHECK_FALSE(entry.path().filename().string().starts_with("pack_"));
  }
  for (const char* name : {"..", "a/b", "", ".git", "x.lock", "-x"}) {
    CHECK(refused(git_service.worktree({.repo = "repo", .swarm = "x", .agent = name})).code == Code::invalid_argument);
    CHECK(loop.block_on(git_service.refs({.repo = name})).error().code == Code::invalid_argument);
  }
  CHECK(loop.block_on(git_service.refs({.repo = "other"})).error().code == Code::not_found);
}

TEST_CASE_METHOD(SandboxGit, "a commit is the agent's, says for which task, and leaves nothing to commit") {
  const std::string repo = repository("host");
  write(repo + "/.gitignore", "*.o\n");
  write(repo + "/gone", "gone\n");
  write(repo + "/dir/file", "1\n");
  commit_all(repo, "more");
  import(repo);
  const std::string files = worktree("agent-0").path.bytes;
  CHECK_FALSE(commit("agent-0", "nothing").created);

  write(files + "/README", "changed\n");
  write(files + "/new", "new\n");
  write(files + "/x.o", "ignored\n");
  std::filesystem::remove(files + "/gone");
  std::filesystem::remove_all(files + "/dir");
  write(files + "/dir", "a file now\n");
  const auto status = must(git_service.status({}, {.agent = "agent-0"}));
  CHECK(status.total_changes == 5);
  const auto done = must(git_service.commit(
      {}, {.agent = "agent-0",
           .message = {"Change things\n\nSigned-off-by: me\nSwarm-Task: forged\nReviewed-by: forged\n"},
           .task = "tsk_1",
           .run = "run_1"}));
  CHECK(done.created);
  CHECK(done.total_files == 5);
  CHECK(git(files, {"status", "--porcelain"}).empty());
  CHECK(git(files, {"log", "-1", "--format=%an <%ae>|%B"}) ==
        "agent-0 <agent-0@x.swarm.invalid>|Change things\n\nSigned-off-by: me\nSwarm-Run: run_1\nSwarm-Task: tsk_1");
  CHECK(git(files, {"ls-tree", "-r", "--name-only", "HEAD"}) == ".gitignore\nREADME\ndir\nnew");
  git(store(), {"fsck", "--strict", "--full"});

  // Only some paths.
  write(files + "/README", "again\n");
  write(files + "/other", "other\n");
  const auto part = must(git_service.commit({}, {.agent = "agent-0", .message = {"part"}, .paths = {"./README"}}));
  CHECK(part.total_files == 1);
  CHECK(git(files, {"status", "--porcelain"}) == "?? other");
  CHECK(refused(git_service.commit({}, {.agent = "agent-0", .message = {"x"}, .paths = {"../up"}})).code ==
        Code::invalid_argument);
  CHECK(refused(git_service.commit({}, {.agent = "agent-0", .message = {" \n"}})).code == Code::invalid_argument);

  const auto log = must(git_service.log({}, {.agent = "agent-0", .limit = 1}));
  REQUIRE(log.commits.size() == 1);
  CHECK(log.commits[0].subject.bytes == "part");
  const auto next = must(git_service.log({}, {.agent = "agent-0", .limit = 1, .cursor = log.next_cursor}));
  CHECK(next.commits.at(0).trailers.at("Swarm-Task") == "tsk_1");
}

TEST_CASE_METHOD(SandboxGit, "a commit stops at a lock of another and at a secret, and says where") {
  import(repository("host"));
  const std::string files = worktree("agent-0").path.bytes;
  const std::string head = git(files, {"rev-parse", "HEAD"});
  locks.push_back({.path = "README", .holder = "agent-1", .reason = "rewriting it"});
  write(files + "/README", "mine\n");
  const Error locked = refused(git_service.commit({}, {.agent = "agent-0", .message = {"x"}}));
  CHECK(locked.code == Code::failed_precondition);
  CHECK(locked.message.contains("README (agent-1: rewriting it)"));
  locks.clear();

  const std::string key = "ghp_" + std::string("R4nd0mL00k1ngT0kenV4lue9q8w7e6r5t4y");
  write(files + "/README", "one\ntwo\ntoken: " + key + "\n");
  const Error secret = refused(git_service.commit({}, {.agent = "agent-0", .message = {"x"}}));
  CHECK(secret.code == Code::failed_precondition);
  CHECK(secret.message.contains("README:3 (github-token)"));
  CHECK_FALSE(secret.message.contains(key));
  CHECK(git(files, {"rev-parse", "HEAD"}) == head);
  const std::string blob = git(files, {"hash-object", "README"});
  CHECK(run(files, {"git", "cat-file", "-e", blob}).status != 0);  // others could read it there
  write(files + "/README", "one\n");
  CHECK(commit("agent-0", "fine").created);
}

TEST_CASE_METHOD(SandboxGit, "line ends are as the attributes say, in a file deep below as well as at the root") {
  const std::string plain = repository("plain");
  write(plain + "/a.txt", "one\ntwo\n");
  commit_all(plain, "no attributes");
  import(plain);
  const std::string first = worktree("agent-0").path.bytes;
  CHECK(read(first + "/a.txt") == "one\ntwo\n");
  must(git_service.remove_worktree({.repo = "repo", .agent = "agent-0", .keep_branch = false}));

  write(plain + "/deep/below/.gitattributes", "*.txt text eol=crlf\n");
  write(plain + "/deep/below/b.txt", "one\ntwo\n");
  commit_all(plain, "attributes");
  import(plain);
  const std::string files = worktree("agent-0").path.bytes;
  CHECK(read(files + "/a.txt") == "one\ntwo\n");
  CHECK(read(files + "/deep/below/b.txt") == "one\r\ntwo\r\n");
  CHECK(must(git_service.status({}, {.agent = "agent-0"})).total_changes == 0);
  CHECK_FALSE(commit("agent-0", "nothing").created);
}

TEST_CASE_METHOD(SandboxGit, "a file too large is refused before it is read") {
  import(repository("host"));
  const std::string files = worktree("agent-0").path.bytes;
  write(files + "/big", "");
  std::filesystem::resize_file(files + "/big", std::uint64_t{200} << 20U);
  const Error error = refused(git_service.commit({}, {.agent = "agent-0", .message = {"x"}}));
  CHECK(error.code == Code::resource_exhausted);
  CHECK(error.message.contains("'big'"));
}

TEST_CASE_METHOD(SandboxGit, "submodules stay links although nothing is in them") {
  const std::string inner = repository("inner");
  const std::string repo = repository("host");
  git(repo, {"-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "lib/inner"});
  commit_all(repo, "submodule");
  import(repo);
  const std::string files = worktree("agent-0").path.bytes;
  CHECK(must(git_service.status({}, {.agent = "agent-0"})).total_changes == 0);
  write(files + "/new", "x");
  CHECK(commit("agent-0", "new").total_files == 1);
  CHECK(git(store(), {"ls-tree", "swarm/x/agent-0", "lib/inner"}).starts_with("160000"));
}

TEST_CASE_METHOD(SandboxGit, "a shallow repository is worked in as any other") {
  const std::string repo = repository("host");
  for (int i = 0; i < 3; ++i) {
    write(repo + "/file", std::to_string(i) + "\n");
    commit_all(repo, "more");
  }
  git(repo, {"clone", "-q", "--depth", "1", "file://" + repo, directory / "shallow"});
  import(directory / "shallow");
  const std::string one = worktree("agent-0").path.bytes;
  const std::string two = worktree("agent-1").path.bytes;
  write(one + "/a", "a\n");
  write(two + "/b", "b\n");
  commit("agent-0", "a");
  commit("agent-1", "b");
  CHECK(merge("swarm/x/agent-0").outcome == api::GitMergeOutcome::merged);
  CHECK(merge("swarm/x/agent-1").outcome == api::GitMergeOutcome::merged);
  CHECK(must(git_service.log({}, {.repo = "repo", .from = "swarm/x/integration"})).commits.size() == 5);
  CHECK(must(git_service.sync({}, {.agent = "agent-0"})).outcome == api::GitSyncOutcome::merged);
  CHECK(read(one + "/b") == "b\n");
}

TEST_CASE_METHOD(SandboxGit, "catching up merges, conflicts are the agent's to resolve or to give up") {
  const std::string repo = repository("host");
  write(repo + "/shared", "1\n2\n3\n");
  write(repo + "/other", "o\n");
  commit_all(repo, "shared");
  import(repo);
  const std::string one = worktree("agent-0").path.bytes;
  const std::string two = worktree("agent-1").path.bytes;
  CHECK(must(git_service.sync({}, {.agent = "agent-1"})).outcome == api::GitSyncOutcome::up_to_date);
  write(one + "/shared", "1\nfrom zero\n3\n");
  write(one + "/added", "added\n");
  std::filesystem::remove(one + "/other");
  commit("agent-0", "zero");
  REQUIRE(merge("swarm/x/agent-0").outcome == api::GitMergeOutcome::merged);

  write(two + "/mine", "mine\n");
  CHECK(refused(git_service.sync({}, {.agent = "agent-1"})).message.contains("'mine'"));
  write(two + "/shared", "1\nfrom one\n3\n");
  commit("agent-1", "one");
  const auto status = must(git_service.status({}, {.agent = "agent-1"}));
  CHECK(status.ahead == 1);
  CHECK(status.behind == 2);

  auto conflict = must(git_service.sync({}, {.agent = "agent-1"}));
  CHECK(conflict.outcome == api::GitSyncOutcome::conflict);
  REQUIRE(conflict.conflicts.size() == 1);
  CHECK(conflict.conflicts[0].path.bytes == "shared");
  CHECK(conflict.conflicts[0].hunks.at(0).line == 2);
  CHECK(read(two + "/shared").contains("<<<<<<< agent-1\nfrom one\n"));
  CHECK(read(two + "/added") == "added\n");
  CHECK(must(git_service.status({}, {.agent = "agent-1"})).merging.has_value());
  CHECK(refused(git_service.commit({}, {.agent = "agent-1", .message = {"x"}})).message.contains("shared:2"));
  CHECK(refused(git_service.sync({}, {.agent = "agent-1"})).code == Code::failed_precondition);

  CHECK(must(git_service.sync({}, {.agent = "agent-1", .abort = true})).outcome == api::GitSyncOutcome::aborted);
  CHECK(read(two + "/shared") == "1\nfrom one\n3\n");
  CHECK_FALSE(std::filesystem::exists(two + "/added"));
  CHECK(std::filesystem::exists(two + "/other"));
  CHECK(git(two, {"status", "--porcelain"}).empty());

  must(git_service.sync({}, {.agent = "agent-1"}));
  write(two + "/shared", "1\nfrom both\n3\n");
  CHECK(commit("agent-1", "Merge integration").created);
  CHECK(git(two, {"rev-list", "--parents", "-1", "HEAD"}).size() == 40 * 3 + 2);
  CHECK(must(git_service.status({}, {.agent = "agent-1"})).behind == 0);
  CHECK(merge("swarm/x/agent-1").outcome == api::GitMergeOutcome::merged);
  CHECK(git(store(), {"show", "swarm/x/integration:shared"}) == "1\nfrom both\n3");
  CHECK(must(git_service.sync({}, {.agent = "agent-0"})).outcome == api::GitSyncOutcome::merged);
  CHECK(read(one + "/shared") == "1\nfrom both\n3\n");
  CHECK(git(one, {"status", "--porcelain"}).empty());
}

TEST_CASE_METHOD(SandboxGit, "a difference is the agent's own work, committed or not") {
  const std::string repo = repository("host");
  import(repo);
  const std::string files = worktree("agent-0").path.bytes;
  write(files + "/README", "hello\nworld\n");
  commit("agent-0", "world");
  write(files + "/sub/new", "n\n");
  write(files + "/binary", std::string("\0\1\2", 3));
  const auto diff = must(git_service.diff({}, {.agent = "agent-0"}));
  CHECK(diff.files.size() == 3);
  CHECK(diff.patch.bytes.contains("+world\n"));
  CHECK_FALSE(diff.to.has_value());
  const auto limited = must(git_service.diff({}, {.agent = "agent-0", .paths = {"sub/"}, .patch = false}));
  REQUIRE(limited.files.size() == 1);
  CHECK(limited.files[0].added == 1);
  CHECK(limited.patch.bytes.empty());
  const auto cut = must(git_service.diff({}, {.agent = "agent-0", .limit_bytes = 40}));
  CHECK(cut.truncated);
  const auto commits = must(git_service.diff({}, {.repo = "repo", .from = "refs/swarm/base", .to = "swarm/x/agent-0"}));
  CHECK(commits.files.size() == 1);
  CHECK(loop.block_on(git_service.diff({}, {.repo = "repo", .from = "nope", .to = "HEAD"})).error().code ==
        Code::not_found);
}

TEST_CASE_METHOD(SandboxGit, "an agent has its own worktree and no other") {
  import(repository("host"));
  worktree("agent-0");
  worktree("agent-1");
  const Caller zero{.kind = Caller::Kind::agent, .agent = "agent-0", .uid = 0};
  CHECK(must(git_service.status(zero, {})).branch == "swarm/x/agent-0");
  CHECK(refused(git_service.status(zero, {.agent = "agent-1"})).code == Code::permission_denied);
  const Caller nobody{.kind = Caller::Kind::agent, .agent = "agent-7", .uid = 0};
  CHECK(refused(git_service.status(nobody, {})).code == Code::not_found);
  const Caller stranger{.kind = Caller::Kind::agent, .agent = "", .uid = 4321};
  CHECK(refused(git_service.commit(stranger, {.message = {"x"}})).code == Code::not_found);
}

TEST_CASE_METHOD(SandboxGit, "a worktree goes with everything in it, its branch when asked") {
  import(repository("host"));
  const std::string files = worktree("agent-0").path.bytes;
  write(files + "/x", "x");
  commit("agent-0", "x");
  const std::string tip = git(files, {"rev-parse", "HEAD"});
  must(git_service.remove_worktree({.repo = "repo", .agent = "agent-0"}));
  CHECK_FALSE(std::filesystem::exists(files));
  CHECK(git(store(), {"rev-parse", "swarm/x/agent-0"}) == tip);
  CHECK(worktree("agent-0").head == tip);  // made again, it goes on
  CHECK(read(files + "/x") == "x");
  must(git_service.remove_worktree({.repo = "repo", .agent = "agent-0", .keep_branch = false}));
  CHECK(run(store(), {"git", "rev-parse", "-q", "--verify", "swarm/x/agent-0"}).status != 0);
  CHECK(std::filesystem::is_empty(store() + "/worktrees"));
  CHECK(std::filesystem::is_empty((directory / "workspace") + "/.worktrees"));
  CHECK(refused(git_service.remove_worktree({.repo = "repo", .agent = "agent-0"})).code == Code::not_found);
}

}  // namespace
}  // namespace swarm::agentd::git
