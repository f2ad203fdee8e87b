#pragma once

#include <memory>

#include "protocol/async/fd.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::agentd {

/// Carries a program's output to a sink. Reads only as fast as the sink takes, so a slow client slows the program.
class OutputPump {
 public:
  /// What happens to the program when the reader of its output goes: a pipe breaks (SIGPIPE, as `| head` would), a
  /// terminal is read on and dropped.
  enum class Kind { pipe, terminal };

  /// `count` is increased by what was read; it must outlive the pump.
  OutputPump(async::Loop& loop, UniqueFd from, std::unique_ptr<wire::ByteSink> to, Kind kind, std::uint64_t& count);

  /// Runs until the end of the output, or after `last()` until there is nothing to read.
  async::Task<> run();

  /// Everybody who could write has ended: what is there now is all. A descriptor that was handed to a process elsewhere
  /// then does not hold up the end.
  void last();

 private:
  async::Loop& loop_;
  UniqueFd from_;
  std::optional<async::FdWatcher> watcher_;  // after from_
  std::unique_ptr<wire::ByteSink> to_;
  Kind kind_;
  std::uint64_t& count_;
  bool last_ = false;
};

/// How the giver of input ended.
enum class InputResult {
  ended,   ///< cleanly: the program should read the end
  broken,  ///< the connection went, or gave up
  closed,  ///< the program does not read any more
};

/// Carries input to a program; `to` is a pipe, or a terminal's master, which gets its end-of-file character at the end.
async::Task<InputResult> pump_input(async::Loop& loop, std::unique_ptr<wire::ByteSource> from, UniqueFd to);

}  // namespace swarm::agentd
