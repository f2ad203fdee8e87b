// Git of a team on a real agentd, with the uids that agents really have: what git(1) of an agent may and may not do,
// what a hostile worktree can reach, and that nothing committed is lost with agentd.

#include <sys/stat.h>

#include <csignal>

#include "daemon/git/keeps.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/team.hpp"
#include "tests/fixtures/git_rig.hpp"
#include "tests/integration/agentd/rig.hpp"

namespace swarm::tests {
namespace {

namespace inside = api::inside;
namespace fs = std::filesystem;

class TeamGit : public AgentdRig {
 public:
  TeamGit() {
    if (geteuid() != 0) WARN("not root: agents share our uid here");
    // The team's accounts are readable to those who log in as them.
    ask(inside::kTeamOpen, {.swarm = "swm_one", .name = "one", .messages_per_minute = 100'000});
  }

  struct Output {
    int code = -1;
    std::string out;
    std::string err;
  };
  Output as(std::uint32_t uid, const std::string& agent, std::vector<std::string> words, const std::string& cwd) {
    std::vector<std::string> argv;
    if (geteuid() == 0) {
      argv = {"/usr/bin/setpriv", "--reuid", std::to_string(uid), "--regid", "2000", "--clear-groups"};
    }
    argv.insert(argv.end(), words.begin(), words.end());
    const auto output = loop.block_on(async::run_command(
        loop, {.argv = argv,
               .env = {"PATH=/usr/bin:/bin", "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "SWARM_AGENT=" + agent},
               .cwd = cwd}));
    REQUIRE(output);
    return {output->status.code, output->out, output->err};
  }
  Output swarm(const api::TeamMember& who, std::vector<std::string> words, const std::string& cwd) {
    words.insert(words.begin(), {std::string(SWARM_BIN_DIR) + "/swarm", "--socket", directory / "state/agentd.sock"});
    return as(who.uid, who.agent, std::move(words), cwd);
  }
  Output git(const api::TeamMember& who, std::vector<std::string> words, const std::string& cwd) {
    words.insert(words.begin(), "git");
    return as(who.uid, who.agent, std::move(words), cwd);
  }
  std::string root_git(std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-c", "safe.directory=*", "-C", store()});
    Output ran = as(geteuid(), "", std::move(words), "/");
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    while (!ran.out.empty() && ran.out.back() == '\n') ran.out.pop_back();
    return ran.out;
  }

  template <class T>
  T must(async::Task<Result<T>> task) {
    Result<T> result = loop.block_on(std::move(task));
    if (!result) FAIL(result.error().to_string());
    return std::move(*result);
  }

  /// As the daemon does it: from a repository on the host, over the tunnel.
  void import(const std::string& path) {
    const auto source = must(git::Source::open(program, path, directory / "scratch"));
    auto pack = must(source->pack({source->info().head}, {}));
    const std::uint32_t id = connection->new_stream_id();
    auto sink = connection->open_sink(id);
    REQUIRE(sink);
    async::TaskSet carrying(loop);
    auto call = wire::call(*connection, inside::kGitImport, {.repo = "repo", .head = source->info().head, .pack = id});
    carrying.spawn(carry(std::move(pack), std::move(*sink)));
    must(std::move(call));
  }
  static async::Task<> carry(std::unique_ptr<wire::ByteSource> source, std::unique_ptr<wire::ByteSink> sink) {
    for (;;) {
      const Result<std::optional<std::string>> piece = co_await source->read();
      if (!piece || !*piece) break;
      static_cast<void>(co_await sink->write(std::as_bytes(std::span(**piece))));
    }
    sink->end();
  }

  api::TeamMember join(const std::string& agent) { return ask(inside::kTeamJoin, {.agent = agent}); }
  std::string worktree(const std::string& agent) {
    return ask(inside::kGitWorktree, {.repo = "repo", .swarm = "one", .agent = agent}).path.bytes;
  }
  /// A file in a worktree as its agent writes it.
  void put(const api::TeamMember& who, const std::string& path, const std::string& text) {
    const Output ran = as(who.uid, who.agent, {"/bin/sh", "-c", "printf %s \"$1\" > \"$0\"", path, text}, "/");
    INFO(ran.err);
    REQUIRE(ran.code == 0);
  }
  [[nodiscard]] std::string store() const { return directory / "repo/.git"; }

  GitRig host;
  git::Program program{loop};
};

TEST_CASE_METHOD(TeamGit, "git: an agent works with git(1) and swarm, and owns its files and nothing else") {
  const auto zero = join("agent-0");
  const auto one = join("agent-1");
  import(host.repository("host"));
  const std::string mine = worktree("agent-0");
  const std::string theirs = worktree("agent-1");
  struct stat info{};
  REQUIRE(stat((mine + "/README").c_str(), &info) == 0);
  CHECK(info.st_uid == zero.uid);

  // No safe.directory is needed: what git(1) looks at belongs to who runs it.
  put(zero, mine + "/README", "changed\n");
  put(zero, mine + "/new", "new\n");
  CHECK(git(zero, {"status", "--porcelain"}, mine).out == " M README\n?? new\n");
  CHECK(git(zero, {"diff", "--stat"}, mine).out.contains("1 file changed"));
  CHECK(git(zero, {"log", "--format=%s"}, mine).out == "first\n");

  const Output status = swarm(zero, {"changes"}, mine);
  CHECK(status.code == 0);
  CHECK(status.out.contains("swarm/one/agent-0"));
  CHECK(status.out.contains("M README"));
  CHECK(swarm(zero, {"diff"}, mine).out.contains("+changed"));
  const Output done = swarm(zero, {"commit", "-m", "Change it", "--task", "tsk_1"}, mine);
  INFO(done.err);
  CHECK(done.code == 0);
  CHECK(git(zero, {"status", "--porcelain"}, mine).out.empty());
  CHECK(git(zero, {"log", "-1", "--format=%an|%(trailers:key=Swarm-Task,valueonly)"}, mine).out == "agent-0|tsk_1\n\n");
  CHECK(swarm(zero, {"log"}, mine).out.contains("Change it"));
  CHECK(swarm(zero, {"commit", "-m", "again"}, mine).out.contains("nothing to commit"));
  CHECK(swarm(one, {"commit", "-m", "mine", "--repo", "repo"}, theirs).out.contains("nothing to commit"));

  // A path that another has locked.
  const Output lock = swarm(one, {"lock", "README", "--repo", "repo", "--reason", "busy"}, theirs);
  CHECK(lock.code == 0);
  put(zero, mine + "/README", "again\n");
  const Output locked = swarm(zero, {"commit", "-m", "x"}, mine);
  INFO(locked.out << locked.err);
  CHECK(locked.code == 1);
  CHECK(locked.err.contains("README (agent-1: busy)"));

  if (geteuid() != 0) return;
  // The store and the branches are agentd's.
  const std::string before = root_git({"for-each-ref"});
  const std::string objects = GitRig::picture(store() + "/objects");
  for (const char* attack :
       {"git update-ref refs/heads/swarm/one/agent-1 HEAD", "git commit -qam x", "git branch evil", "git gc",
        "git config user.name x", "echo x > $(git rev-parse --git-common-dir)/hooks", "git stash",
        "rm -rf $(git rev-parse --git-common-dir)/objects/pack", "echo x > ../../agent-1/repo/README",
        "mv ../../agent-1 ../../agent-9", "mv ../../../repo ../../../other", "git worktree prune",
        "printf x > $(git rev-parse --git-common-dir)/swarm/agent-0"}) {
    INFO(attack);
    static_cast<void>(as(zero.uid, "agent-0", {"/bin/sh", "-c", attack}, mine));
  }
  CHECK(root_git({"for-each-ref"}) == before);
  CHECK(GitRig::picture(store() + "/objects") == objects);
  CHECK(GitRig::read(theirs + "/README") == "hello\n");
  CHECK(root_git({"fsck", "--strict", "--full", "--no-dangling"}).empty());
}

TEST_CASE_METHOD(TeamGit, "git: whatever an agent puts into its worktree, nothing is reached with other rights") {
  if (geteuid() != 0) return;
  const auto zero = join("agent-0");
  join("agent-1");
  import(host.repository("host"));
  const std::string mine = worktree("agent-0");
  const std::string theirs = worktree("agent-1");
  const std::string secret = directory / "secret";
  GitRig::write(secret, "only root reads this\n");
  fs::permissions(secret, fs::perms::owner_read);
  const std::string admin = store() + "/worktrees/agent-0";
  const auto shell = [&](const std::string& command) {
    return as(zero.uid, "agent-0", {"/bin/sh", "-c", command}, mine).code;
  };
  // A link instead of a file is committed as a link; one instead of a directory is not followed.
  CHECK(shell("ln -s '" + secret + "' leak && ln -s '" + directory.path() + "' all") == 0);
  CHECK(swarm(zero, {"commit", "-m", "links"}, mine).code == 0);
  CHECK(root_git({"ls-tree", "swarm/one/agent-0", "leak"}).starts_with("120000"));
  CHECK_FALSE(root_git({"rev-list", "--objects", "--all"}).contains("all/"));

  // git's own files of the worktree as links to what only root may write.
  const std::string target = directory / "root-file";
  GitRig::write(target, "untouched\n");
  CHECK(shell("rm '" + admin + "/index' && ln -s '" + target + "' '" + admin + "/index'") == 0);
  put(zero, mine + "/README", "more\n");
  static_cast<void>(swarm(zero, {"commit", "-m", "index is a link"}, mine));
  CHECK(shell("ln -sf '" + target + "' '" + admin + "/index.lock'") == 0);
  static_cast<void>(swarm(zero, {"commit", "-m", "lock is a link"}, mine));
  CHECK(GitRig::read(target) == "untouched\n");
  CHECK(shell("rm -f '" + admin + "/index' '" + admin + "/index.lock' && head -c 5000 /dev/urandom > '" + admin +
              "/index'") == 0);
  const Output damaged = swarm(zero, {"commit", "-m", "damaged index"}, mine);
  INFO(damaged.err);
  CHECK(damaged.code == 0);

  // The worktree itself as a link to another's.
  CHECK(shell("cd .. && mv repo gone && ln -s '" + theirs + "' repo") == 0);
  static_cast<void>(swarm(zero, {"commit", "-m", "not mine", "--repo", "repo"}, "/"));
  static_cast<void>(swarm(zero, {"sync", "--repo", "repo"}, "/"));
  CHECK(GitRig::read(theirs + "/README") == "hello\n");
  struct stat info{};
  REQUIRE(lstat(theirs.c_str(), &info) == 0);
  CHECK(info.st_uid == zero.uid + 1);
  const std::string home = fs::path(mine).parent_path();
  REQUIRE(as(zero.uid, "agent-0", {"/bin/sh", "-c", "cd \"$0\" && rm repo && mv gone repo", home}, "/").code == 0);

  // A configuration of its own in a worktree, attributes with filters: not looked at.
  CHECK(shell("git config -f .git-config filter.x.clean 'touch " + (directory / "sprung") +
              "'; printf '* filter=x diff=x\\n' > .gitattributes") == 0);
  put(zero, mine + "/README", "filtered?\n");
  CHECK(swarm(zero, {"commit", "-m", "attributes"}, mine).code == 0);
  CHECK_FALSE(fs::exists(directory / "sprung"));
  CHECK(root_git({"fsck", "--strict", "--full", "--no-dangling"}).empty());
}

TEST_CASE_METHOD(TeamGit, "git: a crowd commits at once through agentd, and nothing but its commits is left of it") {
  // A process each, as agents call it; `./dev soak commits` takes fifty.
  const char* wanted = std::getenv("SWARM_COMMITTERS");  // NOLINT(concurrency-mt-unsafe): nobody sets variables
  const int crowd = wanted == nullptr ? 12 : std::atoi(wanted);
  constexpr int kRounds = 3;
  import(host.repository("host"));
  struct Each {
    api::TeamMember who;
    std::string files;
  };
  std::vector<Each> all;
  for (int i = 0; i < crowd; ++i) {
    const std::string name = "agent-" + std::to_string(i);
    api::TeamMember who = join(name);
    all.push_back({.who = std::move(who), .files = worktree(name)});
  }
  // Where each of them gets to, wherever this was built.
  const std::string verb = directory / "swarm";
  fs::copy_file(fs::path(SWARM_BIN_DIR) / "swarm", verb);
  // All of them in one shell, each as its own user: who is first is the scheduler's choice.
  std::vector<std::string> failures;
  for (int round = 0; round < kRounds; ++round) {
    std::string script;
    for (const Each& each : all) {
      const std::string become =
          geteuid() == 0 ? "setpriv --reuid " + std::to_string(each.who.uid) + " --regid 2000 --clear-groups " : "";
      script += "(cd '" + each.files + "' && SWARM_AGENT=" + each.who.agent + " " + become +
                "/bin/sh -c 'mkdir -p d && for f in 1 2 3; do echo " + std::to_string(round) + " " + each.who.agent +
                " > d/$f-" + each.who.agent + "; done; \"$0\" --socket \"$1\" commit -m round' '" + verb + "' '" +
                (directory / "state/agentd.sock") + "' > '" + (directory / each.who.agent) +
                "' 2>&1 || echo failed >> '" + (directory / each.who.agent) + "') &\n";
    }
    script += "wait\n";
    REQUIRE(as(geteuid(), "", {"/bin/sh", "-c", script}, "/").code == 0);
    for (const Each& each : all) {
      const std::string said = GitRig::read(directory / each.who.agent);
      if (said.contains("failed") || said.contains("lock")) failures.push_back(each.who.agent + ": " + said);
    }
  }
  for (const std::string& failure : failures) UNSCOPED_INFO(failure);
  CHECK(failures.empty());
  const std::string commits = std::to_string(crowd * kRounds + 1);
  CHECK(root_git({"rev-list", "--count", "--all"}) == commits);
  CHECK(root_git({"fsck", "--strict", "--full", "--unreachable"}).empty());
  for (const Each& each : all) CHECK(git(each.who, {"status", "--porcelain"}, each.files).out.empty());

  // Nothing lies about: no lock files, no drafts of objects or packs, and after the agents no worktrees.
  const auto leftovers = [&] {
    std::string found;
    for (const auto& entry : fs::recursive_directory_iterator(store())) {
      const std::string name = entry.path().filename();
      if (name.ends_with(".lock") || name.starts_with("tmp_") || name.starts_with("pack_")) found += name + "\n";
    }
    return found;
  };
  CHECK(leftovers().empty());
  for (const Each& each : all) {
    ask(inside::kGitRemoveWorktree, {.repo = "repo", .agent = each.who.agent});
    CHECK_FALSE(fs::exists(each.files));
  }
  CHECK(fs::is_empty(store() + "/worktrees"));
  CHECK(leftovers().empty());
  // Their branches stay until they are dropped on purpose; then git's own collector finds nothing that holds them.
  CHECK(root_git({"rev-list", "--count", "--all"}) == commits);
}

TEST_CASE_METHOD(TeamGit, "git: candidates are tested as the integrator, and what is merged survives agentd") {
  const auto zero = join("agent-0");
  import(host.repository("host"));
  const std::string mine = worktree("agent-0");
  put(zero, mine + "/feature", "done\n");
  REQUIRE(swarm(zero, {"commit", "-m", "Feature"}, mine).code == 0);
  const api::GitMergeRequest wanted{.repo = "repo",
                                    .swarm = "one",
                                    .candidate = "swarm/one/agent-0",
                                    .message = {"Merge the feature"},
                                    .trailers = {{"Reviewed-by", "agent-1"}},
                                    .test_command = "id -u; cat feature; test -z \"$(git status --porcelain)\""};
  const auto merged = ask(inside::kGitMerge, wanted);
  INFO(merged.output.bytes);
  CHECK(merged.outcome == api::GitMergeOutcome::merged);
  if (geteuid() == 0) CHECK(merged.output.bytes.starts_with("2000\ndone\n"));
  CHECK(merged.duration_ms.has_value());
  CHECK(root_git({"log", "-1", "--format=%an|%s|%(trailers:key=Reviewed-by,valueonly)", "swarm/one/integration"}) ==
        "integrator|Merge the feature|agent-1");

  kill(agentd_pid(), SIGKILL);
  connect();
  const auto again = ask(inside::kGitMerge, wanted);
  CHECK(again.outcome == api::GitMergeOutcome::merged);
  CHECK(again.commit == merged.commit);
  CHECK_FALSE(again.duration_ms.has_value());
  CHECK(swarm(zero, {"changes"}, mine).out.contains("0 commit(s) ahead, 1 behind"));
  CHECK(swarm(zero, {"sync"}, mine).code == 0);

  // A test without an end, one that writes where it may not, and output without an end.
  put(zero, mine + "/feature", "more\n");
  REQUIRE(swarm(zero, {"commit", "-m", "More"}, mine).code == 0);
  api::GitMergeRequest slow = wanted;
  slow.test_command = "sleep 1000";
  slow.timeout_ms = 300ms;
  const auto timed_out = ask(inside::kGitMerge, slow);
  CHECK(timed_out.outcome == api::GitMergeOutcome::red);
  CHECK(timed_out.timed_out);
  api::GitMergeRequest loud = wanted;
  loud.test_command = "head -c 3000000 /dev/zero | tr '\\0' x; echo end; exit 3";
  loud.output_limit_bytes = 1000;
  const auto noisy = ask(inside::kGitMerge, loud);
  CHECK(noisy.exit_status == 3U);
  CHECK(noisy.output.bytes.size() == 1000);
  CHECK(noisy.output.bytes.ends_with("xend\n"));
  CHECK(noisy.output_dropped_bytes == 3'000'004 - 1000);
  if (geteuid() == 0) {
    api::GitMergeRequest evil = wanted;
    evil.test_command = "echo x > '" + mine + "/README'; rm -rf '" + store() + "/objects'; echo y > .git/HEAD; true";
    CHECK(ask(inside::kGitMerge, evil).outcome == api::GitMergeOutcome::merged);
    CHECK(GitRig::read(mine + "/README") == "hello\n");
  }
  CHECK(root_git({"fsck", "--strict", "--full", "--no-dangling"}).empty());
}

TEST_CASE_METHOD(TeamGit, "git: an agent puts its commits on top of what was integrated, or is told why not") {
  const auto zero = join("agent-0");
  const auto one = join("agent-1");
  import(host.repository("host"));
  const std::string mine = worktree("agent-0");
  const std::string theirs = worktree("agent-1");
  put(zero, mine + "/feature", "done\n");
  REQUIRE(swarm(zero, {"commit", "-m", "Feature"}, mine).code == 0);
  put(one, theirs + "/other", "other\n");
  REQUIRE(swarm(one, {"commit", "-m", "Other", "--task", "tsk_1"}, theirs).code == 0);
  const auto merged =
      ask(inside::kGitMerge, {.repo = "repo", .swarm = "one", .candidate = "swarm/one/agent-0", .message = {"Merge"}});
  REQUIRE(merged.outcome == api::GitMergeOutcome::merged);
  CHECK(swarm(one, {"rebase", "--abort"}, theirs).code == 2);
  const Output rebased = swarm(one, {"rebase"}, theirs);
  INFO(rebased.out << rebased.err);
  CHECK(rebased.code == 0);
  CHECK(rebased.out.starts_with("1 commit(s) on top of " + merged.commit.value_or("").substr(0, 10)));
  CHECK(GitRig::read(theirs + "/feature") == "done\n");
  struct stat info{};
  REQUIRE(stat((theirs + "/feature").c_str(), &info) == 0);
  CHECK(info.st_uid == one.uid);
  CHECK(root_git({"log", "-1", "--format=%an|%s|%P|%(trailers:key=Swarm-Task,valueonly)", "swarm/one/agent-1"}) ==
        "agent-1|Other|" + merged.commit.value_or("") + "|tsk_1");
  CHECK(git(one, {"status", "--porcelain"}, theirs).out.empty());

  put(zero, mine + "/other", "another\n");
  REQUIRE(swarm(zero, {"commit", "-m", "Another"}, mine).code == 0);
  const auto next =
      ask(inside::kGitMerge, {.repo = "repo", .swarm = "one", .candidate = "swarm/one/agent-0", .message = {"Merge"}});
  REQUIRE(next.outcome == api::GitMergeOutcome::merged);
  const std::string before = root_git({"rev-parse", "swarm/one/agent-1"});
  const Output conflict = swarm(one, {"rebase"}, theirs);
  CHECK(conflict.out.starts_with("nothing was changed: " + before.substr(0, 10) + " (Other) does not fit"));
  CHECK(conflict.out.contains("<<<<<<< integration\nanother\n"));
  CHECK(root_git({"rev-parse", "swarm/one/agent-1"}) == before);
  CHECK(GitRig::read(theirs + "/other") == "other\n");
  CHECK(root_git({"fsck", "--strict", "--full", "--no-dangling"}).empty());
}

TEST_CASE_METHOD(TeamGit,
                 "git: over the tunnel and back the repository is the same, and only names of the swarm move") {
  join("agent-0");
  const std::string repo = host.repository("host");
  for (int i = 0; i < 300; ++i) {
    GitRig::write(repo + "/d" + std::to_string(i % 9) + "/f" + std::to_string(i),
                  std::string(2000, 'x') + std::to_string(i));
  }
  host.commit_all(repo, "many");
  import(repo);
  const std::string mine = worktree("agent-0");
  const std::string branch = "refs/heads/swarm/one/agent-0";
  git::Keeps keeps(program);
  const auto keep = must(keeps.open(directory / "keep", git::Keeps::Missing::make));
  const std::uint32_t id = connection->new_stream_id();
  auto pack = connection->open_source(id);
  REQUIRE(pack);
  const auto reply = ask(inside::kGitExport, {.repo = "repo", .refs = {"refs/heads/swarm/"}, .pack = id});
  git::Delivery delivery{.pack = std::move(*pack), .refs = {}, .shallow = {}};
  for (const api::GitRef& ref : reply.refs) delivery.refs.push_back({.name = ref.name, .id = ref.id});
  const Result<void> received = loop.block_on(keep->receive(std::move(delivery)));
  if (!received) FAIL(received.error().to_string());
  CHECK(loop.block_on(keep->check()).has_value());
  CHECK(must(keep->resolve(branch)) == host.git(repo, {"rev-parse", "HEAD"}));
  CHECK(host.git(directory / "keep", {"ls-tree", "-r", "-z", branch}) ==
        host.git(repo, {"ls-tree", "-r", "-z", "HEAD"}));
  // Methods of the daemon are not for agents.
  const auto zero = join("agent-0");
  CHECK_FALSE(try_ask(inside::kGitImport, {.repo = "../x", .head = std::string(40, '1')}).has_value());
  CHECK(swarm(zero, {"log", "refs/heads/nothing"}, mine).code == 4);
}

}  // namespace
}  // namespace swarm::tests
