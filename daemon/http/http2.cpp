#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <map>

#include "daemon/http/connection.hpp"
#include "daemon/log/log.hpp"

namespace swarm::http {
namespace {

constexpr std::size_t kHttp2ReadBytes = std::size_t{64} * 1024;
/// Of an answer that waits for the client's window.
constexpr std::size_t kMostWaiting = std::size_t{128} * 1024;

/// Fields that HTTP/2 has no place for (RFC 9113, 8.2.2).
bool is_of_connection(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" || name == "transfer-encoding" ||
         name == "upgrade";
}

class Http2Connection final : public Connection {
 public:
  explicit Http2Connection(ConnectionSetup setup);
  ~Http2Connection() override;

  async::Task<> run() override;
  void stop() override;

 private:
  class Http2Exchange;
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;  // shared by the table and by the task that serves it

  static nghttp2_session_callbacks* callbacks();
  static Http2Connection& of(void* user) { return *static_cast<Http2Connection*>(user); }
  Entry* find(std::int32_t id);

  int on_begin_headers(std::int32_t id);
  int on_header(std::int32_t id, std::string_view name, std::string_view value);
  void on_head(std::int32_t id, bool ended);
  void on_data(std::int32_t id, std::string_view bytes);
  void on_end(std::int32_t id);
  void on_end_sent(std::int32_t id);
  void on_close(std::int32_t id, std::uint32_t code);

  async::Task<> read_all();
  async::Task<> write_all();
  async::Task<> end_when_idle();
  async::Task<> serve(std::int32_t id, EntryPtr entry);
  async::Task<> call_handler(Http2Exchange& exchange, async::Event& done);

  async::Loop& loop_;
  const Limits& limits_;
  Handler& handler_;
  Wire wire_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, EntryPtr> entries_;
  MonoTime used_;
  async::Condition output_;  ///< there may be something to write
  async::Event ended_;
  async::TaskSet serving_;
};

class Http2Connection::Http2Exchange final : public Exchange {
 public:
  Http2Exchange(Http2Connection& owner, std::int32_t id, Request request)
      : Exchange(std::move(request)), owner_(owner), id_(id), body(owner.loop_), drained_(owner.loop_) {}

  async::Task<Result<std::optional<std::string>>> read() override {
    Result<std::optional<std::string>> part = co_await body.read(owner_.limits_.body_stall);
    if (part && *part) {
      nghttp2_session_consume_stream(owner_.session_, id_, (*part)->size());
      owner_.output_.notify_all();
    }
    co_return part;
  }

