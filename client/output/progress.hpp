#pragma once
// One line on standard error that says what is being done and how far it is, only on a terminal and never with --quiet
// or --json. It is wiped away at the end, so that what stays on the screen are results.

#include <string>

#include "client/context.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {

class Progress {
 public:
  /// Shows nothing for the first moments: what is quick needs no progress. `context` must outlive this.
  Progress(Context& context, std::string what);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { finish(); }

  /// What is being done now.
  void say(std::string what) { what_ = std::move(what); }
  /// How many bytes have passed, and of how many, where that is known.
  void bytes(std::uint64_t done, std::optional<std::uint64_t> total);

  /// Wipes the line.
  void finish();

 private:
  void schedule(Duration after);
  void draw();

  Context& context_;
  std::string what_;
  MonoTime started_;
  std::optional<std::uint64_t> done_;
  std::optional<std::uint64_t> total_;
  bool shown_ = false;
  async::Timer timer_;
};

}  // namespace swarm::client
