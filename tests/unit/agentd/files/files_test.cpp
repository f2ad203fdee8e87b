#include "agentd/files/files.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "agentd/files/glob.hpp"
#include "tests/fixtures/byte_pipe.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/protocol/tree/trees.hpp"

using namespace swarm;
using namespace swarm::agentd;
using files::Files;
using swarm::test::TemporaryDirectory;
using tests::BytePipe;
using tests::slurp;
using tests::spill;
namespace fs = std::filesystem;

namespace {

Result<Credentials> whoever(const std::optional<std::string>& user) {
  if (!user) return Credentials{.uid = ::geteuid(), .gid = ::getegid()};
  const auto id = static_cast<uid_t>(std::stoul(*user));
  return Credentials{.uid = id, .gid = id};
}

struct FilesFixture : tests::LoopFixture {
  TemporaryDirectory at;
  Files files{loop, {.workspace = at.path(), .user = whoever}};

  template <class R, class... Args>
  auto call(async::Task<Result<R>> (Files::*method)(Args...), std::type_identity_t<Args>... args) {
    return loop.block_on((files.*method)(std::move(args)...));
  }

  Result<api::FileInfo> write(const std::string& path, std::string content, api::WriteMode mode = api::WriteMode::any) {
    api::FilesWriteRequest request;
    request.path = path;
    request.data.data = std::move(content);
    request.if_exists = mode;
    return call(&Files::write, request);
  }
  Result<api::FilesReadReply> read(const std::string& path, std::uint64_t offset = 0, std::uint64_t limit = 1 << 20) {
    api::FilesReadRequest request;
    request.path = path;
    request.offset = offset;
    request.limit_bytes = limit;
    return call(&Files::read, request);
  }
  Result<api::FilesRemoveReply> remove(const std::string& path, bool recursive) {
    api::FilesRemoveRequest request;
    request.path = path;
    request.recursive = recursive;
    return call(&Files::remove, request);
  }
  std::vector<std::string> glob(const std::string& pattern) {
    const auto reply = call(&Files::glob, api::FilesGlobRequest{.pattern = pattern});
    REQUIRE(reply);
    std::vector<std::string> out;
    for (const auto& path : reply->paths) out.push_back(path.bytes);
    return out;
  }
};

template <class Request>
Request at_path(const std::string& path) {
  Request request;
  request.path = path;
  return request;
}

mode_t mode_of(const std::string& path) { return static_cast<mode_t>(fs::symlink_status(path).permissions()); }

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(FilesFixture, "a range of a file is read, and its end is known") {
  spill(at / "f", "0123456789");
  const auto part = read("f", 2, 3);
  REQUIRE(part);
  CHECK(part->data.data == "234");
  CHECK(part->size_bytes == 10);
  CHECK_FALSE(part->eof);
  CHECK(read("f", 7, 3)->eof);
  CHECK(read("f", 100)->data.data.empty());
  CHECK(read("f", 100)->eof);
  CHECK(read("/proc/self/stat")->data.data.size() > 10);
  CHECK(read("missing").error().code == Code::not_found);
  CHECK(read(at.path()).error().code == Code::failed_precondition);
  REQUIRE(::mkfifo((at / "pipe").c_str(), 0600) == 0);
  CHECK(read("pipe").error().code == Code::failed_precondition);
  CHECK(read(std::string("a\0b", 3)).error().code == Code::invalid_argument);
  CHECK(read("").error().code == Code::invalid_argument);
}

TEST_CASE_METHOD(FilesFixture, "a write replaces in one step, keeps the mode, and follows links") {
  REQUIRE(write("f", "one"));
  CHECK(mode_of(at / "f") == 0644);
  ::chmod((at / "f").c_str(), 0751);
  const UniqueFd old(::open((at / "f").c_str(), O_RDONLY));
  const auto info = write("f", "two");
  REQUIRE(info);
  CHECK(info->mode == 0751);
  CHECK(info->size_bytes == 3);
  char byte = 0;
  REQUIRE(::read(old.get(), &byte, 1) == 1);
  CHECK(byte == 'o');  // who had it open sees the old content
  fs::create_directory(at / "d");
  fs::create_symlink("../f", at / "d/link");
  REQUIRE(write("d/link", "through"));
  CHECK(slurp(at / "f") == "through");
  CHECK(fs::is_symlink(at / "d/link"));
  fs::create_symlink("d/new", at / "dangling");
  REQUIRE(write("dangling", "made"));
  CHECK(slurp(at / "d/new") == "made");
  fs::create_symlink("loop", at / "loop");
  CHECK(write("loop", "x").error().code == Code::invalid_argument);
  CHECK(write("f", "x", api::WriteMode::create).error().code == Code::already_exists);
  CHECK(write("g", "x", api::WriteMode::replace).error().code == Code::not_found);
  CHECK(write("d", "x").error().code == Code::failed_precondition);
  CHECK(write("no/such", "x").error().code == Code::not_found);
  auto request = at_path<api::FilesWriteRequest>("no/such/dir/file");
  request.parents = true;
  CHECK(call(&Files::write, request));
  ::chmod((at / "f").c_str(), 0600);
  const auto inode = [&] {
    struct stat s{};
    ::stat((at / "f").c_str(), &s);
    return s.st_ino;
  };
  const auto before = inode();
  request = at_path<api::FilesWriteRequest>("f");
  request.data.data = "in place";
  request.atomic = false;
  CHECK(call(&Files::write, request));
  CHECK(inode() == before);
  CHECK(mode_of(at / "f") == 0600);
  CHECK(slurp(at / "f") == "in place");
  request.data.data = "shorter";
  CHECK(call(&Files::write, request));
  CHECK(slurp(at / "f") == "shorter");
}

TEST_CASE_METHOD(FilesFixture, "appending makes a file or adds to it") {
  auto request = at_path<api::FilesAppendRequest>("log");
  request.data.data = "a\n";
  request.mode = 0600;
  REQUIRE(call(&Files::append, request));
  request.data.data = "b\n";
  REQUIRE(call(&Files::append, request)->size_bytes == 4);
  CHECK(slurp(at / "log") == "a\nb\n");
  CHECK(mode_of(at / "log") == 0600);
}

TEST_CASE_METHOD(FilesFixture, "a listing comes in pages, in order, at any depth") {
  for (int i = 0; i < 25; ++i) spill(at / ("f" + std::to_string(100 + i)), "x");
  fs::create_directories(at / "d/e/f");
  spill(at / "d/z", "");
  spill(at / "d/e/\xff", "");
  spill(at / ".hidden", "");
  fs::create_symlink("d", at / "s");
  for (const std::uint32_t depth : {1U, 2U, 100U}) {
    for (const bool hidden : {true, false}) {
      auto request = at_path<api::FilesListRequest>(".");
      request.depth = depth;
      request.hidden = hidden;
      request.limit = 10'000;
      Names whole;
      for (const auto& entry : call(&Files::list, request)->entries) whole.push_back(entry.path.bytes);
      CHECK(whole.size() == 27U + (hidden ? 1 : 0) + (depth > 1 ? 2 : 0) + (depth > 2 ? 2 : 0));
      for (const std::uint32_t limit : {1U, 2U, 3U, 7U}) {
        INFO(depth << " " << hidden << " " << limit);
        request.limit = limit;
        request.cursor.reset();
        Names pages;
        for (;;) {
          const auto page = call(&Files::list, request);
          REQUIRE(page);
          REQUIRE(page->entries.size() <= limit);
          for (const auto& entry : page->entries) pages.push_back(entry.path.bytes);
          request.cursor = page->next_cursor;
          if (!page->next_cursor) break;
        }
        CHECK(pages == whole);
      }
    }
  }
  auto request = at_path<api::FilesListRequest>("s");
  CHECK(call(&Files::list, request)->entries.size() == 2);
  request.path = std::string("f100");
  CHECK(call(&Files::list, request).error().code == Code::failed_precondition);
  request.path = std::string("d");
  request.cursor = "not base64!";
  CHECK(call(&Files::list, request).error().code == Code::invalid_argument);
}

TEST_CASE_METHOD(FilesFixture, "stat tells a link from what it points to") {
  spill(at / "f", "abc");
  tests::set_mtime(at / "f", 1'500'000'000'123'456'000);
  fs::create_symlink("f", at / "l");
  auto request = at_path<api::FilesStatRequest>("l");
  auto info = call(&Files::stat, request);
  REQUIRE(info);
  CHECK(info->kind == api::FileKind::file);
  CHECK(info->size_bytes == 3);
  CHECK(info->mtime_us == 1'500'000'000'123'456);
  request.follow = false;
  info = call(&Files::stat, request);
  CHECK(info->kind == api::FileKind::symlink);
  CHECK(info->target->bytes == "f");
}

TEST_CASE_METHOD(FilesFixture, "directories are made, moved and changed") {
  auto make = at_path<api::FilesMkdirRequest>("a/b/c");
  CHECK(call(&Files::mkdir, make).error().code == Code::not_found);
  make.parents = true;
  make.mode = 0770;
  CHECK(call(&Files::mkdir, make)->mode == 0770);
  CHECK(call(&Files::mkdir, make));
  make.parents = false;
  CHECK(call(&Files::mkdir, make).error().code == Code::already_exists);

  spill(at / "x", "x");
  spill(at / "y", "y");
  auto move = at_path<api::FilesRenameRequest>("x");
  move.to = std::string("y");
  move.replace = false;
  CHECK(call(&Files::rename, move).error().code == Code::already_exists);
  move.replace = true;
  CHECK(call(&Files::rename, move));
  CHECK(slurp(at / "y") == "x");
  move.path = std::string("y");
  move.to = std::string("/proc/y");
  CHECK(call(&Files::rename, move).error().code == Code::failed_precondition);

  fs::create_symlink("/etc/passwd", at / "a/link");
  const mode_t passwd = mode_of("/etc/passwd");
  auto change = at_path<api::FilesChmodRequest>("a");
  change.mode = 0700;
  change.recursive = true;
  CHECK(call(&Files::chmod, change)->changed == 3);
  CHECK(mode_of(at / "a/b/c") == 0700);
  CHECK(mode_of("/etc/passwd") == passwd);
}

TEST_CASE_METHOD(FilesFixture, "removing is exact about what it removes") {
  CHECK(remove("none", false).error().code == Code::not_found);
  auto request = at_path<api::FilesRemoveRequest>("none");
  request.missing_ok = true;
  CHECK(call(&Files::remove, request)->removed == 0);
  fs::create_directories(at / "d/e");
  spill(at / "kept", "k");
  fs::create_symlink(at / "kept", at / "d/l");
  fs::create_symlink(at.path(), at / "d/e/up");
  CHECK(remove("d", false).error().code == Code::failed_precondition);
  CHECK(remove("d", true)->removed == 4);
  CHECK(slurp(at / "kept") == "k");
  CHECK(remove("/", true).error().code == Code::invalid_argument);
  CHECK(remove(at.path() + "/..", true).error().code == Code::invalid_argument);
}

TEST_CASE_METHOD(FilesFixture, "a tree deeper than any path is removed") {
  fs::create_directory(at / "deep");
  UniqueFd here(::open((at / "deep").c_str(), O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < 600; ++i) {
    REQUIRE(::mkdirat(here.get(), "d", 0755) == 0);
    here = UniqueFd(::openat(here.get(), "d", O_RDONLY | O_DIRECTORY));
  }
  CHECK(remove("deep", true)->removed == 601);
  CHECK_FALSE(fs::exists(at / "deep"));
}

TEST_CASE_METHOD(FilesFixture, "removing is not led away by somebody who swaps directories for links") {
  const TemporaryDirectory outside;
  for (int i = 0; i < 50; ++i) spill(outside / ("precious" + std::to_string(i)), "p");
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    while (!stop) {
      ::rename((at / "t/d").c_str(), (at / "aside").c_str());
      static_cast<void>(::symlink(outside.path().c_str(), (at / "t/d").c_str()));
      ::unlink((at / "t/d").c_str());
      ::rename((at / "aside").c_str(), (at / "t/d").c_str());
    }
  });
  for (int round = 0; round < 40; ++round) {
    std::error_code ignored;
    fs::create_directories(at / "t/d/x/y", ignored);
    static_cast<void>(remove("t", true));
  }
  stop = true;
  swapper.join();
  for (int i = 0; i < 50; ++i) CHECK(fs::exists(outside / ("precious" + std::to_string(i))));
}

TEST_CASE_METHOD(FilesFixture, "patterns find what they say") {
  for (const std::string dir : {"src/a/b", "src/.cache", "lib", "node_modules/x"}) fs::create_directories(at / dir);
  for (const std::string file : {"src/m.c", "src/a/m.c", "src/a/b/n.h", "src/.cache/o.c", "lib/x.c", ".env",
                                 "src/a/.hid.c", "we[ird", "\xff.c", "\xc3\xa9.c"}) {
    spill(at / file, "");
  }
  fs::create_symlink("src", at / "alias");
  CHECK(glob("**/*.c") == Names{"lib/x.c", "src/a/m.c", "src/m.c", "\xc3\xa9.c", "\xff.c"});
  CHECK(glob("src/**/*.{c,h}") == Names{"src/a/b/n.h", "src/a/m.c", "src/m.c"});
  CHECK(glob("src/**") == Names{"src/a", "src/a/b", "src/a/b/n.h", "src/a/m.c", "src/m.c"});
  CHECK(glob("s*/") == Names{"src"});
  CHECK(glob("?.c") == Names{"\xc3\xa9.c", "\xff.c"});
  CHECK(glob(".*") == Names{".env"});
  CHECK(glob("src/.cache/*") == Names{"src/.cache/o.c"});
  CHECK(glob("{lib,src}/[mx].c") == Names{"lib/x.c", "src/m.c"});
  CHECK(glob("src/[!a-l].c") == Names{"src/m.c"});
  CHECK(glob("we\\[ird") == Names{"we[ird"});
  CHECK(glob("we[ird") == Names{"we[ird"});
  CHECK(glob("alias/*").empty());
  for (const std::string bad : {"/etc/*", "../*", "a/../../b", "{a,b", "./"}) {
    INFO(bad);
    CHECK(call(&Files::glob, {.pattern = bad}).error().code == Code::invalid_argument);
  }
  std::string many;
  for (int i = 0; i < 12; ++i) many += "{a,b}";
  CHECK(call(&Files::glob, {.pattern = many}).error().code == Code::invalid_argument);
  const auto cut = call(&Files::glob, {.pattern = "**", .limit = 2});
  CHECK(cut->truncated);
  CHECK(cut->paths.size() == 2);
}

TEST_CASE("a pattern made to be slow is not") {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  CHECK_FALSE(files::match_name(pattern + "b", std::string(255, 'a')));
}

TEST_CASE_METHOD(FilesFixture, "operations have the rights of the user, and only those") {
  if (::geteuid() != 0) {
    WARN("needs uid 0 to become somebody else");
    return;
  }
  ::chmod(at.path().c_str(), 0755);
  spill(at / "secret", "root only");
  ::chmod((at / "secret").c_str(), 0600);
  fs::create_directory(at / "mine");
  REQUIRE(::chown((at / "mine").c_str(), 1000, 1000) == 0);
  fs::create_symlink(at / "secret", at / "mine/link");

  for (const std::string& path : {at / "secret", at / "mine/link", std::string("/proc/1/environ"),
                                  std::string("/proc/self/environ"), std::string("/proc/self/mem")}) {
    INFO(path);
    auto request = at_path<api::FilesReadRequest>(path);
    request.user = "1000";
    CHECK(call(&Files::read, request).error().code == Code::permission_denied);
  }
  auto request = at_path<api::FilesWriteRequest>("mine/new");
  request.user = "1000";
  CHECK(call(&Files::write, request)->uid == 1000);
  request.path = std::string("theirs");
  CHECK(call(&Files::write, request).error().code == Code::permission_denied);
  request.path = std::string("mine/link");
  CHECK(call(&Files::write, request).error().code == Code::permission_denied);
  CHECK(slurp(at / "secret") == "root only");
  auto list = at_path<api::FilesListRequest>("/root");
  list.user = "1000";
  fs::permissions("/root", fs::perms(0700));
  CHECK(call(&Files::list, list).error().code == Code::permission_denied);
  auto gone = at_path<api::FilesRemoveRequest>("secret");
  gone.user = "1000";
  CHECK(call(&Files::remove, gone).error().code == Code::permission_denied);

  // A file of another keeps its owner when root replaces it.
  CHECK(write("mine/new", "by root")->uid == 1000);
  CHECK(read("secret")->data.data == "root only");
  CHECK(::geteuid() == 0);
}

TEST_CASE_METHOD(FilesFixture, "many users at once do not mix") {
  if (::geteuid() != 0) return;
  ::chmod(at.path().c_str(), 0777);
  async::TaskSet tasks(loop);
  int wrong = 0;
  const auto one = [](FilesFixture& f, std::string user, std::string path, int& bad) -> async::Task<> {
    auto request = at_path<api::FilesWriteRequest>(path);
    request.user = user;
    const auto info = co_await f.files.write(std::move(request));
    if (!info || info->uid != std::stoul(user)) ++bad;
  };
  for (int i = 0; i < 200; ++i) {
    tasks.spawn(one(*this, std::to_string(i % 3 == 0 ? 0 : 2000 + i % 7), "w" + std::to_string(i), wrong));
  }
  loop.block_on(tasks.join());
  CHECK(wrong == 0);
}

TEST_CASE_METHOD(FilesFixture, "trees go out and come in, and a dropped call leaves no half file") {
  fs::create_directory(at / "from");
  tests::random_tree(at / "from", 42);
  BytePipe pipe(loop);
  std::optional<Result<api::FilesTreeReply>> sent;
  const auto send = [](FilesFixture& f, BytePipe& to,
                       std::optional<Result<api::FilesTreeReply>>& out) -> async::Task<> {
    Files::OpenSink open = [&to]() -> Result<std::unique_ptr<wire::ByteSink>> { return to.sink(); };
    out = co_await f.files.download_tree(at_path<api::FilesDownloadTreeRequest>("from"), std::move(open));
  };
  async::TaskSet tasks(loop);
  tasks.spawn(send(*this, pipe, sent));
  const auto got = call(&Files::upload_tree, at_path<api::FilesUploadTreeRequest>("new/to"),
                        Files::OpenSource([&] { return Result<std::unique_ptr<wire::ByteSource>>(pipe.source()); }));
  REQUIRE(got);
  loop.block_on(tasks.join());
  CHECK(sent->value() == *got);
  CHECK(tests::picture(at / "from") == tests::picture(at / "new/to"));

  // Refused before the stream is opened.
  bool opened = false;
  const auto refused = call(&Files::upload, at_path<api::FilesUploadRequest>("no/such/dir/f"), Files::OpenSource([&] {
    opened = true;
    return Result<std::unique_ptr<wire::ByteSource>>(pipe.source());
  }));
  CHECK(refused.error().code == Code::not_found);
  CHECK_FALSE(opened);

  BytePipe stuck(loop);
  const auto sink = stuck.sink();
  {
    auto task = files.upload(at_path<api::FilesUploadRequest>("half"),
                             [&] { return Result<std::unique_ptr<wire::ByteSource>>(stuck.source()); });
    auto limited = async::with_timeout(loop, std::move(task), std::chrono::milliseconds(20), "upload");
    const std::string some(100'000, 'x');
    CHECK(loop.block_on(sink->write(std::as_bytes(std::span(some)))));
    CHECK(loop.block_on(std::move(limited)).error().code == Code::deadline_exceeded);
  }
  loop.run_until_idle();
  for (const auto& entry : fs::directory_iterator(at.path())) {
    CHECK((entry.path().filename() == "from" || entry.path().filename() == "new"));
  }
}

TEST_CASE_METHOD(FilesFixture, "a download answers first and then sends") {
  spill(at / "f", std::string(700'000, 'q'));
  BytePipe pipe(loop);
  const auto source = pipe.source();
  async::TaskSet sending(loop);
  const auto info = loop.block_on(files.download(
      at_path<api::FilesDownloadRequest>("f"), [&] { return Result<std::unique_ptr<wire::ByteSink>>(pipe.sink()); },
      sending));
  REQUIRE(info);
  CHECK(info->size_bytes == 700'000);
  std::size_t total = 0;
  for (;;) {
    const auto chunk = loop.block_on(source->read());
    REQUIRE(chunk);
    if (!*chunk) break;
    total += (*chunk)->size();
  }
  CHECK(total == 700'000);
  loop.block_on(sending.join());
}
