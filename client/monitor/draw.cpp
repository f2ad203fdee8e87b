#include "client/monitor/draw.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/commands/swarm_views.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"
#include "client/output/word.hpp"

namespace swarm::client {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const std::string& text) {
  Lines lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

void add(Lines& all, const Lines& more) { all.insert(all.end(), more.begin(), more.end()); }

bool has_ended(api::TaskState state) {
  return state == api::TaskState::done || state == api::TaskState::failed || state == api::TaskState::dropped;
}

const api::AgentInfo* registered(const Sight& sight, const std::string& id) {
  const auto found = std::ranges::find(sight.agents, id, &api::AgentInfo::id);
  return found == sight.agents.end() ? nullptr : &*found;
}

const Shown* shown(const Drawing& drawing, const std::string& agent) {
  const auto found = drawing.screens.find(agent);
  return found == drawing.screens.end() ? nullptr : &found->second;
}

Style style_of(api::PaneState state) {
  switch (state) {
    case api::PaneState::busy:
      return Style::good;
    case api::PaneState::permission:
    case api::PaneState::rate_limited:
    case api::PaneState::typing:
      return Style::warning;
    case api::PaneState::logged_out:
    case api::PaneState::crashed:
      return Style::bad;
    case api::PaneState::exited:
      return Style::faint;
    default:
      return Style::plain;
  }
}

Cell state_cell(const api::AgentInfo* agent, const std::string& program, const Shown* seen) {
  if (agent == nullptr) return {program.empty() ? "-" : one_line(program), Style::faint};
  std::string state = word(agent->state);
  // The registry hears of a start with the next look at the pane; its picture is newer.
  if (agent->state == api::AgentState::starting && seen != nullptr && seen->pane &&
      seen->pane->state != api::PaneState::unknown) {
    return {word(seen->pane->state), style_of(seen->pane->state)};
  }
  if (agent->program && agent->program->stall) return {state + ": " + word(*agent->program->stall), Style::bad};
  switch (agent->state) {
    case api::AgentState::waiting:
    case api::AgentState::rate_limited:
    case api::AgentState::stale:
      return {std::move(state), Style::warning};
    case api::AgentState::working:
      return {std::move(state), Style::good};
    case api::AgentState::gone:
      return {std::move(state), Style::faint};
    default:
      return {std::move(state)};
  }
}

/// What it has claimed, or says that it works on.
std::string work_of(const Sight& sight, const std::string& agent) {
  Lines held;
  for (const api::TaskInfo& task : sight.tasks) {
    if (task.state == api::TaskState::claimed && task.agent == agent) held.push_back(one_line(task.title));
  }
  const api::AgentInfo* inside = registered(sight, agent);
  if (held.empty() && inside != nullptr && !inside->task.empty()) held.push_back(one_line(inside->task));
  if (held.empty() && inside != nullptr && !inside->detail.empty()) held.push_back(one_line(inside->detail));
  return held.empty() ? "-" : fmt::format("{}", fmt::join(held, "; "));
}

/// The table of agents, of which `rows` lines have room; the selected one is among them.
Lines agents_part(const Drawing& drawing, const Area& area) {
  if (area.rows < 2) return {};
  const Sight& sight = drawing.sight;
  Table table({{" AGENT"},
               {"KIND", Align::left, Fit::shorten},
               {"ROLE", Align::left, Fit::shorten},
               {"STATE"},
               {"MAIL", Align::right},
               {"LOCKS", Align::right},
               {"HEARD", Align::right},
               {"WORKS ON", Align::left, Fit::shorten}});
  std::size_t selected = 0;
  for (const api::SwarmAgentInfo& agent : sight.swarm.agents) {
    const api::AgentInfo* inside = registered(sight, agent.id);
    const bool here = agent.id == drawing.view.selected;
    if (here) selected = static_cast<std::size_t>(&agent - sight.swarm.agents.data());
    const std::string name = (here ? ">" : " ") + agent.id + (agent.lead ? " *" : "");
    table.add({{name, here ? Style::strong : Style::plain},
               one_line(agent.kind),
               agent.role.empty() ? "any" : one_line(agent.role),
               state_cell(inside, agent.state, shown(drawing, agent.id)),
               inside == nullptr ? "-" : std::to_string(inside->unread),
               inside == nullptr ? "-" : std::to_string(inside->locks.size()),
               inside == nullptr ? "-" : human_age(drawing.now, inside->heartbeat_us),
               work_of(sight, agent.id)});
  }
  Lines all = lines_of(table.render(area.columns, drawing.paint));
  if (all.size() <= area.rows) return all;
  // The head stays; of the rest a part with the selected one in its middle.
  const std::size_t room = area.rows - 1;
  const std::size_t count = all.size() - 1;
  const std::size_t from = std::min(selected > room / 2 ? selected - room / 2 : 0, count - room);
  Lines part = {all.front()};
  part.insert(part.end(), all.begin() + 1 + static_cast<std::ptrdiff_t>(from),
              all.begin() + 1 + static_cast<std::ptrdiff_t>(from + room));
  return part;
}

Lines lock_lines(const Sight& sight, std::size_t width, std::size_t rows) {
  Lines lines;
  Lines ungranted;
  for (const api::LockWaiter& one : sight.locks.waiting) {
    ungranted.push_back(fmt::format("wait {} by {}", one_line(one.path.bytes.empty() ? "everything" : one.path.bytes),
                                    one_line(one.agent)));
  }
  for (const api::LockInfo& lock : sight.locks.locks) {
    const std::string path = one_line(lock.path.bytes.empty() ? "everything" : lock.path.bytes);
    std::string line = fmt::format("lock {} by {}{}", path, one_line(lock.agent),
                                   lock.reason.empty() ? "" : ": " + one_line(lock.reason));
    Lines waiting;
    for (std::size_t i = 0; i < sight.locks.waiting.size(); ++i) {
      if (sight.locks.waiting[i].path != lock.path) continue;
      waiting.push_back(one_line(sight.locks.waiting[i].agent));
      ungranted[i].clear();
    }
    // First what keeps somebody waiting.
    if (waiting.empty()) {
      lines.push_back(std::move(line));
    } else {
      lines.insert(lines.begin(), fmt::format("{} ({} waiting)", line, fmt::join(waiting, ", ")));
    }
  }
  std::erase(ungranted, "");
  add(lines, ungranted);  // for what overlaps something else
  if (lines.size() > rows && rows > 0) {
    const std::size_t more = lines.size() - rows + 1;
    lines.resize(rows - 1);
    lines.push_back(fmt::format("... {} more; 'swarmctl lock ls'", more));
  }
  for (std::string& line : lines) line = cut_to_width(line, width);
  return lines;
}

/// "── text ─────": a line across, with something said at its left and right.
std::string rule(const std::string& left, const std::string& right, std::size_t width, Style style, Paint paint) {
  const auto dashes = [](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += "─";
    return out;
  };
  const std::string end = right.empty() ? "" : " " + right + " ─";
  const std::size_t room = width > 4 ? width - 4 : 0;
  const bool both = display_width(left) + display_width(end) + 1 <= room;
  const std::string text = cut_to_width(left, room);
  const std::size_t used = 4 + display_width(text) + (both ? display_width(end) : 0);
  return painted("─ ", Style::faint, paint) + painted(text, style, paint) +
         painted(" " + dashes(width > used - 1 ? width - used + 1 : 0) + (both ? end : ""), Style::faint, paint);
}

/// The first column of a picture that a tile shows: the selected one's is moved with the keys.
std::size_t first_column(const Drawing& drawing, const Tile& tile, const Picture& picture) {
  const std::size_t wide = picture.width();
  if (tile.agent != drawing.view.selected || wide <= tile.area.columns) return 0;
  return std::min(drawing.view.right, wide - tile.area.columns);
}

std::string title(const Drawing& drawing, const Tile& tile) {
  const Shown* seen = shown(drawing, tile.agent);
  const bool selected = tile.agent == drawing.view.selected;
  std::string left = tile.agent;
  std::string right;
  Style style = selected ? Style::strong : Style::plain;
  if (seen != nullptr && seen->pane) {
    const api::PaneInfo& pane = *seen->pane;
    left += fmt::format(" {}", pane.kind.empty() ? "-" : one_line(pane.kind));
    if (pane.state != api::PaneState::unknown) {
      left += " " + word(pane.state);
      if (style_of(pane.state) != Style::plain) style = style_of(pane.state);
    }
    if (pane.viewers > 0) left += fmt::format(", {} attached", pane.viewers);
    const std::size_t from = first_column(drawing, tile, seen->picture);
    right = from + tile.area.columns < seen->picture.width() || from > 0
                ? fmt::format("columns {}-{} of {}", from + 1, from + tile.area.columns, pane.cols)
                : fmt::format("{}x{}", pane.cols, pane.rows);
  }
  if (selected) left = "> " + left;
  return rule(left, right, tile.area.columns, style, drawing.paint);
}

Lines tile_lines(const Drawing& drawing, const Tile& tile) {
  Lines lines = {title(drawing, tile)};
  const std::size_t rows = tile.area.rows - 1;
  const Shown* seen = shown(drawing, tile.agent);
  const bool selected = tile.agent == drawing.view.selected;
  std::string trouble = seen == nullptr ? "..." : seen->trouble;
  if (seen != nullptr && seen->pane) {
    Spot from;
    const std::size_t best = seen->picture.best_row(rows);
    from.row = selected ? best - std::min(best, drawing.view.up) : best;
    from.column = first_column(drawing, tile, seen->picture);
    add(lines, seen->picture.cut(from, tile.area.columns, rows, drawing.paint));
  } else {
    for (std::size_t i = 0; i < rows; ++i) lines.emplace_back(tile.area.columns, ' ');
  }
  if (!trouble.empty() && rows > 0) {
    trouble = cut_to_width(one_line(trouble), tile.area.columns);
    const std::size_t used = display_width(trouble);
    lines[1] = painted(trouble, Style::warning, drawing.paint) + std::string(tile.area.columns - used, ' ');
  }
  return lines;
}

/// All tiles of an area as lines: neighbours stand side by side.
Lines screens_part(const Drawing& drawing, const Layout& layout) {
  std::vector<Lines> tiles;
  for (const Tile& tile : layout.tiles) tiles.push_back(tile_lines(drawing, tile));
  Lines out;
  for (std::size_t row = layout.screens.row; row < layout.screens.row + layout.screens.rows; ++row) {
    std::string line;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const Area& area = layout.tiles[i].area;
      if (row < area.row || row >= area.row + area.rows) continue;
      if (area.column > layout.screens.column) line += painted("│", Style::faint, drawing.paint);
      line += tiles[i][row - area.row];
    }
    out.push_back(std::move(line));
  }
  return out;
}

