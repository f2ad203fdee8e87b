#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/output/progress.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/review.hpp"
#include "protocol/api/task.hpp"

namespace swarm::client {
namespace {

async::Task<Result<int>> list(Context& context, bool all) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  api::SwarmListRequest request{.all = all};
  api::SwarmListReply found;
  do {
    Result<api::SwarmListReply> page = co_await (*client)->call(api::kSwarmList, request);
    if (!page) co_return fail(page.error());
    std::ranges::move(page->swarms, std::back_inserter(found.swarms));
    request.cursor = page->next_cursor;
  } while (request.cursor);
  if (context.printer.json()) {
    context.printer.document_of(found);
  } else if (context.printer.quiet()) {
    for (const api::SwarmInfo& swarm : found.swarms) context.printer.line(one_line(swarm.name));
  } else if (found.swarms.empty()) {
    context.printer.note(all ? "There are no swarms; 'swarmctl deploy' makes one"
                             : "No swarm works; 'swarmctl swarm ls --all' shows those that are over");
  } else {
    context.printer.table(swarm_table(found.swarms, context.now()));
  }
  co_return kExitOk;
}

/// Everything about one, with its agents and tasks.
async::Task<Result<int>> show(Context& context, SwarmTarget target) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  if (context.printer.json()) {
    context.printer.document_of(*swarm);
    co_return kExitOk;
  }
  context.printer.fields(swarm_fields(*swarm, context.now()));
  std::vector<api::TaskInfo> tasks;
  if (!swarm->run.empty()) {
    api::FromAgent<api::TaskListRequest> request;
    request.swarm = swarm->id;
    request.limit = 1000;
    Result<api::TaskListReply> known = co_await (*client)->call(api::kTaskList, request);
    if (!known) co_return fail(known.error());
    tasks = std::move(known->tasks);
  }
  context.printer.line("");
  context.printer.table(team_table(*swarm, tasks));
  if (!tasks.empty()) {
    context.printer.line("");
    context.printer.table(task_table(tasks));
  }
  co_return kExitOk;
}

async::Task<Result<int>> log(Context& context, SwarmTarget target, api::SwarmLogRequest request) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  const Result<api::SwarmLogReply> reply =
      co_await (*client)->call(api::kSwarmLog, in_swarm<api::SwarmLogRequest>(swarm->id, std::move(request)));
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else if (reply->commits.empty()) {
    context.printer.note(fmt::format("Swarm {} has merged nothing yet", one_line(swarm->name)));
  } else {
    context.printer.table(commit_table(reply->commits));
  }
  co_return kExitOk;
}

async::Task<Result<int>> diff(Context& context, SwarmTarget target, api::SwarmDiffRequest request) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  const Result<api::SwarmDiffReply> reply =
      co_await (*client)->call(api::kSwarmDiff, in_swarm<api::SwarmDiffRequest>(swarm->id, std::move(request)));
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    context.printer.text(context.printer.out().terminal ? sanitized(reply->text) : reply->text);
    if (reply->truncated) context.printer.warning("there is more; 'swarmctl swarm fetch' makes a branch of all of it");
  }
  co_return kExitOk;
}

async::Task<Result<int>> fetch(Context& context, SwarmTarget target) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  const Result<api::SwarmFetchReply> reply =
      co_await (*client)->call(api::kSwarmFetch, in_swarm<api::SwarmRequest>(swarm->id));
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    const char* verb = reply->moved ? "is set to" : "is at";
    if (reply->repos.empty()) context.printer.line(fmt::format("{} {} {}", one_line(reply->ref), verb, reply->commit));
    for (const api::SwarmFetched& repo : reply->repos) {
      context.printer.line(repo.commit.empty() ? fmt::format("{}: nothing was changed", one_line(repo.name))
                                               : fmt::format("{}: {} {} {}", one_line(repo.name), one_line(reply->ref),
                                                             verb, repo.commit));
    }
  }
  co_return kExitOk;
}

template <class Req>
async::Task<Result<int>> change(Context& context, const api::Method<api::InSwarm<Req>, api::SwarmInfo>& method,
                                SwarmTarget target, Req request, std::string doing) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  Progress progress(context, doing + " " + one_line(swarm->name));
  const Result<api::SwarmInfo> changed = co_await (*client)->call(method, in_swarm<Req>(swarm->id, std::move(request)));
  progress.finish();
  if (!changed) co_return fail(changed.error());
  if (context.printer.json()) {
    context.printer.document_of(*changed);
  } else {
    context.printer.line(fmt::format("{} is {}", one_line(changed->name), name_of(changed->state)));
    if (!changed->published.empty() && is_over(changed->state)) {
      context.printer.note(fmt::format("What was merged is branch {}", one_line(changed->branch)));
    }
  }
  co_return kExitOk;
}

/// A subcommand for one swarm without options of its own.
template <class F>
CLI::App& add_swarm_command(CLI::App& group, Selection& selection, const std::string& name, const std::string& help,
                            F run) {
  CLI::App& command = add_command(group, selection, name, help);
  auto target = std::make_shared<SwarmTarget>();
  add_swarm_target(command, *target);
  command.callback([&selection, target, run] {
    selection.action = [target, run](Context& context) { return run(context, *target); };
  });
  return command;
}

