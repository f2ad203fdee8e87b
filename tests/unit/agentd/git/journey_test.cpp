// Whole repositories on their way: from the user's into a sandbox, worked on, and back, byte for byte. And hostile
// ones: whatever their objects say, nothing is written but files of the worktree that was asked for.
//
// SWARM_REAL_TREES: directories, separated by ':', that are sent on the journey besides the one that is made here.

#include <sys/resource.h>

#include "tests/unit/agentd/git/git_rig.hpp"

namespace swarm::agentd::git {
namespace {

namespace fs = std::filesystem;
using tests::SandboxGit;

struct Journey : SandboxGit {
  swarm::git::Keeps keeps{program};

  void deliver(swarm::git::Keep& keep, const std::vector<std::string>& have) {
    const auto [reply, pack] = exported({"refs/heads/swarm/x/"}, have);
    swarm::git::Delivery delivery{.pack = nullptr, .refs = {}, .shallow = reply.shallow};
    for (const api::GitRef& ref : reply.refs) delivery.refs.push_back({.name = ref.name, .id = ref.id});
    delivery.pack = std::make_unique<tests::MemorySource>(loop, std::deque<std::string>{pack});
    const Result<void> received = loop.block_on(keep.receive(std::move(delivery)));
    if (!received) FAIL(received.error().to_string());
  }
  /// Two trees of files, with names, contents and links.
  void check_same(const std::string& one, const std::string& other) {
    const Ran compared = run(directory.path(), {"diff", "-r", "--no-dereference", "--exclude=.git", one, other});
    INFO(compared.out.substr(0, 2000) << compared.err.substr(0, 2000));
    CHECK(compared.status == 0);
  }

