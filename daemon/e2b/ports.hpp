#pragma once

#include "daemon/e2b/control.hpp"

namespace swarm::e2b_endpoint {

/// Passes requests on to a port inside a sandbox, as `https://<port>-<sandbox>.<domain>` is at E2B: HTTP with streamed
/// bodies, WebSocket and other upgrades.
class Ports {
 public:
  Ports(Boxes& boxes, const Identity& identity) : boxes_(boxes), identity_(identity) {}

  async::Task<> serve(http::Exchange& exchange, BoxPtr box, std::uint32_t port);

 private:
  Boxes& boxes_;
  const Identity& identity_;
};

/// What E2B's proxy says: a sentence with the sandbox, and the port where there is one.
async::Task<> send_proxy_error(http::Exchange& exchange, int status, std::string sandbox, std::string message,
                               std::optional<std::uint32_t> port = std::nullopt);

}  // namespace swarm::e2b_endpoint
