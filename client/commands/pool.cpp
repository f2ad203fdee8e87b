#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/pool_views.hpp"
#include "client/output/human.hpp"
#include "client/output/progress.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"

namespace swarm::client {
namespace {

// Where the values of the fields below begin.
constexpr std::size_t kValueAt = sizeof "Last failure:  " - 1;

void show_pool(Context& context, const api::PoolInfo& pool) {
  const std::size_t columns = context.printer.out().columns;
  const auto fit = [room = columns > kValueAt ? columns - kValueAt : 0](const std::string& text) {
    return wrap_to_width(text, room);
  };
  Fields fields;
  fields.add("Pool", one_line(pool.name), Style::strong);
  fields.add("Template", one_line(pool.template_name));
  fields.add("Provider", one_line(pool.provider));
  fields.add("Ready",
             fmt::format("{} of {} wanted{}", pool.ready, pool.target,
                         pool.being_made > 0 ? fmt::format(", {} being made", pool.being_made) : ""),
             ready_style(pool));
  fields.add("Settings", fit(fmt::format("{} to {} ready, idle ones go after {}, old ones after {} ({})",
                                         pool.min_ready, pool.max_ready, human_duration(pool.max_idle_ms),
                                         human_duration(pool.max_age_ms), one_line(pool.from))));
  fields.add("Why", fit(one_line(pool.why)));
  fields.add("Breaker", breaker_text(pool), breaker_style(pool.breaker));
  if (pool.last_failure) fields.add("Last failure", fit(one_line(*pool.last_failure)));
  const api::PoolCounters& counted = pool.counters;
  fields.add("Claims",
             fmt::format("{} warm, {} cold", human_count(counted.warm_claims), human_count(counted.cold_claims)));
  fields.add("Made",
             fmt::format("{}; {} failed, {} found dead, {} recycled", human_count(counted.made),
                         human_count(counted.failed), human_count(counted.found_dead), human_count(counted.recycled)));
  context.printer.fields(fields);
}

void show_status(Context& context, const api::PoolStatusReply& reply) {
  if (reply.pools.empty()) {
    context.printer.note("There are no pools; 'swarmctl pool set NAME --template TEMPLATE --min 2' opens one");
  } else {
    context.printer.table(pool_table(reply.pools));
    for (const api::PoolInfo& pool : reply.pools) {
      context.printer.line(
          wrap_to_width("  " + one_line(pool.name + ": " + pool.why), context.printer.out().columns, "    "));
    }
  }
  context.printer.line("");
  context.printer.table(capacity_table(reply.capacity));
  context.printer.line("");
  context.printer.line(wrap_to_width(claims_text(reply.claims), context.printer.out().columns, "  "));
}

async::Task<Result<int>> status(Context& context, std::string pool) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::PoolStatusReply> reply = co_await (*client)->call(api::kPoolStatus, {.pool = non_empty(pool)});
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else if (!pool.empty() && !reply->pools.empty()) {
    show_pool(context, reply->pools.front());
  } else {
    show_status(context, *reply);
  }
  co_return kExitOk;
}

struct PoolOptions {
  std::string pool;
  std::string template_name;
  std::optional<std::uint32_t> least;
  std::optional<std::uint32_t> most;
  std::string idle;
  std::string age;
  bool reset = false;
};

async::Task<Result<int>> set_pool(Context& context, PoolOptions options) {
  api::PoolSetRequest request{.pool = options.pool,
                              .template_name = non_empty(options.template_name),
                              .provider = non_empty(context.globals.provider),
                              .min_ready = options.least,
                              .max_ready = options.most,
                              .reset = options.reset};
  const auto idle = read_duration("--max-idle", options.idle);
  if (!idle) co_return fail(idle.error());
  request.max_idle_ms = *idle;
  const auto age = read_duration("--max-age", options.age);
  if (!age) co_return fail(age.error());
  request.max_age_ms = *age;
  Result<int> done = co_await call_and_show(context, api::kPoolSet, std::move(request), show_pool);
  co_return done;
}

async::Task<Result<int>> drain(Context& context, std::string pool) {
  const auto show = [](Context& to, const api::PoolDrainReply& reply) {
    to.printer.line(fmt::format("Ended {} {} of pool {}; 'swarmctl pool warm {}' fills it again", reply.ended,
                                reply.ended == 1 ? "sandbox" : "sandboxes", one_line(reply.pool.name),
                                one_line(reply.pool.name)));
  };
  Result<int> done = co_await call_and_show(context, api::kPoolDrain, {.pool = pool}, show);
  co_return done;
}

struct WarmOptions {
  std::string pool;
  std::optional<std::uint32_t> count;
  bool wait = false;
};

async::Task<Result<int>> warm(Context& context, WarmOptions options) {
  Progress progress(context, "Warming " + options.pool);
  const auto show = [&progress](Context& to, const api::PoolInfo& pool) {
    progress.finish();
    show_pool(to, pool);
  };
  const api::PoolWarmRequest request{.pool = options.pool, .count = options.count, .wait = options.wait};
  Result<int> done = co_await call_and_show(context, api::kPoolWarm, request, show);
  co_return done;
}

}  // namespace

