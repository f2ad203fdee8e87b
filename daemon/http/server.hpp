#pragma once

#include <list>
#include <memory>

#include "daemon/http/exchange.hpp"
#include "daemon/http/tls.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/transport/tcp.hpp"

namespace swarm::http {

class Connection;

/// Serves HTTP on one port: HTTP/1 and, over TLS, HTTP/2 as ALPN agrees.
class Server {
 public:
  /// `tls` null: plain HTTP/1. `handler` and `tls` outlive the server.
  Server(async::Loop& loop, std::unique_ptr<transport::TcpListener> listener, Limits limits, Handler& handler,
         const TlsContext* tls = nullptr);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  void start();
  /// Accepts nobody any more, lets requests in flight end for at most `patience`, then drops them.
  async::Task<> drain(Duration patience);

  [[nodiscard]] const transport::TcpAddress& address() const { return listener_->address(); }
  [[nodiscard]] std::size_t connections() const { return serving_.size(); }

 private:
  async::Task<> accept_all();
  async::Task<> serve(std::unique_ptr<transport::Stream> stream, std::string peer);
  async::Task<Result<void>> all_gone();

  async::Loop& loop_;
  std::unique_ptr<transport::TcpListener> listener_;
  Limits limits_;
  Handler& handler_;
  const TlsContext* tls_;
  std::list<Connection*> open_;
  async::TaskSet accepting_;
  async::TaskSet serving_;
};

}  // namespace swarm::http
