#pragma once

#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/deleter.hpp"
#include "protocol/http/client.hpp"
#include "protocol/http/curl_loop.hpp"
#include "protocol/http/url.hpp"

namespace swarm::http_client {

using Easy = CPtr<CURL, curl_easy_cleanup>;
using List = CPtr<curl_slist, curl_slist_free_all>;

/// What every transfer of a client has in common: where it may go, TLS, proxies, no signals.
void set_common(CURL* easy, const ClientOptions& options, const std::string& url);

/// A failed transfer as an error: "<what>: <why>".
Error error_of(CURLcode code, const std::string& what, const char* detail);

/// One request and its response, from the first byte to the last. Destroying it ends the transfer.
class Exchange final : private CurlLoop::Transfer {
 public:
  Exchange(std::shared_ptr<CurlLoop> curl, Request request, Url url);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() override;

  Result<void> begin(const ClientOptions& options);

  /// Completes when the headers are there, or nothing more will come.
  async::Task<Result<void>> answered();
  async::Task<Result<std::optional<std::string>>> read();

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::vector<Header>& headers() const { return headers_; }
  [[nodiscard]] const std::string& describe() const { return what_; }
  [[nodiscard]] int major_version() const;

 private:
  enum class Stage { connecting, waiting, receiving };

  static int on_connected(void* self, char*, char*, int, int);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_upload(char* data, std::size_t size, std::size_t count, void* self);
  static int on_rewind(void* self, curl_off_t offset, int origin);

  void finished(CURLcode result) override;
  void end(Error error);
  void take_header(std::string_view line);
  async::Task<> feed();
  void release_upload();
  [[nodiscard]] Result<void> set_headers();
  void set_body();
  struct Limit {
    MonoTime from;
    Duration patience;
    std::string_view what;
  };
  void enter(Stage stage);
  [[nodiscard]] std::optional<Limit> stage_limit() const;
  void watch();
  void look();
  [[nodiscard]] bool repeatable() const;

  std::shared_ptr<CurlLoop> curl_;
  Request request_;
  Url url_;
  std::string what_;
  Easy easy_;
  List header_list_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  async::Condition changed_;
  async::Timer timer_;

  Stage stage_ = Stage::connecting;
  MonoTime begun_;
  MonoTime moved_;  ///< when bytes last went either way, or a stage began
  bool added_ = false;
  bool done_ = false;
  std::optional<Error> error_;

  int status_ = 0;
  bool headers_done_ = false;
  std::size_t header_bytes_ = 0;
  std::vector<Header> headers_;
  std::string arrived_;
  bool download_paused_ = false;

  std::string outgoing_;
  std::size_t sent_ = 0;  ///< of `outgoing_`
  bool source_ended_ = false;
  bool upload_paused_ = false;
  async::Condition room_;
  async::TaskSet tasks_;  // last: its task uses everything above
};

}  // namespace swarm::http_client
