#pragma once
// SQLite's result codes as our errors. Messages carry the extended code and the statement's name; never bound values,
// which may be secrets.

#include <string_view>

#include "protocol/core/error.hpp"

struct sqlite3;

namespace swarm::store {

/// What is wrong with the storage below a database, as opposed to with one statement.
enum class Fault {
  none,
  full,       ///< no room: SQLITE_FULL (ENOSPC, EDQUOT)
  io,         ///< a read, write or fsync failed, or the file cannot be opened: SQLITE_IOERR, SQLITE_CANTOPEN
  read_only,  ///< the file or its file system cannot be written: SQLITE_READONLY
  corrupt,    ///< the content is damaged: SQLITE_CORRUPT, SQLITE_NOTADB
};

/// The kind of storage fault behind a (possibly extended) result code.
Fault fault_of(int code);

/// "SQLITE_IOERR_FSYNC" for 1034; a code that this version does not know gives the name of its primary code.
std::string_view sqlite_code_name(int code);

/// The failure of `name` (a statement or an operation) with result code `code`. `db` may be null; its message is used
/// only where it cannot contain values (constraints, preparing static SQL). FULL, IOERR, BUSY and CANTOPEN are
/// retryable.
std::unexpected<Error> sqlite_fail(sqlite3* db, int code, std::string_view name);

}  // namespace swarm::store
