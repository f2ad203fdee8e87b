#include "daemon/http/server.hpp"

#include "daemon/http/connection.hpp"
#include "daemon/log/log.hpp"

namespace swarm::http {
namespace {

constexpr Duration kRest = std::chrono::milliseconds(100);  // out of descriptors: how long accepting rests

/// Keeps a connection on the list of those that can be told to stop.
struct Listed {
  std::list<Connection*>& list;
  std::list<Connection*>::iterator at;
  Listed(std::list<Connection*>& of, Connection* one) : list(of), at(list.insert(list.end(), one)) {}
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() { list.erase(at); }
};

}  // namespace

Server::Server(async::Loop& loop, std::unique_ptr<transport::TcpListener> listener, Limits limits, Handler& handler,
               const TlsContext* tls)
    : loop_(loop),
      listener_(std::move(listener)),
      limits_(limits),
      handler_(handler),
      tls_(tls),
      accepting_(loop),
      serving_(loop) {}

Server::~Server() = default;

void Server::start() { accepting_.spawn(accept_all()); }

async::Task<> Server::accept_all() {
  for (;;) {
    auto accepted = co_await listener_->accept();
    if (!accepted) {
      log::logger<"http">().warn("a connection could not be accepted", {{"error", accepted.error()}});
      co_await async::sleep_for(loop_, kRest);
      continue;
    }
    if (serving_.size() >= limits_.connections) {
      log::logger<"http">().warn("too many connections; one was closed at once", {{"limit", limits_.connections}});
      continue;
    }
    serving_.spawn(serve(std::move(accepted->stream), accepted->peer.to_string()));
  }
}

async::Task<> Server::serve(std::unique_ptr<transport::Stream> stream, std::string peer) {
  Wire wire;
  wire.peer = std::move(peer);
  bool http2 = false;
  if (tls_ != nullptr) {
    auto secured = std::make_unique<TlsStream>(*tls_, std::move(stream));
    const Result<void> agreed =
        co_await async::with_timeout(loop_, secured->handshake(), limits_.handshake, "TLS handshake");
    if (!agreed) {
      log::logger<"http">().debug("a client could not be served", {{"peer", wire.peer}, {"error", agreed.error()}});
      co_return;
    }
    http2 = secured->protocol() == "h2";
    wire.tls = secured.get();
    wire.stream = std::move(secured);
  } else {
    wire.stream = std::move(stream);
  }
  ConnectionSetup setup{.loop = loop_, .limits = limits_, .handler = handler_, .wire = std::move(wire)};
  const std::unique_ptr<Connection> connection = http2 ? make_http2(std::move(setup)) : make_http1(std::move(setup));
  const Listed listed(open_, connection.get());
  co_await connection->run();
}

async::Task<Result<void>> Server::all_gone() {
  co_await serving_.join();
  co_return {};
}

async::Task<> Server::drain(Duration patience) {
  accepting_.cancel_all();
  for (Connection* connection : open_) connection->stop();
  const Result<void> gone = co_await async::with_timeout(loop_, all_gone(), patience, "requests in flight");
  if (!gone) serving_.cancel_all();
}

}  // namespace swarm::http
