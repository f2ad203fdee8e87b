#pragma once
// The panes of a sandbox: one tmux window each, of a size of its own, in the session `claude-swarm`. tmux runs as our
// uid on a socket that no agent reaches; the program in a window runs as its agent's uid under a supervisor of ours
// (exec/shim), so an agent can type into no pane but its own.
//
//   tmux server --window--> swarm-shim pane DIR --starts, watches--> program   (agent's uid, owner of the terminal)
//        |                        \__ DIR/status: the newest state
//        \--pipe-pane--> swarm-shim spool DIR/output   ring file; its offsets are the sequence numbers of the output
//
// All of that outlives agentd; the directory of a pane (0700) holds what the next one needs: record, request, status,
// output. Viewers are tmux clients in sessions of their own with the one window in it.

#include "agentd/exec/execs.hpp"
#include "agentd/panes/pane.hpp"
#include "agentd/panes/tmux.hpp"
#include "protocol/api/exec.hpp"

namespace swarm::agentd::panes {

class Panes {
 public:
  struct Options {
    std::string directory;                  ///< made when missing, 0700
    std::string shim;                       ///< path of `swarm-shim`
    std::uint64_t spool_bytes = 1U << 20U;  ///< most that is kept of each pane's output
    std::size_t most = 200;                 ///< panes
    std::size_t most_viewers = 64;          ///< of one pane
  };
  /// What is to run, with everything decided that a request leaves open (user, directory, environment).
  using MakeSpec = std::function<Result<ExecSpec>(const api::ExecStartRequest&)>;

  Panes(async::Loop& loop, Options options, Execs& execs, MakeSpec make_spec);
  Panes(const Panes&) = delete;
  Panes& operator=(const Panes&) = delete;
  ~Panes();

  /// Takes up the panes of an agentd before this one. Call it once, before anything else.
  async::Task<Result<void>> recover();

  async::Task<Result<api::PaneInfo>> open(api::PaneOpenRequest request);
  async::Task<Result<api::PaneListReply>> list(api::PaneListRequest request);
  async::Task<Result<api::PaneInfo>> kill(api::PaneKillRequest request);
  async::Task<Result<api::PaneInfo>> restart(api::PaneRestartRequest request);
  async::Task<Result<api::PaneScreenReply>> screen(api::PaneScreenRequest request);
  async::Task<Result<api::PaneSendReply>> send(api::PaneSendRequest request);
  /// Asked just before a prompt is typed, when nobody else types: what it is about may be settled.
  using StillWanted = std::function<async::Task<bool>()>;
  /// `cancelled` where `still_wanted` says that it is not.
  async::Task<Result<api::PanePromptReply>> prompt(api::PanePromptRequest request, StillWanted still_wanted = nullptr);
  /// Empties the composer if nothing but this line stands in it, or does so within `wait`; whether it did. For a prompt
  /// that the program gave back.
  async::Task<bool> take_back(std::string pane, std::string line, std::chrono::milliseconds wait);
  async::Task<Result<api::PaneInfo>> wait(api::PaneWaitRequest request);
  async::Task<Result<api::Empty>> resize(api::PaneResizeRequest request);

  /// What is known of the program that runs in a pane; null when there is none.
  [[nodiscard]] const api::PaneProgram* program(const std::string& pane) const;
  /// What it does now, by a look at its screen.
  async::Task<Result<api::PaneState>> state(std::string pane);

  /// Where a log would begin; then `send_log` sends it and ends the sink.
  Result<api::PaneLogReply> begin_log(const api::PaneLogRequest& request);
  async::Task<> send_log(std::string pane, std::uint64_t from, bool follow, std::unique_ptr<wire::ByteSink> sink);

  /// Starts a viewer. It ends, and its session with it, when the `Foreground` is destroyed.
  struct Viewer {
    api::PaneAttachReply reply;
    std::unique_ptr<Foreground> client;
  };
  async::Task<Result<Viewer>> attach(api::PaneAttachRequest request, std::unique_ptr<wire::ByteSource> input,
                                     std::unique_ptr<wire::ByteSink> output);

  /// Ends every program and the tmux server; for the end of the sandbox.
  async::Task<> end_all(std::chrono::milliseconds grace);

  [[nodiscard]] async::Loop& loop() const { return loop_; }

  /// Programs that run in panes.
  [[nodiscard]] std::size_t running() const;

 private:
  using Shared = std::shared_ptr<Pane>;

  /// What a look at the screen gave.
  struct Look {
    api::PaneState state = api::PaneState::unknown;
    std::optional<Composer> composer;
    std::uint64_t log_end = 0;
  };

  [[nodiscard]] Result<Shared> find(const std::string& name) const;
  [[nodiscard]] std::string directory_of(const std::string& name) const { return options_.directory + "/" + name; }
  Result<ExecSpec> decide(PaneRecord& record) const;
  Result<void> prepare(Pane& pane, const ExecSpec& spec);
  Result<void> write_record(const Pane& pane) const;
  void read_status(Pane& pane) const;
  Shared load(const std::string& name);
  void remove(const Shared& pane);
  Result<void> watch_status(const Shared& pane);
  std::shared_ptr<FileWatch::Ticket> watch_output(const Shared& pane);

  async::Task<Result<void>> open_window(Shared pane);
  async::Task<Result<void>> respawn(Shared pane);
  async::Task<Result<void>> until_started(Shared pane, const ExecSpec& spec);
  async::Task<Result<void>> end_program(Shared pane, std::chrono::milliseconds grace);
  async::Task<Result<std::string>> capture(Shared pane, std::uint32_t history_lines);
  async::Task<Result<Look>> look(Shared pane);
  /// Whether the pane shows something other than at `mark` before `most` is over.
  async::Task<bool> until_unlike(Shared pane, std::string mark, Duration most);
  async::Task<Result<void>> paste(Shared pane, std::string text);
  async::Task<Result<void>> press(Shared pane, std::vector<std::string> keys);
  async::Task<Result<void>> type(Shared pane, std::string text);
  /// Presses the key once if nothing but this stands in the composer; whether it did. Nothing: it cannot be looked at.
  async::Task<std::optional<bool>> erase_if(Shared pane, std::string wanted);
  async::Task<Result<void>> until_ready(Shared pane, MonoTime deadline);
  async::Task<Result<api::PanePromptReply>> deliver(Shared pane, std::string text, std::chrono::milliseconds confirm);

  async::Loop& loop_;
  Options options_;
  Execs& execs_;
  MakeSpec make_spec_;
  Tmux tmux_;
  FileWatch watch_;
  async::Turn changing_;  ///< opening, ending and starting again go one after the other
  std::uint64_t files_ = 0;
  std::uint64_t viewers_ = 0;
  std::map<std::string, Shared> panes_;
};

/// Whether tmux knows the key; what it does not know it would type letter by letter.
bool is_key(std::string_view key);

}  // namespace swarm::agentd::panes
