#pragma once
// The tmux server that holds the panes: one of our own, on a socket that our uid alone reaches, with a configuration of
// our own. It knows nothing of agents.
//
// Commands go through a client in control mode (tmux(1), "CONTROL MODE"), which answers in a fraction of a millisecond;
// before there is a session for it to attach to, through a process for each command. No text of a program ever passes
// the control client: screens and pastes go through files, since a screen may imitate the marks around an answer.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "protocol/async/event.hpp"
#include "protocol/async/fd.hpp"
#include "protocol/async/process.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::agentd::panes {

/// One tmux command and its arguments; no shell and no tmux quoting needed.
using TmuxCommand = std::vector<std::string>;

class Tmux {
 public:
  struct Options {
    std::string directory;                 ///< 0700 and ours: socket, configuration, files
    std::string session = "claude-swarm";  ///< whose windows are the panes
    std::uint32_t history_lines = 10'000;  ///< kept of each pane
  };

  Tmux(async::Loop& loop, Options options);
  Tmux(const Tmux&) = delete;
  Tmux& operator=(const Tmux&) = delete;
  ~Tmux();

  /// Whether there is a tmux to run: `failed_precondition` says how to get one.
  [[nodiscard]] Result<void> available() const;

  /// Runs commands one after the other, with nothing in between; the lines that they print. When one fails, the rest is
  /// not run: `not_found` for a missing target, else `failed_precondition` with tmux's words. `unavailable` when the
  /// server has gone.
  async::Task<Result<std::vector<std::string>>> run(std::vector<TmuxCommand> commands);

  /// The same through a process of its own, which also starts the server: for the first session.
  async::Task<Result<std::vector<std::string>>> run_alone(std::vector<TmuxCommand> commands);

  /// What a viewer's process has to be started as: argv and environment in front of the commands.
  [[nodiscard]] std::vector<std::string> client_argv(std::vector<TmuxCommand> commands) const;
  [[nodiscard]] static std::vector<std::string> client_environment(std::string_view term);

  [[nodiscard]] const Options& options() const { return options_; }

 private:
  struct Pending {
    std::size_t left = 0;
    std::vector<std::string> lines;
    std::optional<Error> error;
    bool done = false;
  };

  Result<void> write_configuration();
  Result<void> connect();
  async::Task<> read_answers();
  void take_line(std::string line);
  void lose_control(const std::string& why);

  async::Loop& loop_;
  Options options_;
  std::string program_;  ///< empty: there is none
  bool configured_ = false;
  async::Condition answered_;
  std::deque<std::shared_ptr<Pending>> pending_;  // shared with the call that waits, which may be dropped
  bool in_block_ = false;
  bool ours_ = false;
  std::unique_ptr<async::Process> control_;
  std::unique_ptr<async::Fd> to_;
  std::unique_ptr<async::Fd> from_;
  async::Turn writing_;
  async::TaskSet tasks_;
};

/// A word as tmux's own parser reads it back.
std::string quote_for_tmux(std::string_view word);

}  // namespace swarm::agentd::panes
