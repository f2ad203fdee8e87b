#pragma once
// The `core` domain: identity of the store, events, recorded answers. Every store has it, first.

#include <string>

#include "protocol/core/random.hpp"
#include "protocol/store/migration.hpp"

namespace swarm::store {

/// The migrations of `core`.
extern const Domain kCoreDomain;

/// Who a store is. Two stores never share an id; the epoch grows when a store goes back to a copy, so that (store,
/// epoch, seq) names one event for ever.
struct StoreIdentity {
  std::string store_id;  ///< 32 hexadecimal digits
  std::int64_t epoch = 0;
};

/// `not_found` where it was never written.
Result<StoreIdentity> read_identity(Database& db);

/// Gives a new store its id; does nothing where it has one.
Result<StoreIdentity> ensure_identity(Database& db, Random& random);

/// How the run of the program before this one ended.
enum class LastRun { none, stopped, killed };

/// Notes that a run begins, and tells of the one before. In a transaction.
Result<LastRun> begin_run(Database& db);
/// Notes that the run that began last has stopped in order.
Result<void> end_run(Database& db);

/// For `restore`.
Result<void> write_epoch(Database& db, std::int64_t epoch);

}  // namespace swarm::store
