#pragma once
// What `swarmctl db` does: check, backup, restore. All of it works on a store whose schema this program does not know.

#include <string>
#include <vector>

#include "protocol/store/database.hpp"
#include "protocol/store/migration.hpp"

namespace swarm::store {

/// `<path>` + this marks a restore that has begun and not ended; the store is not opened while it exists.
inline constexpr std::string_view kRestoringSuffix = ".restoring";

enum class Overwrite { no, yes };

/// Everything that is wrong with a database; empty is sound. At most 100 lines.
struct CheckReport {
  std::vector<std::string> problems;
  [[nodiscard]] bool sound() const { return problems.empty(); }
};

/// integrity_check and foreign_key_check. Reads the whole file.
Result<CheckReport> check(Database& db);

/// Writes a consistent copy of `db` to `target`: one file, mode 0600, fsynced, then renamed into place, so that
/// `target` is never half a copy. Writers go on meanwhile. `db` must not be inside a transaction. `already_exists`
/// without `Overwrite::yes`.
Result<void> backup(Database& db, const std::string& target, Overwrite overwrite);

/// What `restore` did.
struct RestoreOutcome {
  /// Where the store that was replaced is kept; empty when there was none.
  std::string replaced;
  /// The new epoch of the store: numbers given out after the copy was made are never taken for new ones.
  std::int64_t epoch = 0;
};

/// Puts the copy `source` in the place of the store at `path`. The copy is checked first (`failed_precondition` when it
/// is damaged or not ours); the store must not be in use (its lock is taken). A crash on the way leaves the old store,
/// the new one, or a store that says that the restore must be run again; never a mixture.
Result<RestoreOutcome> restore(const std::string& source, const std::string& path, const Identity& identity);

}  // namespace swarm::store
