#pragma once
// What the store keeps of rate limits. Each function is part of the caller's transaction.

#include <map>
#include <string>

#include "daemon/limits/limiter.hpp"
#include "protocol/store/store.hpp"

namespace swarm::limits {

/// Everything that an earlier run left.
struct Recovered {
  std::map<std::string, Spec> overrides;
  std::map<std::string, Limiter::Memory> memory;
  bool ended_well = true;  ///< also in a new store
};

/// Reads it, and notes that from now on what is kept is behind what happens.
Result<Recovered> take_up(store::Changes& changes);

/// Keeps where one limiter stands.
Result<void> keep(store::Changes& changes, const std::string& key, const Limiter::Memory& memory);

/// Lends up to `weight` of a reserve, of which within the last `span` no more than `reserve` is lent, whatever was
/// restarted in between. 0: nothing is left.
Result<std::uint64_t> lend(store::Changes& changes, const std::string& key, std::uint64_t weight, std::uint64_t reserve,
                           Duration span);

/// What is kept is all that there is: the daemon ends.
Result<void> mark_ended_well(store::Changes& changes);

Result<void> keep_override(store::Changes& changes, const std::string& key, const Spec& spec);
Result<void> drop_override(store::Changes& changes, const std::string& key);

/// Adds `more` to `sum`.
void add(Counters& sum, const Counters& more);

}  // namespace swarm::limits
