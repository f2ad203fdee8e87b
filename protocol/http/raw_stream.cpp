#include "protocol/http/raw_stream.hpp"

#include <fmt/format.h>

namespace swarm::http_client {
namespace {

// What one write hands to TLS at most, and so what one stream keeps.
constexpr std::size_t kPiece = std::size_t{64} << 10U;

}  // namespace

RawStream::RawStream(async::Loop& loop, std::string what)
    : loop_(loop), what_(std::move(what)), curl_(loop), easy_(curl_easy_init()), changed_(loop), tasks_(loop) {}

RawStream::~RawStream() {
  tasks_.cancel_all();
  watcher_.reset();  // before curl closes the descriptor
  curl_.remove(easy_.get());
}

async::Task<Result<void>> RawStream::open(ClientOptions options, std::string url, Duration patience) {
  CURL* easy = easy_.get();
  set_common(easy, options, url);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail_.data());
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(patience).count()));
  curl_.add(easy, *this);
  while (!connected_) co_await changed_.wait();
  if (*connected_ != CURLE_OK) co_return fail(error_of(*connected_, what_, detail_.data()));
  curl_socket_t fd = CURL_SOCKET_BAD;
  if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD) {
    co_return fail(Code::unavailable, what_ + ": the connection is gone again");
  }
  watcher_ = std::make_unique<async::FdWatcher>(loop_, fd);
  co_return {};
}

void RawStream::finished(CURLcode result) {
  connected_ = result;
  changed_.notify_all();
}

async::Task<Result<std::size_t>> RawStream::read(std::span<std::byte> into) {
  for (;;) {
    std::size_t got = 0;
    // Before waiting: TLS may have bytes that the descriptor has given already.
    const CURLcode code = curl_easy_recv(easy_.get(), into.data(), into.size(), &got);
    if (code == CURLE_OK) co_return got;
    if (code != CURLE_AGAIN) co_return fail(error_of(code, what_, nullptr));
    co_await watcher_->readable();
  }
}

bool RawStream::flush() {
  while (sent_ < outgoing_.size()) {
    std::size_t taken = 0;
    const CURLcode code = curl_easy_send(easy_.get(), outgoing_.data() + sent_, outgoing_.size() - sent_, &taken);
    if (code == CURLE_AGAIN) return false;
    if (code != CURLE_OK) {
      broken_ = error_of(code, what_, nullptr);
      break;
    }
    sent_ += taken;
  }
  outgoing_.clear();
  sent_ = 0;
  return true;
}

async::Task<> RawStream::flush_all() {
  while (!flush()) co_await watcher_->writable();
  flushing_ = false;
  changed_.notify_all();
}

Result<std::size_t> RawStream::try_write(std::span<const std::byte> bytes) {
  if (broken_) return fail(*broken_);
  if (flushing_ || bytes.empty()) return std::size_t{0};
  const auto piece = bytes.first(std::min(bytes.size(), kPiece));
  outgoing_.assign(piece.begin(), piece.end());
  if (!flush()) {
    flushing_ = true;
    tasks_.spawn(flush_all());
  }
  if (broken_) return fail(*broken_);
  return piece.size();
}

async::Task<> RawStream::writable() {
  while (flushing_) co_await changed_.wait();
}

}  // namespace swarm::http_client
