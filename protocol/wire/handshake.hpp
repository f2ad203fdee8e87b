#pragma once
// Before anything else travels on a new stream, both ends prove that they know the sandbox's secret:
//
//   dialer                                              acceptor
//     hello {nonce, version, instance, session, received, attempt, features}  ->
//                                     <-  challenge {nonce, version, features}
//     proof {mac}  ->
//                                     <-  accept {admission, session, received, mac}
//
// Each MAC is HMAC-SHA-256 under the secret over a label, the sandbox's id, the whole hello, the whole challenge and
// the role of who made it; the acceptor's also covers its answer. So a proof cannot be reflected (the roles differ),
// nor replayed (both nonces are fresh), nor can versions, features or offsets be changed on the way (no downgrade). The
// sandbox's id never travels. The acceptor reveals nothing of its sessions before the dialer has proven itself.

#include "protocol/async/loop.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/transport/stream.hpp"
#include "protocol/wire/handshake_messages.hpp"
#include "protocol/wire/tunnel_secret.hpp"

namespace swarm::wire {

/// What one end of a tunnel says of itself and knows. Must outlive the handshakes that use it.
struct HandshakeIdentity {
  TunnelSecret secret;
  std::string sandbox_id;  ///< what `new_sandbox_id` made; both ends know it
  Version version;
  std::vector<std::string> features;            ///< see `check_features`
  Duration deadline = std::chrono::seconds(5);  ///< for the whole handshake
};

/// What the dialer wants.
struct HandshakeWish {
  InstanceId instance;
  SessionId session;           ///< empty: a new one
  std::uint64_t received = 0;  ///< of that session
  std::uint64_t attempt = 0;
};

/// What both ends know of each other afterwards.
struct HandshakeOutcome {
  Version peer_version;
  std::vector<std::string> features;  ///< those that both have
  SessionId session;
  Admission admission = Admission::unknown;
  std::uint64_t peer_received = 0;  ///< the offset that the peer wants to go on from
};

/// Decides on the wish of a dialer that has proven itself. Called once a handshake, between the proof and the answer.
class Gatekeeper {
 public:
  struct Answer {
    Admission admission = Admission::unknown;
    SessionId session;
    std::uint64_t received = 0;
  };
  virtual ~Gatekeeper() = default;
  virtual Answer admit(const HandshakeWish& wish) = 0;
};

/// The dialer's side. `unauthenticated` when either end could not prove itself (never why), `failed_precondition` for
/// versions that do not work together, `not_found` when the acceptor does not know the session, `resource_exhausted`
/// when it has too many, `deadline_exceeded`, `unavailable` when the stream broke.
async::Task<Result<HandshakeOutcome>> shake_hands_as_dialer(async::Loop& loop, transport::Stream& stream,
                                                            const HandshakeIdentity& identity, HandshakeWish wish,
                                                            Random& random);

/// The acceptor's side. Fails in the same ways; a refused admission is a failure here too (`not_found`,
/// `failed_precondition` for a stale attempt, `resource_exhausted`), after the dialer was told.
async::Task<Result<HandshakeOutcome>> shake_hands_as_acceptor(async::Loop& loop, transport::Stream& stream,
                                                              const HandshakeIdentity& identity, Gatekeeper& gatekeeper,
                                                              Random& random);

}  // namespace swarm::wire
