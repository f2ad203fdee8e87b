#include "protocol/http/exchange.hpp"

#include <fmt/format.h>

#include <charconv>

namespace swarm::http_client {
namespace {

using namespace std::chrono_literals;

// What may lie here unread before the sender is held up, and what may wait to be sent.
constexpr std::size_t kArrivedMost = std::size_t{256} << 10U;
constexpr std::size_t kOutgoingMost = std::size_t{256} << 10U;

// A server that sends more than this in headers is not one of those that we speak to.
constexpr std::size_t kHeaderMost = std::size_t{128} << 10U;

bool sendable(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos; }

long milliseconds(Duration d) { return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(d).count()); }

}  // namespace

void set_common(CURL* easy, const ClientOptions& options, const std::string& url) {
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy().c_str());
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
}

Error error_of(CURLcode code, const std::string& what, const char* detail) {
  const char* why = detail != nullptr && *detail != '\0' ? detail : curl_easy_strerror(code);
  Error error{.code = Code::unavailable, .message = fmt::format("{}: {}", what, why), .retryable = true};
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      error.code = Code::deadline_exceeded;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      error.code = Code::unauthenticated;
      error.retryable = false;
      break;
    case CURLE_SSL_CACERT_BADFILE:
      error.code = Code::failed_precondition;
      error.retryable = false;
      break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      error.code = Code::invalid_argument;
      error.retryable = false;
      break;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      error.code = Code::internal;
      error.retryable = false;
      break;
    default:
      break;
  }
  return error;
}

Exchange::Exchange(std::shared_ptr<CurlLoop> curl, Request request, Url url)
    : curl_(std::move(curl)),
      request_(std::move(request)),
      url_(std::move(url)),
      what_(request_.method + " " + url_.printable()),
      easy_(curl_easy_init()),
      changed_(curl_->loop()),
      timer_(curl_->loop()),
      room_(curl_->loop()),
      tasks_(curl_->loop()) {}

Exchange::~Exchange() {
  if (added_) curl_->remove(easy_.get());
}

Result<void> Exchange::begin(const ClientOptions& options) {
  CURL* easy = easy_.get();
  if (easy == nullptr) return fail(Code::internal, what_ + ": out of memory");
  if (const Result<void> set = set_headers(); !set) return set;
  set_common(easy, options, request_.url);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail_.data());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_list_.get());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Exchange::on_connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request_.patience.connect));
  if (request_.version == Version::http1) {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2TLS});
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);  // many at once: on one connection, not one each
  }
  set_body();
  begun_ = moved_ = curl_->loop().clock().now();
  added_ = true;
  curl_->add(easy, *this);
  if (request_.upload) tasks_.spawn(feed());
  watch();
  return {};
}

Result<void> Exchange::set_headers() {
  const auto add = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(header_list_.get(), line.c_str());
    if (longer == nullptr) return;
    static_cast<void>(header_list_.release());
    header_list_.reset(longer);
  };
  for (const Header& header : request_.headers) {
    if (header.name.empty() || !sendable(header.name) || !sendable(header.value) ||
        header.name.find(':') != std::string::npos) {
      return fail(Code::invalid_argument,
                  fmt::format("{}: header '{}' cannot be sent", what_, sendable(header.name) ? header.name : "?"));
    }
    // A semicolon is how curl is told to send a header without a value.
    add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  add("Expect:");  // else curl waits a second for "100 Continue" before large bodies
  return {};
}

void Exchange::set_body() {
  CURL* easy = easy_.get();
  const bool streamed = request_.upload != nullptr;
  if (request_.method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  const bool has_body = streamed || !request_.body.empty() || request_.method == "POST" || request_.method == "PUT" ||
                        request_.method == "PATCH";
  if (has_body) {
    // Through our own callback, also for a body that is all here: curl repeats a request whose kept connection broke,
    // and only a missing rewind keeps it from doing so with one that must not be repeated.
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Exchange::on_upload);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    if (!streamed) {
      outgoing_ = std::move(request_.body);
      request_.upload_bytes = outgoing_.size();
      source_ended_ = true;
      if (repeatable()) {
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &Exchange::on_rewind);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
      }
    }
    if (request_.upload_bytes) {
      curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(*request_.upload_bytes));
    }
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

