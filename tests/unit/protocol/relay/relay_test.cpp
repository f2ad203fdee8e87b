#include "protocol/relay/relay.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "protocol/transport/tcp.hpp"
#include "tests/fixtures/byte_pipe.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace std::chrono_literals;
using async::Task;
using tests::BytePipe;
using tests::LoopFixture;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A TCP connection whose one end is relayed to a pair of streams.
struct Relayed : LoopFixture {
  BytePipe inward{loop};
  BytePipe outward{loop};
  std::unique_ptr<wire::ByteSink> to = inward.sink();
  std::unique_ptr<wire::ByteSource> in = inward.source();
  std::unique_ptr<wire::ByteSink> out = outward.sink();
  std::unique_ptr<wire::ByteSource> from = outward.source();
  std::unique_ptr<TcpListener> listener = *TcpListener::listen(loop, {});
  std::unique_ptr<FdStream> client = *loop.block_on(connect_tcp(loop, listener->address()));
  std::unique_ptr<FdStream> server = std::move(loop.block_on(listener->accept())->stream);
  relay::Traffic traffic;
  std::optional<Result<void>> outcome;
  async::TaskSet tasks{loop};

  Task<> relayed() {
    outcome = co_await relay::run(loop, *server, *in, *out, &traffic);
    server.reset();
  }
  void start() { tasks.spawn(relayed()); }

  std::string read_some(Stream& stream) {
    std::vector<std::byte> buffer(100'000);
    const auto got = loop.block_on(stream.read(buffer));
    if (!got) return "failed: " + std::string(code_name(got.error().code));
    return {reinterpret_cast<const char*>(buffer.data()), *got};  // NOLINT: bytes as text
  }
};

}  // namespace

TEST_CASE_METHOD(Relayed, "bytes go both ways, and one end does not end the other") {
  start();
  REQUIRE(loop.block_on(write_all(*client, bytes_of("question"))));
  CHECK(loop.block_on(from->read()).value() == "question");
  client->shutdown_write();
  CHECK(loop.block_on(from->read()).value() == std::nullopt);
  REQUIRE(loop.block_on(to->write(bytes_of("late answer"))));
  CHECK(read_some(*client) == "late answer");
  CHECK_FALSE(outcome);
  to->end();
  CHECK(read_some(*client).empty());
  loop.block_on(tasks.join());
  CHECK(outcome->has_value());
  CHECK(traffic.to_stream_bytes == 11);
  CHECK(traffic.from_stream_bytes == 8);
}

TEST_CASE_METHOD(Relayed, "a failed stream resets the connection instead of ending it") {
  start();
  REQUIRE(loop.block_on(to->write(bytes_of("half"))));
  CHECK(read_some(*client) == "half");
  to->fail({.code = Code::unavailable, .message = "cut"});
  CHECK(read_some(*client) == "failed: unavailable");
  loop.block_on(tasks.join());
  CHECK(outcome->error().message == "cut");
  CHECK(loop.block_on(from->read()).error().code == Code::unavailable);
}

TEST_CASE_METHOD(Relayed, "a reset connection fails the stream") {
  start();
  client->break_off();
  client.reset();
  CHECK(loop.block_on(from->read()).error().code == Code::unavailable);
  loop.block_on(tasks.join());
  CHECK_FALSE(outcome->has_value());
}

TEST_CASE_METHOD(Relayed, "a slow reader holds its writer back, not memory") {
  start();
  const std::string block(65'536, 'x');
  std::size_t taken = 0;
  // Nobody reads `from`: the pipe, the relay's buffer and the kernel's take some, then it stops.
  for (int quiet = 0; quiet < 3;) {
    const auto more = client->try_write(bytes_of(block));
    REQUIRE(more);
    taken += *more;
    quiet = *more == 0 ? quiet + 1 : 0;
    loop.run_until_idle();
    REQUIRE(taken < (std::size_t{64} << 20U));
  }
  CHECK(traffic.from_stream_bytes <= 6 * 65'536U);
  client->shutdown_write();
  std::size_t seen = 0;
  for (;;) {
    const auto chunk = loop.block_on(from->read());
    REQUIRE(chunk);
    if (!*chunk) break;
    seen += (*chunk)->size();
  }
  CHECK(seen == taken);
}

TEST_CASE_METHOD(Relayed, "a relay that is dropped leaves its ends usable") {
  {
    auto task = relay::run(loop, *server, *in, *out, &traffic);
    auto limited = async::with_timeout(loop, std::move(task), 1ms, "relay");
    CHECK(loop.block_on(std::move(limited)).error().code == Code::deadline_exceeded);
  }
  REQUIRE(loop.block_on(out->write(bytes_of("still"))));
  CHECK(loop.block_on(from->read()).value() == "still");
}

TEST_CASE_METHOD(LoopFixture, "TCP stays on loopback and says clearly what is wrong") {
  CHECK(TcpListener::listen(loop, {.host = "0.0.0.0"}).error().code == Code::permission_denied);
  CHECK(TcpListener::listen(loop, {.host = "0.0.0.0"}, Reach::anywhere));
  CHECK(TcpListener::listen(loop, {.host = "nonsense"}).error().code == Code::invalid_argument);
  const auto first = TcpListener::listen(loop, {.host = "localhost"});
  REQUIRE(first);
  CHECK((*first)->address().port != 0);
  const auto second = TcpListener::listen(loop, (*first)->address());
  CHECK(second.error().code == Code::already_exists);
  CHECK(loop.block_on(connect_tcp(loop, {.host = "192.0.2.1", .port = 80})).error().code == Code::permission_denied);
  CHECK(loop.block_on(connect_tcp(loop, {.host = "127.0.0.1", .port = 0})).error().code == Code::invalid_argument);
  std::uint16_t closed = 0;
  {
    const auto gone = TcpListener::listen(loop, {});
    REQUIRE(gone);
    closed = (*gone)->address().port;
  }
  const auto refused = loop.block_on(connect_tcp(loop, {.port = closed}));
  CHECK(refused.error().code == Code::unavailable);
  CHECK(refused.error().message.contains(std::to_string(closed)));
  CHECK(TcpAddress{.host = "::1", .port = 7}.to_string() == "[::1]:7");
}

TEST_CASE_METHOD(LoopFixture, "IPv6 loopback works, and localhost finds it") {
  const auto listener = TcpListener::listen(loop, {.host = "::1"});
  if (!listener) {
    WARN("no IPv6 here: " << listener.error().message);
    return;
  }
  const auto direct = loop.block_on(connect_tcp(loop, (*listener)->address()));
  CHECK(direct.has_value());
  const auto named = loop.block_on(connect_tcp(loop, {.host = "localhost", .port = (*listener)->address().port}));
  CHECK(named.has_value());
}
