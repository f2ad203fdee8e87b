#include <sys/resource.h>

#include <rapidcheck/catch.h>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "protocol/tree/encoder.hpp"
#include "protocol/tree/file_ends.hpp"
#include "protocol/tree/packer.hpp"
#include "protocol/tree/unpacker.hpp"
#include "tests/fixtures/byte_pipe.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/unit/protocol/tree/trees.hpp"

using namespace swarm;
using namespace swarm::tree;
using swarm::test::TemporaryDirectory;
using tests::BytePipe;
using tests::LoopFixture;
namespace fs = std::filesystem;

namespace {

UniqueFd open_root(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::shared_ptr<Packer> packer_of(const std::string& root, PackOptions options = {}) {
  auto packer = Packer::over(open_root(root), std::move(options));
  REQUIRE(packer);
  return *packer;
}

const UnpackOptions kExact{.special_bits = SpecialBits::keep, .root = RootEntry::apply};

async::Task<> send(async::Loop& loop, std::shared_ptr<Producer> producer, wire::ByteSink& sink,
                   Result<std::uint64_t>& out) {
  out = co_await pump_out(loop, std::move(producer), sink);
}

/// Packs `from` and unpacks it into `to` at the same time, through a stream.
async::Task<Result<std::uint64_t>> copy(async::Loop& loop, std::shared_ptr<Producer> producer,
                                        std::shared_ptr<Consumer> consumer, Result<std::uint64_t>& sent) {
  BytePipe pipe(loop);
  const auto sink = pipe.sink();
  const auto source = pipe.source();
  async::TaskSet tasks(loop);
  tasks.spawn(send(loop, std::move(producer), *sink, sent));
  const Result<std::uint64_t> got = co_await pump_in(loop, std::move(consumer), *source);
  if (got) co_await tasks.join();
  co_return got;
}

std::string archive(const std::vector<std::pair<Entry, std::string>>& entries) {
  std::string out;
  for (const auto& [entry, content] : entries) {
    append_entry(out, entry);
    out += content;
    append_padding(out, content.size());
  }
  append_end(out);
  return out;
}

std::string archive(std::initializer_list<std::pair<Entry, std::string>> entries) {
  return archive(std::vector(entries));
}

Entry file(std::string path, std::uint64_t size) {
  return {.kind = Kind::file, .path = std::move(path), .mode = 0644, .size_bytes = size};
}
Entry directory(std::string path) { return {.kind = Kind::directory, .path = std::move(path), .mode = 0755}; }
Entry link_to(std::string path, std::string target) {
  return {.kind = Kind::symlink, .path = std::move(path), .mode = 0777, .target = std::move(target)};
}

Result<void> unpack(const std::string& root, std::string_view bytes, UnpackOptions options = {}) {
  Unpacker unpacker(open_root(root), options);
  Result<void> done = unpacker.take(bytes);
  return done ? unpacker.finish() : done;
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a tree arrives as it was: names, bytes, modes and times") {
  rc::prop("random trees", [this] {
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const TemporaryDirectory from;
    const TemporaryDirectory to;
    tests::random_tree(from.path(), seed);
    const auto packer = packer_of(from.path());
    const auto unpacker = std::make_shared<Unpacker>(open_root(to.path()), kExact);
    Result<std::uint64_t> sent;
    const Result<std::uint64_t> got = loop.block_on(copy(loop, packer, unpacker, sent));
    if (!got) RC_FAIL(got.error().message);
    RC_ASSERT(sent.has_value());
    RC_ASSERT(*sent == *got);
    RC_ASSERT(tests::picture(from.path()) == tests::picture(to.path()));
    RC_ASSERT(packer->summary().files == unpacker->summary().files);
    RC_ASSERT(packer->summary().links == unpacker->summary().links);
    RC_ASSERT(packer->summary().size_bytes == unpacker->summary().size_bytes);
  });
}

TEST_CASE("tar(1) and we read each other's archives") {
  const TemporaryDirectory at;
  fs::create_directories(at / "from/sub/empty");
  tests::spill(at / "from/sub/file", "content");
  tests::spill(at / ("from/" + std::string(200, 'n')), "long");
  fs::create_symlink("sub/file", at / "from/link");
  fs::create_hard_link(at / "from/sub/file", at / "from/sub/hard");
  for (const std::string format : {"pax", "gnu", "ustar"}) {
    INFO(format);
    fs::remove_all(at / "to");
    fs::create_directory(at / "to");
    const std::string names = format == "ustar" ? " sub link" : " .";
    REQUIRE(std::system(("tar -C '" + (at / "from") + "' --format=" + format + " -cf '" + (at / "a.tar") + "'" + names)
                            .c_str()) == 0);
    const Result<void> done = unpack(at / "to", tests::slurp(at / "a.tar"), kExact);
    if (!done) FAIL(done.error().message);
    CHECK(tests::slurp(at / "to/sub/file") == "content");
    CHECK(tests::slurp(at / "to/sub/hard") == "content");
    CHECK(fs::read_symlink(at / "to/link") == "sub/file");
    CHECK(fs::is_directory(at / "to/sub/empty"));
  }
  std::string bytes;
  const auto packer = packer_of(at / "from");
  for (std::string piece;; bytes += piece, piece.clear()) {
    REQUIRE(packer->fill(piece));
    if (piece.empty()) break;
  }
  tests::spill(at / "b.tar", bytes);
  fs::create_directory(at / "by-tar");
  REQUIRE(std::system(("tar -C '" + (at / "by-tar") + "' -xpf '" + (at / "b.tar") + "'").c_str()) == 0);
  CHECK(tests::picture(at / "by-tar") == tests::picture(at / "from"));
}

TEST_CASE("sockets, pipes and excluded paths are left out and named") {
  const TemporaryDirectory from;
  const TemporaryDirectory to;
  REQUIRE(::mkfifo((from / "pipe").c_str(), 0600) == 0);
  fs::create_directories(from / "node_modules/x");
  tests::spill(from / "kept", "k");
  const auto packer =
      packer_of(from.path(), {.exclude = [](std::string_view path, bool) { return path == "node_modules"; }});
  std::string bytes;
  REQUIRE(packer->fill(bytes));
  REQUIRE(unpack(to.path(), bytes));
  CHECK(packer->summary().skipped == std::vector<std::string>{"pipe"});
  CHECK(fs::exists(to / "kept"));
  CHECK_FALSE(fs::exists(to / "pipe"));
  CHECK_FALSE(fs::exists(to / "node_modules"));
}

TEST_CASE("an archive cannot write through a link, its own or one that was there") {
  const TemporaryDirectory outside;
  const TemporaryDirectory to;
  tests::spill(outside / "precious", "old");
  const std::string target = outside.path();
  Result<void> done = unpack(to.path(), archive({{link_to("door", target), ""}, {file("door/precious", 3), "new"}}));
  CHECK(done.error().code == Code::failed_precondition);
  CHECK(tests::slurp(outside / "precious") == "old");
  done = unpack(to.path(), archive({{directory("door"), ""}}));  // left there by the archive before
  CHECK(done.error().code == Code::failed_precondition);
  done = unpack(to.path(), archive({{link_to("alias", outside / "precious"), ""}, {file("alias", 3), "new"}}));
  CHECK(done);  // the link itself is replaced
  CHECK(tests::slurp(to / "alias") == "new");
  CHECK(tests::slurp(outside / "precious") == "old");

  const Entry hard{.kind = Kind::hard_link, .path = "stolen", .mode = 0644, .target = "door/precious"};
  CHECK_FALSE(unpack(to.path(), archive({{link_to("door", target), ""}, {hard, ""}})));
  CHECK_FALSE(fs::exists(to / "stolen"));

  for (const std::string_view outward : {"/etc", "../x", "a/../../x"}) {
    CHECK_FALSE(unpack(to.path(), archive({{link_to("l", std::string(outward)), ""}}),
                       {.outside_links = OutsideLinks::refuse}));
  }
  CHECK(unpack(to.path(), archive({{link_to("a/l", "../x"), ""}}), {.outside_links = OutsideLinks::refuse}));
}

TEST_CASE("somebody who swaps directories for links meanwhile gains nothing") {
  const TemporaryDirectory outside;
  const TemporaryDirectory to;
  std::vector<std::pair<Entry, std::string>> entries;
  for (int i = 0; i < 300; ++i) {
    // Alternating parents make the unpacker walk down afresh each time.
    entries.emplace_back(file("a/b/f" + std::to_string(i), 1), "x");
    entries.emplace_back(file("other", 1), "x");
  }
  const std::string bytes = archive(entries);
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    while (!stop) {
      ::rename((to / "a/b").c_str(), (to / "aside").c_str());
      static_cast<void>(::symlink(outside.path().c_str(), (to / "a/b").c_str()));
      ::unlink((to / "a/b").c_str());
      ::rename((to / "aside").c_str(), (to / "a/b").c_str());
    }
  });
  int refused = 0;
  for (int round = 0; round < 20; ++round) refused += unpack(to.path(), bytes) ? 0 : 1;
  stop = true;
  swapper.join();
  INFO(refused << " of 20 were refused");
  CHECK(fs::is_empty(outside.path()));
}

