#pragma once
// How a result leaves: the options that `swarm push`, `swarm pr` and `deploy` share, and how a shipment looks.

#include <string>
#include <vector>

#include "client/context.hpp"
#include "client/output/table.hpp"
#include "protocol/api/ship.hpp"

namespace CLI {
class App;
}

namespace swarm::client {

/// --into, --title, --body, --pr-label and --draft.
void add_pull_request_options(CLI::App& command, api::ShipmentWish& wish);

/// Everything about one, for people.
Fields shipment_fields(const api::ShipmentInfo& shipment, WallTime now);

/// Prints it (with --json as a document), says what to do where it waits for a person, and gives the exit status: 0
/// where it has arrived, else the failure.
Result<int> show_shipment(Context& context, const api::ShipmentInfo& shipment);

}  // namespace swarm::client
