#pragma once

#include <functional>
#include <memory>
#include <string>

#include "protocol/api/sandbox_types.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/core/random.hpp"
#include "protocol/wire/router.hpp"
#include "protocol/wire/tunnel_dialer.hpp"

namespace swarm::sandbox {

/// What all tunnels of this run of the daemon share.
struct TunnelSetup {
  wire::InstanceId instance;  ///< of this run: an agentd keeps one session of it
  wire::Version version;
  std::vector<std::string> features;
  wire::SessionBudget& budget;
  wire::Limits limits;
  wire::SessionOptions session;
};

/// The daemon's end of one sandbox's tunnel: dials, proves the secret, puts a connection on it, and does all of that
/// again when agentd was restarted. Short breaks are the session's business and are not seen here.
class Link {
 public:
  struct Options {
    std::string sandbox;
    wire::TunnelSecret secret;
    wire::StreamSource dial;
    wire::Router& router;  ///< answers what the sandbox asks; must outlive the link
    /// Called at the top of the loop when a connection has come up or gone.
    std::function<void(api::TunnelState)> changed;
  };

  Link(async::Loop& loop, Random& random, TunnelSetup& setup, Options options);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  /// Begins to dial; goes on until destroyed.
  void start();

  /// The connection if there is one now. It may end at any time; calls on it then fail with `unavailable`.
  [[nodiscard]] std::shared_ptr<wire::Connection> current() const { return connection_; }

  [[nodiscard]] api::TunnelState state() const { return state_; }

 private:
  async::Task<> keep_up();
  void set_state(api::TunnelState state);

  async::Loop& loop_;
  TunnelSetup& setup_;
  std::string sandbox_;
  wire::PeerHandler handler_;
  std::function<void(api::TunnelState)> changed_;
  wire::TunnelDialer dialer_;
  api::TunnelState state_ = api::TunnelState::down;
  /// Shared with calls that are under way when the tunnel goes.
  std::shared_ptr<wire::Connection> connection_;
  async::TaskSet tasks_;  // last: its task uses everything above
};

}  // namespace swarm::sandbox
