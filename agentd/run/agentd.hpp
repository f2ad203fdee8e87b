#pragma once
// `agentd run`: what serves one sandbox. `agentd init` starts it, hands it the tunnel's listening socket and secret
// (init/protocol.hpp), and starts it again when it dies. All that must survive that is elsewhere: background programs
// under their supervisors, panes in tmux, the lease in init.

#include <list>

#include "agentd/delivery/delivery.hpp"
#include "agentd/exec/execs.hpp"
#include "agentd/rpc/agentd.hpp"
#include "agentd/rpc/exec.hpp"
#include "agentd/rpc/files.hpp"
#include "agentd/rpc/forward.hpp"
#include "agentd/rpc/git.hpp"
#include "agentd/rpc/happenings.hpp"
#include "agentd/rpc/metrics.hpp"
#include "agentd/rpc/pane.hpp"
#include "agentd/rpc/team.hpp"
#include "agentd/rpc/upward.hpp"
#include "agentd/run/options.hpp"
#include "agentd/tunnel/websocket_listener.hpp"
#include "agentd/watch/keeper.hpp"
#include "agentd/watch/views.hpp"
#include "protocol/async/signals.hpp"
#include "protocol/transport/unix.hpp"
#include "protocol/wire/tunnel_acceptor.hpp"

namespace swarm::agentd {

class Agentd {
 public:
  /// What init handed over; see init/protocol.hpp for what each is. With `RunOptions::listen` there is no init, and
  /// only the secret is there.
  struct Inherited {
    UniqueFd listener;
    UniqueFd secret;
    UniqueFd control;
  };

  Agentd(async::Loop& loop, Random& random, RunOptions options, Inherited inherited,
         std::vector<std::string> environment);
  Agentd(const Agentd&) = delete;
  Agentd& operator=(const Agentd&) = delete;

  /// Serves until the sandbox is to end; the exit status of this process. Errors are failures to begin.
  async::Task<Result<int>> run();

 private:
  Result<void> open();
  [[nodiscard]] Result<wire::TunnelSecret> read_secret() const;
  async::Task<Result<std::unique_ptr<transport::Stream>>> accept_tunnel();
  async::Task<> serve_tunnels();
  async::Task<> serve_tunnel(wire::Tunnel tunnel);
  async::Task<> serve_inside();
  async::Task<> serve_program(std::unique_ptr<transport::FdStream> stream);
  async::Task<> end_on(int signal);
  void tell_init(std::string_view packet) const;
  void end(std::chrono::milliseconds grace, std::string_view reason);
  async::Task<Result<void>> end_programs(std::chrono::milliseconds grace);

  async::Loop& loop_;
  Random& random_;
  RunOptions options_;
  Inherited inherited_;
  Users users_;
  Execs execs_;
  ExecService exec_service_;
  panes::Panes panes_;
  Happenings happenings_;
  AgentdService service_;
  FilesService files_;
  Forward forward_;
  MetricsService metrics_;
  Team team_;
  TeamService team_service_;
  delivery::Delivery delivery_;
  Keeper keeper_;
  Views views_;
  git::Git git_;
  Upward upward_;
  wire::Router router_;
  wire::SessionBudget budget_;
  std::unique_ptr<transport::UnixListener> listener_;
  std::unique_ptr<WebSocketListener> websockets_;  ///< instead of `listener_`
  std::unique_ptr<transport::UnixListener> inner_;
  std::unique_ptr<wire::TunnelAcceptor> acceptor_;
  std::uint32_t tunnels_ = 0;
  std::size_t inner_connections_ = 0;
  async::Event ending_;
  std::chrono::milliseconds grace_{0};
  async::TaskSet tasks_;
};

}  // namespace swarm::agentd
