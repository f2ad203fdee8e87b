#include "protocol/relay/relay.hpp"

#include <array>
#include <vector>

#include "protocol/async/task_set.hpp"

namespace swarm::relay {
namespace {

constexpr std::size_t kBuffer = std::size_t{64} << 10U;

/// What the two directions tell each other.
struct Shared {
  explicit Shared(async::Loop& loop) : over(loop) {}
  int running = 2;
  std::optional<Error> failure;
  async::Event over;

  void finished(Result<void> how) {
    if (!how && !failure) failure = how.error();
    if (--running == 0 || failure) over.set();
  }
};

async::Task<Result<void>> inward(transport::Stream& connection, wire::ByteSource& source, Traffic& traffic) {
  for (;;) {
    const Result<std::optional<std::string>> chunk = co_await source.read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) break;
    const Result<void> written = co_await transport::write_all(connection, std::as_bytes(std::span(**chunk)));
    if (!written) co_return written;
    traffic.to_stream_bytes += (*chunk)->size();
  }
  connection.shutdown_write();
  co_return {};
}

async::Task<Result<void>> outward(transport::Stream& connection, wire::ByteSink& sink, Traffic& traffic) {
  std::vector<std::byte> buffer(kBuffer);
  for (;;) {
    const Result<std::size_t> got = co_await connection.read(buffer);
    if (!got) co_return fail(got.error());
    if (*got == 0) break;
    const Result<void> sent = co_await sink.write(std::span(buffer).first(*got));
    if (!sent) co_return sent;
    traffic.from_stream_bytes += *got;
  }
  sink.end();
  co_return {};
}

async::Task<> settle(async::Task<Result<void>> direction, Shared& shared) {
  Result<void> how = co_await std::move(direction);
  shared.finished(std::move(how));
}

}  // namespace

async::Task<Result<void>> run(async::Loop& loop, transport::Stream& connection, wire::ByteSource& source,
                              wire::ByteSink& sink, Traffic* traffic) {
  Traffic own;
  Traffic& counted = traffic != nullptr ? *traffic : own;
  Shared shared(loop);
  async::TaskSet directions(loop);
  directions.spawn(settle(inward(connection, source, counted), shared));
  directions.spawn(settle(outward(connection, sink, counted), shared));
  co_await shared.over.wait();
  if (!shared.failure) co_return {};
  directions.cancel_all();
  sink.fail(*shared.failure);
  connection.break_off();
  co_return fail(*shared.failure);
}

}  // namespace swarm::relay