bool Exchange::repeatable() const {
  if (request_.repeat != Repeat::automatic) return request_.repeat == Repeat::always;
  return request_.method != "POST" && request_.method != "PATCH";
}

int Exchange::on_connected(void* self, char*, char*, int, int) {
  auto* exchange = static_cast<Exchange*>(self);
  exchange->enter(Stage::waiting);
  if (exchange->request_.trace != nullptr) exchange->request_.trace->connected = true;
  return CURL_PREREQFUNC_OK;
}

std::size_t Exchange::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto* exchange = static_cast<Exchange*>(self);
  exchange->moved_ = exchange->curl_->loop().clock().now();
  exchange->header_bytes_ += size * count;
  if (exchange->header_bytes_ > kHeaderMost) return 0;
  exchange->take_header({data, size * count});
  return size * count;
}

void Exchange::take_header(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (headers_done_) return;  // a trailer
  if (line.starts_with("HTTP/")) {
    headers_.clear();
    const std::size_t space = line.find(' ');
    status_ = 0;
    if (space != std::string_view::npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), status_);
    return;
  }
  if (line.empty()) {
    if (status_ < 200) return;  // 1xx: the real ones follow
    headers_done_ = true;
    enter(Stage::receiving);
    changed_.notify_all();
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  headers_.push_back({.name = std::string(line.substr(0, colon)), .value = std::string(value)});
}

std::size_t Exchange::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto* exchange = static_cast<Exchange*>(self);
  exchange->moved_ = exchange->curl_->loop().clock().now();
  if (exchange->arrived_.size() >= kArrivedMost) {
    exchange->download_paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  exchange->arrived_.append(data, size * count);
  exchange->changed_.notify_all();
  return size * count;
}

std::size_t Exchange::on_upload(char* data, std::size_t size, std::size_t count, void* self) {
  auto* exchange = static_cast<Exchange*>(self);
  const std::size_t left = exchange->outgoing_.size() - exchange->sent_;
  if (left == 0) {
    if (exchange->source_ended_) return 0;
    exchange->upload_paused_ = true;
    return CURL_READFUNC_PAUSE;
  }
  exchange->moved_ = exchange->curl_->loop().clock().now();
  const std::size_t taken = std::min(left, size * count);
  std::memcpy(data, exchange->outgoing_.data() + exchange->sent_, taken);
  exchange->sent_ += taken;
  exchange->room_.notify_all();
  return taken;
}

