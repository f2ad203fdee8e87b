#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <unordered_map>

#include "protocol/async/loop.hpp"

namespace swarm::http_client {

/// Initialises libcurl once in this process.
void init_curl();

/// "name, name": hosts that are never asked for through a proxy: what $no_proxy says, and this machine.
std::string no_proxy();

/// One `CURLM` driven by libuv. Its callbacks only note what happened and make waiters ready, so no coroutine runs, and
/// no transfer is removed, inside a frame of curl's.
class CurlLoop {
 public:
  /// Told at the end of a transfer that was added; held by its easy handle (CURLOPT_PRIVATE).
  class Transfer {
   public:
    virtual ~Transfer() = default;
    virtual void finished(CURLcode result) = 0;
  };

  explicit CurlLoop(async::Loop& loop, long connections_a_host = 0);
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;
  ~CurlLoop();

  [[nodiscard]] async::Loop& loop() { return loop_; }

  /// Starts a transfer; both live until `remove`.
  void add(CURL* easy, Transfer& transfer);
  /// From the top of the loop.
  void remove(CURL* easy);

 private:
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* poll);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  static void on_poll(uv_poll_t* poll, int status, int events);
  void act(curl_socket_t fd, int events);
  void close_poll(uv_poll_t* poll);

  async::Loop& loop_;
  CURLM* multi_;
  uv_timer_t* timer_;                           // freed by libuv's close callback
  std::unordered_map<uv_poll_t*, int> wanted_;  // the events of each; handles are freed likewise
};

}  // namespace swarm::http_client
