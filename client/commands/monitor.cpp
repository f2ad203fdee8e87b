// The live screen of a swarm: agents and their terminals, messages, locks, tasks, reviews, votes and money. Without a
// terminal a line for each thing that happens; with --json a snapshot a line.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <optional>
#include <set>

#include "client/commands/arguments.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/follow_swarm.hpp"
#include "client/commands/sight.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/exit_codes.hpp"
#include "client/monitor/watch_screens.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/terminal/keys.hpp"
#include "client/terminal/other_screen.hpp"
#include "client/terminal/standard_stream.hpp"
#include "protocol/async/signals.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

constexpr auto kMonitorPatience = std::chrono::seconds(60);
constexpr auto kBetweenLooks = std::chrono::milliseconds(250);
constexpr auto kBetweenDrawings = std::chrono::milliseconds(40);
constexpr auto kMonitorReconnect = std::chrono::milliseconds(300);
/// Prices, signs of life and who waits for a lock change without an event.
constexpr auto kLookAnyway = std::chrono::seconds(5);
/// Ages and durations go on.
constexpr auto kDrawAnyway = std::chrono::seconds(1);
constexpr std::size_t kLines = 200;
/// So far back in the log of all swarms is looked for what happened last in this one.
constexpr std::uint64_t kBack = 500;

enum class Form : std::uint8_t { screen, lines, json };

struct Watching {
  Context& context;
  Form form;
  Sight sight;
  View view;
  Parts dirty = Parts::all();
  bool draw = true;
  std::string away;  ///< why the daemon does not answer
  async::Condition news;
  async::Condition draws;
  async::Event leave;
  std::optional<Error> trouble;
  std::uint64_t next = 0;  ///< the first event that comes from now on

  Watching(Context& c, Form f) : context(c), form(f), news(c.loop), draws(c.loop), leave(c.loop) {}

  void look_at(const Parts& parts) {
    dirty |= parts;
    news.notify_all();
  }
  void draw_soon() {
    draw = true;
    draws.notify_all();
  }
};

async::Task<> leave_on(Watching& watching, int number) {
  async::SignalWatcher watcher(watching.context.loop, number);
  co_await watcher.next();
  watching.leave.set();
}

async::Task<> follow_size(Watching& watching) {
  async::SignalWatcher changed(watching.context.loop, SIGWINCH);
  for (;;) {
    co_await changed.next();
    watching.draw_soon();
  }
}

async::Task<> read_keys(Watching& watching) {
  Result<std::unique_ptr<StandardStream>> in = StandardStream::open(watching.context.loop, STDIN_FILENO);
  if (!in) co_return;  // then signals end it
  KeyReader reader;
  std::array<std::byte, 1024> buffer{};
  while (!watching.view.leave) {
    const Result<std::size_t> size = co_await (*in)->read(buffer);
    if (!size || *size == 0) break;                                                     // our terminal has gone
    const std::string_view bytes(reinterpret_cast<const char*>(buffer.data()), *size);  // NOLINT: bytes as characters
    for (const KeyPress& key : reader.feed(bytes)) press(watching.view, key, agents_of(watching.sight));
    watching.draw_soon();
  }
  watching.leave.set();
}

void tell(Watching& watching, const api::Event& event) {
  std::string line = event_line(event);
  if (line.empty()) line = talk_line(event);
  const bool old = event.seq < watching.next;
  if (watching.form == Form::lines && line.empty()) line = detail_line(event);
  if (!line.empty()) {
    line = clock_time(event.time_us).substr(0, 8) + "  " + line;
    if (watching.form == Form::lines && !old) watching.context.printer.line(line);
    watching.sight.lines.push_back(std::move(line));
    while (watching.sight.lines.size() > kLines) watching.sight.lines.pop_front();
    watching.draw_soon();
  }
  if (const Parts parts = parts_of(event); parts.any() && !old) watching.look_at(parts);
}

async::Task<> listen(Watching& watching) {
  const auto told = [&watching](const api::Event& event) {
    tell(watching, event);
    return true;
  };
  std::uint64_t from = watching.next > kBack ? watching.next - kBack : 1;
  for (;;) {
    SwarmEvents events(watching.context, watching.sight.swarm.id, from, {"lock.*"});
    const Result<void> followed = co_await events.follow(told, kMonitorPatience);
    // The log does not go back so far.
    const bool too_old = !followed && followed.error().code == Code::out_of_range && from < watching.next;
    if (!too_old) {
      if (!followed) watching.trouble = followed.error();
      watching.leave.set();
      co_return;
    }
    from = watching.next;
  }
}

async::Task<> look_at_end(Watching& watching, Client& client) {
  co_await client.ended();
  watching.look_at(Parts::all());
}

async::Task<Result<void>> next_news(Watching& watching) {
  while (!watching.dirty.any()) co_await watching.news.wait();
  co_return {};
}

