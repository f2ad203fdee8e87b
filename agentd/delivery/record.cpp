#include "agentd/delivery/record.hpp"

#include <array>

namespace swarm::agentd::delivery {
namespace {

using store::Sql;

constexpr std::array kMigrations = {
    store::Migration{1, "delivery", R"(
      CREATE TABLE delivery (
        agent TEXT PRIMARY KEY, way TEXT NOT NULL DEFAULT '', session TEXT NOT NULL DEFAULT '',
        event TEXT NOT NULL DEFAULT '', tool TEXT NOT NULL DEFAULT '', event_us INTEGER NOT NULL DEFAULT 0,
        in_turn INTEGER NOT NULL DEFAULT 0, woken_us INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
        problem TEXT NOT NULL DEFAULT '', next_us INTEGER NOT NULL DEFAULT 0
      ) STRICT;
      -- Asked with every event of a hook: what was delivered by one and is not proven to be seen.
      CREATE INDEX delivery_unproven ON coord_deliveries (swarm, recipient, seq)
        WHERE state = 1 AND delivered_by GLOB 'hook:*';
    )"},
};

constexpr Sql kFind{"delivery.find",
                    "SELECT way, session, event, tool, event_us, in_turn, woken_us, failures, problem, next_us"
                    " FROM delivery WHERE agent = ?"};
constexpr Sql kEvent{"delivery.event",
                     "INSERT INTO delivery (agent, way, session, event, tool, event_us, in_turn) VALUES (?, 'hooks', ?,"
                     " ?, ?, ?, ?) ON CONFLICT (agent) DO UPDATE SET way = 'hooks', session = excluded.session,"
                     " event = excluded.event, tool = excluded.tool, event_us = excluded.event_us,"
                     " in_turn = excluded.in_turn"};
constexpr Sql kProgress{"delivery.progress",
                        "INSERT INTO delivery (agent, way, woken_us, failures, problem, next_us) VALUES"
                        " (?, ?, ?, ?, ?, ?) ON CONFLICT (agent) DO UPDATE SET way = excluded.way,"
                        " woken_us = excluded.woken_us, failures = excluded.failures, problem = excluded.problem,"
                        " next_us = excluded.next_us"};

}  // namespace

const store::Domain kDeliveryDomain{"delivery", kMigrations};

Result<std::optional<Record>> find(store::Database& db, const std::string& agent) {
  auto row = db.one<std::string, std::string, std::string, std::string, std::int64_t, bool, std::int64_t, std::int64_t,
                    std::string, std::int64_t>(kFind, agent);
  if (!row) return fail(row.error());
  if (!*row) return std::optional<Record>();
  auto& [way, session, event, tool, event_us, in_turn, woken_us, failures, problem, next_us] = **row;
  return std::optional(Record{.agent = agent,
                              .way = std::move(way),
                              .session = std::move(session),
                              .event = std::move(event),
                              .tool = std::move(tool),
                              .event_us = event_us,
                              .in_turn = in_turn,
                              .woken_us = woken_us,
                              .failures = failures,
                              .problem = std::move(problem),
                              .next_us = next_us});
}

Result<void> put_event(store::Database& db, const Record& record) {
  return db.run(kEvent, record.agent, record.session, record.event, record.tool, record.event_us, record.in_turn);
}

Result<void> put_progress(store::Database& db, const Record& record) {
  return db.run(kProgress, record.agent, record.way, record.woken_us, record.failures, record.problem, record.next_us);
}

}  // namespace swarm::agentd::delivery