std::string locks_word(const Sight& sight) {
  const std::size_t held = sight.locks.locks.size();
  if (held == 0) return "no locks";
  std::string text = fmt::format("{} {}", held, held == 1 ? "lock" : "locks");
  if (!sight.locks.waiting.empty()) text += fmt::format(", {} waiting", sight.locks.waiting.size());
  return text;
}

Lines last_lines(const Drawing& drawing, const Area& area) {
  const std::size_t count = std::min(area.rows, drawing.sight.lines.size());
  Lines out;
  for (auto line = drawing.sight.lines.end() - static_cast<std::ptrdiff_t>(count); line != drawing.sight.lines.end();
       ++line) {
    out.push_back(cut_to_width(*line, area.columns));
  }
  return out;
}

Lines work_part(const Drawing& drawing, const Area& area) {
  const Sight& sight = drawing.sight;
  Lines below;
  if (!sight.locks.locks.empty() || !sight.locks.waiting.empty()) {
    below.emplace_back();
    add(below, lock_lines(sight, area.columns, std::max<std::size_t>(area.rows / 4, 2)));
  }
  if (!sight.reviews.empty()) {
    below.emplace_back();
    add(below, lines_of(review_table(sight.reviews).render(area.columns, drawing.paint)));
  }
  if (!sight.proposals.empty()) {
    below.emplace_back();
    add(below, lines_of(proposal_table(sight.proposals).render(area.columns, drawing.paint)));
  }
  // Tasks that go on first: they are left out last.
  std::vector<api::TaskInfo> tasks;
  std::ranges::copy_if(sight.tasks, std::back_inserter(tasks), [](const auto& task) { return !has_ended(task.state); });
  std::ranges::copy_if(sight.tasks, std::back_inserter(tasks), [](const auto& task) { return has_ended(task.state); });
  Lines all = {"no tasks"};
  if (!tasks.empty()) all = lines_of(task_table(tasks).render(area.columns, drawing.paint));
  const std::size_t room = area.rows > below.size() ? area.rows - below.size() : 0;
  if (all.size() > room) {
    const std::size_t kept = std::max<std::size_t>(room, 3) - 1;
    const std::size_t more = all.size() - std::min(kept, all.size());
    all.resize(std::min(kept, all.size()));
    all.push_back(fmt::format("... {} more; 'swarmctl task ls' lists all", more));
  }
  add(all, below);
  return all;
}

