#pragma once
// Ends of byte streams that are no connection: bytes in memory.

#include "protocol/wire/byte_stream.hpp"

namespace swarm::agentd {

/// What was captured of an output: the first bytes, and how many more there were.
struct Captured {
  std::string bytes;
  std::uint64_t dropped = 0;
};

/// Keeps the first `limit` bytes, counts the rest, and passes everything on to `next` where that is not null. A reader
/// of `next` that goes does not end the capture.
class CaptureSink final : public wire::ByteSink {
 public:
  /// `into` must outlive it.
  CaptureSink(Captured& into, std::uint64_t limit, std::unique_ptr<wire::ByteSink> next)
      : into_(into), limit_(limit), next_(std::move(next)) {}

  async::Task<Result<void>> write(std::span<const std::byte> bytes) override {
    const std::size_t room = static_cast<std::size_t>(limit_ - into_.bytes.size());
    const std::size_t kept = std::min(room, bytes.size());
    into_.bytes.append(reinterpret_cast<const char*>(bytes.data()), kept);  // NOLINT: bytes as characters
    into_.dropped += bytes.size() - kept;
    if (next_ != nullptr) {
      const Result<void> passed = co_await next_->write(bytes);
      if (!passed) next_.reset();
    }
    co_return {};
  }
  void end() override {
    if (next_ != nullptr) next_->end();
  }
  void fail(Error error) override {
    if (next_ != nullptr) next_->fail(std::move(error));
  }

 private:
  Captured& into_;
  std::uint64_t limit_;
  std::unique_ptr<wire::ByteSink> next_;
};

/// One piece of bytes, then the end.
class BytesSource final : public wire::ByteSource {
 public:
  explicit BytesSource(std::string bytes) : bytes_(std::move(bytes)) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    std::optional<std::string> chunk = std::exchange(bytes_, std::nullopt);
    co_return chunk;
  }

 private:
  std::optional<std::string> bytes_;
};

}  // namespace swarm::agentd
