#include "agentd/team/schema.hpp"

#include <array>

namespace swarm::agentd {
namespace {

// team has one row. Names keep their uid for ever: what a file says it belongs to stays true.
constexpr std::array kMigrations = {
    store::Migration{1, "team", R"(
      CREATE TABLE team (
        one INTEGER PRIMARY KEY CHECK (one = 1), swarm TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL,
        rate INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE team_members (
        position INTEGER PRIMARY KEY, agent TEXT NOT NULL UNIQUE, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
        user TEXT NOT NULL, home TEXT NOT NULL, role TEXT NOT NULL, kind TEXT NOT NULL, lead INTEGER NOT NULL,
        gone INTEGER NOT NULL
      ) STRICT;
    )"},
    store::Migration{2, "patience, stalls", R"(
      ALTER TABLE team ADD COLUMN patience BLOB NOT NULL DEFAULT x'';
      CREATE TABLE team_stalls (
        seq INTEGER PRIMARY KEY, agent TEXT NOT NULL, step BLOB NOT NULL
      ) STRICT;
    )"},
    store::Migration{3, "authority", "ALTER TABLE team ADD COLUMN far INTEGER NOT NULL DEFAULT 0;"},
};

}  // namespace

const store::Domain kTeamDomain{"team", kMigrations};

}  // namespace swarm::agentd
