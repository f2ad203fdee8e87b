// Sandboxes, pools, waits, limits and money at a glance, drawn again every second.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <csignal>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/pool_views.hpp"
#include "client/commands/sandbox_views.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"
#include "client/terminal/other_screen.hpp"
#include "client/terminal/raw_mode.hpp"
#include "protocol/api/budget.hpp"
#include "protocol/api/costs.hpp"
#include "protocol/api/daemon.hpp"
#include "protocol/api/limits.hpp"
#include "protocol/async/signals.hpp"

namespace swarm::client {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMostSandboxes = 100;
constexpr std::int64_t kDay = 24LL * 3600 * 1'000'000;

/// What is shown. A part that this daemon does not serve stays empty.
struct Sight {
  api::DaemonInfoReply daemon;
  api::PoolStatusReply pools;
  api::SandboxListReply sandboxes;
  api::LimitsListReply limits;
  std::optional<api::CostSummaryReply> costs;
  std::vector<api::BudgetInfo> budgets;
};

async::Task<Result<Sight>> look(Client& client, WallTime now) {
  Sight sight;
  Result<api::DaemonInfoReply> daemon = co_await client.call(api::kDaemonInfo, {});
  if (!daemon) co_return fail(daemon.error());
  sight.daemon = std::move(*daemon);
  Result<api::PoolStatusReply> pools = co_await client.call(api::kPoolStatus, {});
  if (!pools) co_return fail(pools.error());
  sight.pools = std::move(*pools);
  Result<api::SandboxListReply> sandboxes = co_await client.call(api::kSandboxList, {.limit = kMostSandboxes});
  if (!sandboxes) co_return fail(sandboxes.error());
  sight.sandboxes = std::move(*sandboxes);
  Result<api::LimitsListReply> limits = co_await client.call(api::kLimitsList, {});
  if (limits) sight.limits = std::move(*limits);
  Result<api::CostSummaryReply> costs =
      co_await client.call(api::kCostSummary, {.filter = {.since_us = now.us - kDay}, .limit = 1});
  if (costs) sight.costs = std::move(*costs);
  Result<api::BudgetListReply> budgets = co_await client.call(api::kBudgetList, {});
  if (budgets) sight.budgets = std::move(budgets->budgets);
  co_return sight;
}

Value document_of(const Sight& sight) {
  Value document;
  document.set("daemon", api::encode(sight.daemon));
  document.set("pools", api::encode(sight.pools));
  document.set("sandboxes", api::encode(sight.sandboxes));
  document.set("limits", api::encode(sight.limits));
  if (sight.costs) document.set("costs", api::encode(*sight.costs));
  document.set("budgets", api::encode(api::BudgetListReply{.budgets = sight.budgets}));
  return document;
}

std::string heading(const Sight& sight, WallTime now) {
  std::vector<std::string> states;
  std::uint64_t all = 0;
  for (const auto& [state, count] : sight.daemon.sandboxes) {
    if (count == 0) continue;
    all += count;
    states.push_back(fmt::format("{} {}", human_count(count), state));
  }
  return fmt::format("{}  up {}  {} {}{}", clock_time(now.us).substr(0, 8), human_duration(sight.daemon.uptime_ms),
                     human_count(all), all == 1 ? "sandbox" : "sandboxes",
                     states.empty() ? "" : fmt::format(": {}", fmt::join(states, ", ")));
}

/// Limits at which somebody waits, was refused or was told to slow down; the others are no news.
Table limits_table(const std::vector<api::LimitInfo>& limits) {
  Table table({{"LIMIT", Align::left, Fit::shorten},
               {"RATE", Align::right},
               {"WAITING", Align::right},
               {"PASSED", Align::right},
               {"REFUSED", Align::right},
               {"SPEED", Align::right},
               {"STATE", Align::left, Fit::shorten}});
  for (const api::LimitInfo& limit : limits) {
    const bool slow = limit.speed_percent < 100 || limit.blocked_ms.count() > 0;
    if (limit.admitted + limit.waiting + limit.refused + limit.expired == 0 && !slow) continue;
    table.add(
        {one_line(limit.key),
         one_line(limit.rate.value_or("-")),
         {human_count(limit.waiting), limit.waiting > 0 ? Style::warning : Style::plain},
         human_count(limit.admitted),
         {human_count(limit.refused + limit.expired), limit.refused + limit.expired > 0 ? Style::bad : Style::plain},
         {fmt::format("{:.0f} %", limit.speed_percent), slow ? Style::warning : Style::plain},
         {limit.blocked_ms.count() > 0 ? "stands still for " + human_duration(limit.blocked_ms) : std::string(),
          Style::warning}});
  }
  return table;
}

/// A line cut before it is painted: escape sequences have no width. 0 cuts nothing.
std::string cut(const std::string& line, std::size_t width) { return width == 0 ? line : cut_to_width(line, width); }

std::string money_text(const Sight& sight, std::size_t width, Paint paint) {
  std::string text;
  if (sight.costs) {
    const std::string line = fmt::format("Cost of the last 24 h: {} USD, {} of it still running",
                                         one_line(sight.costs->total.usd), one_line(sight.costs->running_usd));
    text += cut(line, width) + "\n";
  }
  for (const api::BudgetInfo& budget : sight.budgets) {
    const Style style = budget.reached == api::BudgetLevel::none   ? Style::plain
                        : budget.reached == api::BudgetLevel::warn ? Style::warning
                                                                   : Style::bad;
    const std::string line =
        fmt::format("Budget {}: {} of {} USD ({:.0f} %). {}", one_line(budget.name), one_line(budget.spent_usd),
                    one_line(budget.amount_usd), budget.spent_percent, one_line(budget.forecast));
    text += painted(cut(line, width), style, paint) + "\n";
  }
  return text;
}

std::string drawn(Context& context, const Sight& sight, std::size_t width) {
  const Paint paint = context.printer.paint();
  std::string screen = painted(cut(heading(sight, context.now()), width), Style::strong, paint) + "\n\n";
  screen += capacity_table(sight.pools.capacity).render(width, paint);
  screen += cut(claims_text(sight.pools.claims), width) + "\n";
  if (!sight.pools.pools.empty()) screen += "\n" + pool_table(sight.pools.pools).render(width, paint);
  const Table limits = limits_table(sight.limits.limits);
  if (!limits.empty()) screen += "\n" + limits.render(width, paint);
  const std::string money = money_text(sight, width, paint);
  if (!money.empty()) screen += "\n" + money;
  if (!sight.sandboxes.sandboxes.empty()) {
    screen += "\n" + sandbox_table(sight.sandboxes.sandboxes, context.now()).render(width, paint);
  }
  return screen;
}

/// As many lines as the terminal has: the last says how many are left out.
std::string fitted(const std::string& screen, const TerminalSize& size) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < screen.size();) {
    const std::size_t end = screen.find('\n', at);
    lines.push_back(screen.substr(at, end - at));
    at = end + 1;
  }
  std::string text;
  const std::size_t rows = std::max<std::size_t>(size.rows, 4) - 1;  // the cursor's line stays free
  const bool cut = lines.size() > rows;
  for (std::size_t i = 0; i < (cut ? rows - 1 : lines.size()); ++i) text += lines[i] + "\n";
  if (cut) text += fmt::format("... {} more lines; 'swarmctl sandbox ls' lists all\n", lines.size() - rows + 1);
  return text;
}

