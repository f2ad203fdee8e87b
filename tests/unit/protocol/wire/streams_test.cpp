#include "protocol/wire/streams.hpp"

#include <catch2/catch.hpp>

#include <numeric>
#include "tests/fixtures/wire_fixture.hpp"

namespace swarm::tests {
namespace {

using async::Task;
using async::TaskSet;
using wire::ByteSink;
using wire::ByteSource;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

Task<Result<void>> write_all_of(ByteSink& sink, std::string text) {
  const Result<void> written = co_await sink.write(bytes(text));
  co_return written;
}

Task<> write_in_background(ByteSink& sink, std::string text, std::optional<Result<void>>& out) {
  const Result<void> written = co_await sink.write(bytes(text));
  out = written;
}

/// Everything to the end, or the error.
Task<Result<std::string>> read_all(ByteSource& source) {
  std::string all;
  for (;;) {
    Result<std::optional<std::string>> chunk = co_await source.read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) co_return all;
    all += **chunk;
  }
}

Task<> send(ByteSink& sink, std::size_t total, std::size_t piece, std::uint64_t& checksum) {
  std::string block(piece, '\0');
  std::uint64_t state = 1;
  for (std::size_t sent = 0; sent < total; sent += piece) {
    for (std::size_t i = 0; i + 8 <= piece; i += 512) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      std::memcpy(block.data() + i, &state, 8);
      checksum = checksum * 31 + state;
    }
    const Result<void> written = co_await sink.write(bytes(block));
    if (!written) co_return;
  }
  sink.end();
}

Task<Result<std::uint64_t>> receive(ByteSource& source, std::size_t piece, std::size_t& total) {
  std::uint64_t checksum = 0;
  std::string rest;
  for (;;) {
    Result<std::optional<std::string>> chunk = co_await source.read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) break;
    total += (*chunk)->size();
    rest += **chunk;
    std::size_t at = 0;
    for (; at + piece <= rest.size(); at += piece) {
      for (std::size_t i = 0; i + 8 <= piece; i += 512) {
        std::uint64_t state = 0;
        std::memcpy(&state, rest.data() + at + i, 8);
        checksum = checksum * 31 + state;
      }
    }
    rest.erase(0, at);
  }
  co_return checksum;
}

struct StreamFixture : WirePairFixture {
  using WirePairFixture::WirePairFixture;
  std::unique_ptr<ByteSource> source(Endpoint& at, std::uint32_t id) {
    auto opened = at.connection.open_source(id);
    REQUIRE(opened);
    return std::move(*opened);
  }
  std::unique_ptr<ByteSink> sink(Endpoint& at, std::uint32_t id) {
    auto opened = at.connection.open_sink(id);
    REQUIRE(opened);
    return std::move(*opened);
  }
  /// A round trip: whatever was sent before has been handled.
  void settle() {
    REQUIRE(call("echo", 1));
    REQUIRE(wait(server.connection.call("echo", 1)));
  }
};

TEST_CASE_METHOD(StreamFixture, "ids go by parity and are not used twice") {
  CHECK(client.connection.new_stream_id() == 1);
  CHECK(client.connection.new_stream_id() == 3);
  CHECK(server.connection.new_stream_id() == 2);
  CHECK(server.connection.new_stream_id() == 4);
}

