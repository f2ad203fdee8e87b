#pragma once

#include <memory>
#include <string>

#include "daemon/http/exchange.hpp"
#include "protocol/async/loop.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace swarm::http {

/// A server's certificate and what it offers: TLS 1.2 and 1.3, ALPN `h2` and `http/1.1`.
class TlsContext {
 public:
  /// Reads a PEM chain and its key. `not_found` and `invalid_argument` name the file.
  static Result<std::unique_ptr<TlsContext>> load(const std::string& certificate, const std::string& key);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] ssl_ctx_st* raw() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

/// A server's end of TLS over another stream.
class TlsStream final : public transport::Stream {
 public:
  TlsStream(const TlsContext& context, std::unique_ptr<transport::Stream> below);
  ~TlsStream() override;

  /// `unavailable` when the peer goes or offers nothing that we accept.
  async::Task<Result<void>> handshake();
  /// What ALPN agreed on; empty when the client asked for nothing.
  [[nodiscard]] std::string protocol() const;

  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override;
  async::Task<> writable() override;
  /// Everything that was written has been handed to the stream below.
  [[nodiscard]] bool flushed() const;
  async::Task<> gone() override { return below_->gone(); }
  void shutdown_write() override;
  void break_off() override { below_->break_off(); }
  [[nodiscard]] std::string describe() const override { return "TLS over " + below_->describe(); }

 private:
  /// Hands records that OpenSSL made to the stream below, as many as it takes. True when nothing is left.
  Result<bool> flush();
  async::Task<Result<bool>> fill();

  std::unique_ptr<transport::Stream> below_;
  ssl_st* ssl_;
  std::string out_;  ///< records that the stream below has not taken
  std::vector<std::byte> in_;
};

}  // namespace swarm::http