async::Task<> leave_on(async::Loop& loop, int number, async::Event& leave) {
  async::SignalWatcher watcher(loop, number);
  co_await watcher.next();
  leave.set();
}

async::Task<> draw(Context& context, OtherScreen& screen, Duration every, std::optional<Error>& trouble,
                   async::Event& leave) {
  std::unique_ptr<Client> client;
  for (;;) {
    if (client == nullptr) {
      Result<std::unique_ptr<Client>> opened = co_await Client::open(context, Start::forbidden);
      if (!opened) {
        screen.show(opened.error().message + "\n");
      } else {
        client = std::move(*opened);
      }
    }
    if (client != nullptr) {
      const Result<Sight> sight = co_await look(*client, context.now());
      if (sight) {
        const TerminalSize size = terminal_size(STDOUT_FILENO);
        screen.show(fitted(drawn(context, *sight, size.columns), size));
      } else if (sight.error().code == Code::unavailable) {
        client.reset();  // the daemon was away: once more
      } else {
        trouble = sight.error();
        leave.set();
        co_return;
      }
    }
    co_await async::sleep_for(context.loop, every);
  }
}

async::Task<Result<int>> top(Context& context, std::string every, bool once) {
  const auto interval = read_duration("--every", every);
  if (!interval) co_return fail(interval.error());
  const bool live = context.printer.out().terminal && !context.printer.json() && !once;
  {
    Result<std::unique_ptr<Client>> client = co_await Client::open(context);
    if (!client) co_return fail(client.error());
    if (!live) {
      const Result<Sight> sight = co_await look(**client, context.now());
      if (!sight) co_return fail(sight.error());
      if (context.printer.json()) {
        context.printer.document(document_of(*sight));
      } else {
        context.printer.text(drawn(context, *sight, context.printer.out().columns));
      }
      co_return kExitOk;
    }
  }
  async::Event leave(context.loop);
  std::optional<Error> trouble;
  OtherScreen screen(context.printer.out());
  async::TaskSet tasks(context.loop);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) tasks.spawn(leave_on(context.loop, number, leave));
  tasks.spawn(draw(context, screen, std::max<Duration>(interval->value_or(1s), 100ms), trouble, leave));
  co_await leave.wait();
  tasks.cancel_all();
  if (trouble) co_return fail(*trouble);
  co_return kExitOk;
}

}  // namespace

void add_top_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "top", "Watch sandboxes, pools, waits, limits and money",
                                  "  swarmctl top                 Ctrl-C leaves it\n"
                                  "  swarmctl top --once\n"
                                  "  swarmctl --json top | jq .pools.capacity\n");
  auto every = std::make_shared<std::string>();
  auto once = std::make_shared<bool>(false);
  command.add_option("--every", *every, "How often it is drawn (1s)")->type_name("DURATION");
  command.add_flag("--once", *once, "Print it once; so it does where the output is no terminal");
  command.callback([&selection, every, once] {
    selection.action = [every, once](Context& context) { return top(context, *every, *once); };
  });
}

}  // namespace swarm::client
