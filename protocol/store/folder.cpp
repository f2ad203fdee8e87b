#include "protocol/store/folder.hpp"

#include <pthread.h>
#include <sched.h>

namespace swarm::store {
namespace {

// A connection that has read nothing does not know yet that there is a log.
constexpr Sql kLook{"store.look", "SELECT COUNT(*) FROM sqlite_schema"};

}  // namespace

Folder::Folder(std::string path, std::string vfs, Pace pace)
    : path_(std::move(path)), vfs_(std::move(vfs)), pace_(pace) {
  thread_ = std::thread([this] { run(); });
}

Folder::~Folder() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Folder::fold() {
  {
    const std::scoped_lock lock(mutex_);
    asked_ = true;
  }
  wake_.notify_one();
}

bool Folder::idle() {
  const std::scoped_lock lock(mutex_);
  return !asked_ && !busy_;
}

void Folder::run() {
  static_cast<void>(::pthread_setname_np(::pthread_self(), "fold"));
  if (pace_ == Pace::spare) {
    const sched_param none{};
    // Where it is not allowed the rounds compete with everything else, as they would without.
    static_cast<void>(::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none));
  }
  open();  // at once, so that what the program holds open does not change with its work
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return asked_ || stopping_; });
    if (stopping_) return;
    asked_ = false;
    busy_ = true;
    lock.unlock();
    round();
    lock.lock();
    busy_ = false;
  }
}

void Folder::round() {
  // Opened anew after trouble: what it has cached may be part of that.
  if (open() && !db_->checkpoint()) db_.reset();
}

bool Folder::open() {
  if (db_) return true;
  Result<Database> opened = Database::open(path_, {.access = Access::read_write, .vfs = vfs_});
  if (!opened || !opened->one<int>(kLook)) return false;
  db_.emplace(std::move(*opened));
  return true;
}

}  // namespace swarm::store
