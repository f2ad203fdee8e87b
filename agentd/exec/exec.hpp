#pragma once

#include <memory>

#include "agentd/exec/channel.hpp"
#include "agentd/exec/ring_file.hpp"
#include "agentd/exec/spec.hpp"
#include "protocol/async/event.hpp"

namespace swarm::agentd {

/// What is remembered of a program: who ran what, how. No environment and no input, since secrets are in there. Long
/// argument lists are cut.
struct ExecSummary {
  std::string id;
  std::vector<std::string> argv;
  std::optional<std::string> command;
  std::string cwd;
  std::string user;
  std::string caller;
  Lifetime lifetime = Lifetime::foreground;
  bool terminal = false;
  std::optional<std::chrono::milliseconds> timeout;
  std::vector<ResourceLimit> limits;
  std::map<std::string, std::string> labels;
};

ExecSummary summarise(const std::string& id, const ExecSpec& spec);

/// The summary as bytes for the record file, and back; nothing for bytes that are no summary.
std::string encode_summary(const ExecSummary& summary);
std::optional<ExecSummary> decode_summary(std::string_view bytes);

/// One of the two outputs. A terminal has `out` alone.
enum class Output { out, err };

/// A program that agentd started, or that it found running when it started itself. Its newest state is what the shim
/// reported last.
class Exec {
 public:
  Exec(async::Loop& loop, ExecSummary about) : about_(std::move(about)), changed_(loop) {}

  [[nodiscard]] const ExecSummary& about() const { return about_; }
  [[nodiscard]] const std::string& id() const { return about_.id; }
  [[nodiscard]] const shim::State& state() const { return state_; }
  [[nodiscard]] bool background() const { return about_.lifetime == Lifetime::background; }

  /// The program was told of: it runs, or could not be started.
  [[nodiscard]] bool decided() const { return state_.phase != shim::Phase::starting || lost_; }
  /// The program has ended; in the background, what it started may go on.
  [[nodiscard]] bool ended() const { return state_.phase == shim::Phase::ended || gone(); }
  /// Nothing is left of it.
  [[nodiscard]] bool gone() const {
    return lost_ || state_.phase == shim::Phase::gone || state_.phase == shim::Phase::failed;
  }
  /// Its supervisor vanished, so nobody knows how it ended.
  [[nodiscard]] bool lost() const { return lost_; }

  /// Awaitable: something about it has changed.
  auto changed() { return changed_.wait(); }
  async::Task<> wait_ended();
  async::Task<> wait_gone();

  /// Sends a signal; `failed_precondition` when it has ended.
  Result<void> signal(int number, shim::Target target);
  /// Ends it and everything that it started. Nothing happens to one that is gone.
  void kill(std::chrono::milliseconds grace);
  /// `failed_precondition` without a terminal or when it has ended.
  Result<void> resize(const TerminalSize& size);

  /// How much output there is: `first` is the oldest offset that is kept, `end` the offset after the newest. Of a
  /// foreground exec nothing is kept.
  struct Extent {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
  };
  [[nodiscard]] Extent extent(Output which) const;
  [[nodiscard]] const std::optional<RingFile>& ring(Output which) const { return which == Output::out ? out_ : err_; }

  /// Asks to be told (by `changed`) when there is more output than was reported.
  void watch_output();

  /// The descriptor that its input is written to, for one holder at a time: `failed_precondition` when another has it,
  /// or it was started without, or its input was closed. Give it back with `release_input`.
  async::Task<Result<UniqueFd>> take_input();
  /// Whether `take_input` would begin now.
  [[nodiscard]] Result<void> input_free() const;
  enum class InputEnd { keep_open, close };
  void release_input(InputEnd end);

 private:
  friend class Execs;
  friend class Foreground;

  void take(ShimReport report);
  void finish();

  ExecSummary about_;
  shim::State state_;
  async::Condition changed_;
  std::unique_ptr<ShimChannel> channel_;  ///< null when the shim has ended
  std::optional<RingFile> out_;
  std::optional<RingFile> err_;
  std::uint64_t out_bytes_ = 0;  ///< of a foreground exec
  std::uint64_t err_bytes_ = 0;
  UniqueFd input_;
  bool input_taken_ = false;
  bool lost_ = false;
};

}  // namespace swarm::agentd
