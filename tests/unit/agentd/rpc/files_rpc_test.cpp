// The files, forward and metrics methods over a connection, as the daemon calls them.

#include <catch2/catch.hpp>

#include "agentd/rpc/files.hpp"
#include "agentd/rpc/forward.hpp"
#include "agentd/rpc/metrics.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/tree/packer.hpp"
#include "protocol/tree/unpacker.hpp"
#include "protocol/wire/client.hpp"
#include "tests/fixtures/temporary_directory.hpp"
#include "tests/fixtures/wire_fixture.hpp"
#include "tests/unit/protocol/tree/trees.hpp"

using namespace swarm;
using namespace swarm::agentd;
using swarm::test::TemporaryDirectory;
using tests::slurp;
using tests::spill;
namespace in = swarm::api::inside;

namespace {

Result<Credentials> ourselves(const std::optional<std::string>&) {
  return Credentials{.uid = ::geteuid(), .gid = ::getegid()};
}

/// agentd's methods on one end of a connection, the daemon on the other.
struct Tunnel : tests::LoopFixture {
  TemporaryDirectory at;
  FilesService files{.files = files::Files(loop, {.workspace = at.path(), .user = ourselves})};
  Forward forward{loop};
  MetricsService metrics{.loop = loop, .setup = {}};
  wire::Router router{{.name = "agentd", .version = "1", .features = {}}, clock};
  wire::PeerHandler handler{router, {.kind = wire::Peer::Kind::daemon, .credentials = {}, .sandbox = {}}};
  tests::ScriptedHandler notified{loop};
  std::unique_ptr<wire::Connection> agentd;
  std::unique_ptr<wire::Connection> daemon;
  async::TaskSet tasks{loop};

  Tunnel() {
    bind_files(router, files);
    bind_forward(router, forward);
    bind_metrics(router, metrics);
    auto pair = transport::socket_pair();
    REQUIRE(pair);
    agentd =
        std::make_unique<wire::Connection>(loop, std::make_unique<transport::FdStream>(loop, std::move(pair->first)),
                                           wire::Side::acceptor, wire::Limits{}, &handler);
    daemon =
        std::make_unique<wire::Connection>(loop, std::make_unique<transport::FdStream>(loop, std::move(pair->second)),
                                           wire::Side::dialer, wire::Limits{}, &notified);
    tasks.spawn(run(*agentd));
    tasks.spawn(run(*daemon));
  }
  static async::Task<> run(wire::Connection& connection) { static_cast<void>(co_await connection.run()); }

  template <class Req, class Res>
  Result<Res> call(const api::Method<Req, Res>& method, const std::type_identity_t<Req>& request) {
    return loop.block_on(wire::call_with_timeout(*daemon, method, request, tests::kPatience));
  }
};

template <class Request>
Request with_path(const std::string& path) {
  Request request;
  request.path = path;
  return request;
}

}  // namespace

TEST_CASE_METHOD(Tunnel, "short contents travel in the call, names of any bytes too") {
  const std::string name = "odd\xff\x01name";
  auto write = with_path<api::FilesWriteRequest>(name);
  write.data.data = std::string("\0\xff", 2);
  REQUIRE(call(in::kFilesWrite, write)->path.bytes == at / name);
  CHECK(call(in::kFilesRead, with_path<api::FilesReadRequest>(name))->data.data == write.data.data);
  const auto list = call(in::kFilesList, with_path<api::FilesListRequest>("."));
  REQUIRE(list);
  REQUIRE(list->entries.size() == 1);
  CHECK(list->entries[0].path.bytes.ends_with(name));
  CHECK(call(in::kFilesStat, with_path<api::FilesStatRequest>("none")).error().code == Code::not_found);
  CHECK(call(in::kSandboxMetrics, {})->processes >= 1);
}

