#pragma once
// Inside of Streams: included by its .cpp files only.

#include <deque>
#include <optional>
#include <string>

#include "protocol/wire/streams.hpp"

namespace swarm::wire {

/// One id. Each direction is used, or not, by whoever opened it here.
struct Streams::Entry {
  enum class Receive : std::uint8_t {
    unused,
    early,    // bytes came and nobody has opened it yet
    open,     // a Source exists
    dropped,  // the Source went before the end; what still comes is thrown away
    over,
  };
  enum class Send : std::uint8_t {
    unused,
    open,   // a Sink exists
    ended,  // a Sink exists and has said the last word
    over,
  };

  Entry(async::Loop& loop, std::uint32_t number) : id(number), readable(loop), writable(loop) {}

  std::uint32_t id;
  std::uint64_t serial = 0;  // the newest request when it became known

  Receive receive = Receive::unused;
  std::deque<std::string> chunks;
  std::size_t allowed = kInitialCredit;  // what the peer may still send
  std::size_t consumed = 0;              // read here, credit not given back yet
  bool peer_ended = false;               // the peer sends no more
  std::optional<Error> peer_error;
  async::Condition readable;

  Send send = Send::unused;
  std::size_t credit = kInitialCredit;
  std::optional<Error> broken;  // why nothing more can be sent
  async::Condition writable;
};

}  // namespace swarm::wire
