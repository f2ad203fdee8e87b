#pragma once
// The streams of one connection. See byte_stream.hpp for what they promise.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "protocol/async/event.hpp"
#include "protocol/wire/byte_stream.hpp"
#include "protocol/wire/limits.hpp"
#include "protocol/wire/message.hpp"
#include "protocol/wire/output.hpp"

namespace swarm::wire {

/// Which end of the transport this is; it decides the parity of the stream ids that this end opens.
enum class Side { dialer, acceptor };

/// Shared by the connection and by the ends of its streams, which may outlive it.
class Streams : public std::enable_shared_from_this<Streams> {
 public:
  /// `output` must live until `connection_ended`.
  Streams(async::Loop& loop, Output& output, Side side, const Limits& limits);
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;
  ~Streams();

  std::uint32_t new_id();
  Result<std::unique_ptr<ByteSource>> open_source(std::uint32_t id);
  Result<std::unique_ptr<ByteSink>> open_sink(std::uint32_t id);

  /// Whether a notification is one of ours: `stream.*`.
  static bool handles(std::string_view method) { return method.starts_with("stream."); }

  /// Takes a `stream.*` notification. A failure means that the peer does not speak the protocol.
  Result<void> take(const Message& message);

  /// A request has come in. Bytes of unknown streams from now on may be meant for it.
  void request_came(std::uint64_t serial) { newest_request_ = serial; }
  /// Every request before `oldest_open` has been answered: streams that came early and that nobody opened are refused.
  void requests_answered(std::uint64_t oldest_open);
  /// True while `requests_answered` matters.
  [[nodiscard]] bool has_early() const { return early_ != 0; }

  /// No more output: readers get what has come and then `reason`, writers fail with it.
  void connection_ended(const Error& reason);

 private:
  struct Entry;
  class Source;
  class Sink;
  using EntryPtr = std::shared_ptr<Entry>;  // shared by the table and by the ends

  [[nodiscard]] bool own(std::uint32_t id) const { return (id % 2 == 1) == (side_ == Side::dialer); }
  Entry* find(std::uint32_t id);
  EntryPtr add(std::uint32_t id);
  Result<EntryPtr> for_opening(std::uint32_t id);
  /// The entry that a message of the peer is for; a new one where the stream may still be opened; else null.
  Entry* for_arrival(std::uint32_t id);
  void forget_if_over(Entry& entry);
  void bury(Entry& entry);

  void on_data(std::uint32_t id, std::string_view data);
  void on_credit(std::uint32_t id, std::uint64_t bytes);
  void on_end(std::uint32_t id, std::optional<Error> error);
  void overrun(Entry& entry);

  void send_data(std::uint32_t id, std::span<const std::byte> bytes);
  void send_credit(std::uint32_t id, std::size_t bytes);
  void send_end(std::uint32_t id, const Error* error);
  void refuse(std::uint32_t id);
  void give_back(Entry& entry, std::size_t bytes);

  void source_gone(Entry& entry);
  void sink_ended(Entry& entry, const Error* error);
  void sink_gone(Entry& entry);

  async::Loop& loop_;
  Output* output_;  // null once the connection has ended
  Side side_;
  Limits limits_;
  std::optional<Error> ended_;
  std::unordered_map<std::uint32_t, EntryPtr> entries_;
  std::deque<std::uint32_t> buried_;  // ids in the order in which they were given up here
  async::Turn turn_;                  // writers take turns, a chunk each
  std::uint32_t next_id_;
  std::uint64_t newest_request_ = 0;
  std::uint64_t oldest_open_ = 1;  // requests below it have been answered
  std::size_t early_ = 0;
};

}  // namespace swarm::wire