TEST_CASE("a failure leaves no half file and no temporary name") {
  const TemporaryDirectory to;
  tests::spill(to / "there", "old");
  std::string bytes = archive({{file("whole", 3), "abc"}, {file("there", 1000), std::string(1000, 'x')}});
  {
    Unpacker unpacker(open_root(to.path()), {});
    REQUIRE(unpacker.take(std::string_view(bytes).substr(0, 512 + 512 + 512 + 700)));
    CHECK_FALSE(unpacker.finish());
  }
  CHECK(tests::slurp(to / "whole") == "abc");
  CHECK(tests::slurp(to / "there") == "old");
  CHECK(std::distance(fs::directory_iterator(to.path()), fs::directory_iterator()) == 2);
  const Result<void> kept = unpack(to.path(), bytes, {.existing = Existing::refuse});
  CHECK(kept.error().code == Code::already_exists);
  CHECK(std::distance(fs::directory_iterator(to.path()), fs::directory_iterator()) == 2);
  CHECK_FALSE(unpack(to.path(), archive({{directory("d"), ""}, {file("d", 1), "x"}})));
  CHECK(fs::is_directory(to / "d"));
}

TEST_CASE("set-uid bits are dropped unless they are asked for") {
  const TemporaryDirectory to;
  Entry entry = file("tool", 0);
  entry.mode = 06755;
  REQUIRE(unpack(to.path(), archive({{entry, ""}})));
  CHECK(fs::status(to / "tool").permissions() == fs::perms(0755));
  REQUIRE(unpack(to.path(), archive({{entry, ""}}), {.special_bits = SpecialBits::keep}));
  CHECK(fs::status(to / "tool").permissions() == fs::perms(06755));
}

