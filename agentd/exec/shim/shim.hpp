#pragma once
// The supervisor of one exec, one process with one thread over poll(2). It starts the program, watches over everything
// that the program starts, ends it all on command, at its timeout or when agentd goes, and of a background exec it
// keeps the output and how it ended. No exceptions, no event library: it must start in a fraction of a millisecond.
//
// When is an exec over?
//   foreground  when its program has ended; what it leaves behind gets TERM and, 250 ms later, KILL
//   background  when its program has ended; what it leaves behind goes on, still supervised, until it ends by itself or
//               the exec is killed. The shim stays as long.
//   pane        as in the foreground, but there is nobody whose going ends it. TERM ends it gently, USR1 at once, and
//               so does, after a moment, the end of its terminal.

#include "agentd/exec/shim/launch.hpp"
#include "agentd/exec/shim/ring_writer.hpp"

namespace swarm::agentd::shim {

class Shim {
 public:
  /// Runs to the end of everything; the exit status of this process.
  int run();

 private:
  enum class Ending : std::uint8_t { no, asked, forced };

  bool begin();
  void start();
  void wait();
  void read_control();
  void obey(const Command& command);
  void accept_control();
  void lose_control();
  void read_signals();
  void own_terminal();
  void reap();
  void program_ended(int status);
  void end_all(std::int64_t grace_us);
  void tick();
  void count_timeout(std::int64_t time);
  [[nodiscard]] std::int64_t slice() const;
  void finish();
  bool drain(int& fd, RingWriter& ring);
  void drain_all();
  void report(int attach = -1);
  void report_output();
  void send_signal(int number, Target target);
  [[nodiscard]] int wake_in_ms() const;
  [[nodiscard]] bool background() const { return (program_.request->flags & kBackground) != 0; }
  [[nodiscard]] bool in_pane() const { return (program_.request->flags & kPane) != 0; }
  [[nodiscard]] bool terminal() const { return (program_.request->flags & kTerminal) != 0; }

  Program program_;
  State state_;
  RingWriter out_ring_;
  RingWriter err_ring_;
  int control_ = kControlFd;
  int listen_ = -1;
  int status_ = -1;
  int input_ = -1;  ///< also the terminal's master
  int out_ = -1;
  int err_ = -1;
  int signals_ = -1;
  int watched_terminal_ = -1;  ///< of a pane, to see its end
  bool alive_ = false;         ///< the program, not what it started
  bool unseen_ = false;        ///< agentd has not answered the last state about output
  bool sent_kill_ = false;     ///< somebody asked us for a SIGKILL
  bool none_left_ = false;
  Ending ending_ = Ending::no;
  std::uint64_t ooms_ = 0;
  std::int64_t started_at_ = 0;  ///< monotonic, us; like all that end in _at_
  /// What is left of the timeout, below zero: none. Time is counted in slices, and one slice never counts for more than
  /// its own length: a program that was frozen for hours with us has lost a slice, not its time.
  std::int64_t timeout_left_ = -1;
  std::int64_t counted_at_ = 0;
  std::int64_t force_at_ = -1;
  std::int64_t sweep_at_ = 0;
  std::int64_t sweep_pause_ = 0;
};

}  // namespace swarm::agentd::shim
