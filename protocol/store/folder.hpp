#pragma once
// A thread with a connection of its own that folds a store's log into its database, beside the one that writes.

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "protocol/store/database.hpp"

namespace swarm::store {

/// Any thread may ask. Trouble with the disk is the writer's to find and to tell.
class Folder {
 public:
  enum class Pace {
    spare,     ///< takes only processor time that nothing else wants
    ordinary,  ///< a round that has begun ends, however busy the machine is: while it lasts nobody else can fold
  };
  /// `path` and `vfs` as for `Database::open`.
  Folder(std::string path, std::string vfs, Pace pace);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  /// Waits for a round that is under way.
  ~Folder();

  /// One round, unless one is under way.
  void fold();
  /// No round is asked for or under way.
  [[nodiscard]] bool idle();

 private:
  void run();
  bool open();
  void round();

  std::string path_;
  std::string vfs_;
  Pace pace_;
  std::optional<Database> db_;  ///< the thread's alone
  std::mutex mutex_;
  std::condition_variable wake_;
  bool asked_ = false;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace swarm::store
