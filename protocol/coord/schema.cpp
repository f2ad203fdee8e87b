#include "protocol/coord/schema.hpp"

#include <array>

namespace swarm::coord {
namespace {

// coord_swarms.revision grows with every step that is recorded: a machine that keeps a copy in memory knows by it
// whether a step was undone behind its back. Times are moments of lease time (moment.hpp), in microseconds.
// coord_deliveries.state is that of DeliveryState; given: it was in a hand before, so its text may have arrived;
// next_us is when its next timer is due.
// coord_queued counts each recipient's queue, kept by triggers: a long queue must not make sending slow.
constexpr std::array kMigrations = {
    store::Migration{1, "coordination", R"(
      CREATE TABLE coord_swarms (
        swarm TEXT PRIMARY KEY, epoch INTEGER NOT NULL, fence INTEGER NOT NULL, revision INTEGER NOT NULL,
        note_revision INTEGER NOT NULL, last_us INTEGER NOT NULL, paused_us INTEGER NOT NULL, mac_key BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE coord_leases (
        swarm TEXT NOT NULL, id TEXT NOT NULL, agent TEXT NOT NULL, proven INTEGER NOT NULL, repository TEXT NOT NULL,
        kind INTEGER NOT NULL, path BLOB NOT NULL, mode INTEGER NOT NULL, reason TEXT NOT NULL,
        granted_us INTEGER NOT NULL, expires_us INTEGER, epoch INTEGER NOT NULL, counter INTEGER NOT NULL,
        PRIMARY KEY (swarm, id)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE coord_agents (
        swarm TEXT NOT NULL, id TEXT NOT NULL, uid INTEGER, role TEXT NOT NULL, state TEXT NOT NULL,
        proven INTEGER NOT NULL, registered_us INTEGER NOT NULL, heartbeat_us INTEGER NOT NULL,
        task TEXT NOT NULL, detail TEXT NOT NULL, availability REAL NOT NULL, tools TEXT NOT NULL, about TEXT NOT NULL,
        PRIMARY KEY (swarm, id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX coord_agents_by_uid ON coord_agents (swarm, uid);
      CREATE TABLE coord_skills (
        swarm TEXT NOT NULL, agent TEXT NOT NULL, skill TEXT NOT NULL, rate REAL NOT NULL,
        PRIMARY KEY (swarm, agent, skill)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE coord_messages (
        seq INTEGER PRIMARY KEY, swarm TEXT NOT NULL, id TEXT NOT NULL, sender TEXT NOT NULL, proven INTEGER NOT NULL,
        kind INTEGER NOT NULL, priority INTEGER NOT NULL, thread TEXT NOT NULL, reply_to TEXT, address TEXT NOT NULL,
        body TEXT NOT NULL, file TEXT, file_bytes INTEGER NOT NULL, sent_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,
        ack INTEGER NOT NULL, counted INTEGER NOT NULL, mac BLOB NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX coord_messages_by_id ON coord_messages (swarm, id);
      CREATE INDEX coord_messages_by_thread ON coord_messages (swarm, thread);
      CREATE INDEX coord_messages_by_sender ON coord_messages (swarm, sender, sent_us);
      CREATE TABLE coord_deliveries (
        swarm TEXT NOT NULL, recipient TEXT NOT NULL, seq INTEGER NOT NULL REFERENCES coord_messages (seq),
        state INTEGER NOT NULL, attempts INTEGER NOT NULL, given INTEGER NOT NULL, given_until_us INTEGER, delivered_us INTEGER,
        delivered_by TEXT, seen_us INTEGER, seen_by TEXT, ended_us INTEGER, reason TEXT, ack_tries INTEGER NOT NULL,
        ack_next_us INTEGER, escalated INTEGER NOT NULL, expires_us INTEGER NOT NULL,
        next_us INTEGER GENERATED ALWAYS AS (nullif(min(
          CASE WHEN state = 0 THEN expires_us ELSE 9223372036854775807 END,
          coalesce(given_until_us, 9223372036854775807),
          coalesce(ack_next_us, 9223372036854775807)), 9223372036854775807)) VIRTUAL,
        PRIMARY KEY (swarm, recipient, seq)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX coord_deliveries_by_message ON coord_deliveries (seq);
      CREATE INDEX coord_queues ON coord_deliveries (swarm, recipient, seq) WHERE state = 0;
      CREATE INDEX coord_unacknowledged ON coord_deliveries (swarm, seq) WHERE ack_next_us IS NOT NULL;
      CREATE INDEX coord_deliveries_due ON coord_deliveries (swarm, next_us) WHERE next_us IS NOT NULL;
      CREATE TABLE coord_queued (
        swarm TEXT NOT NULL, recipient TEXT NOT NULL, queued INTEGER NOT NULL, PRIMARY KEY (swarm, recipient)
      ) STRICT, WITHOUT ROWID;
      CREATE TRIGGER coord_queue_in AFTER INSERT ON coord_deliveries WHEN new.state = 0 BEGIN
        INSERT INTO coord_queued (swarm, recipient, queued) VALUES (new.swarm, new.recipient, 1)
          ON CONFLICT (swarm, recipient) DO UPDATE SET queued = queued + 1;
      END;
      CREATE TRIGGER coord_queue_move AFTER UPDATE OF state ON coord_deliveries
        WHEN (old.state = 0) <> (new.state = 0) BEGIN
        UPDATE coord_queued SET queued = queued + CASE WHEN new.state = 0 THEN 1 ELSE -1 END
          WHERE swarm = new.swarm AND recipient = new.recipient;
      END;
      CREATE TRIGGER coord_queue_out AFTER DELETE ON coord_deliveries WHEN old.state = 0 BEGIN
        UPDATE coord_queued SET queued = queued - 1 WHERE swarm = old.swarm AND recipient = old.recipient;
      END;
      CREATE TABLE coord_notes (
        swarm TEXT NOT NULL, key TEXT NOT NULL, value TEXT, revision INTEGER NOT NULL, author TEXT NOT NULL,
        changed_us INTEGER NOT NULL, PRIMARY KEY (swarm, key)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX coord_notes_by_revision ON coord_notes (swarm, revision);
      CREATE TABLE coord_decisions (
        seq INTEGER PRIMARY KEY, swarm TEXT NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, author TEXT NOT NULL,
        title TEXT NOT NULL, body TEXT NOT NULL, files TEXT NOT NULL, recorded_us INTEGER NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX coord_decisions_by_id ON coord_decisions (swarm, id);
      CREATE TABLE coord_links (
        swarm TEXT NOT NULL, one TEXT NOT NULL, other TEXT NOT NULL, PRIMARY KEY (swarm, one, other)
      ) STRICT, WITHOUT ROWID;
    )"},
    store::Migration{2, "lead of a swarm", "ALTER TABLE coord_agents ADD COLUMN lead INTEGER NOT NULL DEFAULT 0;"},
    // Until then edits were told by the words of their reason.
    store::Migration{3, "purpose of a lock", R"(
      ALTER TABLE coord_leases ADD COLUMN purpose INTEGER NOT NULL DEFAULT 0;
      UPDATE coord_leases SET purpose = 1 WHERE reason GLOB 'reserved until it is merged; changed with *';
    )"},
};

}  // namespace

const store::Domain kCoordDomain{"coord", kMigrations};

}  // namespace swarm::coord