void add_pool_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "pool", "Sandboxes that wait, ready to be handed out");

  CLI::App& looking = add_command(group, selection, "status", "Show pools, places, and why things are as they are",
                                  "  swarmctl pool status\n"
                                  "  swarmctl --json pool status | jq '.pools[].why'\n");
  auto looked_at = std::make_shared<std::string>();
  looking.add_option("POOL", *looked_at, "Only this one, with all that is known of it");
  looking.callback([&selection, looked_at] {
    selection.action = [looked_at](Context& context) { return status(context, *looked_at); };
  });

  CLI::App& setting = add_command(group, selection, "set", "Change a pool, or open one, now and after a restart",
                                  "  swarmctl pool set web --min 4 --max 20\n"
                                  "  swarmctl pool set node --template node --min 2\n"
                                  "  swarmctl pool set web --reset\n");
  auto set_options = std::make_shared<PoolOptions>();
  setting.add_option("POOL", set_options->pool, "Its name")->required();
  setting.add_option("--template", set_options->template_name, "What a new pool's sandboxes are made from")
      ->type_name("NAME");
  setting.add_option("--min", set_options->least, "At least so many are ready")->type_name("N");
  setting.add_option("--max", set_options->most, "At most so many are kept ready")->type_name("N");
  setting.add_option("--max-idle", set_options->idle, "More than are needed are given up after so long")
      ->type_name("DURATION");
  setting.add_option("--max-age", set_options->age, "One that waited so long is replaced")->type_name("DURATION");
  setting.add_flag("--reset", set_options->reset, "Take back what was set; the configuration holds again");
  setting.callback([&selection, set_options] {
    selection.action = [set_options](Context& context) { return set_pool(context, *set_options); };
  });

  CLI::App& draining =
      add_command(group, selection, "drain", "End what is ready, and stop filling", "  swarmctl pool drain web\n");
  auto drained = std::make_shared<std::string>();
  draining.add_option("POOL", *drained, "Its name")->required();
  draining.callback(
      [&selection, drained] { selection.action = [drained](Context& context) { return drain(context, *drained); }; });

  CLI::App& warming = add_command(group, selection, "warm", "Fill a pool now, before many are needed",
                                  "  swarmctl pool warm web 20 --wait\n");
  auto warm_options = std::make_shared<WarmOptions>();
  warming.add_option("POOL", warm_options->pool, "Its name")->required();
  warming.add_option("COUNT", warm_options->count, "How many shall be ready; else as many as the pool may hold");
  warming.add_flag("--wait", warm_options->wait, "Answer when they are ready");
  warming.callback([&selection, warm_options] {
    selection.action = [warm_options](Context& context) { return warm(context, *warm_options); };
  });
}

}  // namespace swarm::client
