#pragma once
// The sandbox's end of forwarded ports. It dials what the daemon names, and listens where the daemon says; who inside
// connected to such a port is handed out when the daemon asks, and the daemon decides what it leads to. Nothing here
// reaches the host by itself.

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "protocol/async/channel.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/relay/relay.hpp"
#include "protocol/transport/tcp.hpp"

namespace swarm::agentd {

struct ForwardLimits {
  std::size_t listeners = 64;
  std::size_t waiting = 32;  ///< connections to a port that nobody has asked for yet; more wait in the kernel
  std::size_t connections = 1024;
  std::chrono::milliseconds dial_timeout{10'000};
};

class Forward {
 public:
  explicit Forward(async::Loop& loop, ForwardLimits limits = {}) : loop_(loop), limits_(limits) {}
  Forward(const Forward&) = delete;
  Forward& operator=(const Forward&) = delete;
  ~Forward() = default;

  /// Connects to a port as seen from inside, or to the Unix socket whose absolute path `host` is (the port is then not
  /// looked at). `unavailable` when nothing listens there, `deadline_exceeded` when nothing answers,
  /// `resource_exhausted` above the limit of connections.
  async::Task<Result<std::unique_ptr<transport::Stream>>> dial(std::string host, std::uint16_t port);

  struct Listening {
    std::string id;
    transport::TcpAddress address;
  };
  /// Listens on a loopback port until `close`. With `only`, connections of other users' programs are reset.
  Result<Listening> listen(const transport::TcpAddress& at, std::optional<uid_t> only = std::nullopt);

  struct Accepted {
    std::unique_ptr<transport::Stream> stream;
    std::string peer;
  };
  /// The next connection to a listening port. `not_found` when there is no such port or it is closed meanwhile. A task
  /// that is dropped takes no connection.
  async::Task<Result<Accepted>> accept(std::string id);

  /// Stops listening; connections that were not handed out are reset.
  Result<void> close(const std::string& id);

  /// Carries a connection and counts it while it lives.
  async::Task<> carry(std::unique_ptr<transport::Stream> connection, std::unique_ptr<wire::ByteSource> source,
                      std::unique_ptr<wire::ByteSink> sink);

  [[nodiscard]] std::size_t connections() const { return *connections_; }

 private:
  struct Listener {
    std::unique_ptr<transport::TcpListener> socket;
    std::optional<uid_t> only;
    async::Channel<Accepted> waiting;
    async::TaskSet accepting;  // last: its task uses the others
    Listener(async::Loop& loop, std::unique_ptr<transport::TcpListener> s, std::optional<uid_t> whose, std::size_t room)
        : socket(std::move(s)), only(whose), waiting(loop, room), accepting(loop) {}
  };

  async::Task<> accept_all(Listener& listener);
  [[nodiscard]] Result<void> room_for_one() const;

  async::Loop& loop_;
  ForwardLimits limits_;
  // Shared with the relays, which may end after this.
  std::shared_ptr<std::size_t> connections_ = std::make_shared<std::size_t>(0);
  std::map<std::string, std::shared_ptr<Listener>> listeners_;  // shared with those who wait in `accept`
  std::uint64_t next_id_ = 1;
};

}  // namespace swarm::agentd
