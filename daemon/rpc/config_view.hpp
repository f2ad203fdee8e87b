#pragma once

#include "daemon/config/load.hpp"
#include "protocol/api/daemon.hpp"

namespace swarm::rpc {

/// A configuration as `config.show` and `swarmd config show` give it.
api::ConfigShowReply config_view(const config::Loaded& loaded, const api::ConfigShowRequest& request);

}  // namespace swarm::rpc