TEST_CASE("more entries than allowed stop the unpacking") {
  const TemporaryDirectory to;
  std::string bytes;
  for (int i = 0; i < 1001; ++i) append_entry(bytes, directory("d" + std::to_string(i)));
  append_end(bytes);
  CHECK(unpack(to.path(), bytes, {.limits = {.max_entries = 1000}}).error().code == Code::resource_exhausted);
}

TEST_CASE("a tree deeper than allowed is refused by name, not half taken") {
  const TemporaryDirectory from;
  std::string path = from.path();
  for (int i = 0; i < 20; ++i) path += "/d";
  fs::create_directories(path);
  const auto packer = packer_of(from.path(), {.max_depth = 10});
  std::string bytes;
  const Result<void> filled = packer->fill(bytes);
  CHECK(filled.error().code == Code::resource_exhausted);
}

TEST_CASE_METHOD(LoopFixture, "one file travels, with its announced size checked") {
  const TemporaryDirectory at;
  std::string content(1'000'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * i >> 3U);
  tests::spill(at / "from", content);
  const auto producer = [&] {
    return std::make_shared<FileProducer>(UniqueFd(::open((at / "from").c_str(), O_RDONLY)));
  };
  const auto consumer = [&](std::optional<std::uint64_t> size) {
    auto made = FileConsumer::in(open_root(at.path()),
                                 {.name = "to", .mode = 0751, .mtime_ns = 5'000'000'001, .size_bytes = size});
    REQUIRE(made);
    return *made;
  };
  Result<std::uint64_t> sent;
  CHECK(loop.block_on(copy(loop, producer(), consumer(999'999), sent)).error().code == Code::invalid_argument);
  CHECK(loop.block_on(copy(loop, producer(), consumer(1'000'001), sent)).error().code == Code::invalid_argument);
  CHECK(std::distance(fs::directory_iterator(at.path()), fs::directory_iterator()) == 1);
  CHECK(loop.block_on(copy(loop, producer(), consumer(1'000'000), sent)).value() == 1'000'000U);
  CHECK(tests::slurp(at / "to") == content);
  struct stat info{};
  REQUIRE(::stat((at / "to").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0751U);
  CHECK(tree::nanoseconds_of(info.st_mtim) == 5'000'000'001);
}

TEST_CASE_METHOD(LoopFixture, "a copy that is dropped half-way leaves nothing behind") {
  const TemporaryDirectory at;
  fs::create_directory(at / "to");
  for (int pieces = 0; pieces < 4; ++pieces) {
    BytePipe pipe(loop, 100);
    auto sink = pipe.sink();
    const auto source = pipe.source();
    auto consumer = FileConsumer::in(open_root(at / "to"), {.name = "file"});
    REQUIRE(consumer);
    {
      auto task = pump_in(loop, std::move(*consumer), *source);
      auto limited = async::with_timeout(loop, std::move(task), std::chrono::milliseconds(5 * pieces), "copy");
      for (int i = 0; i < pieces; ++i) {
        const std::string bytes(300'000, 'x');
        CHECK(loop.block_on(sink->write(std::as_bytes(std::span(bytes)))));
      }
      CHECK(loop.block_on(std::move(limited)).error().code == Code::deadline_exceeded);
    }
    loop.run_until_idle();
    CHECK(fs::is_empty(at / "to"));
  }
}

TEST_CASE_METHOD(LoopFixture, "the sender's failure reaches the receiver, and the receiver's end the sender") {
  const TemporaryDirectory at;
  fs::create_directory(at / "to");
  struct Failing final : Producer {
    int calls = 0;
    Result<void> fill(std::string& out) override {
      if (++calls == 3) return fail(Code::permission_denied, "no");
      out.assign(kPiece, 'x');
      return {};
    }
  };
  auto consumer = FileConsumer::in(open_root(at / "to"), {.name = "file"});
  REQUIRE(consumer);
  Result<std::uint64_t> sent;
  const auto got = loop.block_on(copy(loop, std::make_shared<Failing>(), std::move(*consumer), sent));
  CHECK(got.error().code == Code::permission_denied);
  loop.run_until_idle();
  CHECK(fs::is_empty(at / "to"));

  BytePipe pipe(loop);
  auto sink = pipe.sink();
  pipe.source().reset();
  CHECK(loop.block_on(pump_out(loop, std::make_shared<Failing>(), *sink)).error().code == Code::cancelled);
}
