#include "protocol/store/reader_pool.hpp"

namespace swarm::store {
namespace {

constexpr std::size_t kKeptOpen = 4;

}  // namespace

Result<Database> ReaderPool::take() {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return fail(Code::unavailable, "the store is closed");
    if (!idle_.empty()) {
      Database db = std::move(idle_.back());
      idle_.pop_back();
      return db;
    }
  }
  return Database::open(path_, {.access = Access::read_only, .vfs = vfs_});
}

void ReaderPool::give_back(Database db) {
  // A connection that met storage trouble or was left in a transaction is not used again.
  if (db.take_fault() != Fault::none || db.in_transaction()) return;
  const std::scoped_lock lock(mutex_);
  if (!closed_ && idle_.size() < kKeptOpen) idle_.push_back(std::move(db));
}

void ReaderPool::close() {
  std::vector<Database> idle;
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  idle.swap(idle_);
}

}  // namespace swarm::store
