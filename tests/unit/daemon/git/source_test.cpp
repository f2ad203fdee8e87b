#include "daemon/git/source.hpp"

#include "daemon/git/keeps.hpp"
#include "tests/fixtures/git_rig.hpp"

namespace swarm::git {
namespace {

using tests::GitRig;

struct SourceRig : GitRig {
  Program program{loop};

  Result<std::unique_ptr<Source>> open(const std::string& path) {
    return loop.block_on(Source::open(program, path, directory / "scratch"));
  }
  /// Takes `commit` of the source into a bare repository of our own and checks it.
  std::string take(Source& source, const std::string& commit, const std::string& name) {
    Keeps keeps(program);
    const auto keep = loop.block_on(keeps.open(directory / name, Keeps::Missing::make));
    REQUIRE(keep.has_value());
    const std::vector<Ref> before = *loop.block_on((*keep)->refs());
    std::vector<std::string> have;
    for (const Ref& ref : before) have.push_back(ref.id);
    auto pack = loop.block_on(source.pack({commit}, have));
    REQUIRE(pack.has_value());
    const auto received = loop.block_on((*keep)->receive({.pack = std::move(*pack),
                                                          .refs = {{.name = "refs/swarm/base", .id = commit}},
                                                          .shallow = source.info().shallow,
                                                          .trust = Trust::user}));
    if (!received) FAIL(received.error().to_string());
    const auto checked = loop.block_on((*keep)->check());
    if (!checked) FAIL(checked.error().to_string());
    return directory / name;
  }
};

TEST_CASE_METHOD(SourceRig, "an ordinary repository is described and leaves without a trace on it") {
  const std::string repo = repository("repo");
  git(repo, {"tag", "-a", "v1", "-m", "one"});
  git(repo, {"branch", "other"});
  const std::string head = git(repo, {"rev-parse", "HEAD"});
  const std::string before = picture(repo);
  const auto source = open(repo);
  REQUIRE(source.has_value());
  const SourceInfo& info = (*source)->info();
  CHECK(info.head == head);
  CHECK(info.head_branch == "main");
  CHECK(info.work_tree == std::filesystem::canonical(repo).string());
  REQUIRE(info.refs.size() == 3);
  CHECK(info.refs[1].name == "refs/heads/other");
  CHECK(info.dirty_paths == 0);
  CHECK_FALSE(info.partial);
  CHECK(loop.block_on((*source)->start_commit(Dirty::include)).value() == head);
  const std::string kept = take(**source, head, "kept");
  CHECK(git(kept, {"cat-file", "-p", head + ":README"}) == "hello");
  CHECK(picture(repo) == before);
}

TEST_CASE_METHOD(SourceRig, "what is not committed travels when asked, as one commit that depends on nothing else") {
  const std::string repo = repository("repo");
  write(repo + "/.gitignore", "*.log\n");
  commit_all(repo, "ignore");
  write(repo + "/README", "changed\n");
  write(repo + "/new file", "n\n");
  write(repo + "/noise.log", "never\n");
  std::filesystem::create_symlink("/etc/passwd", repo + "/link");
  const std::string before = picture(repo);
  const auto source = open(repo);
  REQUIRE(source.has_value());
  CHECK((*source)->info().dirty_paths == 3);
  CHECK(loop.block_on((*source)->start_commit(Dirty::leave)).value() == (*source)->info().head);
  const auto commit = loop.block_on((*source)->start_commit(Dirty::include));
  REQUIRE(commit.has_value());
  CHECK(picture(repo) == before);
  const std::string kept = take(**source, *commit, "kept");
  CHECK(git(kept, {"ls-tree", "--name-only", *commit}) == ".gitignore\nREADME\nlink\nnew file");
  CHECK(git(kept, {"cat-file", "-p", *commit + ":link"}) == "/etc/passwd");
  CHECK(git(kept, {"rev-parse", *commit + "^"}) == (*source)->info().head);
  const auto again = open(repo);
  CHECK(loop.block_on((*again)->start_commit(Dirty::include)).value() == *commit);
}

TEST_CASE_METHOD(SourceRig, "no filter, hook or monitor of the repository runs") {
  const std::string repo = repository("repo");
  const std::string trap = directory / "trap";
  write(trap, "#!/bin/sh\ntouch '" + (directory / "sprung") + "'\ncat\n");
  std::filesystem::permissions(trap, std::filesystem::perms::all);
  write(repo + "/.gitattributes", "* filter=evil diff=evil\n");
  commit_all(repo, "attributes");
  for (const char* key : {"filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "core.fsmonitor",
                          "core.pager", "core.sshCommand", "diff.evil.textconv", "diff.external", "core.editor"}) {
    git(repo, {"config", key, trap});
  }
  git(repo, {"config", "filter.evil.required", "true"});
  for (const char* hook : {"pre-commit", "post-index-change", "reference-transaction", "post-checkout"}) {
    std::filesystem::copy_file(trap, repo + "/.git/hooks/" + hook);
  }
  write(repo + "/README", "changed\n");
  const auto source = open(repo);
  REQUIRE(source.has_value());
  const auto commit = loop.block_on((*source)->start_commit(Dirty::include));
  if (!commit) FAIL(commit.error().to_string());
  const std::string kept = take(**source, *commit, "kept");
  Keeps keeps(program);
  const auto keep = loop.block_on(keeps.open(kept, Keeps::Missing::refuse));
  const auto published = loop.block_on((*keep)->publish({.repository = repo, .commit = *commit, .branch = "swarm/x"}));
  if (!published) FAIL(published.error().to_string());
  CHECK_FALSE(std::filesystem::exists(directory / "sprung"));
}

TEST_CASE_METHOD(SourceRig, "bare repositories, linked worktrees and directories inside are found") {
  const std::string repo = repository("repo");
  const std::string head = git(repo, {"rev-parse", "HEAD"});
  git(repo, {"clone", "-q", "--bare", repo, directory / "bare"});
  const auto bare = open(directory / "bare");
  REQUIRE(bare.has_value());
  CHECK((*bare)->info().work_tree.empty());
  CHECK((*bare)->info().head == head);
  CHECK(loop.block_on((*bare)->start_commit(Dirty::include)).value() == head);

  git(repo, {"worktree", "add", "-q", "-b", "side", directory / "side"});
  write((directory / "side") + "/README", "side\n");
  const auto side = open(directory / "side");
  REQUIRE(side.has_value());
  CHECK((*side)->info().head_branch == "side");
  CHECK((*side)->info().dirty_paths == 1);
  const auto commit = loop.block_on((*side)->start_commit(Dirty::include));
  REQUIRE(commit.has_value());
  CHECK(git(take(**side, *commit, "kept"), {"cat-file", "-p", *commit + ":README"}) == "side");

  std::filesystem::create_directories(repo + "/deep/down");
  CHECK((*open(repo + "/deep/down"))->info().head == head);
}

TEST_CASE_METHOD(SourceRig, "a shallow repository travels with its edge") {
  const std::string repo = repository("repo");
  for (int i = 0; i < 5; ++i) {
    write(repo + "/file", std::to_string(i));
    commit_all(repo, "more");
  }
  git(repo, {"clone", "-q", "--depth", "2", "file://" + repo, directory / "shallow"});
  const auto source = open(directory / "shallow");
  REQUIRE(source.has_value());
  CHECK((*source)->info().shallow.size() == 1);
  const std::string kept = take(**source, (*source)->info().head, "kept");
  CHECK(git(kept, {"rev-list", "--count", "refs/swarm/base"}) == "2");
}

TEST_CASE_METHOD(SourceRig, "an empty repository begins with an empty commit") {
  const std::string repo = directory / "empty";
  std::filesystem::create_directories(repo);
  git(repo, {"init", "-q", "-b", "main"});
  {
    const auto source = open(repo);
    REQUIRE(source.has_value());
    CHECK((*source)->info().head.empty());
    const auto commit = loop.block_on((*source)->start_commit(Dirty::leave));
    REQUIRE(commit.has_value());
    CHECK(git(take(**source, *commit, "kept"), {"ls-tree", "-r", *commit}).empty());
  }
  write(repo + "/a", "a");
  const auto source = open(repo);
  const auto commit = loop.block_on((*source)->start_commit(Dirty::include));
  REQUIRE(commit.has_value());
  CHECK(git(take(**source, *commit, "kept2"), {"ls-tree", "--name-only", *commit}) == "a");
}

TEST_CASE_METHOD(SourceRig, "submodules travel as links and are named") {
  const std::string inner = repository("inner");
  const std::string repo = repository("repo");
  git(repo, {"-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "lib/inner"});
  const std::string head = commit_all(repo, "submodule");
  const auto source = open(repo);
  REQUIRE(source.has_value());
  CHECK((*source)->info().submodules == std::vector<std::string>{"lib/inner"});
  CHECK(git(take(**source, head, "kept"), {"ls-tree", head, "lib/inner"}).starts_with("160000 commit"));
}

TEST_CASE_METHOD(SourceRig, "what is no repository, or one of another kind, is refused with a sentence") {
  std::filesystem::create_directories(directory / "plain");
  CHECK(open(directory / "plain").error().code == Code::not_found);
  CHECK(open(directory / "plain").error().message.contains("git init"));
  CHECK(open(directory / "missing").error().code == Code::not_found);
  write(directory / "file", "x");
  CHECK(open(directory / "file").error().message.contains("not a directory"));
  std::filesystem::create_directories(directory / "sha256");
  git(directory / "sha256", {"init", "-q", "--object-format=sha256"});
  const Error refused = open(directory / "sha256").error();
  CHECK(refused.code == Code::failed_precondition);
  CHECK(refused.message.contains("sha256 repository"));
}

TEST_CASE_METHOD(SourceRig, "odd names, modes and many files come through byte for byte") {
  const std::string repo = repository("repo");
  for (const char* name :
       {"sp ace", "new\nline", "\xff\xfe bytes", "quote\"'`$(id)", "-dash", "*glob?", "tab\t", "..."}) {
    write(repo + "/odd/" + name, name);
  }
  write(repo + "/run.sh", "#!/bin/sh\n");
  std::filesystem::permissions(repo + "/run.sh", std::filesystem::perms::owner_all);
  std::filesystem::create_symlink("../outside", repo + "/up");
  const std::string head = commit_all(repo, "odd");
  const auto source = open(repo);
  REQUIRE(source.has_value());
  const std::string kept = take(**source, head, "kept");
  CHECK(git(kept, {"ls-tree", "-r", "-z", head}) == git(repo, {"ls-tree", "-r", "-z", head}));

  // The second time only what is new travels.
  write(repo + "/late", "late\n");
  const std::string later = commit_all(repo, "late");
  auto pack = loop.block_on((*source)->pack({later}, {head, std::string(40, '1')}));
  REQUIRE(pack.has_value());
  std::uint64_t bytes = 0;
  for (;;) {
    const auto piece = loop.block_on((*pack)->read());
    REQUIRE(piece.has_value());
    if (!*piece) break;
    bytes += (*piece)->size();
  }
  CHECK(bytes < 1000);
  pack = loop.block_on((*source)->pack({later}, {later}));
  REQUIRE(pack.has_value());
  CHECK(*pack == nullptr);
}

}  // namespace
}  // namespace swarm::git
