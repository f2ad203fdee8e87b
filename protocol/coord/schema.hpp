#pragma once

#include "protocol/store/migration.hpp"

namespace swarm::coord {

/// The tables of locks, messages, registry and notes. Every row names its swarm, so that one store holds several.
extern const store::Domain kCoordDomain;

}  // namespace swarm::coord
