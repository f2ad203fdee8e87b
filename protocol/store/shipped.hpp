#pragma once

#include "protocol/store/events.hpp"

namespace swarm::store {

/// Deletes up to `limit` events up to number `through`, inside the caller's transaction: another store has them. The
/// newest stays, so that no number is given twice. Gives how many.
Result<std::int64_t> let_go_events(Database& db, std::int64_t through, int limit);

}  // namespace swarm::store
