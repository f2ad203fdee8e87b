#pragma once
// Schema changes. Each domain of a program contributes a list; `core` comes first. What was applied is recorded in
// `schema_migrations`, and `PRAGMA user_version` counts it, so that any tool can see the schema's age.
//
//   constexpr std::array kSandboxMigrations = {
//       Migration{1, "sandboxes", "CREATE TABLE sandboxes (id TEXT PRIMARY KEY, ...) STRICT;"},
//       Migration{2, "sandbox labels", "ALTER TABLE sandboxes ADD COLUMN labels TEXT;"},
//   };
//   constexpr Domain kSandboxDomain{"sandbox", kSandboxMigrations};
//
// Rules: versions count 1, 2, 3... in each domain; a migration that was ever released is never edited (name and version
// are compared), a mistake is corrected by the next one; a migration sees what the domains before its own have made.

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/store/database.hpp"

namespace swarm::store {

/// One step. Runs in a transaction of its own, with foreign keys not enforced until its end (so that tables can be
/// rebuilt) and checked there.
struct Migration {
  using Function = Result<void> (*)(Database&);
  int version = 0;
  std::string_view name;
  /// Static SQL text (one or more statements), or code.
  std::variant<std::string_view, Function> change;

  constexpr Migration(int v, std::string_view n, std::string_view sql) : version(v), name(n), change(sql) {}
  constexpr Migration(int v, std::string_view n, Function function) : version(v), name(n), change(function) {}
};

/// The schema history of one part of the program.
struct Domain {
  std::string_view name;
  std::span<const Migration> migrations;
};

/// What marks a file as ours, and who we are in refusals.
struct Identity {
  /// PRAGMA application_id. "swmd" for the daemon's store.
  std::int32_t application_id = 0x73776d64;
  /// "swarmd 0.3.0": recorded with each migration, so that a refusal can name the version that is needed.
  std::string program;
};

/// What `migrate` did.
struct MigrationOutcome {
  int applied = 0;
  /// The copy made before existing data was changed; empty when nothing was.
  std::string backup;
};

/// Brings `db` (open for writing, in WAL mode) to the schema of `domains`. `failed_precondition`, with what to do, when
/// the file belongs to another application or to a newer version of the program. Before existing data is changed, a
/// copy is written to `<path>.before-<n>`, where n is the schema version that it holds.
Result<MigrationOutcome> migrate(Database& db, std::span<const Domain> domains, const Identity& identity);

/// Creates the file when missing (0600; its directory must exist), or opens it; refuses what is not a store of
/// `identity`; switches to WAL. Called by `Store::open`, before `migrate`.
Result<Database> open_or_create(const std::string& path, const Identity& identity, const DatabaseOptions& options);

}  // namespace swarm::store
