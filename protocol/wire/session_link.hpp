#pragma once

#include "protocol/wire/session.hpp"

namespace swarm::wire {

/// One stream under a session, and what is half-done on it.
struct Session::Link {
  Link(async::Loop& loop, std::unique_ptr<transport::Stream> under)
      : stream(std::move(under)), became_blocked(loop), tasks(loop) {}

  std::unique_ptr<transport::Stream> stream;

  // Out: staged bytes go first, then `payload_left` bytes of the outbox that belong to the record staged last.
  std::array<std::byte, std::size_t{2} << 10U> staged;  // written before it is read
  std::size_t staged_begin = 0;
  std::size_t staged_end = 0;
  std::size_t payload_left = 0;
  bool blocked = false;  // the stream is full; `write_when_possible` waits for it
  bool broken = false;
  async::Condition became_blocked;

  // In. An idle session holds the small buffer only.
  RecordParser parser;
  std::array<std::byte, std::size_t{4} << 10U> small;
  SessionBudget::Buffer large;

  async::TaskSet tasks;  // last: its tasks use the rest
};

/// A suspended read: data is put where it goes without passing through the inbox. When the read is dropped before it
/// could say what it got, the bytes go back to the inbox.
struct Session::WaitingRead {
  WaitingRead(Session& owner, std::span<std::byte> target) : session(owner), into(target) {
    session.waiting_read_ = this;
  }
  WaitingRead(const WaitingRead&) = delete;
  WaitingRead& operator=(const WaitingRead&) = delete;
  ~WaitingRead() {
    session.waiting_read_ = nullptr;
    if (filled > 0) session.inbox_.push_front(into.first(filled));
  }

  Session& session;
  std::span<std::byte> into;
  std::size_t filled = 0;
};

}  // namespace swarm::wire
