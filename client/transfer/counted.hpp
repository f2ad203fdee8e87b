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

/// Both results of two things that need each other: a call and the stream that it names.
template <class A, class B>
async::Task<> both(async::Loop& loop, async::Task<Result<A>> a, std::optional<Result<A>>& a_out,
                   async::Task<Result<B>> b, std::optional<Result<B>>& b_out) {
  async::TaskSet scope(loop);
  async::Event done(loop);
  scope.spawn(async::detail::capture<A>(std::move(a), a_out, done));
  scope.spawn(async::detail::capture<B>(std::move(b), b_out, done));
  co_await scope.join();
}

}  // namespace swarm::client
