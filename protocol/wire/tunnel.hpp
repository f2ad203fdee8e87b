#pragma once
// The tunnel's two ends. Each gives sessions that are proven on both sides: streams for a Connection.
//
//   daemon: TunnelDialer --dial()--> stream --handshake--> Session --break--> dial again, resume
//   agentd: TunnelAcceptor --accept()--> stream --handshake--> new Session, or a new stream for one that it keeps

#include "protocol/wire/handshake.hpp"
#include "protocol/wire/session.hpp"

namespace swarm::wire {

/// A session and what the handshake agreed on. `session` is the stream for a Connection; whoever owns it owns the
/// tunnel.
struct Tunnel {
  std::unique_ptr<Session> session;
  Version peer_version;
  std::vector<std::string> features;  ///< those that both ends have
};

/// Gives the next stream: connects, or accepts. Called again only after its task ended.
using StreamSource = std::function<async::Task<Result<std::unique_ptr<transport::Stream>>>()>;

}  // namespace swarm::wire
