#include <fmt/format.h>

#include "daemon/http/connection.hpp"
#include "daemon/http/http1_parser.hpp"
#include "daemon/log/log.hpp"

namespace swarm::http {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
/// A request that was answered before its body had come: so much of the body is read and dropped, to keep the
/// connection; beyond, the connection ends.
constexpr std::size_t kMostDropped = std::size_t{256} * 1024;
/// A connection that ends while its client still sends is read for so long afterwards: closing it with bytes unread is
/// a reset, which destroys the answer on its way to a client that has not read it.
constexpr Duration kLinger = std::chrono::seconds(10);

/// The connection as it is after a 101: what was read already comes first.
class Upgraded final : public transport::Stream {
 public:
  Upgraded(Wire& wire, std::string first) : wire_(wire), first_(std::move(first)) {}

  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    if (first_.empty()) {
      Result<std::size_t> size = co_await wire_.stream->read(into);
      co_return size;
    }
    const std::size_t size = std::min(into.size(), first_.size());
    std::memcpy(into.data(), first_.data(), size);
    first_.erase(0, size);
    co_return size;
  }
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override { return wire_.stream->try_write(bytes); }
  async::Task<> writable() override { return wire_.stream->writable(); }
  async::Task<> gone() override { return wire_.stream->gone(); }
  void shutdown_write() override { wire_.stream->shutdown_write(); }
  void break_off() override { wire_.stream->break_off(); }
  [[nodiscard]] std::string describe() const override { return wire_.stream->describe(); }

 private:
  Wire& wire_;
  std::string first_;
};

class Http1Connection final : public Connection {
 public:
  explicit Http1Connection(ConnectionSetup setup)
      : loop_(setup.loop),
        limits_(setup.limits),
        handler_(setup.handler),
        wire_(std::move(setup.wire)),
        parser_(Http1Parser::Kind::request, setup.limits.header_bytes),
        buffer_(kReadBytes),
        stopped_(setup.loop) {}

  async::Task<> run() override;
  void stop() override {
    stopping_ = true;
    stopped_.set();
  }

 private:
  class Http1Exchange;

  async::Task<Result<bool>> read_head();
  async::Task<Result<bool>> read_some();
  async::Task<Result<void>> parse_head();
  async::Task<> receive_body(Http1Exchange& exchange, async::Event& done);
  async::Task<> call_handler(Http1Exchange& exchange, async::Event& done);
  async::Task<bool> serve_one();
  async::Task<bool> drop_rest();
  async::Task<> refuse(int status, std::string why);
  async::Task<Result<void>> read_to_end();
  async::Task<> end_when_stopped(async::Event& done);

  async::Loop& loop_;
  const Limits& limits_;
  Handler& handler_;
  Wire wire_;
  Http1Parser parser_;
  std::string pending_;  ///< read and not parsed: the next request of a client that does not wait
  std::vector<std::byte> buffer_;
  bool stopping_ = false;
  bool broken_ = false;
  async::Event stopped_;
};

class Http1Connection::Http1Exchange final : public Exchange {
 public:
  Http1Exchange(Http1Connection& owner, Request request, bool keep_alive)
      : Exchange(std::move(request)),
        owner_(owner),
        body(owner.loop_),
        keep_alive_(keep_alive),
        expects_continue_(this->request().headers.has_word("expect", "100-continue")) {}

  async::Task<Result<std::optional<std::string>>> read() override {
    if (expects_continue_ && !begun_) {
      expects_continue_ = false;
      Result<void> sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
      if (!sent) co_return fail(sent.error());
    }
    Result<std::optional<std::string>> part = co_await body.read(owner_.limits_.body_stall);
    co_return part;
  }

  async::Task<Result<void>> begin(Answer answer) override {
    if (begun_) co_return fail(Code::failed_precondition, "the answer has begun already");
    begun_ = true;
    const Headers fields = clean_fields(answer.headers);
    bodiless_ = request().method == "HEAD" || answer.status == 204 || answer.status == 304 || answer.status < 200;
    std::string head = fmt::format("HTTP/1.1 {} {}\r\n", answer.status, reason_phrase(answer.status));
    for (const auto& [name, value] : fields) {
      if (name != "connection" && name != "transfer-encoding") head += fmt::format("{}: {}\r\n", name, value);
    }
    if (!bodiless_ && fields.find("content-length") == nullptr) {
      if (request().version == Version::http_1_0) {
        keep_alive_ = false;
      } else {
        chunked_ = true;
        head += "transfer-encoding: chunked\r\n";
      }
    }
    // A body that is still to come after the answer: the client may never send it.
    if (expects_continue_ || owner_.stopping_) keep_alive_ = false;
    if (!keep_alive_) head += "connection: close\r\n";
    if (keep_alive_ && request().version == Version::http_1_0) head += "connection: keep-alive\r\n";
    head += "\r\n";
    Result<void> sent = co_await send(std::move(head));
    co_return sent;
  }

