#pragma once
// Private to the .cpp files of this folder: what a Database and its statements share.

#include <sqlite3.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "protocol/core/deleter.hpp"
#include "protocol/store/database.hpp"

namespace swarm::store::detail {

struct Prepared {
  CPtr<sqlite3_stmt, sqlite3_finalize> statement;
  std::string_view name;
  bool in_use = false;
  bool cached = false;
};

struct Connection {
  std::string path;
  // Declared before the statements, so that they are finalized first.
  CPtr<sqlite3, sqlite3_close_v2> handle;
  std::unordered_map<std::string_view, std::unique_ptr<Prepared>> cache;
  Fault fault = Fault::none;
  std::optional<Sync> sync;
  int wal_frames = 0;

  std::unexpected<Error> failed(int code, std::string_view name) {
    fault = std::max(fault, fault_of(code));
    return sqlite_fail(handle.get(), code, name);
  }
};

}  // namespace swarm::store::detail
