#pragma once
// What the tests of the store share.

#include <catch2/catch.hpp>

#include "protocol/store/core_schema.hpp"
#include "protocol/store/migration.hpp"
#include "protocol/store/writer.hpp"
#include "tests/fixtures/fault_vfs.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::store {

inline const Identity kTestIdentity{.program = "swarmd 0.1.0"};

/// One counter row and a log of what was written, for tests that compare the two.
inline constexpr std::array kNotesMigrations = {
    Migration{1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;"},
};
inline constexpr Domain kNotesDomain{"notes", kNotesMigrations};
inline const std::array kTestDomains = {kCoreDomain, kNotesDomain};

inline constexpr Sql kInsertNote{"notes.insert", "INSERT INTO notes (text) VALUES (?)"};
inline constexpr Sql kCountNotes{"notes.count", "SELECT count(*) FROM notes"};
inline constexpr Sql kListNotes{"notes.list", "SELECT text FROM notes ORDER BY id"};

/// Takes the value, or throws the error's text: for set-up steps.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// An open, migrated store file.
inline Database open_notes(const std::string& path, const std::string& vfs = {}) {
  if (!vfs.empty()) test::FaultVfs::instance();
  Database db = must(open_or_create(path, kTestIdentity, {.access = Access::create, .vfs = vfs}));
  must(migrate(db, kTestDomains, kTestIdentity));
  SeededRandom random(1);
  must(ensure_identity(db, random));
  return db;
}

inline std::int64_t count_notes(Database& db) { return std::get<0>(*must(db.one<std::int64_t>(kCountNotes))); }

}  // namespace swarm::store