  async::Task<Result<void>> write(std::string bytes) override {
    if (!begun_ || ended_) co_return fail(Code::failed_precondition, "there is no answer to write to");
    if (bodiless_ || bytes.empty()) co_return {};
    if (chunked_) bytes = fmt::format("{:x}\r\n", bytes.size()) + bytes + "\r\n";
    Result<void> sent = co_await send(std::move(bytes));
    co_return sent;
  }

  async::Task<Result<void>> end() override {
    if (!begun_ || ended_) co_return fail(Code::failed_precondition, "there is no answer to end");
    if (chunked_) {
      Result<void> sent = co_await send("0\r\n\r\n");
      if (!sent) co_return sent;
    }
    ended_ = true;
    co_return {};
  }

  [[nodiscard]] bool begun() const override { return begun_; }

  async::Task<Result<transport::Stream*>> upgrade(Headers headers) override {
    if (begun_ || request().version != Version::http_1_1 || !body.over()) {
      co_return fail(Code::failed_precondition, "this request cannot become another protocol");
    }
    begun_ = true;
    keep_alive_ = false;
    std::string head = fmt::format("HTTP/1.1 101 {}\r\n", reason_phrase(101));
    for (const auto& [name, value] : clean_fields(headers)) head += fmt::format("{}: {}\r\n", name, value);
    head += "\r\n";
    Result<void> sent = co_await send(std::move(head));
    if (!sent) co_return fail(sent.error());
    ended_ = true;
    upgraded_ = std::make_unique<Upgraded>(owner_.wire_, std::exchange(owner_.pending_, {}));
    co_return upgraded_.get();
  }

  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_ && ended_; }
  [[nodiscard]] bool is_upgraded() const { return upgraded_ != nullptr; }

 private:
  async::Task<Result<void>> send(std::string bytes) {
    return owner_.wire_.send(owner_.loop_, std::move(bytes), owner_.limits_.write_stall);
  }

  Http1Connection& owner_;

 public:
  Body body;

 private:
  bool keep_alive_;
  bool expects_continue_;
  bool begun_ = false;
  bool ended_ = false;
  bool chunked_ = false;
  bool bodiless_ = false;
  std::unique_ptr<Upgraded> upgraded_;
};

/// Reads what is there into `pending_`; false at the end.
async::Task<Result<bool>> Http1Connection::read_some() {
  const Result<std::size_t> size = co_await wire_.stream->read(buffer_);
  if (!size) co_return fail(size.error());
  pending_.append(reinterpret_cast<const char*>(buffer_.data()), *size);
  co_return *size > 0;
}

async::Task<Result<void>> Http1Connection::parse_head() {
  while (!parser_.has_head()) {
    if (pending_.empty()) {
      const Result<bool> more = co_await read_some();
      if (!more) co_return fail(more.error());
      if (!*more) co_return fail(Code::unavailable, "the client went");
    }
    const Result<std::size_t> taken = parser_.feed(pending_);
    if (!taken) co_return fail(taken.error());
    pending_.erase(0, *taken);
  }
  co_return {};
}

/// True when there is a request; false when the client went, or said nothing for too long.
async::Task<Result<bool>> Http1Connection::read_head() {
  if (pending_.empty()) {
    Result<bool> more = co_await async::with_timeout(loop_, read_some(), limits_.idle, "idle connection");
    if (!more || !*more) co_return false;
  }
  const Result<void> parsed = co_await async::with_timeout(loop_, parse_head(), limits_.header, "header");
  if (parsed) co_return true;
  if (parsed.error().code == Code::unavailable) co_return false;
  co_return fail(parsed.error());
}

async::Task<> Http1Connection::receive_body(Http1Exchange& exchange, async::Event& done) {
  for (;;) {
    const Result<std::size_t> taken = parser_.feed(pending_);
    if (!taken) {
      exchange.body.fail_with(taken.error());
      co_return;
    }
    pending_.erase(0, *taken);
    exchange.body.push(parser_.take_body());
    if (parser_.complete()) break;
    co_await exchange.body.room(limits_.window_bytes);
    if (!pending_.empty()) continue;
    const Result<bool> more = co_await read_some();
    if (!more || !*more) {
      exchange.body.fail_with({.code = Code::unavailable, .message = "the client went in the middle of its request"});
      done.set();
      co_return;
    }
  }
  exchange.body.finish();
  if (!pending_.empty()) co_return;  // it has sent its next request: its end will be seen there
  co_await wire_.stream->gone();
  if (!exchange.is_upgraded()) done.set();
}

