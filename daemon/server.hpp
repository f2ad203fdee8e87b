#pragma once

#include <list>
#include <memory>

#include "protocol/async/task_set.hpp"
#include "protocol/transport/unix.hpp"
#include "protocol/wire/router.hpp"

namespace swarm {

/// Accepts clients on the daemon's socket and gives each a connection. Only the daemon's own user and root may come in,
/// whatever the socket's mode says; the kernel tells who connects.
class Server {
 public:
  struct Options {
    wire::Limits limits;
    std::size_t max_connections = 1024;
    uid_t allowed_uid = 0;
  };

  /// `router` answers every client and outlives the server.
  Server(async::Loop& loop, UniqueFd listener, Options options, wire::Router& router);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  void start();

  /// Accepts nobody any more, lets calls in flight end for at most `patience`, then closes every connection.
  async::Task<> drain(Duration patience);
  /// Ends the patience of a drain now.
  void hurry();

  [[nodiscard]] std::size_t connections() const { return clients_; }
  [[nodiscard]] std::size_t requests_in_flight() const;

 private:
  async::Task<> accept_all();
  async::Task<Result<void>> quiet();
  async::Task<> tell_when_answered(wire::Connection& connection);
  async::Task<Result<void>> all_gone();
  async::Task<> serve(std::unique_ptr<transport::FdStream> stream);

  async::Loop& loop_;
  transport::UnixListener listener_;
  Options options_;
  wire::Router& router_;
  /// A client, and what goes on for it.
  struct Client {
    wire::Connection* connection;
    wire::PeerHandler* handler;
  };
  std::list<Client> open_;
  std::size_t clients_ = 0;
  bool hurried_ = false;
  async::Condition quieter_;  ///< a client has gone, or has its answers
  async::TaskSet accepting_;
  async::TaskSet serving_;
};

}  // namespace swarm
