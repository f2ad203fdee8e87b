#pragma once
// The durable event log. An event is appended in the transaction of the change that it tells of, so neither exists
// without the other. Numbers are given in commit order, without gaps, and never again.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "protocol/core/clock.hpp"
#include "protocol/store/core_schema.hpp"
#include "protocol/store/database.hpp"

namespace swarm::store {

/// Where an event happened first. For our own events: this store, its epoch then, and `seq`.
struct EventOrigin {
  std::string store;
  std::int64_t epoch = 0;
  std::int64_t seq = 0;
  bool operator==(const EventOrigin&) const = default;
};

/// What a writer says.
struct NewEvent {
  std::string type;  ///< "sandbox.ready"
  std::optional<std::string> swarm{};
  std::optional<std::string> sandbox{};
  std::optional<std::string> agent{};
  std::optional<std::string> run{};
  std::optional<std::string> task{};
  /// An encoded map (MessagePack); the store does not look inside.
  std::string data{};
  /// Only for events that came from another store's log. A number that is not above the last one accepted from there
  /// was shipped twice and is dropped.
  std::optional<EventOrigin> origin{};
};

/// A recorded event.
struct Event {
  std::int64_t seq = 0;
  std::int64_t time_us = 0;
  std::string type;
  std::optional<std::string> swarm{};
  std::optional<std::string> sandbox{};
  std::optional<std::string> agent{};
  std::optional<std::string> run{};
  std::optional<std::string> task{};
  EventOrigin origin{};
  std::string data{};
  bool operator==(const Event&) const = default;
};

/// How much of the log is kept. What is over either bound goes, oldest first; the newest event always stays.
struct EventRetention {
  std::int64_t max_count = 1'000'000;
  std::chrono::microseconds max_age = std::chrono::days(30);
};

/// First and last number in the log; 0, 0 when it is empty.
struct EventRange {
  std::int64_t oldest = 0;
  std::int64_t newest = 0;
};

/// Records one event inside the caller's transaction. nullopt: a foreign event that was known already.
Result<std::optional<Event>> append_event(Database& db, const StoreIdentity& self, WallTime time, NewEvent event);

Result<EventRange> event_range(Database& db);

/// Up to `limit` events with seq >= `from`, in order; without `from` from the oldest that is kept. `out_of_range` names
/// the oldest where `from` is below it, and the newest where `from` is more than one above it (numbers of a store that
/// has since gone back to a copy).
Result<std::vector<Event>> read_events(Database& db, const StoreIdentity& self, std::optional<std::int64_t> from,
                                       int limit);

/// The last number accepted from the log of another store, for acknowledging it. 0, 0 when nothing came.
Result<EventOrigin> last_from_origin(Database& db, const std::string& store);

/// Deletes up to `limit` events that retention lets go, inside the caller's transaction; gives how many.
Result<std::int64_t> prune_events(Database& db, const EventRetention& retention, WallTime now, int limit);

}  // namespace swarm::store