async::Task<> Http1Connection::call_handler(Http1Exchange& exchange, async::Event& done) {
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

/// Serves the request whose head was read. True when another may follow.
async::Task<bool> Http1Connection::serve_one() {
  Headers fields = std::move(parser_.headers());
  std::string authority(fields.get("host"));
  Http1Exchange exchange(*this,
                         Request{.method = parser_.method(),
                                 .target = parser_.target(),
                                 .authority = std::move(authority),
                                 .headers = std::move(fields),
                                 .version = parser_.version(),
                                 .secure = wire_.tls != nullptr,
                                 .peer = wire_.peer},
                         parser_.keep_alive());
  async::Event done(loop_);
  {
    async::TaskSet scope(loop_);
    scope.spawn(receive_body(exchange, done));
    scope.spawn(call_handler(exchange, done));
    co_await done.wait();
  }
  if (exchange.begun() && !exchange.ended()) {
    wire_.stream->break_off();  // a cut answer must not look whole
    broken_ = true;
  }
  co_return exchange.keep_alive();
}

/// Reads the rest of a request that was answered early.
async::Task<bool> Http1Connection::drop_rest() {
  std::size_t dropped = 0;
  while (!parser_.complete()) {
    if (pending_.empty()) {
      const Result<bool> more = co_await async::with_timeout(loop_, read_some(), limits_.header, "rest");
      if (!more || !*more) co_return false;
    }
    const Result<std::size_t> taken = parser_.feed(pending_);
    if (!taken) co_return false;
    pending_.erase(0, *taken);
    dropped += parser_.take_body().size();
    if (dropped > kMostDropped) co_return false;
  }
  co_return true;
}

async::Task<> Http1Connection::refuse(int status, std::string why) {
  const std::string answer =
      fmt::format("HTTP/1.1 {} {}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}\n",
                  status, reason_phrase(status), why.size() + 1, why);
  const Result<void> sent = co_await wire_.send(loop_, answer, limits_.header);
  static_cast<void>(sent);  // it went
}

async::Task<Result<void>> Http1Connection::read_to_end() {
  for (;;) {
    const Result<bool> more = co_await read_some();
    pending_.clear();
    if (!more || !*more) co_return {};
  }
}

async::Task<> Http1Connection::end_when_stopped(async::Event& done) {
  co_await stopped_.wait();
  if (!parser_.begun() && pending_.empty()) done.set();
}

async::Task<> Http1Connection::run() {
  bool still_sends = false;
  while (!stopping_) {
    std::optional<Result<bool>> head;
    {
      async::Event done(loop_);
      async::TaskSet scope(loop_);
      scope.spawn(async::detail::capture<bool>(read_head(), head, done));
      scope.spawn(end_when_stopped(done));
      co_await done.wait();
    }
    if (!head) break;
    if (!*head) {
      const Error& why = head->error();
      const int status = why.code == Code::out_of_range ? 431 : why.code == Code::deadline_exceeded ? 408 : 400;
      co_await refuse(status, why.message);
      still_sends = true;
      break;
    }
    if (!**head) co_return;
    if (parser_.version() == Version::http_1_1 && parser_.headers().find("host") == nullptr) {
      co_await refuse(400, "a request needs the field 'Host'");
      still_sends = true;
      break;
    }
    const bool again = co_await serve_one();
    still_sends = !parser_.complete();
    if (!again) break;
    const bool whole = co_await drop_rest();
    if (!whole) break;
    still_sends = false;
    parser_.next();
  }
  if (broken_) co_return;
  wire_.stream->shutdown_write();
  if (!still_sends) co_return;
  const Result<void> ended = co_await async::with_timeout(loop_, read_to_end(), kLinger, "the client's end");
  static_cast<void>(ended);  // it had its time
}

}  // namespace

async::Task<Result<void>> Wire::send(async::Loop& loop, std::string bytes, Duration patience) {
  std::size_t done = 0;
  MonoTime deadline = loop.clock().now() + patience;
  const auto all = std::as_bytes(std::span(bytes));
  for (;;) {
    if (done < all.size()) {
      const Result<std::size_t> taken = stream->try_write(all.subspan(done));
      if (!taken) co_return fail(taken.error());
      if (*taken > 0) {
        done += *taken;
        deadline = loop.clock().now() + patience;
        continue;
      }
    } else if (tls == nullptr || tls->flushed()) {
      co_return {};
    }
    const Duration left = deadline - loop.clock().now();
    if (left <= Duration::zero()) co_return fail(Code::deadline_exceeded, "the client takes nothing");
    Result<void> waited = co_await async::with_timeout(loop, wait_writable(*stream), left, "the client takes nothing");
    if (!waited) co_return waited;
  }
}

Headers clean_fields(const Headers& headers) {
  Headers out;
  for (const auto& [name, value] : headers) {
    if (is_field_value(name) && is_field_value(value) && !name.empty()) out.add(name, value);
  }
  return out;
}

std::unique_ptr<Connection> make_http1(ConnectionSetup setup) {
  return std::make_unique<Http1Connection>(std::move(setup));
}

}  // namespace swarm::http
