#include "agentd/panes/watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <set>

namespace swarm::agentd::panes {

FileWatch::FileWatch(async::Loop& loop)
    : inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), ready_(loop, inotify_.get()), tasks_(loop) {
  tasks_.spawn(read());
}

FileWatch::Ticket::~Ticket() {
  if (watch_ == nullptr) return;
  inotify_rm_watch(watch_->inotify_.get(), number_);
  watch_->calls_.erase(number_);
}

Result<FileWatch::Ticket> FileWatch::watch(const std::string& path, std::function<void()> changed) {
  const int number = inotify_add_watch(inotify_.get(), path.c_str(), IN_MODIFY | IN_ATTRIB);
  if (number < 0) return fail_errno("watch", path);
  calls_[number] = std::move(changed);
  return Ticket(*this, number);
}

async::Task<> FileWatch::read() {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  for (;;) {
    co_await ready_.readable();
    std::set<int> changed;  // many writes between two rounds of the loop are one change
    for (;;) {
      const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
      if (size <= 0) break;
      for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        changed.insert(event.wd);
        at += sizeof event + event.len;
      }
    }
    for (const int number : changed) {
      // -1: the kernel's queue was full, and anything may have changed.
      for (auto at = calls_.begin(); at != calls_.end();) {
        const auto call = at++;
        if (number < 0 || call->first == number) call->second();
      }
    }
  }
}

}  // namespace swarm::agentd::panes