TEST_CASE_METHOD(Tunnel, "a tree goes in and comes out on streams of the connection") {
  const TemporaryDirectory from;
  const TemporaryDirectory to;
  tests::random_tree(from.path(), 7);
  const auto open = [](const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  };
  {
    auto request = with_path<api::FilesUploadTreeRequest>("tree");
    request.content = daemon->new_stream_id();
    auto sink = daemon->open_sink(request.content);
    REQUIRE(sink);
    std::optional<Result<std::uint64_t>> sent;
    tasks.spawn([](async::Loop& l, std::shared_ptr<tree::Producer> p, wire::ByteSink& s,
                   std::optional<Result<std::uint64_t>>& out) -> async::Task<> {
      out = co_await tree::pump_out(l, std::move(p), s);
    }(loop, *tree::Packer::over(open(from.path()), {}), **sink, sent));
    const auto reply = call(in::kFilesUploadTree, request);
    REQUIRE(reply);
    CHECK(sent->has_value());
  }
  CHECK(tests::picture(from.path()) == tests::picture(at / "tree"));

  auto request = with_path<api::FilesDownloadTreeRequest>("tree");
  request.content = daemon->new_stream_id();
  auto source = daemon->open_source(request.content);
  REQUIRE(source);
  auto unpacker = std::make_shared<tree::Unpacker>(
      open(to.path()), tree::UnpackOptions{.special_bits = tree::SpecialBits::keep, .root = tree::RootEntry::apply});
  std::optional<Result<api::FilesTreeReply>> reply;
  tasks.spawn(
      [](Tunnel& t, api::FilesDownloadTreeRequest r, std::optional<Result<api::FilesTreeReply>>& out) -> async::Task<> {
        out = co_await wire::call(*t.daemon, in::kFilesDownloadTree, r);
      }(*this, request, reply));
  REQUIRE(loop.block_on(tree::pump_in(loop, unpacker, **source)));
  loop.run_until_idle();
  CHECK(tests::picture(from.path()) == tests::picture(to.path()));
}

TEST_CASE_METHOD(Tunnel, "a watch notifies until it is ended, and a broken connection ends it") {
  const auto watch = call(in::kFilesWatch, with_path<api::FilesWatchRequest>("."));
  REQUIRE(watch);
  spill(at / "f", "x");
  async::Event seen(loop);
  notified.on_notification = [&](wire::Connection&, wire::Incoming) { seen.set(); };
  loop.block_on([](async::Event& e) -> async::Task<> { co_await e.wait(); }(seen));
  const wire::Incoming& first = notified.notifications.front();
  CHECK(first.method == "files.changed");
  auto arguments = api::named_arguments(first.params);
  REQUIRE(arguments);
  const auto changed = api::decode_reply<api::FilesChanged>(std::move(*arguments));
  REQUIRE(changed);
  CHECK(changed->watch == watch->watch);
  CHECK(changed->changes.front().path.bytes == at / "f");
  CHECK(call(in::kFilesUnwatch, {.watch = watch->watch}));
  CHECK(call(in::kFilesUnwatch, {.watch = watch->watch}).error().code == Code::not_found);
  CHECK(files.watches.empty());
  REQUIRE(call(in::kFilesWatch, with_path<api::FilesWatchRequest>(".")));
  CHECK(files.watches.size() == 1);
  daemon->close({.code = Code::cancelled, .message = "over"});
  loop.block_on(tasks.join());
  agentd.reset();
  CHECK(files.watches.empty());
}

TEST_CASE_METHOD(Tunnel, "a forwarded port carries a conversation each way") {
  const auto server = transport::TcpListener::listen(loop, {});
  REQUIRE(server);
  api::ForwardDialRequest dial{.port = (*server)->address().port, .stream = daemon->new_stream_id()};
  REQUIRE(call(in::kForwardDial, dial));
  const auto source = daemon->open_source(dial.stream);
  const auto sink = daemon->open_sink(dial.stream);
  const auto inner = loop.block_on((*server)->accept());
  REQUIRE(loop.block_on((*sink)->write(std::as_bytes(std::span(std::string_view("ping"))))));
  (*sink)->end();
  std::array<std::byte, 10> buffer{};
  CHECK(loop.block_on(inner->stream->read(buffer)).value() == 4);
  CHECK(loop.block_on(inner->stream->read(buffer)).value() == 0);
  REQUIRE(loop.block_on(transport::write_all(*inner->stream, std::as_bytes(std::span(std::string_view("pong"))))));
  CHECK(loop.block_on((*source)->read()).value() == "pong");

  const auto port = call(in::kForwardListen, {});
  REQUIRE(port);
  const auto client = loop.block_on(transport::connect_tcp(loop, {.port = static_cast<std::uint16_t>(port->port)}));
  REQUIRE(client);
  const api::ForwardAcceptRequest accept{.forward = port->forward, .stream = daemon->new_stream_id()};
  const auto accepted = call(in::kForwardAccept, accept);
  REQUIRE(accepted);
  CHECK(accepted->peer.starts_with("127.0.0.1:"));
  const auto answer = daemon->open_sink(accept.stream);
  REQUIRE(loop.block_on((*answer)->write(std::as_bytes(std::span(std::string_view("service"))))));
  CHECK(loop.block_on((*client)->read(buffer)).value() == 7);
  // The daemon refuses the service: the client inside sees a reset, not an empty answer.
  (*answer)->fail({.code = Code::permission_denied, .message = "no such service"});
  CHECK_FALSE(loop.block_on((*client)->read(buffer)));
  REQUIRE(call(in::kForwardClose, {.forward = port->forward}));
  CHECK(call(in::kForwardAccept, {.forward = port->forward, .stream = 99}).error().code == Code::not_found);
}
