#pragma once

#include <mutex>
#include <vector>

#include "protocol/store/database.hpp"

namespace swarm::store {

/// Read-only connections for the thread pool. In WAL mode a reader neither waits for the writer nor holds it up. There
/// are never more in use than threads that read; a few are kept open between uses. Thread-safe.
class ReaderPool {
 public:
  ReaderPool(std::string path, std::string vfs) : path_(std::move(path)), vfs_(std::move(vfs)) {}

  /// Calls `read(db)` on one snapshot of the store: what commits meanwhile is not seen. On the calling thread.
  template <class F>
  std::invoke_result_t<F&, Database&> with_snapshot(F& read) {
    Result<Database> db = take();
    if (!db) return fail(db.error());
    Result<Transaction> snapshot = Transaction::begin(*db, Transaction::Mode::deferred);
    if (!snapshot) return fail(snapshot.error());
    auto result = read(*db);
    snapshot->rollback();
    give_back(std::move(*db));
    return result;
  }

  /// Closes what is idle, and from now on everything that comes back.
  void close();

 private:
  Result<Database> take();
  void give_back(Database db);

  const std::string path_;
  const std::string vfs_;
  std::mutex mutex_;
  std::vector<Database> idle_;  // guarded by mutex_
  bool closed_ = false;         // guarded by mutex_
};

}  // namespace swarm::store
