#pragma once

#include <functional>
#include <map>
#include <string>

#include "protocol/async/fd.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::agentd::panes {

/// Tells when files change: one inotify descriptor for all of them. A change is a write, or new times of the file.
class FileWatch {
 public:
  explicit FileWatch(async::Loop& loop);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch() = default;

  /// One watched file; destroying it ends that.
  class [[nodiscard]] Ticket {
   public:
    Ticket() = default;
    Ticket(FileWatch& watch, int number) : watch_(&watch), number_(number) {}
    Ticket(Ticket&& other) noexcept
        : watch_(std::exchange(other.watch_, nullptr)), number_(std::exchange(other.number_, -1)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(watch_, other.watch_);
      std::swap(number_, other.number_);
      return *this;
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket();

   private:
    FileWatch* watch_ = nullptr;
    int number_ = -1;
  };

  /// Calls `changed` from the loop after each change. One ticket for a file.
  Result<Ticket> watch(const std::string& path, std::function<void()> changed);

 private:
  async::Task<> read();

  UniqueFd inotify_;
  async::FdWatcher ready_;
  std::map<int, std::function<void()>> calls_;
  async::TaskSet tasks_;
};

}  // namespace swarm::agentd::panes