int Exchange::on_rewind(void* self, curl_off_t offset, int origin) {
  auto* exchange = static_cast<Exchange*>(self);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > exchange->outgoing_.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  exchange->sent_ = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

async::Task<> Exchange::feed() {
  while (!done_) {
    Result<std::optional<std::string>> chunk = co_await request_.upload->read();
    if (done_) co_return;
    if (!chunk) {
      end(chunk.error().with_context(what_));
      co_return;
    }
    if (*chunk) {
      while (outgoing_.size() - sent_ >= kOutgoingMost && !done_) co_await room_.wait();
      outgoing_.erase(0, std::exchange(sent_, 0));
      outgoing_ += **chunk;
    } else {
      source_ended_ = true;
    }
    if (!done_ && std::exchange(upload_paused_, false)) {
      moved_ = curl_->loop().clock().now();
      curl_easy_pause(easy_.get(), download_paused_ ? CURLPAUSE_RECV : CURLPAUSE_CONT);
    }
    if (source_ended_) co_return;
  }
}

void Exchange::release_upload() {
  // curl has stopped sending at an answer that refuses the body, but a paused upload it takes for one that is not done,
  // and would never end the exchange. One that it still wants pauses again at once.
  if (headers_done_ && !done_ && std::exchange(upload_paused_, false)) {
    curl_easy_pause(easy_.get(), download_paused_ ? CURLPAUSE_RECV : CURLPAUSE_CONT);
  }
}

async::Task<Result<void>> Exchange::answered() {
  while (!headers_done_ && !done_) co_await changed_.wait();
  release_upload();
  if (headers_done_) co_return {};
  co_return fail(error_.value_or(Error{.code = Code::unavailable,
                                       .message = what_ + ": the server ended the connection without an answer",
                                       .retryable = true}));
}

async::Task<Result<std::optional<std::string>>> Exchange::read() {
  for (;;) {
    if (!arrived_.empty()) {
      std::string chunk = std::exchange(arrived_, {});
      if (!done_ && std::exchange(download_paused_, false)) {
        moved_ = curl_->loop().clock().now();
        curl_easy_pause(easy_.get(), upload_paused_ ? CURLPAUSE_SEND : CURLPAUSE_CONT);
      }
      co_return std::optional(std::move(chunk));
    }
    if (done_) {
      if (error_) co_return fail(*error_);
      co_return std::nullopt;
    }
    co_await changed_.wait();
  }
}

void Exchange::finished(CURLcode result) {
  if (done_) return;
  done_ = true;
  if (result != CURLE_OK) {
    error_ = header_bytes_ > kHeaderMost
                 ? Error{.code = Code::resource_exhausted,
                         .message = fmt::format("{}: more than {} bytes of headers", what_, kHeaderMost)}
                 : error_of(result, what_, detail_.data());
    if (stage_ == Stage::connecting && result == CURLE_OPERATION_TIMEDOUT) {
      error_->message =
          fmt::format("{}: no connection within {}", what_, async::format_duration(request_.patience.connect));
    }
  }
  timer_.cancel();
  changed_.notify_all();
  room_.notify_all();
}

void Exchange::end(Error error) {
  if (done_) return;
  done_ = true;
  error_ = std::move(error);
  curl_->remove(easy_.get());
  added_ = false;
  timer_.cancel();
  changed_.notify_all();
  room_.notify_all();
}

void Exchange::enter(Stage stage) {
  stage_ = stage;
  moved_ = curl_->loop().clock().now();
  watch();
}

std::optional<Exchange::Limit> Exchange::stage_limit() const {
  const Patience& patience = request_.patience;
  switch (stage_) {
    case Stage::connecting:
      // curl ends one that connects for too long; this one may also stand in line for a connection.
      if (patience.connect == Duration{0} || patience.answer == Duration{0}) break;
      return Limit{.from = begun_, .patience = patience.connect + patience.answer, .what = "no connection within"};
    case Stage::waiting:
      if (patience.answer == Duration{0}) break;
      return Limit{.from = moved_, .patience = patience.answer, .what = "no answer within"};
    case Stage::receiving:
      if (patience.silence == Duration{0}) break;
      return Limit{.from = moved_, .patience = patience.silence, .what = "nothing came for"};
  }
  return std::nullopt;
}

void Exchange::watch() {
  // A deadline moves with every byte, the timer does not: it looks again when the old one has come.
  std::optional<MonoTime> next;
  if (const auto limit = stage_limit()) next = limit->from + limit->patience;
  if (const Duration total = request_.patience.total; total > Duration{0}) {
    next = std::min(next.value_or(begun_ + total), begun_ + total);
  }
  if (next) timer_.start_at(*next, [this] { look(); });
}

void Exchange::look() {
  const MonoTime now = curl_->loop().clock().now();
  const auto late = [&](const Limit& limit) {
    if (now - limit.from < limit.patience) return false;
    end({.code = Code::deadline_exceeded,
         .message = fmt::format("{}: {} {}", what_, limit.what, async::format_duration(limit.patience)),
         .retryable = true});
    return true;
  };
  const Duration total = request_.patience.total;
  if (total > Duration{0} && late({.from = begun_, .patience = total, .what = "not done within"})) return;
  // While we hold it up ourselves, silence is not the server's.
  if (download_paused_ || (upload_paused_ && !source_ended_ && !headers_done_)) moved_ = now;
  if (const auto limit = stage_limit(); limit && late(*limit)) return;
  watch();
}

int Exchange::major_version() const {
  long version = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_VERSION, &version);
  return version >= CURL_HTTP_VERSION_2_0 ? 2 : 1;
}

}  // namespace swarm::http_client