  async::Task<Result<void>> begin(Answer answer) override {
    if (begun_) co_return fail(Code::failed_precondition, "the answer has begun already");
    begun_ = true;
    bodiless_ = request().method == "HEAD" || answer.status == 204 || answer.status == 304;
    std::vector<Headers::Field> fields;
    fields.emplace_back(":status", std::to_string(answer.status));
    for (const auto& field : clean_fields(answer.headers)) {
      if (!is_of_connection(field.first)) fields.push_back(field);
    }
    std::vector<nghttp2_nv> raw;
    raw.reserve(fields.size());
    for (auto& [name, value] : fields) {
      raw.push_back({.name = reinterpret_cast<std::uint8_t*>(name.data()),
                     .value = reinterpret_cast<std::uint8_t*>(value.data()),
                     .namelen = name.size(),
                     .valuelen = value.size(),
                     .flags = NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = give_data;
    ended_ = bodiless_;
    const int sent =
        nghttp2_submit_response(owner_.session_, id_, raw.data(), raw.size(), bodiless_ ? nullptr : &provider);
    if (sent != 0) co_return fail(Code::unavailable, nghttp2_strerror(sent));
    owner_.output_.notify_all();
    co_return {};
  }

  async::Task<Result<void>> write(std::string bytes) override {
    if (!begun_) co_return fail(Code::failed_precondition, "there is no answer to write to");
    if (bodiless_ || bytes.empty()) co_return {};
    if (ended_) co_return fail(Code::failed_precondition, "the answer has ended");
    out_ += bytes;
    resume();
    Result<void> sent = co_await drained(kMostWaiting);
    co_return sent;
  }

  async::Task<Result<void>> end() override {
    if (bodiless_) co_return {};
    if (!begun_ || ended_) co_return fail(Code::failed_precondition, "there is no answer to end");
    ended_ = true;
    resume();
    Result<void> sent = co_await drained(1);
    co_return sent;
  }

  [[nodiscard]] bool begun() const override { return begun_; }
  [[nodiscard]] bool ended() const { return ended_; }

  async::Task<Result<transport::Stream*>> upgrade(Headers) override {
    co_return fail(Code::failed_precondition, "HTTP/2 cannot become another protocol; ask with HTTP/1.1");
  }

 private:
  void resume() {
    nghttp2_session_resume_data(owner_.session_, id_);
    owner_.output_.notify_all();
  }

  /// Completes when less than `limit` bytes wait for the client.
  async::Task<Result<void>> drained(std::size_t limit) {
    MonoTime deadline = owner_.loop_.clock().now() + owner_.limits_.write_stall;
    std::size_t before = out_.size();
    while (out_.size() >= limit) {
      if (out_.size() < before) deadline = owner_.loop_.clock().now() + owner_.limits_.write_stall;
      before = out_.size();
      if (owner_.loop_.clock().now() >= deadline) co_return fail(Code::deadline_exceeded, "the client takes nothing");
      async::Timer timer(owner_.loop_);
      timer.start_at(deadline, [this] { drained_.notify_all(); });
      co_await drained_.wait();
    }
    co_return {};
  }

  static ssize_t give_data(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size, std::uint32_t* flags,
                           nghttp2_data_source* source, void*) {
    auto& self = *static_cast<Http2Exchange*>(source->ptr);
    const std::size_t given = std::min(size, self.out_.size());
    if (given == 0 && !self.ended_) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(into, self.out_.data(), given);
    self.out_.erase(0, given);
    if (self.ended_ && self.out_.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    self.drained_.notify_all();
    return static_cast<ssize_t>(given);
  }

  Http2Connection& owner_;
  std::int32_t id_;

 public:
  Body body;

 private:
  std::string out_;
  bool begun_ = false;
  bool ended_ = false;
  bool bodiless_ = false;
  async::Condition drained_;
};

/// A request from its first field on; its handler runs when the fields are complete.
struct Http2Connection::Entry {
  explicit Entry(async::Loop& loop) : done(loop) {}
  Request request;
  std::size_t header_bytes = 0;
  bool too_large = false;
  std::unique_ptr<Http2Exchange> exchange;
  bool end_sent = false;  ///< the last frame of the answer is on its way
  async::Event done;      ///< the handler has ended, or the stream has
};

Http2Connection::Entry* Http2Connection::find(std::int32_t id) {
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : at->second.get();
}

Http2Connection::Http2Connection(ConnectionSetup setup)
    : loop_(setup.loop),
      limits_(setup.limits),
      handler_(setup.handler),
      wire_(std::move(setup.wire)),
      used_(loop_.clock().now()),
      output_(loop_),
      ended_(loop_),
      serving_(loop_) {
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_session_server_new2(&session_, callbacks(), this, option);
  nghttp2_option_del(option);
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(limits_.window_bytes)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits_.header_bytes)},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  // The connection's window is given back as bytes come; what bounds the memory are the windows of the streams.
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(limits_.window_bytes * 4));
}

Http2Connection::~Http2Connection() {
  serving_.cancel_all();
  nghttp2_session_del(session_);
}

nghttp2_session_callbacks* Http2Connection::callbacks() {
  static nghttp2_session_callbacks* const made = [] {
    nghttp2_session_callbacks* c = nullptr;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
          return of(user).on_begin_headers(frame->hd.stream_id);
        });
    nghttp2_session_callbacks_set_on_header_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
              const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
          return of(user).on_header(frame->hd.stream_id, {reinterpret_cast<const char*>(name), name_size},
                                    {reinterpret_cast<const char*>(value), value_size});
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
          if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            of(user).on_head(frame->hd.stream_id, last);
          } else if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) && last) {
            of(user).on_end(frame->hd.stream_id);
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* user) {
          of(user).on_data(id, {reinterpret_cast<const char*>(data), size});
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
          if (last && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)) {
            of(user).on_end_sent(frame->hd.stream_id);
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        c, [](nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
          of(user).on_close(id, code);
          return 0;
        });
    return c;
  }();
  return made;
}

int Http2Connection::on_begin_headers(std::int32_t id) {
  auto entry = std::make_shared<Entry>(loop_);
  entry->request.version = Version::http_2;
  entry->request.secure = wire_.tls != nullptr;
  entry->request.peer = wire_.peer;
  entries_[id] = std::move(entry);
  return 0;
}

int Http2Connection::on_header(std::int32_t id, std::string_view name, std::string_view value) {
  Entry* entry = find(id);
  if (entry == nullptr || entry->exchange != nullptr) return 0;  // trailers
  entry->header_bytes += name.size() + value.size() + 32;        // as RFC 9113, 6.5.2 counts
  if (entry->header_bytes > limits_.header_bytes) {
    entry->too_large = true;
    return 0;
  }
  Request& request = entry->request;
  if (name == ":method") {
    request.method = value;
  } else if (name == ":path") {
    request.target = value;
  } else if (name == ":authority") {
    request.authority = value;
  } else if (name == "host") {
    if (request.authority.empty()) request.authority = value;
    request.headers.add(name, value);
  } else if (!name.starts_with(':')) {
    request.headers.add(name, value);
  }
  return 0;
}

