#include "daemon/git/keeps.hpp"

#include "protocol/async/task_set.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/git_rig.hpp"

namespace swarm::git {
namespace {

using tests::GitRig;

struct KeepRig : GitRig {
  Program program{loop};

  std::optional<Keeps> keeps;

  /// As after a start of the daemon: what was open before is not any more.
  std::shared_ptr<Keep> keep(KeepLimits limits = {}) {
    keeps.emplace(program, limits);
    auto made = loop.block_on(keeps->open(directory / "keep", Keeps::Missing::make));
    REQUIRE(made.has_value());
    return std::move(*made);
  }
  void wait_for(async::Event& event) {
    loop.block_on([](async::Event& what) -> async::Task<> { co_await what.wait(); }(event));
  }
  /// What `git pack-objects` gives for these arguments of rev-list.
  std::string pack_of(const std::string& repo, const std::string& revisions) {
    write(directory / "revisions", revisions);
    const Ran packed =
        run(repo, {"sh", "-c", "git pack-objects --revs --thin --stdout -q < '" + (directory / "revisions") + "'"});
    REQUIRE(packed.status == 0);
    return packed.out;
  }
  Result<void> give(Keep& to, std::string pack, std::vector<Ref> refs, Trust trust = Trust::sandbox) {
    Delivery delivery{.refs = std::move(refs), .trust = trust};
    delivery.pack = std::make_unique<tests::MemorySource>(loop, std::deque<std::string>{std::move(pack)});
    return loop.block_on(to.receive(std::move(delivery)));
  }
};

constexpr const char* kBranch = "refs/heads/swarm/x/agent-0";

TEST_CASE_METHOD(KeepRig, "objects come first, names last, and nothing is lost when a name moves back") {
  const std::string repo = repository("repo");
  const std::string first = git(repo, {"rev-parse", "HEAD"});
  write(repo + "/a", "a");
  const std::string second = commit_all(repo, "second");
  const auto kept = keep();
  REQUIRE(give(*kept, pack_of(repo, first), {{"refs/swarm/base", first}}, Trust::user).has_value());
  REQUIRE(give(*kept, pack_of(repo, second + "\n^" + first), {{kBranch, second}}).has_value());
  CHECK(loop.block_on(kept->resolve(kBranch)).value() == second);

  // The branch is rewritten: what it was stays reachable.
  git(repo, {"checkout", "-q", "-b", "again", first});
  write(repo + "/b", "b");
  const std::string third = commit_all(repo, "third");
  REQUIRE(give(*kept, pack_of(repo, third + "\n^" + first), {{kBranch, third}}).has_value());
  const auto refs = loop.block_on(kept->refs("refs/swarm/kept/"));
  REQUIRE(refs.has_value());
  CHECK(*refs == std::vector<Ref>{{"refs/swarm/kept/" + second, second}});
  CHECK(loop.block_on(kept->check()).has_value());
  CHECK(loop.block_on(kept->changed_paths(first, third)).value() == std::vector<std::string>{"b"});
  CHECK(loop.block_on(kept->resolve("refs/heads/none")).error().code == Code::not_found);

  // Opened again it is the same.
  write((directory / "keep") + "/refs/heads/swarm/x/agent-0.lock", "");
  std::filesystem::create_directories((directory / "keep") + "/incoming-old");
  const auto again = keep();
  CHECK_FALSE(std::filesystem::exists((directory / "keep") + "/incoming-old"));
  CHECK(give(*again, "", {{kBranch, second}}).has_value());
  REQUIRE(loop.block_on(keeps->remove(directory / "keep")).has_value());
  CHECK_FALSE(std::filesystem::exists(directory / "keep"));
}

TEST_CASE_METHOD(KeepRig, "who opens one that is in use shares it, and takes nothing from under who receives") {
  const std::string repo = repository("repo");
  const std::string first = git(repo, {"rev-parse", "HEAD"});
  const std::string pack = pack_of(repo, first);
  const auto kept = keep();
  tests::HeldSource::State half(loop);
  Delivery delivery{.refs = {{kBranch, first}}};
  delivery.pack =
      std::make_unique<tests::HeldSource>(half, pack.substr(0, pack.size() / 2), pack.substr(pack.size() / 2));
  std::optional<Result<void>> received;
  async::Event done(loop);
  const auto receive = [](std::shared_ptr<Keep> to, Delivery what, std::optional<Result<void>>& result,
                          async::Event& end) -> async::Task<> {
    result = co_await to->receive(std::move(what));
    end.set();
  };
  async::TaskSet tasks(loop);
  tasks.spawn(receive(kept, std::move(delivery), received, done));
  wait_for(half.waits);

  // Half a pack is there, and the lock of a name is as good as taken: a second user must not see leftovers in them.
  const auto other = loop.block_on(keeps->open(directory / "keep", Keeps::Missing::refuse));
  REQUIRE(other.has_value());
  CHECK(*other == kept);
  CHECK(loop.block_on((*other)->refs()).value().empty());
  half.go_on.set();
  wait_for(done);
  if (!*received) FAIL(received->error().to_string());
  CHECK(loop.block_on((*other)->resolve(kBranch)).value() == first);
}

TEST_CASE_METHOD(KeepRig, "several who open one at once get the same; after the last has left it is opened anew") {
  keeps.emplace(program);
  std::vector<std::shared_ptr<Keep>> got;
  async::Event all(loop);
  const auto open = [](Keeps& from, std::string at, std::vector<std::shared_ptr<Keep>>& to,
                       async::Event& end) -> async::Task<> {
    const Result<std::shared_ptr<Keep>> opened = co_await from.open(std::move(at), Keeps::Missing::make);
    to.push_back(opened ? *opened : nullptr);
    if (to.size() == 5) end.set();
  };
  async::TaskSet tasks(loop);
  for (int i = 0; i < 5; ++i) tasks.spawn(open(*keeps, directory / "keep", got, all));
  wait_for(all);
  REQUIRE(got.front() != nullptr);
  for (const auto& each : got) CHECK(each == got.front());
  got.clear();
  std::filesystem::create_directories((directory / "keep") + "/incoming-old");
  REQUIRE(loop.block_on(keeps->open(directory / "keep", Keeps::Missing::refuse)).has_value());
  CHECK_FALSE(std::filesystem::exists((directory / "keep") + "/incoming-old"));
}

TEST_CASE_METHOD(KeepRig, "one that was removed does not come back by being looked at") {
  const std::string repo = repository("repo");
  const std::string first = git(repo, {"rev-parse", "HEAD"});
  const auto kept = keep();
  REQUIRE(give(*kept, pack_of(repo, first), {{kBranch, first}}).has_value());
  REQUIRE(loop.block_on(keeps->remove(directory / "keep")).has_value());
  CHECK(loop.block_on(keeps->open(directory / "keep", Keeps::Missing::refuse)).error().code == Code::not_found);
  CHECK(give(*kept, pack_of(repo, first), {{kBranch, first}}).error().code == Code::not_found);
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    CHECK_FALSE(entry.path().filename().string().starts_with("keep"));
  }
  CHECK(loop.block_on(keeps->remove(directory / "keep")).has_value());
}

TEST_CASE_METHOD(KeepRig, "a pack that is damaged, too large, incomplete or broken off changes nothing") {
  const std::string repo = repository("repo");
  const std::string first = git(repo, {"rev-parse", "HEAD"});
  write(repo + "/a", std::string(5000, 'a') + "b");
  const std::string second = commit_all(repo, "second");
  const auto kept = keep({.pack_bytes = 100'000});
  const std::string whole = pack_of(repo, second);
  const std::string empty = picture((directory / "keep"));

  std::string damaged = whole;
  damaged[damaged.size() / 2] = static_cast<char>(~damaged[damaged.size() / 2]);
  CHECK(give(*kept, damaged, {{kBranch, second}}).error().code == Code::failed_precondition);
  CHECK(give(*kept, whole.substr(0, whole.size() / 2), {{kBranch, second}}).error().code == Code::failed_precondition);
  CHECK(give(*kept, "nonsense", {{kBranch, second}}).error().code == Code::failed_precondition);
  CHECK(give(*kept, std::string(200'000, 'x'), {{kBranch, second}}).error().code != Code::internal);
  // Without the commit that it builds on.
  const Error incomplete = give(*kept, pack_of(repo, second + "\n^" + first), {{kBranch, second}}).error();
  CHECK(incomplete.code == Code::failed_precondition);
  // A name that points to nothing.
  CHECK_FALSE(give(*kept, "", {{kBranch, second}}).has_value());
  Delivery broken{.refs = {{kBranch, second}}};
  broken.pack = std::make_unique<tests::MemorySource>(loop, std::deque<std::string>{whole.substr(0, 100)},
                                                      tests::MemorySource::End::broken);
  CHECK(loop.block_on(kept->receive(std::move(broken))).error().code == Code::unavailable);
  CHECK(picture(directory / "keep") == empty);
  CHECK(give(*kept, whole, {{kBranch, second}}).has_value());
}

TEST_CASE_METHOD(KeepRig, "hostile objects and names are refused") {
  const std::string repo = repository("repo");
  const auto kept = keep();
  const auto commit_of_tree = [&](const std::string& entries) {
    write(directory / "tree", entries);
    const std::string tree =
        run(repo, {"sh", "-c", "git hash-object -t tree -w --literally --stdin < '" + (directory / "tree") + "'"}).out;
    return git(repo, {"commit-tree", tree.substr(0, 40), "-m", "evil"});
  };
  const std::string blob = git(repo, {"rev-parse", "HEAD:README"});
  std::string raw;
  for (std::size_t i = 0; i < blob.size(); i += 2) raw += static_cast<char>(std::stoi(blob.substr(i, 2), nullptr, 16));
  for (const char* name : {"..", ".", ".git", ".GIT", "a/b", ".git ", "git~1", ".g\u200cit"}) {
    INFO(name);
    const std::string evil = commit_of_tree(std::string("100644 ") + name + '\0' + raw);
    CHECK_FALSE(give(*kept, pack_of(repo, evil), {{kBranch, evil}}).has_value());
  }
  // A submodule whose address is an option, and one that is a command.
  for (const char* text : {"[submodule \"a\"]\n\tpath = a\n\turl = --upload-pack=touch\n",
                           "[submodule \"../../x\"]\n\tpath = a\n\turl = https://example.org/\n"}) {
    git(repo, {"checkout", "-q", "--orphan", "modules"});
    write(repo + "/.gitmodules", text);
    const std::string evil = commit_all(repo, "modules");
    CHECK_FALSE(give(*kept, pack_of(repo, evil), {{kBranch, evil}}).has_value());
    git(repo, {"checkout", "-q", "main"});
    git(repo, {"branch", "-q", "-D", "modules"});
  }
  const std::string head = git(repo, {"rev-parse", "main"});
  for (const char* name : {"refs/heads/main", "refs/../x", "HEAD", "refs/heads/swarm/../../x", "refs/heads/swarm/a b",
                           "refs/heads/swarm/x\ncreate refs/heads/main", "refs/swarm/kept/x"}) {
    INFO(name);
    CHECK_FALSE(give(*kept, pack_of(repo, head), {{name, head}}).has_value());
  }
  CHECK(loop.block_on(kept->refs()).value().empty());
}

TEST_CASE_METHOD(KeepRig, "a result is published as one branch and nothing else is touched") {
  const std::string repo = repository("repo");
  const std::string first = git(repo, {"rev-parse", "HEAD"});
  const std::string other = directory / "other";
  git(repo, {"clone", "-q", repo, other});
  write(other + "/feature", "done\n");
  const std::string result = commit_all(other, "feature");
  const auto kept = keep();
  REQUIRE(give(*kept, pack_of(other, result), {{kBranch, result}}).has_value());

  Publication publication{.repository = repo, .commit = result, .branch = "swarm/x"};
  const auto published = loop.block_on(kept->publish(publication));
  if (!published) FAIL(published.error().to_string());
  CHECK(published->before.empty());
  CHECK(git(repo, {"rev-parse", "refs/heads/swarm/x"}) == result);
  CHECK(git(repo, {"rev-parse", "HEAD"}) == first);
  CHECK(git(repo, {"status", "--porcelain"}).empty());
  git(repo, {"fsck", "--strict", "--full"});
  CHECK(git(repo, {"for-each-ref", "--format=%(refname)"}) == "refs/heads/main\nrefs/heads/swarm/x");
  for (const auto& entry : std::filesystem::directory_iterator(repo + "/.git/objects")) {
    CHECK_FALSE(entry.path().filename().string().starts_with("incoming"));
  }
  CHECK(loop.block_on(kept->publish(publication)).value().before == result);

  // Not where somebody works, not over what somebody did there.
  git(repo, {"checkout", "-q", "swarm/x"});
  write(repo + "/mine", "mine\n");
  const std::string mine = commit_all(repo, "mine");
  const Error checked_out = loop.block_on(kept->publish(publication)).error();
  CHECK(checked_out.code == Code::failed_precondition);
  CHECK(checked_out.message.contains("checked out"));
  git(repo, {"checkout", "-q", "main"});
  CHECK(loop.block_on(kept->publish(publication)).error().message.contains("holds commits"));
  CHECK(git(repo, {"rev-parse", "swarm/x"}) == mine);
  publication.existing = Publication::Existing::replace;
  CHECK(loop.block_on(kept->publish(publication)).value().before == mine);
  publication.branch = "main";
  CHECK(loop.block_on(kept->publish(publication)).error().code == Code::invalid_argument);
}

}  // namespace
}  // namespace swarm::git
