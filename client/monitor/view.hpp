#pragma once
// What of a swarm the monitor shows: how, of which agent, and where on the screen. Keys go in, places come out; nothing
// here draws or asks anybody.
//
//   overview   agents, the screens of some, locks, what happened last
//   tiles      the screens of as many agents as there is room for
//   screen     one agent's screen as large as can be
//   work       tasks, reviews, votes and locks
//
// Only what `tiles_of` gives is asked for (screens.hpp), so a large swarm costs no more than its visible part.

#include <cstdint>
#include <string>
#include <vector>

#include "client/terminal/keys.hpp"

namespace swarm::client {

enum class Showing : std::uint8_t { overview, tiles, screen, work };

struct View {
  Showing showing = Showing::overview;
  Showing before = Showing::overview;  ///< `screen`: where it came from
  std::string selected;                ///< an agent
  std::size_t right = 0;               ///< columns that the selected screen is moved by
  std::size_t up = 0;                  ///< `screen`: lines that it is moved by
  bool leave = false;
  bool redraw = false;  ///< all of it: somebody else wrote on the terminal
  bool operator==(const View&) const = default;
};

/// What a key does. `agents`: all, in their order.
void press(View& view, const KeyPress& key, const std::vector<std::string>& agents);

/// Selects an agent that there is.
void settle(View& view, const std::vector<std::string>& agents);

/// A rectangle of the terminal.
struct Area {
  std::size_t column = 0;
  std::size_t row = 0;
  std::size_t columns = 0;
  std::size_t rows = 0;
  bool operator==(const Area&) const = default;
};

/// The place of one agent's screen; its first line is its title.
struct Tile {
  std::string agent;
  Area area;
};

/// Where the parts of a screen are. What has no room has no rows.
struct Layout {
  Area agents;  ///< with the heads of its columns
  Area screens;
  Area rule;  ///< one line above the two below it
  Area locks;
  Area lines;
  std::vector<Tile> tiles;
};

/// `locks`: how many lines there are of them.
Layout lay_out(const View& view, const std::vector<std::string>& agents, std::size_t locks, std::size_t columns,
               std::size_t rows);

}  // namespace swarm::client
