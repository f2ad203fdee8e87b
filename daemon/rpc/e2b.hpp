#pragma once

#include "protocol/wire/router.hpp"

namespace swarm::e2b_endpoint {
class Endpoint;
}

namespace swarm::rpc {

/// `endpoint` outlives the router's calls.
void add_e2b_methods(wire::Router& router, e2b_endpoint::Endpoint& endpoint);

}  // namespace swarm::rpc
