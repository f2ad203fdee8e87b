#include "agentd/forward/forward.hpp"

#include <fmt/format.h>

#include "agentd/forward/owner.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd {
namespace {

using Connected = Result<std::unique_ptr<transport::Stream>>;

/// Out of descriptors: the next connection can wait so long.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

async::Task<Connected> connect(async::Loop& loop, std::string host, std::uint16_t port) {
  if (host.starts_with('/')) {
    auto stream = co_await transport::connect_unix(loop, std::move(host));
    if (!stream) co_return fail(stream.error());
    co_return std::unique_ptr<transport::Stream>(std::move(*stream));
  }
  transport::TcpAddress to{.host = std::move(host), .port = port};
  // The sandbox's own network says what can be reached from here.
  auto stream = co_await transport::connect_tcp(loop, std::move(to), transport::Reach::anywhere);
  if (!stream) co_return fail(stream.error());
  co_return std::unique_ptr<transport::Stream>(std::move(*stream));
}

std::unexpected<Error> unknown(const std::string& id) {
  return fail(Code::not_found,
              fmt::format("no listening port '{}' in this sandbox; it was closed, or agentd was restarted", shown(id)));
}

}  // namespace

Result<void> Forward::room_for_one() const {
  if (*connections_ < limits_.connections) return {};
  return fail(Code::resource_exhausted,
              fmt::format("{} forwarded connections are open in this sandbox already", limits_.connections));
}

async::Task<Connected> Forward::dial(std::string host, std::uint16_t port) {
  const Result<void> room = room_for_one();
  if (!room) co_return fail(room.error());
  std::string what = fmt::format("connect to {} port {} in the sandbox", shown(host), port);
  auto connecting = connect(loop_, std::move(host), port);
  co_return co_await async::with_timeout(loop_, std::move(connecting), limits_.dial_timeout, std::move(what));
}

Result<Forward::Listening> Forward::listen(const transport::TcpAddress& at, std::optional<uid_t> only) {
  if (listeners_.size() >= limits_.listeners) {
    return fail(Code::resource_exhausted,
                fmt::format("{} ports are forwarded from this sandbox already; close one", limits_.listeners));
  }
  auto socket = transport::TcpListener::listen(loop_, at);
  if (!socket) return fail(socket.error());
  Listening out{.id = fmt::format("fwd_{}", next_id_++), .address = (*socket)->address()};
  const auto listener = std::make_shared<Listener>(loop_, std::move(*socket), only, limits_.waiting);
  listener->accepting.spawn(accept_all(*listener));
  listeners_[out.id] = listener;
  return out;
}

async::Task<> Forward::accept_all(Listener& listener) {
  for (;;) {
    auto got = co_await listener.socket->accept();
    if (!got) {
      co_await async::sleep_for(loop_, kAcceptPause);
      continue;
    }
    if (listener.only && owner_of(got->peer, listener.socket->address()) != listener.only) {
      got->stream->break_off();
      continue;
    }
    Accepted accepted{.stream = std::move(got->stream), .peer = got->peer.to_string()};
    if (!room_for_one()) continue;
    co_await listener.waiting.send(std::move(accepted));
  }
}

async::Task<Result<Forward::Accepted>> Forward::accept(std::string id) {
  const auto found = listeners_.find(id);
  if (found == listeners_.end()) co_return unknown(id);
  const std::shared_ptr<Listener> listener = found->second;
  std::optional<Accepted> next = co_await listener->waiting.receive();
  if (!next) co_return unknown(id);
  co_return std::move(*next);
}

Result<void> Forward::close(const std::string& id) {
  const auto found = listeners_.find(id);
  if (found == listeners_.end()) return unknown(id);
  const std::shared_ptr<Listener> listener = std::move(found->second);
  listeners_.erase(found);
  listener->accepting.cancel_all();
  listener->socket.reset();
  // A client must not take this end for an answer.
  while (std::optional<Accepted> unclaimed = listener->waiting.try_receive()) unclaimed->stream->break_off();
  listener->waiting.close();
  return {};
}

async::Task<> Forward::carry(std::unique_ptr<transport::Stream> connection, std::unique_ptr<wire::ByteSource> source,
                             std::unique_ptr<wire::ByteSink> sink) {
  struct Count {
    std::shared_ptr<std::size_t> count;
    explicit Count(std::shared_ptr<std::size_t> c) : count(std::move(c)) { ++*count; }
    Count(const Count&) = delete;
    Count& operator=(const Count&) = delete;
    ~Count() { --*count; }
  } const counted(connections_);
  // How it ended was said to both sides.
  static_cast<void>(co_await relay::run(loop_, *connection, *source, *sink));
}

}  // namespace swarm::agentd
