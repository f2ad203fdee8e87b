#include "protocol/store/folding.hpp"

#include "protocol/async/timer.hpp"

namespace swarm::store {
namespace {

// A connection that has read nothing does not know yet that there is a log.
constexpr Sql kLook{"store.look", "SELECT COUNT(*) FROM sqlite_schema"};

/// Kept open between rounds; shared with a round that outlives the task.
struct Side {
  std::string path;
  std::string vfs;
  std::optional<Database> db;

  bool open() {
    if (db) return true;
    Result<Database> opened = Database::open(path, {.access = Access::read_write, .vfs = vfs});
    if (!opened || !opened->one<int>(kLook)) return false;
    db.emplace(std::move(*opened));
    return true;
  }

  void fold() {
    if (!open()) return;
    // Opened anew after trouble: what it has cached may be part of that.
    if (const Result<int> left = db->checkpoint(); !left) db.reset();
  }
};

}  // namespace

async::Task<> fold_aside(async::Loop& loop, Store& store, std::string vfs, Duration every) {
  const auto side = std::make_shared<Side>(Side{.path = store.path(), .vfs = std::move(vfs), .db = {}});
  std::uint64_t folded = 0;
  // At once, so that what the daemon holds open does not change with its work.
  co_await async::run_blocking(loop, [side] { static_cast<void>(side->open()); });
  for (;;) {
    co_await async::sleep_for(loop, every);
    const std::uint64_t written = store.stats().batches;
    if (written == folded || store.health().state != Health::State::ok) continue;
    folded = written;
    co_await async::run_blocking(loop, [side] { side->fold(); });
  }
}

}  // namespace swarm::store
