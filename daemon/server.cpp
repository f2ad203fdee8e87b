#include "daemon/server.hpp"

#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "protocol/async/timer.hpp"

namespace swarm {
namespace {

using namespace std::chrono_literals;

// Out of descriptors: connections wait in the kernel's queue until some are closed.
constexpr Duration kAcceptPause = 100ms;

// What closing connections may take to send what they still have.
constexpr Duration kLinger = 1s;

}  // namespace

Server::Server(async::Loop& loop, UniqueFd listener, Options options, wire::Router& router)
    : loop_(loop),
      listener_(loop, std::move(listener)),
      options_(options),
      router_(router),
      quieter_(loop),
      accepting_(loop),
      serving_(loop) {}

Server::~Server() {
  accepting_.cancel_all();
  serving_.cancel_all();
}

void Server::start() { accepting_.spawn(accept_all()); }

async::Task<> Server::accept_all() {
  for (;;) {
    while (clients_ >= options_.max_connections) co_await quieter_.wait();
    auto stream = co_await listener_.accept();
    if (!stream) {
      log::logger<"server">().warn("a client could not be accepted", {{"error", stream.error()}});
      co_await async::sleep_for(loop_, kAcceptPause);
      continue;
    }
    const auto peer = (*stream)->peer();
    if (!peer || (peer->uid != options_.allowed_uid && peer->uid != 0)) {
      log::logger<"server">().warn("a client of another user was turned away",
                                   {{"uid", peer ? static_cast<int>(peer->uid) : -1}});
      continue;
    }
    ++clients_;
    serving_.spawn(serve(std::move(*stream)));
  }
}

async::Task<> Server::serve(std::unique_ptr<transport::FdStream> stream) {
  const auto peer = stream->peer();
  // Whatever way this ends, the count and the list are right.
  struct Place {
    Server& server;
    std::list<Client>::iterator at;
    ~Place() {
      at->handler->drop_calls();
      server.open_.erase(at);
      --server.clients_;
      server.quieter_.notify_all();
    }
  };
  wire::PeerHandler handler(router_, {.kind = wire::Peer::Kind::host, .credentials = peer});
  wire::Connection connection(loop_, std::move(stream), wire::Side::acceptor, options_.limits, &handler);
  const Place place{.server = *this, .at = open_.insert(open_.end(), {&connection, &handler})};
  const Error reason = co_await connection.run();
  co_await handler.settled();  // calls with a key do not end with their client
  log::logger<"server">().debug("client gone", {{"pid", peer ? static_cast<int>(peer->pid) : 0}, {"reason", reason}});
}

std::size_t Server::requests_in_flight() const {
  std::size_t sum = 0;
  for (const Client& client : open_) {
    sum += std::max(client.connection->requests_in_flight(), client.handler->keyed_calls());
  }
  return sum;
}

async::Task<> Server::tell_when_answered(wire::Connection& connection) {
  co_await connection.requests_answered();
  quieter_.notify_all();
}

async::Task<Result<void>> Server::quiet() {
  while (requests_in_flight() > 0 && !hurried_) {
    async::TaskSet busy(loop_);
    for (const Client& client : open_) {
      if (client.connection->requests_in_flight() > 0) busy.spawn(tell_when_answered(*client.connection));
    }
    co_await quieter_.wait();
  }
  co_return {};
}

async::Task<Result<void>> Server::all_gone() {
  while (!open_.empty()) co_await quieter_.wait();
  co_return {};
}

void Server::hurry() {
  hurried_ = true;
  quieter_.notify_all();
}

async::Task<> Server::drain(Duration patience) {
  accepting_.cancel_all();
  const Result<void> answered = co_await async::with_timeout(loop_, quiet(), patience, "calls in flight");
  if (!answered) log::logger<"server">().warn("calls were given up", {{"in_flight", requests_in_flight()}});
  for (const Client& client : open_) {
    client.connection->close({.code = Code::unavailable, .message = "the daemon is stopping", .retryable = true});
  }
  const Result<void> gone = co_await async::with_timeout(loop_, all_gone(), kLinger, "closing");
  if (!gone) log::logger<"server">().debug("clients did not take their last bytes", {{"clients", open_.size()}});
  serving_.cancel_all();
}

}  // namespace swarm
