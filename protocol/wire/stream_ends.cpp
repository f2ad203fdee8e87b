// What readers and writers of a stream hold.

#include <fmt/format.h>

#include "protocol/wire/stream_entry.hpp"

namespace swarm::wire {
namespace {

/// Bytes of streams stop joining the output beyond this, so that answers do not wait long behind them.
constexpr std::size_t kStreamBacklog = std::size_t{128} << 10U;

}  // namespace

class Streams::Source final : public ByteSource {
 public:
  Source(std::shared_ptr<Streams> streams, EntryPtr entry) : streams_(std::move(streams)), entry_(std::move(entry)) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() override { streams_->source_gone(*entry_); }

  async::Task<Result<std::optional<std::string>>> read() override { return next(*this); }

 private:
  static async::Task<Result<std::optional<std::string>>> next(Source& self) {
    Entry& entry = *self.entry_;
    if (self.taken_ > 0) self.streams_->give_back(entry, std::exchange(self.taken_, 0));
    while (entry.chunks.empty() && !entry.peer_ended) co_await entry.readable.wait();
    if (!entry.chunks.empty()) {
      std::string chunk = std::move(entry.chunks.front());
      entry.chunks.pop_front();
      self.taken_ = chunk.size();
      co_return chunk;
    }
    if (entry.peer_error) co_return swarm::fail(*entry.peer_error);
    co_return std::nullopt;
  }

  std::shared_ptr<Streams> streams_;
  EntryPtr entry_;
  std::size_t taken_ = 0;  // size of the chunk that the reader has
};

class Streams::Sink final : public ByteSink {
 public:
  Sink(std::shared_ptr<Streams> streams, EntryPtr entry) : streams_(std::move(streams)), entry_(std::move(entry)) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() override { streams_->sink_gone(*entry_); }

  async::Task<Result<void>> write(std::span<const std::byte> bytes) override { return send(*this, bytes); }
  void end() override { streams_->sink_ended(*entry_, nullptr); }
  void fail(Error error) override { streams_->sink_ended(*entry_, &error); }

 private:
  static async::Task<Result<void>> send(Sink& self, std::span<const std::byte> bytes) {
    Streams& streams = *self.streams_;
    Entry& entry = *self.entry_;
    while (!bytes.empty()) {
      if (entry.broken) co_return swarm::fail(*entry.broken);
      if (entry.send != Entry::Send::open) {
        co_return swarm::fail(Code::failed_precondition, fmt::format("stream {} has ended already", entry.id));
      }
      if (entry.credit == 0) {
        co_await entry.writable.wait();
        continue;
      }
      const auto turn = co_await streams.turn_.take();
      while (streams.output_ != nullptr && streams.output_->size() >= kStreamBacklog) {
        co_await streams.output_->progress().wait();
      }
      if (entry.broken || entry.send != Entry::Send::open) continue;
      const std::span<const std::byte> chunk = bytes.first(std::min({bytes.size(), kMaxChunk, entry.credit}));
      streams.send_data(entry.id, chunk);
      entry.credit -= chunk.size();
      bytes = bytes.subspan(chunk.size());
    }
    co_return {};
  }

  std::shared_ptr<Streams> streams_;
  EntryPtr entry_;
};

Result<std::unique_ptr<ByteSource>> Streams::open_source(std::uint32_t id) {
  const Result<EntryPtr> entry = for_opening(id);
  if (!entry) return fail(entry.error());
  if ((*entry)->receive == Entry::Receive::early) {
    --early_;
  } else if ((*entry)->receive != Entry::Receive::unused) {
    return fail(Code::already_exists, fmt::format("stream {} is in use; choose another id", id));
  }
  (*entry)->receive = Entry::Receive::open;
  return std::make_unique<Source>(shared_from_this(), *entry);
}

Result<std::unique_ptr<ByteSink>> Streams::open_sink(std::uint32_t id) {
  const Result<EntryPtr> entry = for_opening(id);
  if (!entry) return fail(entry.error());
  if ((*entry)->send != Entry::Send::unused) {
    return fail(Code::already_exists, fmt::format("stream {} is in use; choose another id", id));
  }
  (*entry)->send = Entry::Send::open;
  if ((*entry)->peer_error) {  // given up by the peer before we came
    (*entry)->broken = (*entry)->peer_error;
    sink_ended(**entry, nullptr);
  }
  return std::make_unique<Sink>(shared_from_this(), *entry);
}

}  // namespace swarm::wire
