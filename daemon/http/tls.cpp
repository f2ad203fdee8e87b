#include "daemon/http/tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

namespace swarm::http {
namespace {

constexpr std::size_t kMostBuffered = std::size_t{256} * 1024;

std::string last_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown reason";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? fmt::format("error {}", code) : reason;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  static constexpr std::array<unsigned char, 12> kOffered = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOffered.data(), kOffered.size(), in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::load(const std::string& certificate, const std::string& key) {
  SSL_CTX* raw = SSL_CTX_new(TLS_server_method());
  if (raw == nullptr) return fail(Code::internal, "TLS cannot be set up: " + last_error());
  std::unique_ptr<TlsContext> made(new TlsContext(raw));
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(raw, certificate.c_str()) != 1) {
    return fail(Code::invalid_argument, fmt::format("'{}' is no PEM certificate chain: {}", certificate, last_error()));
  }
  if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(Code::invalid_argument, fmt::format("'{}' is no PEM key: {}", key, last_error()));
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    return fail(Code::invalid_argument, fmt::format("the key '{}' is not the certificate's", key));
  }
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsStream::TlsStream(const TlsContext& context, std::unique_ptr<transport::Stream> below)
    : below_(std::move(below)), ssl_(SSL_new(context.raw())), in_(32 * 1024) {
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

Result<bool> TlsStream::flush() {
  BIO* made = SSL_get_wbio(ssl_);
  while (out_.size() < kMostBuffered && BIO_ctrl_pending(made) > 0) {
    const std::size_t before = out_.size();
    out_.resize(before + BIO_ctrl_pending(made));
    const int size = BIO_read(made, out_.data() + before, static_cast<int>(out_.size() - before));
    out_.resize(before + static_cast<std::size_t>(std::max(size, 0)));
  }
  std::size_t done = 0;
  while (done < out_.size()) {
    const Result<std::size_t> taken = below_->try_write(std::as_bytes(std::span(out_)).subspan(done));
    if (!taken) return fail(taken.error());
    if (*taken == 0) break;
    done += *taken;
  }
  out_.erase(0, done);
  return out_.empty() && BIO_ctrl_pending(made) == 0;
}

async::Task<Result<bool>> TlsStream::fill() {
  const Result<std::size_t> size = co_await below_->read(in_);
  if (!size) co_return fail(size.error());
  if (*size == 0) co_return false;
  BIO_write(SSL_get_rbio(ssl_), in_.data(), static_cast<int>(*size));
  co_return true;
}

async::Task<Result<void>> TlsStream::handshake() {
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_);
    const int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_, done);
    for (;;) {
      const Result<bool> flushed = flush();
      if (!flushed) co_return fail(flushed.error());
      if (*flushed) break;
      co_await below_->writable();
    }
    if (done == 1) co_return {};
    if (why != SSL_ERROR_WANT_READ) co_return fail(Code::unavailable, "TLS handshake: " + last_error());
    const Result<bool> more = co_await fill();
    if (!more) co_return fail(more.error());
    if (!*more) co_return fail(Code::unavailable, "TLS handshake: the client went");
  }
}

std::string TlsStream::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

async::Task<Result<std::size_t>> TlsStream::read(std::span<std::byte> into) {
  for (;;) {
    ERR_clear_error();
    const int size = SSL_read(ssl_, into.data(), static_cast<int>(std::min<std::size_t>(into.size(), 1U << 20U)));
    if (size > 0) co_return static_cast<std::size_t>(size);
    const int why = SSL_get_error(ssl_, size);
    const Result<bool> flushed = flush();  // an alert, or the answer to a key update
    if (!flushed) co_return fail(flushed.error());
    if (why == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
    if (why != SSL_ERROR_WANT_READ) co_return fail(Code::unavailable, "TLS: " + last_error());
    const Result<bool> more = co_await fill();
    if (!more) co_return fail(more.error());
    if (!*more) co_return std::size_t{0};
  }
}

Result<std::size_t> TlsStream::try_write(std::span<const std::byte> bytes) {
  const Result<bool> flushed = flush();
  if (!flushed) return fail(flushed.error());
  if (!*flushed || bytes.empty()) return std::size_t{0};
  ERR_clear_error();
  const int size = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 64 * 1024)));
  if (size <= 0) return fail(Code::unavailable, "TLS: " + last_error());
  const Result<bool> sent = flush();
  if (!sent) return fail(sent.error());
  return static_cast<std::size_t>(size);
}

bool TlsStream::flushed() const { return out_.empty() && BIO_ctrl_pending(SSL_get_wbio(ssl_)) == 0; }

async::Task<> TlsStream::writable() {
  for (;;) {
    const Result<bool> flushed = flush();
    if (!flushed || *flushed) co_return;
    co_await below_->writable();
  }
}

void TlsStream::shutdown_write() {
  SSL_shutdown(ssl_);
  const Result<bool> flushed = flush();
  static_cast<void>(flushed);  // the peer has gone, or does not read: then it learns nothing
  below_->shutdown_write();
}

}  // namespace swarm::http
