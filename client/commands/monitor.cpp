// The live screen of a swarm: agents, tasks, reviews, votes and what happened last. Redrawn when something happens, at
// most a few times a second.
#include <fmt/format.h>

#include <csignal>
#include <deque>

#include "client/commands/arguments.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/follow_swarm.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/exit_codes.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"
#include "client/terminal/other_screen.hpp"
#include "protocol/async/signals.hpp"

namespace swarm::client {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kBetweenLooks = std::chrono::milliseconds(250);
constexpr std::size_t kLines = 12;

/// What the screen shows.
struct Sight {
  api::SwarmInfo swarm;
  std::vector<api::TaskInfo> tasks;
  std::vector<api::ReviewInfo> reviews;
  std::vector<api::ProposalInfo> proposals;
  std::deque<std::string> lines;
};

async::Task<Result<void>> look(Client& client, Sight& sight) {
  const std::string id = sight.swarm.id;
  Result<api::SwarmInfo> swarm = co_await client.call(api::kSwarmInfo, in_swarm<api::SwarmRequest>(id));
  if (!swarm) co_return fail(swarm.error());
  sight.swarm = std::move(*swarm);
  if (sight.swarm.run.empty()) co_return {};
  api::FromAgent<api::TaskListRequest> tasks;
  tasks.swarm = id;
  tasks.limit = 1000;
  Result<api::TaskListReply> listed = co_await client.call(api::kTaskList, tasks);
  if (!listed) co_return fail(listed.error());
  sight.tasks = std::move(listed->tasks);
  api::FromAgent<api::ReviewListRequest> reviews;
  reviews.swarm = id;
  reviews.states = {api::ReviewState::open, api::ReviewState::challenged, api::ReviewState::changes_requested};
  Result<api::ReviewListReply> reviewed = co_await client.call(api::kReviewList, reviews);
  if (!reviewed) co_return fail(reviewed.error());
  sight.reviews = std::move(reviewed->reviews);
  api::FromAgent<api::ProposalListRequest> proposals;
  proposals.swarm = id;
  Result<api::ProposalListReply> proposed = co_await client.call(api::kProposalList, proposals);
  if (!proposed) co_return fail(proposed.error());
  sight.proposals = std::move(proposed->proposals);
  co_return {};
}

std::string drawn(Context& context, const Sight& sight) {
  const Paint paint = context.printer.paint();
  const std::size_t width = context.printer.out().columns;
  const api::SwarmInfo& swarm = sight.swarm;
  std::string screen = painted(fmt::format("{}  {} ({})  {}/{} merged  {}", one_line(swarm.name), name_of(swarm.state),
                                           name_of(swarm.step), swarm.tasks.merged, swarm.tasks.total,
                                           human_duration(std::chrono::milliseconds(
                                               (swarm.ended_us.value_or(context.now().us) - swarm.created_us) / 1000))),
                               Style::strong, paint);
  screen += "\n" + cut_to_width(one_line(swarm.feature), width == 0 ? 200 : width) + "\n\n";
  screen += team_table(swarm, sight.tasks).render(width, paint);
  if (!sight.tasks.empty()) screen += "\n" + task_table(sight.tasks).render(width, paint);
  if (!sight.reviews.empty()) screen += "\n" + review_table(sight.reviews).render(width, paint);
  if (!sight.proposals.empty()) screen += "\n" + proposal_table(sight.proposals).render(width, paint);
  screen += "\n";
  for (const std::string& line : sight.lines) screen += cut_to_width(line, width == 0 ? 200 : width) + "\n";
  return screen;
}

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
    const std::string line = event_line(event);
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

async::Task<> draw(Context& context, Watching& watching, OtherScreen& screen, async::Event& leave) {
  std::unique_ptr<Client> client;
  for (;;) {
    if (!watching.dirty) co_await watching.news.wait();
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
    screen.show(drawn(context, watching.sight));
    if (is_over(watching.sight.swarm.state)) {
      watching.over = true;
      leave.set();
      co_return;
    }
    co_await async::sleep_for(context.loop, kBetweenLooks);
  }
}

async::Task<Result<int>> monitor(Context& context, SwarmTarget target) {
  if (context.printer.json() || !context.printer.out().terminal) {
    co_return fail(
        Code::failed_precondition,
        "monitor draws on a terminal; 'swarmctl status' prints the same once, and 'swarmctl events --follow' "
        "goes on");
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
    OtherScreen screen(context.printer.out());
    async::TaskSet tasks(context.loop);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) tasks.spawn(leave_on(context.loop, number, leave));
    tasks.spawn(listen(context, watching, *from, leave));
    tasks.spawn(draw(context, watching, screen, leave));
    co_await leave.wait();
  }
  context.printer.text(drawn(context, watching.sight));
  if (watching.trouble) co_return fail(*watching.trouble);
  co_return watching.sight.swarm.state == api::SwarmState::failed ? kExitFailed : kExitOk;
}

}  // namespace

void add_monitor_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "monitor", "Watch a swarm: its agents, tasks, reviews and votes",
                                  "  swarmctl monitor\n"
                                  "  swarmctl monitor login\n");
  auto target = std::make_shared<SwarmTarget>();
  add_swarm_target(command, *target);
  command.callback(
      [&selection, target] { selection.action = [target](Context& context) { return monitor(context, *target); }; });
}

}  // namespace swarm::client
