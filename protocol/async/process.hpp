#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/async/fd.hpp"

namespace swarm::async {

/// How a process ended: exactly one of the two.
struct ExitStatus {
  int code = 0;    ///< exit status, when `signal` is 0
  int signal = 0;  ///< the signal that ended it, else 0
  bool core_dumped = false;
  bool operator==(const ExitStatus&) const = default;
};

/// What to start. The child gets default signal dispositions, an empty signal mask, exactly these descriptors and
/// nothing else of ours.
struct SpawnOptions {
  std::vector<std::string> argv;         ///< argv[0] is looked up in PATH when it has no slash
  std::vector<std::string> env;          ///< the whole environment, "NAME=value"
  std::string cwd;                       ///< empty: ours
  std::vector<std::pair<int, int>> fds;  ///< {descriptor in the child, descriptor of ours}; 0-2 default to /dev/null
  bool new_session = false;              ///< setsid(2)
  std::string controlling_terminal;      ///< path of a pty slave that becomes 0, 1 and 2; implies new_session
};

/// One child process, held by its pidfd. Destroying a `Process` that still runs kills it (SIGKILL) and leaves the
/// reaping to the loop; use `detach()` for what shall outlive us.
class Process {
 public:
  /// Starts it with posix_spawn: nothing of ours runs between fork and exec. Errors name the program.
  static Result<std::unique_ptr<Process>> spawn(Loop& loop, const SpawnOptions& options);

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  [[nodiscard]] const std::optional<ExitStatus>& status() const { return status_; }

  /// Completes when the process has ended; then it is reaped. May be awaited again.
  Task<ExitStatus> wait();

  /// Sends a signal through the pidfd, so never to a recycled pid. `not_found` when it has ended.
  Result<void> signal(int number);

  /// Kills it and, where it was started with `new_session`, its process group too.
  void kill_group();

  /// Lets the process go on when this object goes. Its end is then init's to reap, once we have ended ourselves.
  void detach();

 private:
  Process(Loop& loop, pid_t pid, UniqueFd pidfd);
  bool try_reap();

  Loop& loop_;
  pid_t pid_;
  UniqueFd pidfd_;
  std::unique_ptr<FdWatcher> watcher_;
  std::optional<ExitStatus> status_;
  bool detached_ = false;
  bool leads_group_ = false;
};

/// What a short program printed and how it ended.
struct CommandOutput {
  ExitStatus status;
  std::string out;
  std::string err;
};

/// Runs a program to its end with captured output and an optional input; descriptors of `options` beyond 2 are passed
/// on. Output above `max_output_bytes` a stream kills
/// it and is `resource_exhausted`. Dropping the task kills it and its process group.
Task<Result<CommandOutput>> run_command(Loop& loop, SpawnOptions options, std::string input = {},
                                        std::size_t max_output_bytes = std::size_t{16} << 20U);

/// Our own environment as "NAME=value" lines, for children that should see it.
std::vector<std::string> current_environment();

}  // namespace swarm::async
