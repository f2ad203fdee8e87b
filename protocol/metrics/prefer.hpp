#pragma once

#include "protocol/api/sandbox_types.hpp"

namespace swarm {

/// `inside`, with every figure that `outside` has in place of its own. Outside figures that were not taken are absent
/// or zero.
api::SandboxMetrics prefer(api::SandboxMetrics inside, const api::SandboxMetrics& outside);

}  // namespace swarm
