#include "client/terminal/mode_tracker.hpp"

#include <cstdlib>

namespace swarm::client {
namespace {

constexpr std::size_t kLongestModes = 64;

// Modes that a shell does not expect to find on. Not all: autowrap (7), for example, is on by default.
constexpr std::array kForeignModes{1,    9,    47,   1000, 1001, 1002, 1003, 1004,
                                   1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026};

}  // namespace

void ModeTracker::feed(std::string_view bytes) {
  for (const char byte : bytes) {
    switch (state_) {
      case State::text:
        if (byte == '\x1b') state_ = State::escape;
        break;
      case State::escape:
        state_ = byte == '\x1b' ? State::escape : State::text;
        if (byte == '[') {
          state_ = State::csi;
          parameters_.clear();
        } else if (byte == '=') {
          keypad_ = true;
        } else if (byte == '>') {
          keypad_ = false;
        } else if (byte == 'c') {
          *this = ModeTracker();  // full reset
        }
        break;
      case State::csi:
        if (byte >= 0x20 && byte <= 0x3f && parameters_.size() < kLongestModes) {
          parameters_.push_back(byte);
        } else {
          state_ = State::text;
          if (byte >= 0x40 && byte <= 0x7e) sequence(byte);
        }
        break;
    }
  }
}

void ModeTracker::sequence(char last) {
  if (last == 'm') {
    styled_ = !(parameters_.empty() || parameters_ == "0" || parameters_ == "00");
    return;
  }
  if (last == 'q' && parameters_.ends_with(' ')) {
    shaped_ = parameters_ != " " && parameters_ != "0 ";
    return;
  }
  if ((last != 'h' && last != 'l') || !parameters_.starts_with('?')) return;
  const bool set = last == 'h';
  for (std::size_t at = 1; at < parameters_.size();) {
    const std::size_t end = std::min(parameters_.find(';', at), parameters_.size());
    const int mode = std::atoi(parameters_.substr(at, end - at).c_str());
    at = end + 1;
    if (mode == 25) {
      cursor_hidden_ = !set;
    } else if (std::ranges::find(kForeignModes, mode) != kForeignModes.end()) {
      if (set) {
        on_.insert(mode);
      } else {
        on_.erase(mode);
      }
    }
  }
}

std::string ModeTracker::undo() const {
  std::string out;
  if (styled_) out += "\x1b[0m";
  if (shaped_) out += "\x1b[0 q";
  if (keypad_) out += "\x1b>";
  for (const int mode : on_) out += "\x1b[?" + std::to_string(mode) + "l";
  if (cursor_hidden_) out += "\x1b[?25h";
  return out;
}

}  // namespace swarm::client
