// The live screen of a swarm: agents, tasks, reviews, votes, locks, money and what happened last. Redrawn when
// something happens, at most a few times a second.
#include <unistd.h>

#include <csignal>
#include <functional>
#include <optional>

#include "client/commands/arguments.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/follow_swarm.hpp"
#include "client/commands/sight.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/exit_codes.hpp"
#include "client/output/human.hpp"
#include "client/terminal/other_screen.hpp"
#include "protocol/async/signals.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kBetweenLooks = std::chrono::milliseconds(250);
constexpr std::size_t kLines = 100;
/// Locks and prices change without an event that is told here.
constexpr auto kLookAnyway = std::chrono::seconds(2);

async::Task<> leave_on(async::Loop& loop, int number, async::Event& leave) {
  async::SignalWatcher watcher(loop, number);
  co_await watcher.next();
  leave.set();
}

struct Watching {
  Sight sight;
  bool dirty = true;
  bool over = false;
  async::Condition news;
  std::optional<Error> trouble;
  explicit Watching(async::Loop& loop) : news(loop) {}
};

async::Task<> listen(Context& context, Watching& watching, std::uint64_t from, async::Event& leave) {
  SwarmEvents events(context, watching.sight.swarm.id, from);
  const auto told = [&watching](const api::Event& event) {
    std::string line = event_line(event);
    if (line.empty()) line = talk_line(event);
    if (!line.empty()) watching.sight.lines.push_back(clock_time(event.time_us).substr(0, 8) + "  " + line);
    while (watching.sight.lines.size() > kLines) watching.sight.lines.pop_front();
    watching.dirty = true;
    watching.news.notify_all();
    return true;
  };
  const Result<void> followed = co_await events.follow(told, kPatience);
  if (!followed) watching.trouble = followed.error();
  leave.set();
}

async::Task<Result<void>> next_news(Watching& watching) {
  co_await watching.news.wait();
  co_return {};
}

/// `show` draws what was seen.
async::Task<> watch(Context& context, Watching& watching, std::function<void(const Sight&)> show, async::Event& leave) {
  std::unique_ptr<Client> client;
  for (;;) {
    if (!watching.dirty) {
      auto waiting = async::with_timeout(context.loop, next_news(watching), kLookAnyway, "news");
      const Result<void> news = co_await std::move(waiting);
      static_cast<void>(news);  // it is looked either way
    }
    watching.dirty = false;
    if (client == nullptr) {
      Result<std::unique_ptr<Client>> opened = co_await Client::open(context);
      if (opened) client = std::move(*opened);
    }
    if (client != nullptr) {
      const Result<void> looked = co_await look(*client, watching.sight);
      if (!looked) {
        client.reset();
        watching.dirty = true;  // the daemon was away: once more
      }
    }
    show(watching.sight);
    if (is_over(watching.sight.swarm.state)) {
      watching.over = true;
      leave.set();
      co_return;
    }
    co_await async::sleep_for(context.loop, kBetweenLooks);
  }
}

async::Task<Result<int>> monitor(Context& context, SwarmTarget target) {
  const bool json = context.printer.json();
  if (!json && !context.printer.out().terminal) {
    co_return fail(Code::failed_precondition,
                   "monitor draws on a terminal; with --json it prints a snapshot a line, 'swarmctl status' prints the "
                   "same once, and 'swarmctl events --follow' goes on");
  }
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  Watching watching(context.loop);
  Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  watching.sight.swarm = std::move(*swarm);
  const Result<std::uint64_t> from = co_await next_event(**client);
  if (!from) co_return fail(from.error());
  async::Event leave(context.loop);
  {
    std::optional<OtherScreen> screen;
    if (!json) screen.emplace(context.printer.out());
    Value before;
    const auto show = [&](const Sight& sight) {
      if (screen) return screen->show(drawn(context, sight, terminal_size(STDOUT_FILENO)));
      Value now = snapshot(sight, {});
      if (now == before) return;  // nothing but time went on
      before = std::move(now);
      context.printer.json_line(snapshot(sight, context.now()));
    };
    async::TaskSet tasks(context.loop);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) tasks.spawn(leave_on(context.loop, number, leave));
    tasks.spawn(listen(context, watching, *from, leave));
    tasks.spawn(watch(context, watching, show, leave));
    co_await leave.wait();
  }
  if (!json) context.printer.text(drawn(context, watching.sight, terminal_size(STDOUT_FILENO)));
  if (watching.trouble) co_return fail(*watching.trouble);
  co_return watching.sight.swarm.state == api::SwarmState::failed ? kExitFailed : kExitOk;
}

}  // namespace

void add_monitor_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "monitor", "Watch a swarm: agents, tasks, messages, locks and cost",
                                  "  swarmctl monitor\n"
                                  "  swarmctl monitor login\n"
                                  "  swarmctl --json monitor | jq .agents\n");
  auto target = std::make_shared<SwarmTarget>();
  add_swarm_target(command, *target);
  command.callback(
      [&selection, target] { selection.action = [target](Context& context) { return monitor(context, *target); }; });
}

}  // namespace swarm::client
