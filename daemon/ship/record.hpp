#pragma once
// What the store keeps of shipments.

#include <optional>
#include <string>
#include <vector>

#include "protocol/api/ship.hpp"
#include "protocol/store/migration.hpp"
#include "protocol/store/store.hpp"

namespace swarm::ship {

/// Kept with a shipment, never shown.
struct Hidden {
  std::string body;                  ///< of its pull requests
  std::vector<std::string> looked;   ///< repositories where it is known how the branch stood before
  std::vector<std::string> opening;  ///< repositories where no pull request was found, and one was begun to be opened
  bool linked = false;               ///< its pull requests name each other
  bool undoing = false;              ///< it failed, and what it did is being taken back
  std::string undo_why;

  template <class D>
  static void describe(D& d) {
    d.type("HiddenShipment", "What the daemon keeps of a shipment and shows to nobody.");
    d.field("body", &Hidden::body, "Text of its pull requests.");
    d.field("looked", &Hidden::looked, "Where it is known how the branch stood before.");
    d.field("opening", &Hidden::opening, "Where a pull request was begun to be opened.");
    d.field("linked", &Hidden::linked, "Its pull requests name each other.");
    d.field("undoing", &Hidden::undoing, "What it did is being taken back.");
    d.field("undo_why", &Hidden::undo_why, "Why.");
  }
};

struct Record {
  api::ShipmentInfo info;
  Hidden hidden;
};

/// Nothing is left to do for it.
[[nodiscard]] bool is_over(api::ShipmentState state);

/// The tables of this domain.
extern const store::Domain kShipDomain;

Result<void> insert(store::Database& db, const Record& record);
Result<void> update(store::Database& db, const Record& record);
/// Those that are not over, oldest first.
Result<std::vector<Record>> load_open(store::Database& db);
/// Those of one swarm, or with an empty word of all, newest first.
Result<std::vector<Record>> load_of(store::Database& db, const std::string& swarm, bool open, int limit);
/// Those whose id begins so; at most two.
Result<std::vector<Record>> find(store::Database& db, const std::string& prefix);

}  // namespace swarm::ship
