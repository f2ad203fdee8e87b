#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/money_views.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

void show_limits(Context& context, const api::LimitsListReply& reply) {
  if (reply.limits.empty()) {
    context.printer.note("No limit begins so; 'swarmctl limits ls' lists all");
    return;
  }
  context.printer.table(limits_table(reply.limits));
}

/// One that was changed.
void show_one(Context& context, const api::LimitInfo& limit) {
  context.printer.line(fmt::format("{}: {}", one_line(limit.key),
                                   limit.rate ? fmt::format("{}, burst {}, from now on ({})", one_line(*limit.rate),
                                                            limit.burst, one_line(limit.from))
                                              : fmt::format("no limit ({})", one_line(limit.from))));
}

async::Task<Result<int>> watch(Context& context, std::string prefix, std::string every) {
  const auto pause = read_duration("--every", every);
  if (!pause) co_return fail(pause.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const bool redraw = context.printer.out().terminal && !context.printer.json();
  for (;;) {
    const Result<api::LimitsListReply> reply = co_await (*client)->call(api::kLimitsList, {.prefix = prefix});
    if (!reply) co_return fail(reply.error());
    if (context.printer.json()) {
      context.printer.json_line(api::encode(*reply));
    } else {
      // From the top left corner, and what was below is gone.
      if (redraw) context.printer.text("\x1b[H\x1b[2J");
      context.printer.line(fmt::format("{}  (Ctrl-C ends it)", local_time(context.now().us)));
      show_limits(context, *reply);
    }
    co_await async::sleep_for(context.loop, pause->value_or(std::chrono::seconds(1)));
  }
}

struct LimitOptions {
  std::string key;
  std::string rate;
  std::optional<std::uint32_t> burst;
  std::string guard;
  std::optional<std::uint32_t> queue;
  bool unlimited = false;
};

async::Task<Result<int>> set_limit(Context& context, LimitOptions options) {
  const auto guard = read_duration("--guard", options.guard);
  if (!guard) co_return fail(guard.error());
  if (options.rate.empty() && !options.burst && !*guard && !options.queue && !options.unlimited) {
    co_return fail(Code::invalid_argument, "say what shall change: --rate, --burst, --guard, --queue or --unlimited");
  }
  const api::LimitsSetRequest request{.key = options.key,
                                      .rate = non_empty(options.rate),
                                      .burst = options.burst,
                                      .guard_ms = *guard,
                                      .queue = options.queue,
                                      .unlimited = options.unlimited};
  Result<int> done = co_await call_and_show(context, api::kLimitsSet, request, show_one);
  co_return done;
}

}  // namespace

void add_limits_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "limits", "How fast things may be done, and who waits");

  CLI::App& ls = add_command(group, selection, "ls", "List rate limits and how often each was met",
                             "  swarmctl limits ls\n"
                             "  swarmctl limits ls provider/\n");
  ls.alias("list");
  auto prefix = std::make_shared<std::string>();
  ls.add_option("PREFIX", *prefix, "Only those that begin so: provider/, mcp/");
  ls.callback([&selection, prefix] {
    selection.action = [prefix](Context& context) {
      return call_and_show(context, api::kLimitsList, {.prefix = *prefix}, show_limits);
    };
  });

  CLI::App& watching = add_command(group, selection, "watch", "Show them again and again until Ctrl-C");
  auto watched = std::make_shared<std::string>();
  auto every = std::make_shared<std::string>();
  watching.add_option("PREFIX", *watched, "Only those that begin so");
  watching.add_option("--every", *every, "How often (1s)")->type_name("DURATION");
  watching.callback([&selection, watched, every] {
    selection.action = [watched, every](Context& context) { return watch(context, *watched, *every); };
  });

  CLI::App& setting = add_command(group, selection, "set", "Change one limit, at once and after a restart",
                                  "  swarmctl limits set provider/e2b/create --rate 5/s\n"
                                  "  swarmctl limits set mcp/github --rate 30/min --burst 5\n");
  auto options = std::make_shared<LimitOptions>();
  setting.add_option("LIMIT", options->key, "Which: provider/e2b/create")->required();
  setting.add_option("--rate", options->rate, "How much in which time: 60/min, 5/s")->type_name("RATE");
  setting.add_option("--burst", options->burst, "How much at once after a rest")->type_name("N");
  setting.add_option("--guard", options->guard, "Jitter of the network to allow for: 200ms")->type_name("DURATION");
  setting.add_option("--queue", options->queue, "Most callers that may wait")->type_name("N");
  setting.add_flag("--unlimited", options->unlimited, "No rate at all");
  setting.callback([&selection, options] {
    selection.action = [options](Context& context) { return set_limit(context, *options); };
  });

  CLI::App& resetting = add_command(group, selection, "reset", "Take back what was set; the configuration holds again");
  auto key = std::make_shared<std::string>();
  resetting.add_option("LIMIT", *key, "Which")->required();
  resetting.callback([&selection, key] {
    selection.action = [key](Context& context) {
      return call_and_show(context, api::kLimitsReset, {.key = *key}, show_one);
    };
  });
}

}  // namespace swarm::client
