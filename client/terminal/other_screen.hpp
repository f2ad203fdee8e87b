#pragma once

#include <string>

#include "client/output/printer.hpp"

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
    std::string text = "\x1b[H";
    for (const char c : screen) {
      if (c == '\n') text += "\x1b[K";
      text += c;
    }
    out_.write(text + "\x1b[J");
  }

 private:
  const Outlet& out_;
};

}  // namespace swarm::client