TEST_CASE_METHOD(StreamFixture, "bytes arrive in order, and then the end") {
  const auto id = client.connection.new_stream_id();
  const auto reader = source(server, id);
  const auto writer = sink(client, id);
  REQUIRE(wait(write_all_of(*writer, "hello ")));
  REQUIRE(wait(write_all_of(*writer, "world")));
  writer->end();
  CHECK(*wait(read_all(*reader)) == "hello world");
  CHECK(*wait(read_all(*reader)) == "");  // the end stays
  CHECK(wait(write_all_of(*writer, "more")).error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(StreamFixture, "100 MB pass through unchanged, both ways at once") {
  constexpr std::size_t kTotal = 100'000'000;
  constexpr std::size_t kPiece = 50'000;
  const auto id = client.connection.new_stream_id();
  const auto up = source(server, id);
  const auto up_sink = sink(client, id);
  const auto down = source(client, id);
  const auto down_sink = sink(server, id);
  std::uint64_t sent_up = 0;
  std::uint64_t sent_down = 0;
  std::size_t got_up = 0;
  std::size_t got_down = 0;
  TaskSet senders(loop);
  senders.spawn(send(*up_sink, kTotal, kPiece, sent_up));
  senders.spawn(send(*down_sink, kTotal, kPiece, sent_down));
  const auto received_up = wait(receive(*up, kPiece, got_up));
  const auto received_down = wait(receive(*down, kPiece, got_down));
  REQUIRE(received_up);
  REQUIRE(received_down);
  CHECK(got_up == kTotal);
  CHECK(got_down == kTotal);
  CHECK(*received_up == sent_up);
  CHECK(*received_down == sent_down);
}

TEST_CASE_METHOD(StreamFixture, "a sender waits for credit and others do not wait for it") {
  const auto id = client.connection.new_stream_id();
  const auto reader = source(server, id);
  const auto writer = sink(client, id);
  std::optional<Result<void>> written;
  TaskSet writing(loop);
  writing.spawn(write_in_background(*writer, std::string(wire::kInitialCredit + 1, 'x'), written));
  settle();
  CHECK(!written);  // one byte over

  const auto other = client.connection.new_stream_id();
  const auto other_reader = source(server, other);
  const auto other_writer = sink(client, other);
  REQUIRE(wait(write_all_of(*other_writer, "passes by")));
  other_writer->end();
  CHECK(*wait(read_all(*other_reader)) == "passes by");
  CHECK(!written);

  std::size_t got = 0;
  while (!written && got < wire::kInitialCredit) {
    const auto chunk = wait(reader->read());
    REQUIRE(chunk);
    got += (*chunk)->size();
    settle();
  }
  REQUIRE(written);
  CHECK(*written);
}

TEST_CASE_METHOD(StreamFixture, "credit comes back only when the chunk after it is asked for") {
  const auto id = client.connection.new_stream_id();
  const auto reader = source(server, id);
  const auto writer = sink(client, id);
  REQUIRE(wait(write_all_of(*writer, std::string(wire::kInitialCredit, 'x'))));
  std::optional<Result<void>> written;
  TaskSet writing(loop);
  writing.spawn(write_in_background(*writer, "y", written));
  REQUIRE(wait(reader->read()));
  settle();
  CHECK(!written);
  REQUIRE(wait(reader->read()));
  REQUIRE(until([&] { return written.has_value(); }));
}

TEST_CASE_METHOD(StreamFixture, "a reader that goes stops the writer") {
  for (const bool own : {true, false}) {  // the id is the sender's or the reader's
    const auto id = own ? client.connection.new_stream_id() : server.connection.new_stream_id();
    auto reader = source(server, id);
    const auto writer = sink(client, id);
    std::optional<Result<void>> written;
    TaskSet writing(loop);
    writing.spawn(write_in_background(*writer, std::string(2 * wire::kInitialCredit, 'x'), written));
    settle();
    CHECK(!written);
    reader.reset();
    REQUIRE(until([&] { return written.has_value(); }));
    CHECK(written->error().code == Code::cancelled);
    CHECK(wait(write_all_of(*writer, "more")).error().code == Code::cancelled);
    settle();
    CHECK(server.connection.open_source(id));  // all forgotten
  }
}

TEST_CASE_METHOD(StreamFixture, "a writer that goes or fails tells the reader behind the bytes") {
  const auto id = client.connection.new_stream_id();
  const auto reader = source(server, id);
  auto writer = sink(client, id);
  REQUIRE(wait(write_all_of(*writer, "abc")));
  SECTION("fails") { writer->fail({.code = Code::not_found, .message = "no such file"}); }
  SECTION("goes") { writer.reset(); }
  const auto chunk = wait(reader->read());
  REQUIRE(chunk);
  CHECK(**chunk == "abc");
  const auto end = wait(reader->read());
  REQUIRE(!end);
  if (writer) {
    CHECK(end.error().to_string() == "not_found: no such file");
  } else {
    CHECK(end.error().code == Code::cancelled);
  }
}

TEST_CASE_METHOD(StreamFixture, "the directions of one id end one by one") {
  const auto id = client.connection.new_stream_id();
  const auto server_source = source(server, id);
  const auto server_sink = sink(server, id);
  auto client_source = source(client, id);
  const auto client_sink = sink(client, id);
  SECTION("the writer ends, the answer still comes") {
    client_sink->end();
    CHECK(*wait(read_all(*server_source)) == "");
    REQUIRE(wait(write_all_of(*server_sink, "answer")));
    server_sink->end();
    CHECK(*wait(read_all(*client_source)) == "answer");
  }
  SECTION("a reader that goes does not stop the other direction") {
    client_source.reset();
    REQUIRE(wait(write_all_of(*server_sink, std::string(3 * wire::kInitialCredit, 'x'))));  // thrown away
    REQUIRE(wait(write_all_of(*client_sink, "still here")));
    client_sink->end();
    CHECK(*wait(read_all(*server_source)) == "still here");
    REQUIRE(until([&] { return !wait(write_all_of(*server_sink, "x")); }));  // now nobody is left
  }
  SECTION("an error ends both") {
    client_sink->fail({.code = Code::internal, .message = "disk on fire"});
    CHECK(wait(read_all(*server_source)).error().message == "disk on fire");
    CHECK(wait(write_all_of(*server_sink, "x")).error().message == "disk on fire");
    CHECK(*wait(read_all(*client_source)) == "");
  }
}

TEST_CASE_METHOD(StreamFixture, "the end of the connection ends its streams, whose ends may outlive it") {
  std::unique_ptr<ByteSource> reader;
  std::unique_ptr<ByteSink> writer;
  auto fds = sockets();
  std::optional<Result<void>> written;
  TaskSet writing(loop);
  {
    Endpoint one(loop, std::move(fds.first), wire::Side::dialer);
    Endpoint two(loop, std::move(fds.second), wire::Side::acceptor);
    writer = std::move(*one.connection.open_sink(1));
    reader = std::move(*two.connection.open_source(1));
    writing.spawn(write_in_background(*writer, std::string(2 * wire::kInitialCredit, 'x'), written));
    loop.run_until_idle();
    CHECK(!written);
  }
  REQUIRE(until([&] { return written.has_value(); }));
  CHECK(written->error().code == Code::unavailable);
  const auto got = wait(read_all(*reader));
  REQUIRE(!got);
  CHECK(got.error().code == Code::unavailable);
}

TEST_CASE_METHOD(StreamFixture, "opening what is open is refused, and so are too many") {
  const auto first = source(server, 1);
  CHECK(server.connection.open_source(1).error().code == Code::already_exists);
  const auto other = sink(server, 1);
  CHECK(server.connection.open_sink(1).error().code == Code::already_exists);
  std::vector<std::unique_ptr<ByteSource>> many;
  for (std::uint32_t id = 3;; id += 2) {
    auto opened = server.connection.open_source(id);
    if (!opened) {
      CHECK(opened.error().code == Code::resource_exhausted);
      break;
    }
    many.push_back(std::move(*opened));
    REQUIRE(many.size() < 5000);
  }
  CHECK(many.size() >= wire::Limits{}.max_streams - 1);
}

TEST_CASE_METHOD(StreamFixture, "bytes that come before the handler opens the stream are kept") {
  std::optional<Result<std::string>> got;
  server.handler.on_request = [this, &got](wire::Connection& connection, wire::Incoming incoming) -> wire::Reply {
    if (incoming.method == "echo") return Result<Value>(incoming.params);
    struct Later {
      static Task<Result<Value>> run(wire::Connection& c, ScriptedHandler& handler,
                                     std::optional<Result<std::string>>& out) {
        co_await handler.gate.wait();  // opens the stream long after its bytes came
        auto opened = c.open_source(1);
        if (!opened) co_return fail(opened.error());
        out = co_await read_all(**opened);
        co_return Value();
      }
    };
    return Later::run(connection, server.handler, got);
  };
  const auto writer = sink(client, 1);
  std::optional<Result<Value>> answer;
  TaskSet calls(loop);
  struct Keep {
    static Task<> run(Task<Result<Value>> task, std::optional<Result<Value>>& out) { out = co_await std::move(task); }
  };
  calls.spawn(Keep::run(client.connection.call("take", {}), answer));
  REQUIRE(until([this] { return server.connection.requests_in_flight() == 1; }));
  REQUIRE(wait(write_all_of(*writer, "early bytes")));
  writer->end();
  REQUIRE(call("echo", 1));  // answered meanwhile; the stream still belongs to the first request
  server.handler.gate.set();
  REQUIRE(until([&] { return got && answer; }));
  CHECK(**got == "early bytes");
}

TEST_CASE_METHOD(StreamFixture, "bytes for a stream that no request opened are refused") {
  const auto writer = sink(client, 1);
  SECTION("no request is open") { REQUIRE(wait(write_all_of(*writer, "for nobody"))); }
  SECTION("the request that was open is answered without it") {
    server.handler.on_request = nullptr;
    std::optional<Result<Value>> answer;
    TaskSet calls(loop);
    struct Keep {
      static Task<> run(Task<Result<Value>> task, std::optional<Result<Value>>& out) { out = co_await std::move(task); }
    };
    calls.spawn(Keep::run(client.connection.call("wait", {}), answer));
    REQUIRE(until([this] { return server.handler.waiting == 1; }));
    REQUIRE(wait(write_all_of(*writer, "for nobody")));
    settle();
    server.handler.gate.set();
    REQUIRE(until([&] { return answer.has_value(); }));
  }
  settle();
  const auto more = wait(write_all_of(*writer, "x"));
  REQUIRE(!more);
  CHECK(more.error().to_string() == "cancelled: nobody reads stream 1");
}

TEST_CASE_METHOD(RawFixture, "bytes beyond the credit break their stream and nothing else") {
  auto reader = std::move(*server.connection.open_source(1));
  const std::string block(60'000, 'x');
  for (int i = 0; i < 5; ++i) {
    peer.send_message(array({2, "stream.data", array({map({{"stream", 1}, {"data", Bytes{block}}})})}));
  }
  const auto refused = peer.receive();
  REQUIRE(refused);
  CHECK(*refused->as_array()->at(1).as_string() == "stream.end");
  peer.send_message(array({0, 1, "echo", array({})}));
  CHECK(*peer.receive() == array({1, 1, Value(), array({})}));
  const auto got = loop.block_on(read_all(*reader));
  REQUIRE(!got);
  CHECK(got.error().code == Code::resource_exhausted);
}

TEST_CASE_METHOD(RawFixture, "stream notifications are read in any order of members and refused when malformed") {
  auto reader = std::move(*server.connection.open_source(1));
  peer.send_message(array({2, "stream.data", array({map({{"data", "str is taken"}, {"new", 1}, {"stream", 1}})})}));
  peer.send_message(array({2, "stream.credit", array({map({{"bytes", 5}, {"stream", 77}})})}));  // unknown: ignored
  peer.send_message(array({2, "stream.end", array({map({{"stream", 1}})})}));
  CHECK(*loop.block_on(read_all(*reader)) == "str is taken");
  peer.send_message(array({2, "stream.data", array({map({{"stream", "one"}, {"data", Bytes{"x"}}})})}));
  const auto goodbye = peer.receive_all();
  REQUIRE(goodbye.size() == 1);
  CHECK(*goodbye[0].as_array()->at(1).as_string() == "rpc.error");
  CHECK(server.ended);
}

TEST_CASE_METHOD(RawFixture, "a chunk costs its bytes, however small it is cut") {
  auto reader = std::move(*server.connection.open_source(1));
  const std::string one = wire::encode(array({2, "stream.data", array({map({{"stream", 1}, {"data", Bytes{"x"}}})})}));
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += one;
  peer.send(many);
  peer.send_message(array({0, 1, "echo", array({})}));
  REQUIRE(peer.receive());
  const auto chunk = loop.block_on(reader->read());
  REQUIRE(chunk);
  CHECK((*chunk)->size() == 10'000);
}

Task<> pump(ByteSink& sink, std::size_t& sent) {
  const std::string block(wire::kMaxChunk, 'x');
  for (;;) {
    const Result<void> written = co_await sink.write(bytes(block));
    if (!written) co_return;
    sent += block.size();
  }
}

Task<> swallow(ByteSource& source) {
  for (;;) {
    const Result<std::optional<std::string>> chunk = co_await source.read();
    if (!chunk || !*chunk) co_return;
  }
}

TEST_CASE_METHOD(StreamFixture, "streams share the connection fairly, and answers do not wait behind them") {
  constexpr std::size_t kStreams = 8;
  std::array<std::size_t, kStreams> sent{};
  std::vector<std::unique_ptr<ByteSource>> sources;
  std::vector<std::unique_ptr<ByteSink>> sinks;
  TaskSet work(loop);
  for (std::size_t& count : sent) {
    const auto id = client.connection.new_stream_id();
    sources.push_back(source(server, id));
    sinks.push_back(sink(client, id));
    work.spawn(swallow(*sources.back()));
    work.spawn(pump(*sinks.back(), count));
  }
  REQUIRE(until([&] { return sent[0] >= 20'000'000; }));
  const auto [least, most] = std::ranges::minmax(sent);
  CHECK(least * 2 > most);
  // What waits before an answer is a few chunks, not megabytes.
  const std::size_t before = std::accumulate(sent.begin(), sent.end(), std::size_t{0});
  REQUIRE(call("echo", 1));
  const std::size_t after = std::accumulate(sent.begin(), sent.end(), std::size_t{0});
  CHECK(after - before < 8'000'000);
}

}  // namespace
}  // namespace swarm::tests
