#pragma once
// The daemon's database: looking for damage, and a copy of it. Putting a copy back is done without the daemon.

#include "protocol/api/method.hpp"

namespace swarm::api {

struct DatabaseCheckReply {
  Path path;
  bool sound = false;
  std::vector<std::string> problems;
  bool operator==(const DatabaseCheckReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DatabaseCheckReply", "What was found in a database.");
    d.field("path", &DatabaseCheckReply::path, "Its file.").required();
    d.field("sound", &DatabaseCheckReply::sound, "Nothing is wrong with it.").required();
    d.field("problems", &DatabaseCheckReply::problems, "What is wrong, at most 100 lines.");
  }
};

struct DatabaseBackupRequest {
  Path target;
  bool operator==(const DatabaseBackupRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DatabaseBackupRequest", "Where the copy goes.");
    d.field("target", &DatabaseBackupRequest::target, "An absolute path of the host where no file is.").required();
  }
};

struct DatabaseBackupReply {
  Path target;
  std::uint64_t size_bytes = 0;
  bool operator==(const DatabaseBackupReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DatabaseBackupReply", "A complete copy.");
    d.field("target", &DatabaseBackupReply::target, "Its file, mode 0600.").required();
    d.field("size_bytes", &DatabaseBackupReply::size_bytes, "Its size.").required();
  }
};

struct DatabaseRestoreReply {
  Path path;
  std::optional<Path> replaced;
  std::uint64_t epoch = 0;
  bool operator==(const DatabaseRestoreReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DatabaseRestoreReply", "A copy that was put back; what 'swarmctl db restore' prints.");
    d.field("path", &DatabaseRestoreReply::path, "The database.").required();
    d.field("replaced", &DatabaseRestoreReply::replaced, "Where the one that was there before is kept.");
    d.field("epoch", &DatabaseRestoreReply::epoch, "Its new epoch: older numbers are never taken for new ones.")
        .required();
  }
};

inline constexpr Method<Empty, DatabaseCheckReply> kDatabaseCheck{{
    .name = "db.check",
    .doc = "Reads the whole database and looks for damage, while everything goes on.",
}};
inline constexpr Method<DatabaseBackupRequest, DatabaseBackupReply> kDatabaseBackup{{
    .name = "db.backup",
    .doc = "Writes a consistent copy of the database to a file of the host, while everything goes on.",
    .errors = {{Code::already_exists, "there is a file at `target`"}},
}};

std::span<const MethodInfo* const> database_methods();

}  // namespace swarm::api
