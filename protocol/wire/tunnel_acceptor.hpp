#pragma once

#include <list>
#include <map>

#include "protocol/wire/tunnel.hpp"

namespace swarm::wire {

struct AcceptorOptions {
  HandshakeIdentity identity;
  SessionOptions session;
  /// Handshakes at once. One more pushes the oldest out: a flood of silent strangers does not lock the daemon out.
  std::size_t max_handshakes = 16;
  std::size_t max_sessions = 4;  ///< of different daemon runs; a new one first takes the place of a detached one
  /// Told of every stream that did not become part of a tunnel; for the log.
  std::function<void(const Error&)> refused;
};

/// agentd's end: takes streams from `accept`, several handshakes at once, and keeps at most one live session for each
/// run of a daemon. Sessions may outlive it, but are then no longer resumed. `loop`, `random` and `budget` must outlive
/// both.
class TunnelAcceptor final : private Gatekeeper {
 public:
  TunnelAcceptor(async::Loop& loop, StreamSource accept, AcceptorOptions options, Random& random,
                 SessionBudget& budget);
  ~TunnelAcceptor() override;

  /// The next new session; resumed ones go on by themselves. It waits for as long as it takes; drop it to stop waiting.
  async::Task<Tunnel> next();

  /// Handshakes under way.
  [[nodiscard]] std::size_t handshakes() const { return pending_.size(); }

 private:
  struct Kept {
    Session* session = nullptr;  // removes itself when it goes
    InstanceId instance;
    std::uint64_t attempt = 0;  // the newest that was admitted
  };
  using Registry = std::map<SessionId, Kept>;

  /// One handshake: a set of its own, so that one can be dropped alone.
  struct Pending {
    explicit Pending(async::Loop& loop) : tasks(loop) {}
    HandshakeWish wish;
    bool done = false;
    async::TaskSet tasks;
  };

  /// Lends the acceptor to one handshake and remembers what that one asked for.
  struct Gate;

  Answer admit(const HandshakeWish& wish) override;
  Answer admit_new(const InstanceId& instance);
  Kept* find(const SessionId& id);
  void end_sessions_of(const InstanceId& instance);
  void end_session(Registry::iterator kept, std::string why);

  async::Task<> accept_all();
  async::Task<> welcome(Pending& pending, std::unique_ptr<transport::Stream> stream);
  Result<void> settle(const HandshakeOutcome& outcome, const HandshakeWish& wish,
                      std::unique_ptr<transport::Stream> stream);
  void reap();

  async::Loop& loop_;
  StreamSource accept_;
  AcceptorOptions options_;
  Random& random_;
  SessionBudget& budget_;
  std::shared_ptr<Registry> registry_;  // shared with its sessions, which take themselves out
  std::deque<Tunnel> arrived_;
  async::Condition arrival_;
  std::list<Pending> pending_;  // oldest first
  async::Waiter reaper_{[](void* self) { static_cast<TunnelAcceptor*>(self)->reap(); }, this};
  async::TaskSet tasks_;
};

}  // namespace swarm::wire
