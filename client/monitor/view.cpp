#include "client/monitor/view.hpp"

#include <algorithm>

namespace swarm::client {
namespace {

constexpr std::size_t kHead = 2;  // lines above everything
constexpr std::size_t kFoot = 1;  // keys
constexpr std::size_t kSideways = 10;
constexpr std::size_t kMostSideways = 900;
constexpr std::size_t kMostUp = 900;

/// The smallest tiles that are worth looking at.
struct Least {
  std::size_t columns;
  std::size_t rows;
};
constexpr Least kSmallTile{.columns = 38, .rows = 7};
constexpr Least kWideTile{.columns = 79, .rows = 9};

std::size_t place_of(const View& view, const std::vector<std::string>& agents) {
  const auto found = std::ranges::find(agents, view.selected);
  return found == agents.end() ? 0 : static_cast<std::size_t>(found - agents.begin());
}

/// Tiles for the agents from `first` on, as many as fit: in as few columns as will do.
std::vector<Tile> tiles_in(const Area& area, const std::vector<std::string>& agents, std::size_t selected,
                           Least least) {
  std::vector<Tile> tiles;
  if (agents.empty() || area.rows < 3) return tiles;
  const std::size_t most_across = std::max<std::size_t>(1, (area.columns + 1) / (least.columns + 1));
  const std::size_t most_down = std::max<std::size_t>(1, area.rows / least.rows);
  std::size_t across = 1;
  while (across < most_across && (agents.size() + across - 1) / across > most_down) ++across;
  std::size_t down = std::min(most_down, (agents.size() + across - 1) / across);
  const std::size_t page = across * down;
  const std::size_t first = selected / page * page;
  const std::size_t count = std::min(page, agents.size() - first);
  down = (count + across - 1) / across;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = i / across;
    const std::size_t in_row = std::min(across, count - row * across);
    const std::size_t column = i % across;
    // A column between two tiles stays free.
    const std::size_t left = column * (area.columns + 1) / in_row;
    const std::size_t right = (column + 1) * (area.columns + 1) / in_row - 1;
    const std::size_t top = row * area.rows / down;
    const std::size_t bottom = (row + 1) * area.rows / down;
    tiles.push_back(
        {.agent = agents[first + i],
         .area = {.column = area.column + left, .row = area.row + top, .columns = right - left, .rows = bottom - top}});
  }
  return tiles;
}

void select(View& view, const std::vector<std::string>& agents, std::size_t place) {
  if (place >= agents.size()) return;
  if (view.selected != agents[place]) view.right = view.up = 0;
  view.selected = agents[place];
}

void go(View& view, Showing to) {
  view.up = 0;
  if (to == Showing::screen && view.showing != Showing::screen) view.before = view.showing;
  view.showing = to;
}

void press_letter(View& view, char letter, const std::vector<std::string>& agents) {
  const auto toggle = [&view](Showing to) { go(view, view.showing == to ? Showing::overview : to); };
  if (letter == 'q' || letter == '\x03' || letter == '\x04') view.leave = true;
  if (letter == 't') toggle(Showing::tiles);
  if (letter == 'w') toggle(Showing::work);
  if (letter == '\x0c') view.redraw = true;
  if (letter >= '0' && letter <= '9') select(view, agents, static_cast<std::size_t>(letter - '0'));
}

}  // namespace

void settle(View& view, const std::vector<std::string>& agents) { select(view, agents, place_of(view, agents)); }

void press(View& view, const KeyPress& key, const std::vector<std::string>& agents) {
  const std::size_t count = std::max<std::size_t>(agents.size(), 1);
  const std::size_t place = place_of(view, agents);
  const bool moves = view.showing == Showing::screen;
  const auto next = [&] { select(view, agents, (place + 1) % count); };
  const auto previous = [&] { select(view, agents, (place + count - 1) % count); };
  const auto lower = [](std::size_t value, std::size_t by) { return value > by ? value - by : 0; };
  switch (key.key) {
    case Key::tab:
      return next();
    case Key::back_tab:
      return previous();
    case Key::down:
      if (!moves) return next();
      view.up = lower(view.up, 1);
      return;
    case Key::up:
      if (!moves) return previous();
      view.up = std::min(view.up + 1, kMostUp);
      return;
    case Key::page_up:
      view.up = std::min(view.up + kSideways, kMostUp);
      return;
    case Key::page_down:
      view.up = lower(view.up, kSideways);
      return;
    case Key::left:
      view.right = lower(view.right, kSideways);
      return;
    case Key::right:
      view.right = std::min(view.right + kSideways, kMostSideways);
      return;
    case Key::home:
      return select(view, agents, 0);
    case Key::end:
      return select(view, agents, count - 1);
    case Key::enter:
      return go(view, moves ? view.before : Showing::screen);
    case Key::escape:
      return go(view, moves ? view.before : Showing::overview);
    case Key::character:
      return press_letter(view, key.character, agents);
  }
}

Layout lay_out(const View& view, const std::vector<std::string>& agents, std::size_t locks, std::size_t columns,
               std::size_t rows) {
  Layout layout;
  const std::size_t room = rows > kHead + kFoot ? rows - kHead - kFoot : 0;
  const Area all{.column = 0, .row = kHead, .columns = columns, .rows = room};
  const std::size_t selected = place_of(view, agents);
  if (view.showing == Showing::tiles) {
    layout.screens = all;
    layout.tiles = tiles_in(all, agents, selected, kSmallTile);
    return layout;
  }
  if (view.showing == Showing::screen) {
    layout.screens = all;
    if (!agents.empty() && room >= 2) layout.tiles.push_back({.agent = agents[selected], .area = all});
    return layout;
  }
  if (view.showing == Showing::work) {
    layout.lines = all;
    return layout;
  }
  const auto part = [columns](std::size_t from, std::size_t count) {
    return Area{.column = 0, .row = from, .columns = columns, .rows = count};
  };
  // Low terminals: what happened last goes first, then the list, and the screen stays.
  const std::size_t lines = rows < 16 ? 0 : std::clamp<std::size_t>(rows / 6, 3, 12);
  const std::size_t held = rows < 16 ? 0 : std::min(locks, std::max<std::size_t>(2, rows / 12));
  const std::size_t listed = rows < 12 ? 0 : std::min(agents.size(), std::max<std::size_t>(3, rows / 5)) + 1;
  const std::size_t rule = lines > 0 ? 1 : 0;
  const std::size_t taken = std::min(room, listed + rule + held + lines);
  layout.agents = part(kHead, std::min(listed, room));
  layout.screens = part(layout.agents.row + layout.agents.rows, room - taken);
  layout.rule = part(layout.screens.row + layout.screens.rows, rule);
  layout.locks = part(layout.rule.row + rule, held);
  layout.lines = part(layout.locks.row + layout.locks.rows, lines);
  layout.tiles = tiles_in(layout.screens, agents, selected, kWideTile);
  return layout;
}

}  // namespace swarm::client