void Http2Connection::on_head(std::int32_t id, bool ended) {
  const auto at = entries_.find(id);
  if (at == entries_.end()) return;
  const EntryPtr& entry = at->second;
  entry->exchange = std::make_unique<Http2Exchange>(*this, id, std::move(entry->request));
  if (ended) entry->exchange->body.finish();
  used_ = loop_.clock().now();
  serving_.spawn(serve(id, entry));
}

void Http2Connection::on_data(std::int32_t id, std::string_view bytes) {
  nghttp2_session_consume_connection(session_, bytes.size());
  Entry* entry = find(id);
  if (entry != nullptr && entry->exchange != nullptr) entry->exchange->body.push(bytes);
}

void Http2Connection::on_end(std::int32_t id) {
  Entry* entry = find(id);
  if (entry != nullptr && entry->exchange != nullptr) entry->exchange->body.finish();
}

void Http2Connection::on_end_sent(std::int32_t id) {
  if (Entry* entry = find(id)) entry->end_sent = true;
  output_.notify_all();
}

void Http2Connection::on_close(std::int32_t id, std::uint32_t) {
  const auto at = entries_.find(id);
  if (at == entries_.end()) return;
  used_ = loop_.clock().now();
  at->second->done.set();
  if (at->second->exchange != nullptr) {
    at->second->exchange->body.fail_with({.code = Code::unavailable, .message = "the client gave up its request"});
  }
  entries_.erase(at);
  output_.notify_all();
}

async::Task<> Http2Connection::call_handler(Http2Exchange& exchange, async::Event& done) {
  try {
    co_await handler_.serve(exchange);
  } catch (const std::exception& bug) {
    log::logger<"http">().error("a request failed", {{"error", bug.what()}});
  }
  if (!exchange.begun()) {
    const Result<void> sent = co_await exchange.respond({.status = 500, .headers = {}}, "");
    static_cast<void>(sent);  // it went
  }
  done.set();
}

async::Task<> Http2Connection::serve(std::int32_t id, EntryPtr entry) {
  const EntryPtr kept = std::move(entry);
  Http2Exchange& exchange = *kept->exchange;
  if (kept->too_large) {
    const Result<void> sent = co_await exchange.respond({.status = 431, .headers = {}}, "");
    static_cast<void>(sent);  // it went
  } else {
    async::TaskSet scope(loop_);
    scope.spawn(call_handler(exchange, kept->done));
    co_await kept->done.wait();
  }
  while (find(id) == kept.get() && exchange.ended() && !kept->end_sent) co_await output_.wait();
  if (find(id) != kept.get()) co_return;  // the stream is closed: nothing of nghttp2's points at the exchange
  // An answer without its end is cut; one to a request that goes on needs no more of it (RFC 9113, 8.1).
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id,
                            exchange.ended() ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR);
  output_.notify_all();
  while (find(id) == kept.get()) co_await output_.wait();
}

async::Task<> Http2Connection::read_all() {
  std::vector<std::byte> buffer(kHttp2ReadBytes);
  for (;;) {
    const Result<std::size_t> size = co_await wire_.stream->read(buffer);
    if (!size || *size == 0) break;
    const ssize_t taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(buffer.data()), *size);
    output_.notify_all();
    if (taken < 0) break;
  }
  ended_.set();
}

async::Task<> Http2Connection::write_all() {
  for (;;) {
    std::string bytes;
    while (bytes.size() < kHttp2ReadBytes) {
      const std::uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size <= 0) break;
      bytes.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
    if (!bytes.empty()) {
      const Result<void> sent = co_await wire_.send(loop_, std::move(bytes), limits_.write_stall);
      if (!sent) break;
      continue;
    }
    if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0) break;
    co_await output_.wait();
  }
  ended_.set();
}

async::Task<> Http2Connection::end_when_idle() {
  for (;;) {
    co_await async::sleep_for(loop_, limits_.idle / 4);
    if (entries_.empty() && loop_.clock().now() - used_ >= limits_.idle) stop();
  }
}

void Http2Connection::stop() {
  nghttp2_session_terminate_session2(session_, nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR);
  output_.notify_all();
}

async::Task<> Http2Connection::run() {
  {
    async::TaskSet scope(loop_);
    scope.spawn(read_all());
    scope.spawn(write_all());
    scope.spawn(end_when_idle());
    co_await ended_.wait();
  }
  serving_.cancel_all();
  wire_.stream->shutdown_write();
}

}  // namespace

std::unique_ptr<Connection> make_http2(ConnectionSetup setup) {
  return std::make_unique<Http2Connection>(std::move(setup));
}

}  // namespace swarm::http
