#include "agentd/forward/forward.hpp"

#include <catch2/catch.hpp>

#include "agentd/forward/owner.hpp"
#include "tests/fixtures/byte_pipe.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::agentd;
using namespace swarm::transport;
using namespace std::chrono_literals;
using tests::BytePipe;
using tests::LoopFixture;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string read_some(async::Loop& loop, Stream& stream) {
  std::vector<std::byte> buffer(1000);
  const auto got = loop.block_on(stream.read(buffer));
  if (!got) return "failed";
  return {reinterpret_cast<const char*>(buffer.data()), *got};  // NOLINT: bytes as text
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "dialling reaches TCP ports and Unix sockets, and says when nobody is there") {
  Forward forward(loop);
  for (const std::string host : {"127.0.0.1", "::1"}) {
    const auto server = TcpListener::listen(loop, {.host = host});
    if (!server) continue;  // no IPv6 here
    const auto stream = loop.block_on(forward.dial(host, (*server)->address().port));
    REQUIRE(stream);
    const auto other = loop.block_on((*server)->accept());
    REQUIRE(loop.block_on(write_all(**stream, bytes_of("hello"))));
    CHECK(read_some(loop, *other->stream) == "hello");
  }
  const test::TemporaryDirectory at;
  auto fd = bind_unix(at / "s", 0600);
  REQUIRE(fd);
  UnixListener unix_server(loop, std::move(*fd));
  CHECK(loop.block_on(forward.dial(at / "s", 1)));
  CHECK(loop.block_on(forward.dial(at / "none", 1)).error().code == Code::not_found);
  std::uint16_t closed = 0;
  {
    const auto server = TcpListener::listen(loop, {});
    closed = (*server)->address().port;
  }
  const auto refused = loop.block_on(forward.dial("127.0.0.1", closed));
  CHECK(refused.error().code == Code::unavailable);
  CHECK(refused.error().message.contains(std::to_string(closed)));
}

TEST_CASE_METHOD(LoopFixture, "a port inside hands out its connections, and closing it resets the others") {
  Forward forward(loop);
  CHECK(forward.listen({.host = "0.0.0.0"}).error().code == Code::permission_denied);
  const auto port = forward.listen({});
  REQUIRE(port);
  CHECK(forward.listen(port->address).error().code == Code::already_exists);
  const auto client = loop.block_on(connect_tcp(loop, port->address));
  REQUIRE(client);
  auto accepted = loop.block_on(forward.accept(port->id));
  REQUIRE(accepted);
  CHECK(accepted->peer.starts_with("127.0.0.1:"));
  REQUIRE(loop.block_on(write_all(*accepted->stream, bytes_of("from outside"))));
  CHECK(read_some(loop, **client) == "from outside");

  // One that waits is told when the port is closed.
  std::optional<Code> told;
  async::TaskSet tasks(loop);
  tasks.spawn([](Forward& f, std::string id, std::optional<Code>& out) -> async::Task<> {
    const auto none = co_await f.accept(std::move(id));
    if (!none) out = none.error().code;
  }(forward, port->id, told));
  loop.run_until_idle();
  REQUIRE(forward.close(port->id));
  loop.block_on(tasks.join());
  CHECK(told == Code::not_found);
  CHECK(forward.close(port->id).error().code == Code::not_found);
  CHECK(loop.block_on(forward.accept("fwd_99")).error().code == Code::not_found);
  CHECK(loop.block_on(connect_tcp(loop, port->address)).error().code == Code::unavailable);
}

TEST_CASE_METHOD(LoopFixture, "a waiting accept that is dropped takes no connection") {
  Forward forward(loop);
  const auto port = forward.listen({});
  REQUIRE(port);
  {
    auto waiting = forward.accept(port->id);
    auto limited = async::with_timeout(loop, std::move(waiting), 1ms, "accept");
    CHECK_FALSE(loop.block_on(std::move(limited)));
  }
  const auto client = loop.block_on(connect_tcp(loop, port->address));
  REQUIRE(client);
  CHECK(loop.block_on(forward.accept(port->id)));
}

TEST_CASE_METHOD(LoopFixture, "connections are counted and limited") {
  Forward forward(loop, {.listeners = 1, .connections = 1});
  const auto port = forward.listen({});
  REQUIRE(port);
  CHECK(forward.listen({}).error().code == Code::resource_exhausted);
  const auto server = TcpListener::listen(loop, {});
  auto stream = loop.block_on(forward.dial("127.0.0.1", (*server)->address().port));
  REQUIRE(stream);
  BytePipe in(loop);
  BytePipe out(loop);
  const auto to = in.sink();
  {
    async::TaskSet tasks(loop);
    tasks.spawn(forward.carry(std::move(*stream), in.source(), out.sink()));
    loop.run_until_idle();
    CHECK(forward.connections() == 1);
    CHECK(loop.block_on(forward.dial("127.0.0.1", (*server)->address().port)).error().code == Code::resource_exhausted);
  }
  CHECK(forward.connections() == 0);
}

TEST_CASE("the kernel's table says whose a connection is") {
  constexpr std::string_view kTable =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
      "   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  2001        0 2 1 0 20 4 30 10 -1\n"
      "   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1\n"
      "   3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 0  2002        0 "
      "4\n"
      "   4: 00000000000000000000000001000000:C352 00000000000000000000000001000000:1F90 01 0:0 00:0 0  2003        0 "
      "5\n"
      "   5: short\n";
  const TcpAddress port{.host = "127.0.0.1", .port = 8080};
  CHECK(owner_in(kTable, {.host = "127.0.0.1", .port = 50000}, port) == 2001);
  CHECK(owner_in(kTable, {.host = "127.0.0.1", .port = 50001}, port) == 2002);
  CHECK(owner_in(kTable, {.host = "::1", .port = 50002}, {.host = "::1", .port = 8080}) == 2003);
  CHECK_FALSE(owner_in(kTable, {.host = "127.0.0.1", .port = 50003}, port));
  CHECK_FALSE(owner_in(kTable, {.host = "nonsense", .port = 50000}, port));
}

TEST_CASE_METHOD(LoopFixture, "a port for one user takes his connections alone") {
  Forward forward(loop);
  const auto mine = forward.listen({}, geteuid());
  const auto others = forward.listen({}, geteuid() + 1);
  REQUIRE(mine);
  REQUIRE(others);
  // Reset, at once or a moment later, and not ended: no client takes it for an answer.
  const auto refused = loop.block_on(connect_tcp(loop, others->address));
  std::vector<std::byte> buffer(10);
  CHECK_FALSE((refused && loop.block_on((*refused)->read(buffer))));
  const auto taken = loop.block_on(connect_tcp(loop, mine->address));
  REQUIRE(taken);
  const auto accepted = loop.block_on(forward.accept(mine->id));
  CHECK(accepted);
}