/// What can be pressed, and how to get at the selected agent; the latter where there is room.
std::string foot(const Drawing& drawing, std::size_t width) {
  std::string keys;
  switch (drawing.view.showing) {
    case Showing::overview:
      keys = "Tab agent  Enter large  t tiles  w work  q leave";
      break;
    case Showing::tiles:
      keys = "Tab agent  Enter large  t back  w work  q leave";
      break;
    case Showing::screen:
      keys = "Tab agent  Enter back  arrows move  q leave";
      break;
    case Showing::work:
      keys = "t tiles  w back  q leave";
      break;
  }
  const std::string attach = "swarmctl attach " + drawing.view.selected;
  const std::size_t used = keys.size() + attach.size();
  if (!drawing.view.selected.empty() && used + 2 <= width) keys += std::string(width - used, ' ') + attach;
  return painted(cut_to_width(keys, width), Style::faint, drawing.paint);
}

}  // namespace

std::vector<std::string> agents_of(const Sight& sight) {
  std::vector<std::string> agents;
  for (const api::SwarmAgentInfo& agent : sight.swarm.agents) agents.push_back(agent.id);
  return agents;
}

std::size_t lock_count(const Sight& sight) {
  return lock_lines(sight, 80, sight.locks.locks.size() + sight.locks.waiting.size()).size();
}

