#pragma once
// Streams that tell a progress line how much has passed.

#include <functional>

#include "protocol/async/task_set.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::client {

using Counter = std::function<void(std::uint64_t bytes_so_far)>;

class CountedSink final : public wire::ByteSink {
 public:
  CountedSink(std::unique_ptr<wire::ByteSink> sink, Counter counter)
      : sink_(std::move(sink)), counter_(std::move(counter)) {}
  async::Task<Result<void>> write(std::span<const std::byte> bytes) override {
    const Result<void> written = co_await sink_->write(bytes);
    if (written) counter_(total_ += bytes.size());
    co_return written;
  }
  void end() override { sink_->end(); }
  void fail(Error error) override { sink_->fail(std::move(error)); }

 private:
  std::unique_ptr<wire::ByteSink> sink_;
  Counter counter_;
  std::uint64_t total_ = 0;
};

class CountedSource final : public wire::ByteSource {
 public:
  CountedSource(std::unique_ptr<wire::ByteSource> source, Counter counter)
      : source_(std::move(source)), counter_(std::move(counter)) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    Result<std::optional<std::string>> chunk = co_await source_->read();
    if (chunk && *chunk) counter_(total_ += (*chunk)->size());
    co_return chunk;
  }

 private:
  std::unique_ptr<wire::ByteSource> source_;
  Counter counter_;
  std::uint64_t total_ = 0;
};

/// The results of a call and of the stream that it names. A call that fails ends the stream's work with it, also where
/// that waits for somebody to type; then `moved` stays empty.
template <class Reply>
async::Task<> call_with_stream(async::Loop& loop, async::Task<Result<Reply>> call, std::optional<Result<Reply>>& reply,
                               async::Task<Result<std::uint64_t>> stream, std::optional<Result<std::uint64_t>>& moved) {
  async::TaskSet scope(loop);
  async::Event answered(loop);
  async::Event ended(loop);
  scope.spawn(async::detail::capture<Reply>(std::move(call), reply, answered));
  scope.spawn(async::detail::capture<std::uint64_t>(std::move(stream), moved, ended));
  co_await answered.wait();
  if (*reply) co_await ended.wait();
}

}  // namespace swarm::client
