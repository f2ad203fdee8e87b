#include "daemon/sandbox/link.hpp"

#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// One round of the dialer; it tries often within it, and we go on with the next round until the link is dropped.
constexpr Duration kRound = 60s;

}  // namespace

Link::Link(async::Loop& loop, Random& random, TunnelSetup& setup, Options options)
    : loop_(loop),
      setup_(setup),
      sandbox_(options.sandbox),
      handler_(options.router, {.kind = wire::Peer::Kind::sandbox, .sandbox = options.sandbox}),
      changed_(std::move(options.changed)),
      dialer_(loop, std::move(options.dial),
              {.identity = {.secret = std::move(options.secret),
                            .sandbox_id = options.sandbox,
                            .version = setup.version,
                            .features = setup.features},
               .instance = setup.instance,
               .session = setup.session},
              random, setup.budget),
      tasks_(loop) {}

Link::~Link() {
  handler_.drop_calls();
  tasks_.cancel_all();
  // Whoever waits for an answer holds the connection too, and keep_up is not there any more to end it.
  if (connection_ != nullptr) connection_->abandon({.code = Code::unavailable, .message = "the sandbox has ended"});
}

void Link::start() { tasks_.spawn(keep_up()); }

async::Task<> Link::keep_up() {
  for (;;) {
    set_state(api::TunnelState::connecting);
    Result<wire::Tunnel> tunnel = co_await dialer_.connect(kRound);
    if (!tunnel) {
      log::logger<"tunnel">().warn("sandbox cannot be reached", {{"sandbox", sandbox_}, {"error", tunnel.error()}});
      // Final failures come back at once; what may pass has been tried for a round already.
      co_await async::sleep_for(loop_, 1s);
      continue;
    }
    connection_ = std::make_shared<wire::Connection>(loop_, std::move(tunnel->session), wire::Side::dialer,
                                                     setup_.limits, &handler_);
    set_state(api::TunnelState::up);
    const Error reason = co_await connection_->run();
    log::logger<"tunnel">().info("tunnel ended", {{"sandbox", sandbox_}, {"reason", reason}});
    handler_.drop_calls();
    connection_.reset();
    set_state(api::TunnelState::down);
  }
}

void Link::set_state(api::TunnelState state) {
  if (state == state_) return;
  state_ = state;
  if (changed_) changed_(state);
}

}  // namespace swarm::sandbox
