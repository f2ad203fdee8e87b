#include "protocol/store/folding.hpp"

#include "protocol/async/timer.hpp"
#include "protocol/store/folder.hpp"

namespace swarm::store {

async::Task<> fold_aside(async::Loop& loop, Store& store, std::string vfs, Duration every) {
  Folder folder(store.path(), std::move(vfs), Folder::Pace::spare);
  std::uint64_t folded = 0;
  for (;;) {
    co_await async::sleep_for(loop, every);
    const std::uint64_t written = store.stats().batches;
    if (written == folded || store.health().state != Health::State::ok) continue;
    folded = written;
    folder.fold();
  }
}

}  // namespace swarm::store