  /// In, a change, and back.
  void travel(const std::string& repo, const std::string& base) {
    import(repo);
    git(store(), {"fsck", "--strict", "--full"});
    CHECK(git(store(), {"ls-tree", "-r", "-z", base}) == git(repo, {"ls-tree", "-r", "-z", base}));
    const std::string files = worktree("agent-0").path.bytes;
    check_same(repo, files);
    CHECK(git(files, {"status", "--porcelain"}).empty());
    CHECK_FALSE(commit("agent-0", "nothing").created);  // what is checked out is what was committed

    const auto keep = must(keeps.open(directory / "keep", swarm::git::Keeps::Missing::make));
    const auto source = must(swarm::git::Source::open(program, repo, directory / "scratch"));
    const Result<void> taken = loop.block_on(keep->receive({.pack = must(source->pack({base}, {})),
                                                            .refs = {{"refs/swarm/base", base}},
                                                            .shallow = {},
                                                            .trust = swarm::git::Trust::user}));
    if (!taken) FAIL(taken.error().to_string());
    write(files + "/zz new/\xc3\xa9t\xc3\xa9\n", std::string("\0\r\n\xff", 4));
    fs::create_symlink("nowhere/at all", files + "/zz link");
    CHECK(commit("agent-0", "a change").total_files == 2);
    REQUIRE(merge("swarm/x/agent-0").outcome == api::GitMergeOutcome::merged);
    deliver(*keep, {base});
    CHECK(loop.block_on(keep->check()).has_value());

    const std::string tip = git(store(), {"rev-parse", "swarm/x/integration"});
    must(keep->publish({.repository = repo, .commit = tip, .branch = "swarm/x"}));
    git(repo, {"fsck", "--strict", "--full"});
    CHECK(git(repo, {"ls-tree", "-r", "-z", "swarm/x"}) == git(store(), {"ls-tree", "-r", "-z", tip}));
    git(repo, {"-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "--detach", directory / "back", "swarm/x"});
    check_same(files, directory / "back");
  }

  /// A tree of one entry, or several, as no git would write them.
  struct Entry {
    std::string mode;
    std::string name;
    std::string id;
  };
  std::string tree(const std::string& repo, const std::vector<Entry>& entries) {
    std::string bytes;
    for (const Entry& entry : entries) {
      bytes += entry.mode + " " + entry.name + '\0';
      for (std::size_t i = 0; i < entry.id.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(entry.id.substr(i, 2), nullptr, 16));
      }
    }
    write(directory / "tree", bytes);
    const Ran made =
        run(repo, {"sh", "-c", "git hash-object -t tree -w --literally --stdin < '" + (directory / "tree") + "'"});
    REQUIRE(made.status == 0);
    return made.out.substr(0, 40);
  }
  std::string blob(const std::string& repo, const std::string& content) {
    write(directory / "blob", content);
    return git(repo, {"hash-object", "-w", directory / "blob"});
  }
};

/// Names and kinds that programs stumble over.
void fill_oddly(const std::string& repo) {
  for (int i = 0; i < 4500; ++i) {
    tests::GitRig::write(
        repo + "/many/d" + std::to_string(i % 83) + "/e" + std::to_string(i % 7) + "/f" + std::to_string(i),
        std::string(static_cast<std::size_t>(i % 300), static_cast<char>('a' + i % 26)));
  }
  const std::vector<std::string> names = {
      "sp ace", "new\nline", "\xff\xfe bytes", "quote\"'`$(id)", "-dash",     "*glob?",      "tab\t",
      "...",    "con",       "aux.txt",        "trailing.",      "trailing ", "foo.git",     ".gitkeep",
      "Case",   "case",      "e\xcc\x81",      "\xc3\xa9",       "a:b",       "back\\slash", std::string(255, 'n')};
  for (const std::string& name : names) tests::GitRig::write(repo + "/odd/" + name, name);
  std::string deep = repo + "/deep";
  for (int i = 0; i < 60; ++i) deep += "/level" + std::to_string(i);
  tests::GitRig::write(deep + "/end", "end");
  tests::GitRig::write(repo + "/kinds/empty", "");
  tests::GitRig::write(repo + "/kinds/crlf", "one\r\ntwo\r\n");
  tests::GitRig::write(repo + "/kinds/large", std::string(5'000'000, '\0') + "end");
  tests::GitRig::write(repo + "/kinds/run", "#!/bin/sh\n");
  fs::permissions(repo + "/kinds/run", fs::perms::owner_all);
  for (const auto& [link, target] :
       {std::pair("dangling", "nowhere"), std::pair("absolute", "/etc/passwd"), std::pair("up", "../../.."),
        std::pair("itself", "itself"), std::pair("directory", "../odd")}) {
    fs::create_symlink(target, repo + "/kinds/" + link);
  }
}

TEST_CASE_METHOD(Journey, "a repository of thousands of files and odd names is the same on its way in and back") {
  const std::string repo = directory / "host";
  fs::create_directories(repo);
  git(repo, {"init", "-q", "-b", "main"});
  fill_oddly(repo);
  travel(repo, commit_all(repo, "odd"));
}

TEST_CASE_METHOD(Journey, "real trees travel as well", "[.real]") {
  const char* trees = std::getenv("SWARM_REAL_TREES");  // NOLINT(concurrency-mt-unsafe): nobody sets variables
  REQUIRE(trees != nullptr);
  const std::string repo = directory / "host";
  fs::create_directories(repo);
  git(repo, {"init", "-q", "-b", "main"});
  std::istringstream list(trees);
  for (std::string tree; std::getline(list, tree, ':');) {
    REQUIRE(run(repo, {"cp", "-a", "--parents", tree, repo}).status == 0);
  }
  // What git does not keep: directories without files, and its own names.
  REQUIRE(run(repo, {"sh", "-c",
                     "find . -mindepth 2 -name '.git*' -not -path './.git/*' -exec rm -rf {} +; find . -type d -empty "
                     "-not -path './.git/*' -delete"})
              .status == 0);
  git(repo, {"add", "-A", "-f"});
  git(repo, {"commit", "-q", "-m", "real"});
  travel(repo, git(repo, {"rev-parse", "HEAD"}));
}

/// What of a sandbox is not the worktree itself, and not what an import and a commit write.
struct Surroundings {
  std::string files;
  std::string outside;
  std::string settings;
  bool operator==(const Surroundings&) const = default;
};

struct Hostile : Journey {
  Surroundings look() {
    Surroundings seen;
    // Whatever is called so was written by the repository's own objects: it may lie in the worktree alone.
    const std::string inside = (directory / "workspace") + "/.worktrees/agent-0/repo";
    for (const auto& entry : fs::recursive_directory_iterator(directory.path())) {
      const std::string path = entry.path();
      const bool in_worktree = path.starts_with(inside + "/") && !path.starts_with(inside + "/.git");
      if (entry.path().filename().string().contains("pwned") && !in_worktree) seen.files += path + "\n";
    }
    seen.outside = picture(directory / "outside");
    for (const char* name : {"/config", "/description"}) seen.settings += read(store() + name) + "\n";
    for (const char* name : {"/hooks", "/info"}) {
      if (fs::exists(store() + name)) seen.settings += picture(store() + name);
    }
    return seen;
  }
  /// Takes a commit in and gives an agent a worktree of it; says whether that was possible.
  bool check_out(const std::string& repo, const std::string& commit) {
    git(repo, {"update-ref", "refs/heads/main", commit});
    auto source = loop.block_on(swarm::git::Source::open(program, repo, directory / "scratch"));
    if (!source) return false;
    auto pack = loop.block_on((*source)->pack({commit}, {}));
    if (!pack) return false;
    const auto taken = loop.block_on(
        git_service.import({.repo = "repo", .head = commit, .pack = 1},
                           [&pack]() -> Result<std::unique_ptr<wire::ByteSource>> { return std::move(*pack); }));
    if (!taken) return false;
    const auto made = loop.block_on(git_service.worktree({.repo = "repo", .swarm = "x", .agent = "agent-0"}));
    if (made) {
      // What it is told to be by what was checked out is not believed.
      CHECK(read(made->path.bytes + "/.git").starts_with("gitdir: "));
      static_cast<void>(loop.block_on(git_service.status({}, {.agent = "agent-0"})));
      static_cast<void>(loop.block_on(git_service.commit({}, {.agent = "agent-0", .message = {"as it is"}})));
    }
    return made.has_value();
  }
};

TEST_CASE_METHOD(Hostile, "names that lead elsewhere, or into git's own directory, write nothing there") {
  write(directory / "outside/file", "untouched\n");
  const std::string seed = repository("seed");
  import(seed);  // a store, to compare with
  const Surroundings before = look();
  CHECK(before.files.empty());
  const std::vector<std::string> names = {"..",
                                          ".",
                                          ".git",
                                          ".GIT",
                                          ".Git",
                                          ".git ",
                                          ".git.",
                                          ".git...",
                                          "git~1",
                                          "GIT~1",
                                          ".git::$INDEX_ALLOCATION",
                                          ".g\xe2\x80\x8cit",
                                          "\xe2\x80\x8d.git",
                                          ".git\\hooks",
                                          "a/../../pwned",
                                          "../pwned",
                                          "/tmp/pwned-by-a-test",
                                          "a//pwned",
                                          ""};
  int number = 0;
  for (const std::string& name : names) {
    for (const bool as_directory : {false, true}) {
      INFO("'" << name << "' as " << (as_directory ? "a directory" : "a file"));
      fs::remove_all(directory / "workspace");
      fs::create_directories(directory / "workspace");
      const std::string repo = repository("evil" + std::to_string(number++));
      const std::string content = blob(repo, "#!/bin/sh\ntouch pwned\n");
      const std::string inner = tree(repo, {{"100755", "post-checkout-pwned", content}});
      const std::string outer = tree(repo, {{"40000", "hooks", inner}, {"100755", "pwned", content}});
      const std::string root =
          as_directory ? tree(repo, {{"40000", name, outer}}) : tree(repo, {{"100755", name, content}});
      const std::string commit = git(repo, {"commit-tree", root, "-m", "evil"});
      const bool taken = check_out(repo, commit);
      // To this file system the forms of HFS+ are names like any other; the others are refused.
      CHECK(taken == name.contains("\xe2\x80"));
      const Surroundings after = look();
      CHECK(after.files == before.files);
      CHECK(after.outside == before.outside);
      CHECK_FALSE(fs::exists("/tmp/pwned-by-a-test"));
      if (fs::exists(store())) CHECK(after.settings == before.settings);
    }
  }
}

TEST_CASE_METHOD(Hostile, "links are not followed: not beside a directory of the same name, not before one") {
  write(directory / "outside/file", "untouched\n");
  const std::string target = directory / "outside";
  // A link and a directory under one name in one tree.
  const std::string repo = repository("twice");
  const std::string link = blob(repo, target);
  const std::string content = blob(repo, "evil\n");
  const std::string inner = tree(repo, {{"100644", "file", content}, {"100644", "pwned", content}});
  const std::string root = tree(repo, {{"120000", "link", link}, {"40000", "link", inner}});
  check_out(repo, git(repo, {"commit-tree", root, "-m", "twice"}));
  CHECK(read(target + "/file") == "untouched\n");
  CHECK(look().files.empty());

  // In another case of letters, for file systems that do not tell them apart.
  fs::remove_all(directory / "workspace");
  fs::create_directories(directory / "workspace");
  const std::string cases = tree(repo, {{"120000", "Link", link}, {"40000", "link", inner}});
  check_out(repo, git(repo, {"commit-tree", cases, "-m", "cases"}));
  CHECK(read(target + "/file") == "untouched\n");

  // First a link, which an agent has in its worktree; then a directory, by a sync; and back.
  fs::remove_all(directory / "workspace");
  fs::create_directories(directory / "workspace");
  const std::string honest = repository("honest");
  fs::create_symlink(target, honest + "/link");
  commit_all(honest, "a link");
  import(honest);
  const std::string one = worktree("agent-0").path.bytes;
  const std::string two = worktree("agent-1").path.bytes;
  fs::remove(two + "/link");
  write(two + "/link/file", "evil\n");
  CHECK(commit("agent-1", "a directory now").created);
  REQUIRE(merge("swarm/x/agent-1").outcome == api::GitMergeOutcome::merged);
  CHECK(must(git_service.sync({}, {.agent = "agent-0"})).outcome != api::GitSyncOutcome::conflict);
  CHECK(read(target + "/file") == "untouched\n");
  CHECK(read(one + "/link/file") == "evil\n");
  // The agent puts the link back on its disk alone; what is merged next goes there, and not through it.
  fs::remove_all(one + "/link");
  fs::create_symlink(target, one + "/link");
  write(two + "/link/file", "more evil\n");
  write(two + "/link/pwned", "evil\n");
  CHECK(commit("agent-1", "more").created);
  REQUIRE(merge("swarm/x/agent-1").outcome == api::GitMergeOutcome::merged);
  static_cast<void>(loop.block_on(git_service.commit({}, {.agent = "agent-0", .message = {"a link again"}})));
  static_cast<void>(loop.block_on(git_service.sync({}, {.agent = "agent-0"})));
  CHECK(read(target + "/file") == "untouched\n");
  CHECK_FALSE(fs::exists(target + "/pwned"));
}

TEST_CASE_METHOD(Hostile, "submodules with addresses that are commands or options start nothing") {
  const std::string repo = repository("modules");
  const std::string pwned = directory / "pwned";
  for (const std::string& url :
       {"ext::sh -c 'touch " + pwned + "'", "--upload-pack=touch " + pwned, std::string("-u./payload"),
        "file://" + directory.path() + "/seed", std::string("https://127.0.0.1:1/x\n\turl = ext::x")}) {
    for (const char* path : {"lib", "../../escape", ".git/modules/x"}) {
      INFO(url << " at " << path);
      fs::remove_all(directory / "workspace");
      fs::create_directories(directory / "workspace");
      const std::string modules = blob(repo, "[submodule \"" + std::string(path) + "\"]\n\tpath = " + path +
                                                 "\n\turl = " + url + "\n\tupdate = !touch " + pwned + "\n");
      const std::string root =
          tree(repo, {{"100644", ".gitmodules", modules}, {"160000", "lib", git(repo, {"rev-parse", "HEAD"})}});
      check_out(repo, git(repo, {"commit-tree", root, "-m", "modules"}));
      CHECK_FALSE(fs::exists(pwned));
      CHECK_FALSE(fs::exists(directory / "escape"));
    }
  }
}

/// In KiB: of this program, or of the largest that it has waited for.
long most_memory(int who) {
  struct rusage used{};
  REQUIRE(::getrusage(who, &used) == 0);
  return used.ru_maxrss;
}

TEST_CASE_METHOD(Hostile, "a small pack that becomes huge is not unfolded in memory on the host") {
  const std::string repo = repository("bomb");
  // From a file: git reads what comes through a pipe into memory. A hundred kilobytes of pack; far more as a file.
  const Ran made = run(
      repo,
      {"sh", "-c", "truncate -s 150000000 .git/zeros && git -c core.bigFileThreshold=8m hash-object -w .git/zeros"});
  REQUIRE(made.status == 0);
  const std::string root = tree(repo, {{"100644", "zeros", made.out.substr(0, 40)}});
  const std::string commit = git(repo, {"commit-tree", root, "-m", "bomb"});
  git(repo, {"update-ref", "refs/heads/main", commit});
  const auto keep = must(keeps.open(directory / "keep", swarm::git::Keeps::Missing::make));
  const auto source = must(swarm::git::Source::open(program, repo, directory / "scratch"));
  // A program counts as large as who started it was: under a sanitizer, this says nothing.
  constexpr long kMost = 100'000;
  const long before = std::max(most_memory(RUSAGE_SELF), most_memory(RUSAGE_CHILDREN));
  const Result<void> taken = loop.block_on(keep->receive({.pack = must(source->pack({commit}, {})),
                                                          .refs = {{"refs/heads/swarm/x/agent-0", commit}},
                                                          .shallow = {},
                                                          .trust = swarm::git::Trust::sandbox}));
  if (!taken) FAIL(taken.error().to_string());
  CHECK((before >= kMost || most_memory(RUSAGE_CHILDREN) < kMost));
}

}  // namespace
}  // namespace swarm::agentd::git