std::string heading(const Sight& sight, WallTime now) {
  const api::SwarmInfo& swarm = sight.swarm;
  const std::int64_t until = swarm.ended_us.value_or(now.us);
  std::string text = fmt::format("{}  {} ({})  {}/{} merged  {}", one_line(swarm.name), name_of(swarm.state),
                                 name_of(swarm.step), swarm.tasks.merged, swarm.tasks.total,
                                 human_duration(std::chrono::milliseconds((until - swarm.created_us) / 1000)));
  if (!sight.cost.usd.empty()) text += fmt::format("  {} USD", one_line(sight.cost.usd));
  const std::uint64_t tokens = sight.cost.input_tokens + sight.cost.output_tokens;
  if (tokens > 0) text += fmt::format("  {} tokens", human_count(tokens));
  return text;
}

std::vector<std::string> drawn(const Drawing& drawing) {
  const std::size_t width = drawing.size.columns;
  const std::size_t rows = drawing.size.rows;
  const Sight& sight = drawing.sight;
  const Layout layout = lay_out(drawing.view, agents_of(sight), lock_count(sight), width, rows);
  Lines all = {painted(cut_to_width(heading(sight, drawing.now), width), Style::strong, drawing.paint),
               drawing.trouble.empty()
                   ? cut_to_width(one_line(sight.swarm.feature), width)
                   : painted(cut_to_width(one_line(drawing.trouble), width), Style::bad, drawing.paint)};
  // Each part begins where the layout has it, whether those above filled theirs or not.
  const auto part = [&all](const Area& area, const Lines& lines) {
    if (area.rows == 0) return;
    all.resize(area.row);
    add(all, lines);
    all.resize(area.row + area.rows);
  };
  if (drawing.view.showing == Showing::work) {
    part(layout.lines, work_part(drawing, layout.lines));
  } else {
    part(layout.agents, agents_part(drawing, layout.agents));
    part(layout.screens, screens_part(drawing, layout));
    part(layout.rule, {rule(locks_word(sight), "", width, Style::plain, drawing.paint)});
    part(layout.locks, lock_lines(sight, width, layout.locks.rows));
    part(layout.lines, last_lines(drawing, layout.lines));
  }
  if (rows > 0) {
    all.resize(rows - 1);
    all.push_back(foot(drawing, width));
  }
  return all;
}

}  // namespace swarm::client
