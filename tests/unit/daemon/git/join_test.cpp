#include "daemon/git/join.hpp"

#include "daemon/git/keeps.hpp"
#include "tests/fixtures/git_rig.hpp"

namespace swarm::git {
namespace {

struct JoinRig : tests::GitRig {
  Program program{loop};
  std::string api = repository("api");
  std::string web = repository("web");
  std::string all = directory / "all";
  std::vector<Member> members;
  std::string joined;

  JoinRig() {
    write(api + "/src/a.c", "a\n");
    members.push_back({.name = "api", .base = commit_all(api, "more")});
    members.push_back({.name = "web", .base = git(web, {"rev-parse", "HEAD"})});
    std::filesystem::create_directories(all);
    git(all, {"init", "-q", "-b", "main"});
    git(all, {"fetch", "-q", api, "main"});
    git(all, {"fetch", "-q", web, "main"});
    joined = join();
    git(all, {"reset", "-q", "--hard", joined});
  }
  std::string join() {
    const auto made = loop.block_on(join_members(program, all + "/.git", members, "Side by side\n", 1'700'000'000));
    REQUIRE(made.has_value());
    return *made;
  }
  std::string split(const std::string& name, const std::string& head) {
    const Member& member = name == "api" ? members[0] : members[1];
    const auto made = loop.block_on(split_member(program, all + "/.git", member, joined, head));
    INFO((made ? "" : made.error().message));
    REQUIRE(made.has_value());
    return *made;
  }
  std::string log(const std::string& range) { return git(all, {"log", "--format=%an %s", "--topo-order", range}); }
};

TEST_CASE_METHOD(JoinRig, "several repositories stand side by side, the same each time") {
  CHECK(git(all, {"ls-files"}) == "api/README\napi/src/a.c\nweb/README");
  CHECK(join() == joined);
  CHECK(git(all, {"rev-parse", joined + "^1"}) == members[0].base);
  CHECK(git(all, {"rev-parse", joined + "^2"}) == members[1].base);
  CHECK(split("api", joined) == members[0].base);
}

TEST_CASE_METHOD(JoinRig, "each gets the commits that are about it, with author, message and merges") {
  write(all + "/api/one", "1\n");
  commit_all(all, "only api\n\nSwarm-Task: tsk_1");
  git(all, {"checkout", "-q", "-b", "side", joined});
  write(all + "/web/two", "2\n");
  write(all + "/api/two", "2\n");
  const std::string both = commit_all(all, "both");
  git(all, {"checkout", "-q", "main"});
  git(all, {"merge", "-q", "--no-ff", "-m", "Merge side", "side"});
  const std::string merged = git(all, {"rev-parse", "HEAD"});
  write(all + "/outside", "x\n");  // beside the repositories: nobody's
  const std::string head = commit_all(all, "nobody's");

  const std::string own = split("api", head);
  CHECK(split("api", head) == own);
  CHECK(split("api", merged) == own);
  CHECK(git(all, {"rev-parse", own + "^{tree}"}) == git(all, {"rev-parse", head + ":api"}));
  CHECK(log(members[0].base + ".." + own) == "Ada Merge side\nAda both\nAda only api");
  CHECK(git(all, {"log", "-1", "--format=%B", own + "^1"}) == "only api\n\nSwarm-Task: tsk_1");
  CHECK(git(all, {"show", "-s", "--format=%at %ct", own + "^2"}) == git(all, {"show", "-s", "--format=%at %ct", both}));
  // For the other the merge is no merge: one side had nothing of it.
  const std::string other = split("web", head);
  CHECK(log(members[1].base + ".." + other) == "Ada both");
  CHECK(git(all, {"rev-parse", other + "^"}) == members[1].base);
  CHECK(git(all, {"fsck", "--strict", "--no-dangling"}).empty());
}

TEST_CASE_METHOD(JoinRig, "a repository that was emptied is empty, and one that nobody touched stays at its base") {
  git(all, {"rm", "-q", "-r", "web"});
  const std::string head = commit_all(all, "no web");
  CHECK(git(all, {"ls-tree", split("web", head)}).empty());
  CHECK(split("api", head) == members[0].base);
  write(all + "/web", "a file where a repository was\n");
  CHECK(git(all, {"ls-tree", split("web", commit_all(all, "a file"))}).empty());
}

struct PublishRig : tests::GitRig {
  Program program{loop};
};

TEST_CASE_METHOD(PublishRig, "a published branch is withdrawn where it still stands") {
  const std::string repo = repository("repo");
  const std::string first = git(repo, {"rev-parse", "HEAD"});
  Keeps keeps(program);
  const auto keep = loop.block_on(keeps.open(directory / "keep", Keeps::Missing::make));
  REQUIRE(keep.has_value());
  git(directory / "keep", {"fetch", "-q", repo, "main:refs/heads/swarm/x/integration"});
  Publication publication{.repository = repo, .commit = first, .branch = "swarm/x"};
  publication.depth = Publication::Depth::look;
  REQUIRE(loop.block_on((*keep)->publish(publication)).has_value());
  CHECK(git(repo, {"for-each-ref", "refs/heads/swarm"}).empty());
  publication.depth = Publication::Depth::all;
  const auto done = loop.block_on((*keep)->publish(publication));
  REQUIRE(done.has_value());
  REQUIRE(loop.block_on((*keep)->withdraw(repo, *done)).has_value());
  CHECK(git(repo, {"for-each-ref", "refs/heads/swarm"}).empty());
  // Again, and where it does not stand any more, and where there is nothing any more: nothing is done.
  REQUIRE(loop.block_on((*keep)->withdraw(repo, *done)).has_value());
  const std::string other = git(repo, {"commit-tree", "-m", "other", "main^{tree}"});
  git(repo, {"branch", "swarm/x", other});
  REQUIRE(loop.block_on((*keep)->withdraw(repo, *done)).has_value());
  CHECK(git(repo, {"rev-parse", "swarm/x"}) == other);
  REQUIRE(loop.block_on((*keep)->withdraw(repo + "-gone", *done)).has_value());
}

TEST_CASE_METHOD(PublishRig, "a branch is set from where it was seen, and from nowhere else") {
  const std::string repo = repository("repo");
  const std::string first = git(repo, {"rev-parse", "HEAD"});
  Keeps keeps(program);
  const auto keep = loop.block_on(keeps.open(directory / "keep", Keeps::Missing::make));
  REQUIRE(keep.has_value());
  git(directory / "keep", {"fetch", "-q", repo, "main:refs/heads/swarm/x/integration"});
  const std::string other = git(repo, {"commit-tree", "-m", "other", "main^{tree}"});
  git(repo, {"branch", "swarm/x", other});
  Publication publication{.repository = repo, .commit = first, .branch = "swarm/x"};
  publication.existing = Publication::Existing::replace;
  publication.before = "";
  const Error moved = loop.block_on((*keep)->publish(publication)).error();
  CHECK(moved.code == Code::failed_precondition);
  CHECK(moved.message.contains("moved meanwhile, to " + other.substr(0, 12)));
  publication.before = other;
  const auto done = loop.block_on((*keep)->publish(publication));
  REQUIRE(done.has_value());
  CHECK(done->before == other);
  // Again: it is there, wherever it came from.
  CHECK(loop.block_on((*keep)->publish(publication)).has_value());
  REQUIRE(loop.block_on((*keep)->withdraw(repo, *done)).has_value());
  CHECK(git(repo, {"rev-parse", "swarm/x"}) == other);
}

}  // namespace
}  // namespace swarm::git
