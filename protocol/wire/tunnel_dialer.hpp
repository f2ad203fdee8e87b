#pragma once

#include "protocol/wire/backoff.hpp"
#include "protocol/wire/tunnel.hpp"

namespace swarm::wire {

struct DialerOptions {
  HandshakeIdentity identity;
  InstanceId instance;  ///< of this daemon's run: the acceptor keeps one session of it
  SessionOptions session;
  BackoffOptions backoff;
  Duration dial_timeout = std::chrono::seconds(10);  ///< for one stream; the handshake has its own deadline
};

/// The daemon's end of one sandbox's tunnel. Its sessions dial again by themselves when their stream breaks, and may
/// outlive the dialer; `loop`, `random` and `budget` must outlive both.
class TunnelDialer {
 public:
  TunnelDialer(async::Loop& loop, StreamSource dial, DialerOptions options, Random& random, SessionBudget& budget);

  /// A new session. What may pass is tried again for `limit`; `unauthenticated`, `failed_precondition` and
  /// `permission_denied` are final at once. Otherwise fails with the last failure and how often it was tried.
  ///
  /// Later the session ends with `unavailable` when the peer was restarted (it no longer knows the session) or stayed
  /// away for `SessionOptions::keep_detached`; then ask here for a new one.
  async::Task<Result<Tunnel>> connect(Duration limit);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the sessions that dial again
};

}  // namespace swarm::wire
