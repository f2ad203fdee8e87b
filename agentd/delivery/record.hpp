#pragma once
// What is known of how messages reach an agent's program: what its hooks told last, whether it is in a turn, what
// stands in the way. A row for each agent beside the coordination's own tables, so that the agentd after this one knows
// it, and whoever looks for stalls can read it in the step in which it decides.

#include <optional>
#include <string>

#include "protocol/store/database.hpp"
#include "protocol/store/migration.hpp"

namespace swarm::agentd::delivery {

struct Record {
  std::string agent;
  std::string way;            ///< "hooks", "paste"; empty: not known yet, or it reads its messages itself
  std::string session;        ///< the program's own name for its conversation
  std::string event;          ///< the last one that its hooks told
  std::string tool;           ///< that the event is about
  std::int64_t event_us = 0;  ///< when, UTC
  bool in_turn = false;       ///< between a prompt and its end, as the hooks tell
  std::int64_t woken_us = 0;  ///< when it was last given a prompt for its messages, UTC
  std::int64_t failures = 0;  ///< of deliveries in a row
  std::string problem;        ///< why messages wait; empty: nothing is in the way
  std::int64_t next_us = 0;   ///< when it is tried again, UTC; 0: as soon as something changes
};

/// One table. Behind the coordination's own.
extern const store::Domain kDeliveryDomain;

/// Nothing for an agent whose program has not been heard of.
Result<std::optional<Record>> find(store::Database& db, const std::string& agent);

/// What a hook told: keeps what the deliveries are about.
Result<void> put_event(store::Database& db, const Record& record);
/// How deliveries go: keeps what hooks told.
Result<void> put_progress(store::Database& db, const Record& record);

}  // namespace swarm::agentd::delivery