void add_shutdown(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "shutdown", "End a swarm; what it merged becomes its branch",
                                  "  swarmctl shutdown\n"
                                  "  swarmctl shutdown login --no-publish --reason \"not needed any more\"\n");
  auto target = std::make_shared<SwarmTarget>();
  auto no_publish = std::make_shared<bool>(false);
  auto reason = std::make_shared<std::string>();
  add_swarm_target(command, *target);
  command.add_flag("--no-publish", *no_publish, "Set no branch; 'swarmctl swarm fetch' can do it later");
  command.add_option("--reason", *reason, "Why, for the record")->type_name("TEXT");
  command.callback([&selection, target, no_publish, reason] {
    selection.action = [=](Context& context) {
      return change<api::SwarmShutdownRequest>(context, api::kSwarmShutdown, *target,
                                               {.publish = !*no_publish, .reason = non_empty(*reason)}, "Ending");
    };
  });
}

}  // namespace

void add_swarm_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "swarm", "Look at swarms, fetch and end their work");

  CLI::App& ls = add_command(group, selection, "ls", "List swarms", "  swarmctl swarm ls --all\n");
  ls.alias("list");
  auto all = std::make_shared<bool>(false);
  ls.add_flag("-a,--all", *all, "Also those that are over");
  ls.callback([&selection, all] { selection.action = [all](Context& context) { return list(context, *all); }; });

  add_swarm_command(group, selection, "show", "Say everything about a swarm, its agents and tasks", show).alias("info");
  add_swarm_command(root, selection, "status", "Say how a swarm is doing: its agents and tasks", show);
  add_swarm_command(group, selection, "fetch", "Make a branch of what was merged until now", fetch);
  add_swarm_command(group, selection, "pause", "Stop every program of a swarm until it is resumed",
                    [](Context& context, SwarmTarget target) {
                      return change<api::SwarmRequest>(context, api::kSwarmPause, std::move(target), {}, "Pausing");
                    });
  add_swarm_command(group, selection, "resume", "Let a paused swarm go on, or one that failed try again",
                    [](Context& context, SwarmTarget target) {
                      return change<api::SwarmRequest>(context, api::kSwarmResume, std::move(target), {}, "Resuming");
                    });
  add_shutdown(root, selection);

  CLI::App& logging = add_command(group, selection, "log", "List the commits that a swarm has merged");
  auto log_target = std::make_shared<SwarmTarget>();
  auto limit = std::make_shared<std::uint32_t>(100);
  add_swarm_target(logging, *log_target);
  logging.add_option("-n,--limit", *limit, "At most so many (100)")->type_name("N")->check(CLI::Range(1, 1000));
  auto log_repo = std::make_shared<std::string>();
  logging.add_option("--repo", *log_repo, "Of several repositories this one alone, with the commits of its branch")
      ->type_name("NAME");
  logging.callback([&selection, log_target, limit, log_repo] {
    selection.action = [=](Context& context) {
      return log(context, *log_target, {.limit = *limit, .repo = non_empty(*log_repo)});
    };
  });

  CLI::App& diffing = add_command(group, selection, "diff", "Show what a swarm, or one of its agents, has changed",
                                  "  swarmctl swarm diff login --stat\n"
                                  "  swarmctl swarm diff login --agent agent-2\n"
                                  "  swarmctl swarm diff login --repo web\n");
  auto diff_target = std::make_shared<SwarmTarget>();
  auto agent = std::make_shared<std::string>();
  auto stat = std::make_shared<bool>(false);
  add_swarm_target(diffing, *diff_target);
  diffing.add_option("--agent", *agent, "What this agent has on its branch; else what was merged")->type_name("AGENT");
  auto diff_repo = std::make_shared<std::string>();
  diffing.add_option("--repo", *diff_repo, "Of several repositories this one alone")->type_name("NAME");
  diffing.add_flag("--stat", *stat, "Only which files, and how much of each");
  diffing.callback([&selection, diff_target, agent, diff_repo, stat] {
    selection.action = [=](Context& context) {
      return diff(context, *diff_target, {.agent = non_empty(*agent), .repo = non_empty(*diff_repo), .stat = *stat});
    };
  });

  add_ship_commands(group, selection);

  CLI::App& discarding = add_command(group, selection, "discard", "Throw the work of a swarm that is over away");
  auto discard_target = std::make_shared<SwarmTarget>();
  auto branch = std::make_shared<bool>(false);
  add_swarm_target(discarding, *discard_target);
  discarding.add_flag("--branch", *branch, "Also the branch in your repository, if it stands where it was set");
  discarding.callback([&selection, discard_target, branch] {
    selection.action = [=](Context& context) {
      return change<api::SwarmDiscardRequest>(context, api::kSwarmDiscard, *discard_target, {.branch = *branch},
                                              "Discarding");
    };
  });
}

}  // namespace swarm::client
