#pragma once

#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "client/output/printer.hpp"
#include "client/terminal/raw_mode.hpp"

namespace swarm::client {

/// The terminal's other screen while it lives; what was there comes back.
class OtherScreen {
 public:
  explicit OtherScreen(const Outlet& out) : out_(out) { out_.write("\x1b[?1049h\x1b[?25l"); }
  OtherScreen(const OtherScreen&) = delete;
  OtherScreen& operator=(const OtherScreen&) = delete;
  ~OtherScreen() { out_.write("\x1b[?25h\x1b[?1049l"); }

  /// Draws `screen`, whose lines end in newlines, over what was there, without flicker.
  void show(const std::string& screen) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < screen.size();) {
      const std::size_t end = std::min(screen.find('\n', at), screen.size());
      lines.push_back(screen.substr(at, end - at));
      at = end + 1;
    }
    show(std::move(lines));
  }

  /// The same for lines; those that are there already are not written again.
  void show(std::vector<std::string> lines) {
    if (const TerminalSize size = terminal_size(STDOUT_FILENO); size != size_) {
      size_ = size;
      shown_.clear();
    }
    std::string text = shown_.empty() ? "\x1b[2J" : "";
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (i < shown_.size() && shown_[i] == lines[i]) continue;
      // Cleared first: behind a full line the cursor stands on its last character still.
      text += "\x1b[" + std::to_string(i + 1) + ";1H\x1b[2K" + lines[i];
    }
    if (lines.size() < shown_.size()) text += "\x1b[" + std::to_string(lines.size() + 1) + ";1H\x1b[J";
    shown_ = std::move(lines);
    if (!text.empty()) out_.write(text);
  }

  /// Somebody else wrote on the terminal: all is drawn anew.
  void forget() { shown_.clear(); }

 private:
  const Outlet& out_;
  TerminalSize size_;
  std::vector<std::string> shown_;
};

}  // namespace swarm::client
