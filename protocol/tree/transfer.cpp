#include "protocol/tree/transfer.hpp"

#include "protocol/async/blocking.hpp"
#include "protocol/async/channel.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::tree {
namespace {

Result<void> run(const Around& around, const std::function<Result<void>()>& work) {
  return around ? around(work) : work();
}

struct Piece {
  Result<void> status;
  std::string bytes;
};

async::Task<Piece> fill(async::Loop& loop, std::shared_ptr<Producer> producer, Around around, std::string buffer) {
  // A named local: the job owns all that it touches.
  auto job = [producer, around, buffer = std::move(buffer)]() mutable {
    Piece piece{.status = {}, .bytes = std::move(buffer)};
    piece.bytes.clear();
    piece.status = run(around, [&] { return producer->fill(piece.bytes); });
    return piece;
  };
  co_return co_await async::run_blocking(loop, std::move(job));
}

/// Fills one buffer while the other is being sent.
async::Task<> produce(async::Loop& loop, std::shared_ptr<Producer> producer, Around around,
                      async::Channel<Piece>& filled, async::Channel<std::string>& empty) {
  for (;;) {
    std::optional<std::string> buffer = co_await empty.receive();
    if (!buffer) co_return;
    Piece piece = co_await fill(loop, producer, around, std::move(*buffer));
    const bool last = !piece.status || piece.bytes.empty();
    co_await filled.send(std::move(piece));
    if (last) co_return;
  }
}

/// What has come and waits for the worker, as it came: no byte is copied once more.
struct Inbox {
  explicit Inbox(async::Loop& loop) : changed(loop) {}
  std::vector<std::string> chunks;
  std::size_t bytes = 0;
  bool ended = false;
  std::optional<Error> error;
  async::Condition changed;
};

async::Task<> collect(wire::ByteSource& source, Inbox& inbox) {
  for (;;) {
    // Asking for more gives the sender credit, so what has come must have room first.
    while (inbox.bytes >= kPiece) co_await inbox.changed.wait();
    Result<std::optional<std::string>> chunk = co_await source.read();
    if (!chunk) inbox.error = chunk.error();
    inbox.ended = !chunk || !*chunk;
    if (!inbox.ended) {
      inbox.bytes += (*chunk)->size();
      inbox.chunks.push_back(std::move(**chunk));
    }
    inbox.changed.notify_all();
    if (inbox.ended) co_return;
  }
}

Result<void> take_all(Consumer& consumer, const std::vector<std::string>& chunks) {
  if (chunks.empty()) return consumer.finish();
  for (const std::string& chunk : chunks) {
    const Result<void> taken = consumer.take(chunk);
    if (!taken) return taken;
  }
  return {};
}

async::Task<Result<void>> take(async::Loop& loop, std::shared_ptr<Consumer> consumer, Around around,
                               std::vector<std::string> chunks) {
  auto job = [consumer, around, chunks = std::move(chunks)] {
    return run(around, [&] { return take_all(*consumer, chunks); });
  };
  co_return co_await async::run_blocking(loop, std::move(job));
}

}  // namespace

async::Task<Result<std::uint64_t>> pump_out(async::Loop& loop, std::shared_ptr<Producer> producer, wire::ByteSink& sink,
                                            Around around) {
  std::uint64_t total = 0;
  async::Channel<Piece> filled(loop, 1);
  async::Channel<std::string> empty(loop, 2);
  for (int i = 0; i < 2; ++i) {
    std::string buffer;
    empty.try_send(buffer);
  }
  async::TaskSet tasks(loop);
  tasks.spawn(produce(loop, std::move(producer), std::move(around), filled, empty));
  for (;;) {
    std::optional<Piece> piece = co_await filled.receive();
    if (!piece->status) {
      sink.fail(piece->status.error());
      co_return fail(piece->status.error());
    }
    if (piece->bytes.empty()) break;
    total += piece->bytes.size();
    const Result<void> sent = co_await sink.write(std::as_bytes(std::span(piece->bytes)));
    if (!sent) co_return fail(sent.error());
    co_await empty.send(std::move(piece->bytes));
  }
  sink.end();
  co_return total;
}

async::Task<Result<std::uint64_t>> pump_in(async::Loop& loop, std::shared_ptr<Consumer> consumer,
                                           wire::ByteSource& source, Around around) {
  std::uint64_t total = 0;
  Inbox inbox(loop);
  async::TaskSet tasks(loop);
  tasks.spawn(collect(source, inbox));
  for (;;) {
    while (inbox.chunks.empty() && !inbox.ended) co_await inbox.changed.wait();
    if (inbox.error) co_return fail(*inbox.error);
    std::vector<std::string> chunks = std::exchange(inbox.chunks, {});
    total += std::exchange(inbox.bytes, 0);
    inbox.changed.notify_all();
    const bool last = chunks.empty();
    const Result<void> taken = co_await take(loop, consumer, around, std::move(chunks));
    if (!taken) co_return fail(taken.error());
    if (last) co_return total;
  }
}

}  // namespace swarm::tree
