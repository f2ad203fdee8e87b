#pragma once
// What waits to be written to one peer. Messages that come together leave together: they are appended to one buffer,
// which is written once, directly when possible; only when the peer is slow does a coroutine wait for it.

#include <functional>
#include <string>

#include "protocol/async/event.hpp"
#include "protocol/transport/stream.hpp"

namespace swarm::wire {

class Output {
 public:
  /// `broken` is called, once, when writing fails. Both references must outlive this.
  Output(async::Loop& loop, transport::Stream& stream, std::function<void(Error)> broken);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() = default;

  /// Where to append whole messages; `flush_soon` or `flush` afterwards.
  std::string& buffer() { return buffer_; }

  /// Writes after everything else that is ready in this round of the loop has had its say.
  void flush_soon();

  /// Writes now what the peer takes without waiting.
  void flush();

  /// Bytes that wait.
  [[nodiscard]] std::size_t size() const { return buffer_.size() - written_; }

  /// Notified whenever some of it has been taken, and when writing has failed.
  async::Condition& progress() { return progress_; }

  /// Writes for as long as it runs, waiting for a slow peer.
  async::Task<> run();

  /// Stops writing; what waits is forgotten.
  void discard();

 private:
  void give_up(Error error);

  async::Loop& loop_;
  transport::Stream& stream_;
  std::function<void(Error)> broken_;
  std::string buffer_;
  std::size_t written_ = 0;  // bytes at the front of the buffer that are gone
  bool waiting_ = false;     // run() waits for the peer
  bool dead_ = false;
  async::Event stuck_;
  async::Condition progress_;
  async::Waiter flush_later_{[](void* self) { static_cast<Output*>(self)->flush(); }, this};
};

}  // namespace swarm::wire
