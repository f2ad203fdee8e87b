#pragma once
// The monitor's screen as lines: pure.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/commands/sight.hpp"
#include "client/monitor/picture.hpp"
#include "client/monitor/view.hpp"
#include "protocol/api/pane_types.hpp"

namespace swarm::client {

/// One agent's screen as it was last seen.
struct Shown {
  Picture picture;
  std::optional<api::PaneInfo> pane;
  std::string trouble;  ///< why there is no newer one; empty: there is nothing newer
};
using Screens = std::map<std::string, Shown>;

/// The agents of a swarm in the order in which they are shown.
std::vector<std::string> agents_of(const Sight& sight);

/// How many lines locks take.
std::size_t lock_count(const Sight& sight);

struct Drawing {
  const Sight& sight;
  const Screens& screens;
  const View& view;
  TerminalSize size;
  Paint paint = Paint::no;
  WallTime now;
  std::string trouble;  ///< why the daemon does not answer; empty: it does
};

/// At most as many lines as the terminal has, none wider than it is.
std::vector<std::string> drawn(const Drawing& drawing);

/// The first line: the swarm, how far it is, what it cost.
std::string heading(const Sight& sight, WallTime now);

}  // namespace swarm::client
