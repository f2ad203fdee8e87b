#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/money_views.hpp"
#include "client/commands/sandbox_views.hpp"
#include "client/output/human.hpp"
#include "client/output/money.hpp"
#include "client/output/sanitizer.hpp"

namespace swarm::client {
namespace {

struct BudgetOptions {
  std::string name;
  std::string amount;
  std::string swarm;
  std::string agent;
  std::string every = "once";
  std::string warn;
  std::string stop;
  std::string pause;
  std::string kill;
};

/// "80", "80%" or "never" into `percent`; an empty text leaves it as it is.
Result<void> read_percent(std::string_view option, std::string text, std::optional<std::uint32_t>& percent) {
  if (text.empty()) return {};
  if (text == "never") {
    percent = 0;
    return {};
  }
  if (text.ends_with('%')) text.pop_back();
  const bool digits = !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == std::string::npos;
  const int number = digits ? std::stoi(text) : 0;
  if (number < 1 || number > 1000) {
    return fail(Code::invalid_argument, fmt::format("{}: '{}' is no share; give 1 to 1000 percent, such as 80%, or "
                                                    "never",
                                                    option, text));
  }
  percent = static_cast<std::uint32_t>(number);
  return {};
}

std::string thresholds(const api::BudgetInfo& budget) {
  std::string text;
  const auto add = [&](std::string_view what, const std::optional<std::uint32_t>& percent) {
    if (percent) text += fmt::format("{}{} at {} %", text.empty() ? "" : ", ", what, *percent);
  };
  add("warns", budget.warn_percent);
  add("stops new work", budget.stop_percent);
  add("pauses", budget.pause_percent);
  add("ends sandboxes", budget.kill_percent);
  return text;
}

async::Task<Result<int>> set_budget(Context& context, BudgetOptions options) {
  api::BudgetSetRequest request{.name = options.name,
                                .swarm = non_empty(options.swarm),
                                .agent = non_empty(options.agent),
                                .amount_usd = options.amount};
  if (request.amount_usd.starts_with('$')) request.amount_usd.erase(0, 1);
  request.period = options.every == "day"     ? api::BudgetPeriod::day
                   : options.every == "month" ? api::BudgetPeriod::month
                                              : api::BudgetPeriod::once;
  for (const Result<void>& read : {read_percent("--warn", options.warn, request.warn_percent),
                                   read_percent("--stop", options.stop, request.stop_percent),
                                   read_percent("--pause", options.pause, request.pause_percent),
                                   read_percent("--kill", options.kill, request.kill_percent)}) {
    if (!read) co_return fail(read.error());
  }
  // A lower threshold than a default one that was not asked for takes its place.
  const auto lowest = [&](const std::string& mine, std::optional<std::uint32_t>& percent,
                          std::initializer_list<std::optional<std::uint32_t>> later) {
    for (const auto& other : later) {
      if (mine.empty() && percent && other.value_or(0) > 0 && *other < *percent) percent = other;
    }
  };
  lowest(options.stop, request.stop_percent, {request.pause_percent, request.kill_percent});
  lowest(options.warn, request.warn_percent, {request.stop_percent, request.pause_percent, request.kill_percent});
  Result<int> done = co_await call_and_show(
      context, api::kBudgetSet, std::move(request), [](Context& shown, const api::BudgetInfo& budget) {
        shown.printer.line(fmt::format("Budget '{}': {} of {} are spent; it {}", one_line(budget.name),
                                       human_usd(budget.spent_usd), human_usd(budget.amount_usd), thresholds(budget)));
        shown.printer.note(one_line(budget.forecast));
      });
  co_return done;
}

void show_budgets(Context& context, const api::BudgetListReply& reply) {
  if (reply.budgets.empty()) {
    context.printer.note("There are no budgets; 'swarmctl budget set NAME AMOUNT' makes one");
    return;
  }
  context.printer.table(budgets_table(reply.budgets, context.now()));
  for (const api::BudgetInfo& budget : reply.budgets) {
    context.printer.note(one_line(budget.name + ": " + budget.forecast));
  }
}

}  // namespace

void add_budget_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "budget", "How much may be spent, and what happens then");

  CLI::App& setting = add_command(group, selection, "set", "Set or replace a budget",
                                  "  swarmctl budget set daily 20 --every day --kill 120%\n"
                                  "  swarmctl budget set web 5 --swarm swm_01J... --pause 90% --kill 100%\n");
  auto options = std::make_shared<BudgetOptions>();
  setting.add_option("NAME", options->name, "Its name; one of the same name is replaced")->required();
  setting.add_option("AMOUNT", options->amount, "How much, in USD: 5, 0.25")->required();
  setting.add_option("--swarm", options->swarm, "What this swarm spends; else all together")->type_name("SWARM");
  setting.add_option("--agent", options->agent, "What this agent of the swarm spends")->type_name("AGENT");
  setting.add_option("--every", options->every, "How often it begins anew, at midnight UTC (once)")
      ->check(CLI::IsMember({"once", "day", "month"}));
  setting.add_option("--warn", options->warn, "Tell at this share of it (80%), or never")->type_name("PERCENT");
  setting.add_option("--stop", options->stop, "Let no new work begin from this share on (100%), or never")
      ->type_name("PERCENT");
  setting.add_option("--pause", options->pause, "Pause its sandboxes (never)")->type_name("PERCENT");
  setting.add_option("--kill", options->kill, "End its sandboxes (never)")->type_name("PERCENT");
  setting.callback([&selection, options] {
    selection.action = [options](Context& context) { return set_budget(context, *options); };
  });

  CLI::App& ls = add_command(group, selection, "ls", "List budgets, what is spent, and when they end at this rate");
  ls.alias("list");
  ls.callback([&selection] {
    selection.action = [](Context& context) { return call_and_show(context, api::kBudgetList, {}, show_budgets); };
  });

  CLI::App& removing = add_command(group, selection, "rm", "Remove a budget; what it paused goes on");
  auto name = std::make_shared<std::string>();
  removing.add_option("NAME", *name, "Its name")->required();
  removing.callback([&selection, name] {
    selection.action = [name](Context& context) {
      return call_and_show(context, api::kBudgetRemove, {.name = *name}, [name](Context& shown, const api::Empty&) {
        shown.printer.line(fmt::format("Budget '{}' is removed", one_line(*name)));
      });
    };
  });
}

}  // namespace swarm::client
