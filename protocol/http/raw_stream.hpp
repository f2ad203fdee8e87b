#pragma once

#include "protocol/async/fd.hpp"
#include "protocol/http/exchange.hpp"
#include "protocol/transport/stream.hpp"

namespace swarm::http_client {

/// A connection that curl made (proxy and TLS included) and that carries bytes of ours. It has a `CurlLoop` of its own:
/// one with others in it takes a connection like this for an idle one and closes it.
class RawStream final : public transport::Stream, private CurlLoop::Transfer {
 public:
  RawStream(async::Loop& loop, std::string what);
  ~RawStream() override;

  /// Connects.
  async::Task<Result<void>> open(ClientOptions options, std::string url, Duration patience);

  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override;
  async::Task<> writable() override;
  /// TLS has no half-closed connections that servers agree on: who needs an end in-band says so above.
  void shutdown_write() override {}
  [[nodiscard]] std::string describe() const override { return what_; }

 private:
  void finished(CURLcode result) override;
  bool flush();
  async::Task<> flush_all();

  async::Loop& loop_;
  std::string what_;
  CurlLoop curl_;
  Easy easy_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  std::optional<CURLcode> connected_;
  async::Condition changed_;
  std::unique_ptr<async::FdWatcher> watcher_;
  /// OpenSSL wants the very same bytes again after a write that would have blocked, so they stay here until it took
  /// them.
  std::vector<std::byte> outgoing_;
  std::size_t sent_ = 0;
  bool flushing_ = false;
  std::optional<Error> broken_;
  async::TaskSet tasks_;  // last: its task uses everything above
};

}  // namespace swarm::http_client
