#pragma once
// Programs in the sandbox. `Execs` starts them, each under a supervisor of its own (shim/shim.hpp), knows all that run
// and remembers those that ended. It knows nothing of the wire: bytes come and go through ByteSource and ByteSink.
//
//   agentd  --memory file, descriptors-->  shim  --starts, watches-->  program  --starts-->  ...
//      \__________ pipes or terminal, foreground ________________________/
//      \__ ring files, background, written by the shim
//
// A background exec has a directory of its own (mode 0700):
//   record   who ran what      status   the shim's newest state      out, err   ring files
//   control  a socket on which the shim awaits the next agentd
// The directory stays after its end until `Options::kept` newer ones have ended.

#include <deque>

#include "agentd/exec/exec.hpp"
#include "protocol/async/process.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/core/random.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::agentd {

class Foreground;

/// Input and output of a foreground exec. What is null is /dev/null; a terminal's output all goes to `out`.
struct ExecStreams {
  std::unique_ptr<wire::ByteSource> in;
  std::unique_ptr<wire::ByteSink> out;
  std::unique_ptr<wire::ByteSink> err;
};

/// The room for each of its two outputs that the `nth` background exec gets (counted from 1, among those whose output
/// is kept) on a file system of `total` bytes: at most `most`. One that is the nth at its start gets a share of 1/n, so
/// that the sum stays below the whole in whatever order they come and go: 1,000 on one of 64 MiB.
std::uint64_t spool_share(std::uint64_t total, std::size_t nth, std::uint64_t most);

class Execs {
 public:
  struct Options {
    std::string shim;       ///< path of `swarm-shim`
    std::string directory;  ///< for background execs; made when missing
    /// Most that is kept of each output of a background exec; less while many have output, so that all fit.
    std::uint64_t spool_bytes = 4U << 20U;
    std::size_t history = 1000;       ///< ended execs that are remembered
    std::size_t kept = 64;            ///< ended background execs whose output is kept
    std::size_t most_running = 1000;  ///< more at once are refused
  };

  Execs(async::Loop& loop, Options options, Random& random);
  Execs(const Execs&) = delete;
  Execs& operator=(const Execs&) = delete;
  /// Foreground execs end (their shims see us go), background ones go on. See `shutdown` for an end that waits.
  ~Execs() = default;

  /// Takes up the background execs of an agentd before this one. Call it once, before the first start.
  async::Task<Result<void>> recover();

  /// Starts a program that ends with its caller. Completes when the program runs; errors say why it does not. Dropping
  /// the task, and destroying the `Foreground` early, ends the program and all that it started.
  async::Task<Result<std::unique_ptr<Foreground>>> start_foreground(ExecSpec spec, ExecStreams streams);

  /// Starts a program that outlives its caller and agentd. Completes when it runs.
  async::Task<Result<std::shared_ptr<Exec>>> start_background(ExecSpec spec);

  /// By id or unique prefix of it (with or without "prc_"): `not_found`; `invalid_argument` when several match.
  [[nodiscard]] Result<std::shared_ptr<Exec>> find(std::string_view id) const;

  /// All that are known, newest first.
  [[nodiscard]] std::vector<std::shared_ptr<Exec>> list() const;

  /// Sends spooled output from offset `from` on. With `follow` until the program has ended, else until what is there
  /// has been sent. `out_of_range` when bytes that should follow were dropped, because the receiver was slower than
  /// the program for longer than the spool holds. The sink is ended, with that failure or cleanly.
  enum class Follow { no, yes };
  async::Task<Result<void>> send_output(std::shared_ptr<Exec> exec, Output which, std::uint64_t from, Follow follow,
                                        std::unique_ptr<wire::ByteSink> sink);

  /// Gives input to a background exec until `from` ends: then the program reads the end of its input. When `from`
  /// breaks, the input stays open for the next giver.
  async::Task<Result<void>> send_input(std::shared_ptr<Exec> exec, std::unique_ptr<wire::ByteSource> from);

  /// Ends all foreground execs and completes when they are gone.
  async::Task<> shutdown();

  /// How many run now.
  [[nodiscard]] std::size_t running() const { return running_; }

  /// Called when a program has been started and when it has ended; for the event log.
  std::function<void(const Exec&)> on_started;
  std::function<void(const Exec&)> on_ended;

 private:
  friend class Foreground;
  using Descriptors = std::vector<std::pair<int, int>>;

  async::Task<Result<void>> launch(std::shared_ptr<Exec> exec, const ExecSpec& spec, Descriptors fds);
  async::Task<Result<std::shared_ptr<Exec>>> launch_background(std::shared_ptr<Exec> exec, const ExecSpec& spec);
  async::Task<> supervise(std::shared_ptr<Exec> exec, std::unique_ptr<async::Process> shim);
  std::shared_ptr<Exec> load(const std::string& id);
  void read_status(Exec& exec) const;
  void retire(const Exec& exec);
  [[nodiscard]] Result<void> check_room() const;
  /// What is kept of each output of the next background exec.
  [[nodiscard]] std::uint64_t spool_room() const;
  [[nodiscard]] std::string directory_of(const std::string& id) const { return options_.directory + "/" + id; }

  async::Loop& loop_;
  Options options_;
  Random& random_;
  std::map<std::string, std::shared_ptr<Exec>, std::less<>> by_id_;  // ids sort by the time of their start
  std::deque<std::string> ended_;                                    // oldest first
  std::deque<std::string> kept_;                                     // ended background execs with a directory
  std::size_t running_ = 0;
  bool stopping_ = false;
  async::TaskSet supervisors_;
};

}  // namespace swarm::agentd
