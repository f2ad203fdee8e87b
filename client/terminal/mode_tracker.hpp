#pragma once

#include <set>
#include <string>
#include <string_view>

namespace swarm::client {

/// Remembers which modes a program switched on in the terminal (other screen, mouse, bracketed paste, hidden cursor,
/// keypad, colours), so that they can be switched off when it does not get to do that itself: a cut connection, a
/// detached session, a killed sandbox.
class ModeTracker {
 public:
  /// The next output of the program.
  void feed(std::string_view bytes);

  /// What brings the terminal back; empty when nothing is left on.
  [[nodiscard]] std::string undo() const;

 private:
  enum class State : std::uint8_t { text, escape, csi };
  void sequence(char last);

  State state_ = State::text;
  std::string parameters_;
  std::set<int> on_;  // DEC private modes
  bool cursor_hidden_ = false;
  bool keypad_ = false;
  bool styled_ = false;
  bool shaped_ = false;  // the cursor
};

}  // namespace swarm::client