/// `seen` is called after each look.
async::Task<> watch(Watching& watching, std::function<void()> seen) {
  async::Loop& loop = watching.context.loop;
  std::unique_ptr<Client> client;
  async::TaskSet tasks(loop);
  for (;;) {
    auto waiting = async::with_timeout(loop, next_news(watching), kLookAnyway, "news");
    const Result<void> news = co_await std::move(waiting);
    Parts parts = std::exchange(watching.dirty, {});
    if (!news) parts |= Parts{.agents = true, .locks = true, .cost = true};
    if (client == nullptr || client->end()) {
      tasks.cancel_all();
      client.reset();
      Result<std::unique_ptr<Client>> opened = co_await Client::open(watching.context);
      if (opened) {
        client = std::move(*opened);
        tasks.spawn(look_at_end(watching, *client));
      } else {
        watching.away = opened.error().message;
      }
      parts = Parts::all();
    }
    Result<void> looked = fail(Code::unavailable, watching.away);
    if (client != nullptr) looked = co_await look(*client, watching.sight, parts);
    if (looked) {
      watching.away.clear();
    } else {
      watching.away = looked.error().message;
      tasks.cancel_all();
      client.reset();
      watching.dirty = Parts::all();
    }
    settle(watching.view, agents_of(watching.sight));
    seen();
    if (is_over(watching.sight.swarm.state)) {
      watching.leave.set();
      co_return;
    }
    co_await async::sleep_for(loop, looked ? Duration(kBetweenLooks) : Duration(kMonitorReconnect));
  }
}

async::Task<Result<void>> next_drawing(Watching& watching) {
  while (!watching.draw) co_await watching.draws.wait();
  co_return {};
}

async::Task<> draw(Watching& watching, OtherScreen& screen) {
  async::Loop& loop = watching.context.loop;
  WatchScreens screens(watching.context, watching.sight.swarm.id, [&watching] { watching.draw_soon(); });
  for (;;) {
    auto waiting = async::with_timeout(loop, next_drawing(watching), kDrawAnyway, "news");
    const Result<void> news = co_await std::move(waiting);
    static_cast<void>(news);  // it is drawn either way
    watching.draw = false;
    const TerminalSize size = terminal_size(STDOUT_FILENO);
    std::set<std::string> visible;
    const Layout layout =
        lay_out(watching.view, agents_of(watching.sight), lock_count(watching.sight), size.columns, size.rows);
    for (const Tile& tile : layout.tiles) visible.insert(tile.agent);
    screens.want(visible);
    if (std::exchange(watching.view.redraw, false)) screen.forget();
    screen.show(drawn({.sight = watching.sight,
                       .screens = screens.screens(),
                       .view = watching.view,
                       .size = size,
                       .paint = watching.context.printer.paint(),
                       .now = watching.context.now(),
                       .trouble = watching.away}));
    co_await async::sleep_for(loop, kBetweenDrawings);
  }
}

async::Task<Result<void>> on_screen(Watching& watching) {
  std::unique_ptr<RawMode> raw;
  const bool keys = ::isatty(STDIN_FILENO) == 1;
  if (keys) {
    Result<std::unique_ptr<RawMode>> entered = RawMode::enter(STDIN_FILENO);
    if (!entered) co_return fail(entered.error());
    raw = std::move(*entered);
  }
  OtherScreen screen(watching.context.printer.out());
  async::TaskSet tasks(watching.context.loop);
  tasks.spawn(follow_size(watching));
  if (keys) tasks.spawn(read_keys(watching));
  tasks.spawn(draw(watching, screen));
  co_await watching.leave.wait();
  co_return {};
}

async::Task<Result<int>> monitor(Context& context, SwarmTarget target) {
  const bool terminal = context.printer.out().terminal;
  Watching watching(context, context.printer.json() ? Form::json : terminal ? Form::screen : Form::lines);
  {
    Result<std::unique_ptr<Client>> client = co_await Client::open(context);
    if (!client) co_return fail(client.error());
    Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
    if (!swarm) co_return fail(swarm.error());
    watching.sight.swarm = std::move(*swarm);
    const Result<std::uint64_t> next = co_await next_event(**client);
    if (!next) co_return fail(next.error());
    watching.next = *next;
  }
  Value before;
  const auto seen = [&] {
    watching.draw_soon();
    if (watching.form != Form::json) return;
    Value now = snapshot(watching.sight, {});
    if (now == before) return;  // nothing but time went on
    before = std::move(now);
    context.printer.json_line(snapshot(watching.sight, context.now()));
  };
  if (watching.form == Form::lines) {
    context.printer.line(heading(watching.sight, context.now()));
    context.printer.line(one_line(watching.sight.swarm.feature));
  }
  {
    async::TaskSet tasks(context.loop);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) tasks.spawn(leave_on(watching, number));
    tasks.spawn(listen(watching));
    tasks.spawn(watch(watching, seen));
    if (watching.form == Form::screen) {
      const Result<void> shown = co_await on_screen(watching);
      if (!shown) co_return fail(shown.error());
    } else {
      co_await watching.leave.wait();
    }
  }
  if (watching.form != Form::json) context.printer.line(heading(watching.sight, context.now()));
  if (watching.trouble) co_return fail(*watching.trouble);
  co_return watching.sight.swarm.state == api::SwarmState::failed ? kExitFailed : kExitOk;
}

}  // namespace

void add_monitor_command(CLI::App& root, Selection& selection) {
  CLI::App& command =
      add_command(root, selection, "monitor", "Watch a swarm: agents, screens, messages, locks and cost",
                  "  swarmctl monitor\n"
                  "  swarmctl monitor login\n"
                  "  swarmctl monitor login | tee log\n"
                  "  swarmctl --json monitor | jq .agents\n"
                  "\nTab chooses an agent, Enter shows its screen alone, t all screens, w the work, q\n"
                  "leaves. Where the output is no terminal a line tells what happens.\n");
  auto target = std::make_shared<SwarmTarget>();
  add_swarm_target(command, *target);
  command.callback(
      [&selection, target] { selection.action = [target](Context& context) { return monitor(context, *target); }; });
}

}  // namespace swarm::client
