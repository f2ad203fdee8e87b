#include "protocol/http/curl_loop.hpp"

#include <cstdlib>

namespace swarm::http_client {
namespace {

template <class H>
uv_handle_t* base(H* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);  // NOLINT: libuv's own way to a base handle
}

// Connections that are kept for the next request.
constexpr long kKept = 64;

}  // namespace

void init_curl() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) std::abort();  // no memory at the start
}

std::string no_proxy() {
  std::string names = "localhost,127.0.0.1,::1";
  for (const char* variable : {"no_proxy", "NO_PROXY"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    if (std::string_view(value) == "*") return "*";
    names += std::string(",") + value;
    break;
  }
  return names;
}

CurlLoop::CurlLoop(async::Loop& loop, long connections_a_host) : loop_(loop), timer_(new uv_timer_t) {
  init_curl();
  multi_ = curl_multi_init();
  if (multi_ == nullptr) std::abort();
  uv_timer_init(loop_.raw(), timer_);
  timer_->data = this;
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, long{CURLPIPE_MULTIPLEX});
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, connections_a_host);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kKept);
}

CurlLoop::~CurlLoop() {
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
  curl_multi_cleanup(multi_);  // still tells of sockets that it closes
  for (const auto& [poll, events] : std::unordered_map(wanted_)) close_poll(poll);
  uv_timer_stop(timer_);
  uv_close(base(timer_), [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });  // NOLINT
}

void CurlLoop::add(CURL* easy, Transfer& transfer) {
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  curl_multi_add_handle(multi_, easy);
}

void CurlLoop::remove(CURL* easy) { curl_multi_remove_handle(multi_, easy); }

int CurlLoop::on_socket(CURL*, curl_socket_t fd, int what, void* self, void* poll) {
  auto* loop = static_cast<CurlLoop*>(self);
  auto* handle = static_cast<uv_poll_t*>(poll);
  if (what == CURL_POLL_REMOVE) {
    if (handle != nullptr) loop->close_poll(handle);
    curl_multi_assign(loop->multi_, fd, nullptr);
    return 0;
  }
  if (handle == nullptr) {
    auto made = std::make_unique<uv_poll_t>();
    if (uv_poll_init(loop->loop_.raw(), made.get(), fd) != 0) return -1;
    handle = made.release();
    handle->data = loop;
    curl_multi_assign(loop->multi_, fd, handle);
  }
  int events = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= UV_READABLE;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= UV_WRITABLE;
  loop->wanted_[handle] = events;
  return uv_poll_start(handle, events, &CurlLoop::on_poll) == 0 ? 0 : -1;
}

void CurlLoop::on_poll(uv_poll_t* poll, int status, int events) {
  auto* self = static_cast<CurlLoop*>(poll->data);
  if (self == nullptr) return;
  uv_os_fd_t fd = -1;
  if (uv_fileno(base(poll), &fd) != 0) return;
  int flags = 0;
  if (status < 0) flags |= CURL_CSELECT_ERR;
  if ((events & UV_READABLE) != 0) flags |= CURL_CSELECT_IN;
  if ((events & UV_WRITABLE) != 0) flags |= CURL_CSELECT_OUT;
  self->act(fd, flags);
  // libuv has stopped a handle that it reports an error of. Where curl has not let go of the socket (others use that
  // connection, or there is something to read still) it waits for more and does not say so again.
  if (status < 0 && poll->data != nullptr && uv_is_active(base(poll)) == 0) {
    uv_poll_start(poll, self->wanted_[poll], &CurlLoop::on_poll);
  }
}

int CurlLoop::on_timer(CURLM*, long timeout_ms, void* self) {
  auto* loop = static_cast<CurlLoop*>(self);
  if (timeout_ms < 0) {
    uv_timer_stop(loop->timer_);
    return 0;
  }
  // Never from here: curl must not be called from its own callback.
  uv_update_time(loop->loop_.raw());
  uv_timer_start(
      loop->timer_,
      [](uv_timer_t* timer) {
        static_cast<CurlLoop*>(timer->data)->act(CURL_SOCKET_TIMEOUT, 0);
        // libuv calls timers before it waits; who was made ready here must not sleep through that wait.
        uv_stop(timer->loop);
      },
      static_cast<std::uint64_t>(timeout_ms), 0);
  return 0;
}

void CurlLoop::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    void* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    static_cast<Transfer*>(transfer)->finished(message->data.result);
  }
}

void CurlLoop::close_poll(uv_poll_t* poll) {
  wanted_.erase(poll);
  poll->data = nullptr;
  uv_poll_stop(poll);
  uv_close(base(poll), [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });  // NOLINT
}

}  // namespace swarm::http_client
