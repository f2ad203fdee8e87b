#include "protocol/store/sqlite_error.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>

namespace swarm::store {
namespace {

constexpr int kPrimaryMask = 0xff;

struct Name {
  int code;
  std::string_view text;
};

#define NAME(code) \
  Name { code, #code }
constexpr std::array kNames = {
    NAME(SQLITE_ERROR),
    NAME(SQLITE_INTERNAL),
    NAME(SQLITE_PERM),
    NAME(SQLITE_ABORT),
    NAME(SQLITE_BUSY),
    NAME(SQLITE_LOCKED),
    NAME(SQLITE_NOMEM),
    NAME(SQLITE_READONLY),
    NAME(SQLITE_INTERRUPT),
    NAME(SQLITE_IOERR),
    NAME(SQLITE_CORRUPT),
    NAME(SQLITE_NOTFOUND),
    NAME(SQLITE_FULL),
    NAME(SQLITE_CANTOPEN),
    NAME(SQLITE_PROTOCOL),
    NAME(SQLITE_EMPTY),
    NAME(SQLITE_SCHEMA),
    NAME(SQLITE_TOOBIG),
    NAME(SQLITE_CONSTRAINT),
    NAME(SQLITE_MISMATCH),
    NAME(SQLITE_MISUSE),
    NAME(SQLITE_NOLFS),
    NAME(SQLITE_AUTH),
    NAME(SQLITE_RANGE),
    NAME(SQLITE_NOTADB),
    NAME(SQLITE_BUSY_RECOVERY),
    NAME(SQLITE_BUSY_SNAPSHOT),
    NAME(SQLITE_BUSY_TIMEOUT),
    NAME(SQLITE_CANTOPEN_ISDIR),
    NAME(SQLITE_CANTOPEN_FULLPATH),
    NAME(SQLITE_CANTOPEN_SYMLINK),
    NAME(SQLITE_CONSTRAINT_CHECK),
    NAME(SQLITE_CONSTRAINT_DATATYPE),
    NAME(SQLITE_CONSTRAINT_FOREIGNKEY),
    NAME(SQLITE_CONSTRAINT_NOTNULL),
    NAME(SQLITE_CONSTRAINT_PRIMARYKEY),
    NAME(SQLITE_CONSTRAINT_ROWID),
    NAME(SQLITE_CONSTRAINT_TRIGGER),
    NAME(SQLITE_CONSTRAINT_UNIQUE),
    NAME(SQLITE_CORRUPT_INDEX),
    NAME(SQLITE_CORRUPT_VTAB),
    NAME(SQLITE_ERROR_SNAPSHOT),
    NAME(SQLITE_IOERR_ACCESS),
    NAME(SQLITE_IOERR_CLOSE),
    NAME(SQLITE_IOERR_CORRUPTFS),
    NAME(SQLITE_IOERR_DATA),
    NAME(SQLITE_IOERR_DELETE),
    NAME(SQLITE_IOERR_DIR_FSYNC),
    NAME(SQLITE_IOERR_FSTAT),
    NAME(SQLITE_IOERR_FSYNC),
    NAME(SQLITE_IOERR_LOCK),
    NAME(SQLITE_IOERR_MMAP),
    NAME(SQLITE_IOERR_NOMEM),
    NAME(SQLITE_IOERR_RDLOCK),
    NAME(SQLITE_IOERR_READ),
    NAME(SQLITE_IOERR_SHMMAP),
    NAME(SQLITE_IOERR_SHMOPEN),
    NAME(SQLITE_IOERR_SHMSIZE),
    NAME(SQLITE_IOERR_SHORT_READ),
    NAME(SQLITE_IOERR_TRUNCATE),
    NAME(SQLITE_IOERR_UNLOCK),
    NAME(SQLITE_IOERR_WRITE),
    NAME(SQLITE_READONLY_CANTINIT),
    NAME(SQLITE_READONLY_CANTLOCK),
    NAME(SQLITE_READONLY_DBMOVED),
    NAME(SQLITE_READONLY_DIRECTORY),
    NAME(SQLITE_READONLY_RECOVERY),
};
#undef NAME

struct Kind {
  Code code;
  bool retryable = false;
};

Kind classify(int code) {
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return {.code = Code::already_exists};
    default:
      break;
  }
  switch (code & kPrimaryMask) {
    case SQLITE_CONSTRAINT:
      return {.code = Code::failed_precondition};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return {.code = Code::unavailable, .retryable = true};
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return {.code = Code::resource_exhausted, .retryable = true};
    case SQLITE_READONLY:
      return {.code = Code::failed_precondition};
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return {.code = Code::permission_denied};
    case SQLITE_TOOBIG:
      return {.code = Code::invalid_argument};
    case SQLITE_INTERRUPT:
      return {.code = Code::cancelled};
    default:
      return {.code = Code::internal};
  }
}

/// Constraint texts name tables and columns, and SQLITE_ERROR speaks of the static SQL; every other message is the
/// fixed text of its code.
std::string_view reason(sqlite3* db, int code) {
  const int primary = code & kPrimaryMask;
  if (db != nullptr && (primary == SQLITE_CONSTRAINT || primary == SQLITE_ERROR) &&
      sqlite3_extended_errcode(db) == code) {
    return sqlite3_errmsg(db);
  }
  return sqlite3_errstr(code);
}

std::string_view advice(int code) {
  switch (fault_of(code)) {
    case Fault::full:
      return "; free space on the file system that holds the store";
    case Fault::corrupt:
      return "; stop the program and go back to a copy: swarmctl db restore FILE";
    case Fault::read_only:
      return "; make the store's directory writable";
    default:
      return "";
  }
}

}  // namespace

Fault fault_of(int code) {
  switch (code & kPrimaryMask) {
    case SQLITE_FULL:
      return Fault::full;
    case SQLITE_IOERR:
      return code == SQLITE_IOERR_NOMEM ? Fault::none : Fault::io;
    case SQLITE_CANTOPEN:
      return Fault::io;
    case SQLITE_READONLY:
      return Fault::read_only;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Fault::corrupt;
    default:
      return Fault::none;
  }
}

std::string_view sqlite_code_name(int code) {
  for (const int wanted : {code, code & kPrimaryMask}) {
    for (const Name& name : kNames) {
      if (name.code == wanted) return name.text;
    }
  }
  return "SQLITE_?";
}

std::unexpected<Error> sqlite_fail(sqlite3* db, int code, std::string_view name) {
  const Kind kind = classify(code);
  return std::unexpected(Error{
      .code = kind.code,
      .message = fmt::format("{}: {} ({} {}){}", name, reason(db, code), sqlite_code_name(code), code, advice(code)),
      .retryable = kind.retryable});
}

}  // namespace swarm::store
