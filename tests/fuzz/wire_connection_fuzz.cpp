// A peer that sends any bytes, cut into any pieces, to a connection whose handlers answer, wait, open streams, write
// and give up. Promises: no memory error, every promise of the loop (nothing is left on it), and a second connection of
// the same handler that still answers.
//
// The first byte chooses how the rest is cut.

#include <cstdio>
#include <cstdlib>

#include "protocol/async/task_set.hpp"
#include "protocol/wire/connection.hpp"
#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/scanner.hpp"

namespace {

using namespace swarm;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// A transport in memory: reads a script in pieces, takes a little at a time and keeps what was written.
class ScriptedStream final : public transport::Stream {
 public:
  ScriptedStream(async::Loop& loop, std::span<const std::byte> script, std::size_t piece)
      : loop_(loop), script_(script), piece_(piece) {}

  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    co_await loop_.yield();
    const std::size_t size = std::min({piece_, script_.size(), into.size()});
    std::ranges::copy(script_.first(size), into.begin());
    script_ = script_.subspan(size);
    co_return size;
  }
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override {
    // Every third time it is full.
    if (++writes_ % 3 == 0) return std::size_t{0};
    const std::size_t size = std::min(bytes.size(), piece_ * 16);
    written.append(reinterpret_cast<const char*>(bytes.data()), size);  // NOLINT: bytes as characters
    return size;
  }
  async::Task<> writable() override { co_await loop_.yield(); }
  async::Task<> gone() override { co_await loop_.yield(); }
  void shutdown_write() override {}
  [[nodiscard]] std::string describe() const override { return "script"; }

  std::string written;

 private:
  async::Loop& loop_;
  std::span<const std::byte> script_;
  std::size_t piece_;
  int writes_ = 0;
};

class FuzzHandler final : public wire::Handler {
 public:
  wire::Reply request(wire::Connection& connection, wire::Incoming incoming) override {
    switch (incoming.method.empty() ? 0 : incoming.method[0]) {
      case 'e':
        return Result<Value>(std::move(incoming.params));
      case 'r':
        return receive(connection, stream_of(incoming.params));
      case 's':
        return send(connection, stream_of(incoming.params));
      case 'd':
        return drop(connection, stream_of(incoming.params));
      case 'c':
        return call_back(connection, std::move(incoming.params));
      case 'x':
        connection.close({.code = Code::cancelled, .message = "asked to"});
        return Result<Value>(Value());
      case 't':
        throw std::runtime_error("thrown");
      default:
        return Result<Value>(fail(Code::unimplemented, "unknown"));
    }
  }
  void notification(wire::Connection& connection, wire::Incoming incoming) override {
    static_cast<void>(connection.notify(incoming.method, incoming.params));
  }

 private:
  static std::uint32_t stream_of(const Value& params) {
    const Value::Array* array = params.as_array();
    const std::int64_t* id = array == nullptr || array->empty() ? nullptr : array->front().as_int();
    return id == nullptr ? 1 : static_cast<std::uint32_t>(*id & 7);
  }
  static async::Task<Result<Value>> receive(wire::Connection& connection, std::uint32_t id) {
    co_await connection.loop().yield();
    auto source = connection.open_source(id);
    if (!source) co_return fail(source.error());
    std::size_t total = 0;
    for (;;) {
      Result<std::optional<std::string>> chunk = co_await (*source)->read();
      if (!chunk) co_return fail(chunk.error());
      if (!*chunk) break;
      total += (*chunk)->size();
    }
    co_return Value(total);
  }
  static async::Task<Result<Value>> send(wire::Connection& connection, std::uint32_t id) {
    auto sink = connection.open_sink(id);
    if (!sink) co_return fail(sink.error());
    const std::string block(wire::kInitialCredit + 1000, 's');
    const Result<void> written = co_await (*sink)->write(std::as_bytes(std::span(block)));
    if (!written) co_return fail(written.error());
    (*sink)->end();
    co_return Value();
  }
  static async::Task<Result<Value>> drop(wire::Connection& connection, std::uint32_t id) {
    auto source = connection.open_source(id);
    auto sink = connection.open_sink(id);
    if (!source || !sink) co_return fail(Code::already_exists, "in use");
    const Result<std::optional<std::string>> chunk = co_await (*source)->read();
    source->reset();
    co_await connection.loop().yield();
    if (chunk && *chunk) (*sink)->fail({.code = Code::internal, .message = **chunk});
    co_return Value();
  }
  static async::Task<Result<Value>> call_back(wire::Connection& connection, Value params) {
    Result<Value> answer = co_await connection.call("back", std::move(params));
    co_return answer;
  }
};

async::Task<> run(wire::Connection& connection, bool& ended) {
  const Error reason = co_await connection.run();
  require(!reason.message.empty(), "an end without a reason");
  ended = true;
}

/// What we wrote is MessagePack-RPC, message by message, whatever came in.
void check_output(const std::string& written) {
  wire::FrameScanner scanner{wire::Limits{}};
  std::span<const std::byte> rest = std::as_bytes(std::span(written));
  while (!rest.empty()) {
    const auto found = scanner.scan(rest);
    require(found.has_value(), "we wrote what is no message");
    if (*found == wire::FrameScanner::Found::more) return;  // cut off at the end
    require(wire::parse_message(rest.first(scanner.size())).has_value(), "we wrote a malformed message");
    rest = rest.subspan(scanner.size());
    scanner.next();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::byte> script = std::as_bytes(std::span(data + 1, size - 1));
  // Long scripts come in larger pieces: a byte at a time teaches nothing more and takes seconds.
  const std::size_t piece = data[0] == 0 ? 65536 : std::max<std::size_t>(data[0], size / 200);
  FakeClock clock;
  async::Loop loop(clock);
  FuzzHandler handler;
  bool ended = false;
  {
    auto stream = std::make_unique<ScriptedStream>(loop, script, piece);
    const ScriptedStream& output = *stream;
    wire::Connection connection(loop, std::move(stream), wire::Side::acceptor,
                                {.max_frame_bytes = 100'000,
                                 .max_items = 1000,
                                 .max_requests = 8,
                                 .max_request_bytes = 100'000,
                                 .max_output_bytes = 10'000,
                                 .max_streams = 8,
                                 .max_early_streams = 4},
                                &handler);
    async::TaskSet running(loop);
    running.spawn(run(connection, ended));
    loop.run_until_idle();
    check_output(output.written);
    // The script ends, and with it the connection; one that is blocked ends when its patience does.
    clock.advance(std::chrono::minutes(1));
    loop.run_until_idle();
    require(ended, "the connection goes on without its peer");
    require(connection.requests_in_flight() == 0, "a request outlives its connection");
  }
  loop.run_until_idle();
  return 0;
}
