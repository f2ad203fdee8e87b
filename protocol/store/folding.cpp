#include "protocol/store/folding.hpp"

#include <pthread.h>
#include <sched.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "protocol/async/timer.hpp"

namespace swarm::store {
namespace {

// A connection that has read nothing does not know yet that there is a log.
constexpr Sql kLook{"store.look", "SELECT COUNT(*) FROM sqlite_schema"};

class Folder {
 public:
  Folder(std::string path, std::string vfs) : path_(std::move(path)), vfs_(std::move(vfs)) {
    thread_ = std::thread([this] { run(); });
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  /// One round, unless one is under way.
  void fold() {
    {
      const std::scoped_lock lock(mutex_);
      asked_ = true;
    }
    wake_.notify_one();
  }

 private:
  void run() {
    const sched_param none{};
    static_cast<void>(::pthread_setname_np(::pthread_self(), "fold"));
    // Where it is not allowed the rounds compete with everything else, as they would without.
    static_cast<void>(::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none));
    open();  // at once, so that what the program holds open does not change with its work
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return asked_ || stopping_; });
        if (stopping_) return;
        asked_ = false;
      }
      // Opened anew after trouble: what it has cached may be part of that.
      if (open() && !db_->checkpoint()) db_.reset();
    }
  }

  bool open() {
    if (db_) return true;
    Result<Database> opened = Database::open(path_, {.access = Access::read_write, .vfs = vfs_});
    if (!opened || !opened->one<int>(kLook)) return false;
    db_.emplace(std::move(*opened));
    return true;
  }

  std::string path_;
  std::string vfs_;
  std::optional<Database> db_;  ///< the thread's alone
  std::mutex mutex_;
  std::condition_variable wake_;
  bool asked_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

async::Task<> fold_aside(async::Loop& loop, Store& store, std::string vfs, Duration every) {
  Folder folder(store.path(), std::move(vfs));
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
