#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "client/commands/arguments.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/follow_swarm.hpp"
#include "client/commands/ship_options.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/exit_codes.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/budget.hpp"
#include "protocol/api/codec.hpp"

namespace swarm::client {
namespace {

// A daemon that was killed is started again by the next call; so long it may take.
constexpr auto kDeployPatience = std::chrono::seconds(60);

struct DeployOptions {
  std::vector<std::string> repos;
  std::string feature;
  std::string name;
  std::string base = "HEAD";
  std::uint32_t agents = 4;
  std::vector<std::string> roles;
  std::string kind = "demo";
  bool one_shot = false;
  std::string template_name;
  std::string budget;
  std::string test_command;
  std::string test_timeout;
  std::string workflow = "autonomous-dev";
  std::string topology = "shared";
  std::uint32_t reviewers = 1;
  std::uint32_t rounds = 4;
  std::vector<std::string> env;
  std::vector<std::string> labels;
  bool keep_sandbox = false;
  bool push = false;
  bool pull_request = false;
  api::ShipmentWish ship;
  bool follow = false;
  bool detach = false;
  bool dry_run = false;
};

Result<api::SwarmTopology> read_topology(const std::string& text) {
  if (text == "shared") return api::SwarmTopology::shared;
  if (text == "per-agent") return api::SwarmTopology::per_agent;
  if (text == "per-role") return api::SwarmTopology::per_role;
  if (text == "per-exec") return api::SwarmTopology::per_exec;
  return fail(
      Code::invalid_argument,
      fmt::format("--topology '{}': shared (one sandbox for all agents), per-agent, per-role, or per-exec", text));
}

Result<api::SwarmCreateRequest> request_of(const DeployOptions& options, const std::string& provider) {
  if (options.feature.empty()) {
    return fail(Code::invalid_argument, "say what is to be done with --feature \"...\"");
  }
  if (!options.push && !options.pull_request && options.ship != api::ShipmentWish{}) {
    return fail(Code::invalid_argument,
                "--remote, --into, --title, --body, --pr-label and --draft say how a result "
                "leaves; add --push or --pr");
  }
  if (options.follow && options.detach) {
    return fail(Code::invalid_argument, "--follow stays until the end and --detach does not; leave one of them out");
  }
  if (options.dry_run && (options.follow || !options.budget.empty())) {
    return fail(Code::invalid_argument, "--dry-run does nothing that could be followed or would cost anything");
  }
  std::error_code error;
  const std::string given = options.repos.empty() ? "." : options.repos.front();
  const std::filesystem::path repo = std::filesystem::canonical(given, error);
  if (error) return fail(Code::not_found, fmt::format("--repo '{}': {}", given, error.message()));
  std::vector<std::string> more_repos;
  for (std::size_t i = 1; i < options.repos.size(); ++i) {
    more_repos.push_back(std::filesystem::canonical(options.repos[i], error).string());
    if (error) return fail(Code::not_found, fmt::format("--repo '{}': {}", options.repos[i], error.message()));
  }
  const auto env = read_pairs("--env", options.env);
  if (!env) return fail(env.error());
  const auto labels = read_pairs("--label", options.labels);
  if (!labels) return fail(labels.error());
  const auto timeout = read_duration("--test-timeout", options.test_timeout);
  if (!timeout) return fail(timeout.error());
  std::string definition;
  if (options.workflow.find('/') != std::string::npos || options.workflow.ends_with(".toml")) {
    std::ifstream file(options.workflow, std::ios::binary);
    definition.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (!file || definition.empty()) {
      return fail(Code::not_found, fmt::format("--workflow '{}' cannot be read; 'swarmctl workflow show NAME' prints "
                                               "one to begin with",
                                               options.workflow));
    }
  }
  api::SwarmCreateRequest request{.repo = repo.string(),
                                  .more_repos = more_repos,
                                  .feature = options.feature,
                                  .name = non_empty(options.name),
                                  .base = options.base,
                                  .agents = options.agents,
                                  .kind = options.kind,
                                  .mode = options.one_shot ? api::AgentMode::one_shot : api::AgentMode::full_screen,
                                  .team = {},
                                  .workflow = definition.empty() ? options.workflow : "file",
                                  .definition = definition,
                                  .test_command = options.test_command,
                                  .review = {.reviewers = options.reviewers, .rounds = options.rounds},
                                  .provider = non_empty(provider),
                                  .template_name = non_empty(options.template_name),
                                  .env = *env,
                                  .labels = *labels,
                                  .keep_sandbox = options.keep_sandbox,
                                  .dry_run = options.dry_run};
  const Result<api::SwarmTopology> topology = read_topology(options.topology);
  if (!topology) return fail(topology.error());
  request.topology = *topology;
  if (options.push || options.pull_request) {
    request.ship = options.ship;
    request.ship->pull_request = options.pull_request;
  }
  if (*timeout) request.test_timeout_ms = **timeout;
  if (!options.roles.empty()) {
    const std::size_t count = std::max<std::size_t>(options.agents, options.roles.size());
    for (std::size_t i = 0; i < count; ++i) {
      request.team.push_back({.kind = {}, .mode = {}, .role = options.roles[i % options.roles.size()], .skills = {}});
    }
  }
  return request;
}

void show_line(Context& context, const api::Event& event) {
  const std::string line = event_line(event);
  if (line.empty() || context.printer.json()) return;
  context.printer.line(fmt::format("{}  {}", clock_time(event.time_us).substr(0, 8),
                                   painted(line, event_style(event), context.printer.paint())));
}

void show_end(Context& context, const api::SwarmInfo& swarm, const std::vector<api::SwarmCommit>& commits) {
  if (context.printer.json()) {
    context.printer.document_of(swarm);
    return;
  }
  context.printer.line("");
  if (!commits.empty()) context.printer.table(commit_table(commits));
  const std::string name = one_line(swarm.name);
  if (!swarm.published.empty()) {
    context.printer.line(
        fmt::format("\nThe result is branch {} ({}).", one_line(swarm.branch), swarm.published.substr(0, 10)));
    for (const api::SwarmRepo& repo : swarm.repos) {
      const std::string place = one_line(repo.repo);
      context.printer.line(repo.published.empty() ? fmt::format("  {}: nothing of it was changed", place)
                                                  : fmt::format("  {}: {}", place, repo.published.substr(0, 10)));
    }
    if (!swarm.repos.empty()) {
      context.printer.note(fmt::format("Next: swarmctl swarm diff {0}, swarmctl report {0}", name));
      return;
    }
    context.printer.note(fmt::format("Next: git diff {}..{}, swarmctl report {}", swarm.base_commit.substr(0, 10),
                                     one_line(swarm.branch), name));
  } else if (!swarm.head.empty()) {
    context.printer.line(
        fmt::format("\nWhat was merged is kept; 'swarmctl swarm fetch {}' makes a branch of it.", name));
  }
}

/// Whether a shipment does nothing any more by itself.
bool is_settled(api::ShipmentState state) {
  return state == api::ShipmentState::done || state == api::ShipmentState::failed ||
         state == api::ShipmentState::rejected || state == api::ShipmentState::approval;
}

async::Task<Result<int>> follow(Context& context, api::SwarmInfo swarm, std::uint64_t from, bool ships) {
  SwarmEvents events(context, swarm.id, from);
  bool over = false;
  bool settled = !ships;
  const auto told = [&](const api::Event& event) {
    show_line(context, event);
    if (event.type == api::kSwarmState.name) {
      const Result<api::SwarmStateChanged> data = api::decode_reply<api::SwarmStateChanged>(event.data);
      over = over || (data && is_over(data->to));
      if (data && is_over(data->to) && data->to != api::SwarmState::done) settled = true;
    }
    if (event.type == api::kShipmentChanged.name) {
      const Result<api::ShipmentChanged> data = api::decode_reply<api::ShipmentChanged>(event.data);
      settled = !data || is_settled(data->state);
    }
    return !over || !settled;
  };
  const Result<void> followed = co_await events.follow(told, kDeployPatience);
  if (!followed) {
    co_return fail(
        followed.error(),
        fmt::format("swarm {} cannot be followed any more; 'swarmctl status {}' looks again", swarm.name, swarm.name));
  }
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SwarmInfo> end = co_await (*client)->call(api::kSwarmInfo, in_swarm<api::SwarmRequest>(swarm.id));
  if (!end) co_return fail(end.error());
  const Result<api::SwarmLogReply> log =
      co_await (*client)->call(api::kSwarmLog, in_swarm<api::SwarmLogRequest>(swarm.id));
  show_end(context, *end, log ? log->commits : std::vector<api::SwarmCommit>{});
  if (end->state == api::SwarmState::done && ships) {
    const Result<api::SwarmShipmentsReply> sent = co_await (*client)->call(
        api::kSwarmShipments, in_swarm<api::SwarmShipmentsRequest>(swarm.id, {.shipment = {}, .limit = 1}));
    if (!sent) co_return fail(sent.error());
    if (!sent->shipments.empty()) co_return show_shipment(context, sent->shipments.front());
  }
  if (end->state == api::SwarmState::done) co_return kExitOk;
  if (end->state == api::SwarmState::failed) {
    co_return fail(Code::failed_precondition, fmt::format("swarm {} failed: {}", end->name, end->reason));
  }
  co_return kExitFailed;
}

async::Task<Result<int>> deploy(Context& context, DeployOptions options) {
  const Result<api::SwarmCreateRequest> request = request_of(options, context.globals.provider);
  if (!request) co_return fail(request.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  Result<std::uint64_t> from = co_await next_event(**client);
  if (!from) co_return fail(from.error());
  const Result<api::SwarmInfo> made = co_await (*client)->call(api::kSwarmCreate, *request);
  if (!made) co_return fail(made.error());
  if (!options.budget.empty()) {
    const Result<api::BudgetInfo> set = co_await (*client)->call(
        api::kBudgetSet, {.name = made->name, .swarm = made->id, .amount_usd = options.budget});
    if (!set) {
      // Without its budget it must not go on.
      const Result<api::SwarmInfo> ended = co_await (*client)->call(
          api::kSwarmShutdown,
          in_swarm<api::SwarmShutdownRequest>(made->id, {.publish = false, .reason = "its budget was refused"}));
      static_cast<void>(ended);
      co_return fail(set.error(), "--budget");
    }
  }
  if (options.dry_run || options.detach) {
    if (context.printer.json()) {
      context.printer.document_of(*made);
    } else if (options.dry_run) {
      context.printer.fields(swarm_fields(*made, context.now()));
      context.printer.note("Nothing was done. Without --dry-run this swarm is deployed");
    } else {
      context.printer.line(made->name);
      context.printer.note(fmt::format("Next: swarmctl monitor {0}, swarmctl status {0}", made->name));
    }
    co_return kExitOk;
  }
  if (!context.printer.json()) {
    context.printer.note(
        fmt::format("Swarm {} with {} agents works on {} at {}; Ctrl-C leaves it alone, and it goes on", made->name,
                    made->agents.size(), one_line(made->repo), made->base_commit.substr(0, 10)));
  }
  Result<int> status = co_await follow(context, *made, *from, request->ship.has_value());
  co_return status;
}

}  // namespace

void add_deploy_command(CLI::App& root, Selection& selection) {
  CLI::App& command =
      add_command(root, selection, "deploy", "Let a team of agents work on a repository, and get a branch back",
                  "  swarmctl deploy --repo . --agents 4 --feature \"Add user authentication with JWT\"\n"
                  "  swarmctl deploy --feature \"Make the build green\" --workflow ci-fix --detach\n"
                  "  swarmctl deploy --agent 'cmd:./my-agent' --feature \"...\" --dry-run\n");
  auto options = std::make_shared<DeployOptions>();
  command
      .add_option(
          "--repo", options->repos,
          "The repository (the current directory); given several times, the task lands in all of them or in none")
      ->type_name("PATH")
      ->allow_extra_args(false);
  command.add_option("--feature,FEATURE", options->feature, "What is to be done, in words")->type_name("TEXT");
  command.add_option("--name", options->name, "Its name; the result is branch swarm/NAME")->type_name("NAME");
  command.add_option("--base", options->base, "The branch, tag or commit to begin from (HEAD)")->type_name("REF");
  command.add_option("--agents", options->agents, "How many agents (4)")->type_name("N")->check(CLI::Range(1, 64));
  command.add_option("--roles", options->roles, "Their roles in turn, separated by commas; else each takes any")
      ->delimiter(',')
      ->type_name("ROLES");
  command
      .add_option("--agent", options->kind,
                  "Which program they are: demo, claude, codex, copilot, gemini, opencode, or cmd:PROGRAM (demo)")
      ->type_name("KIND");
  command.add_flag("--one-shot", options->one_shot,
                   "Run each agent's program for one turn at a time (claude -p) instead of in full screen");
  command.add_option("--template", options->template_name, "What the sandbox is made from")->type_name("NAME");
  command
      .add_option("--topology", options->topology,
                  "How agents are spread over sandboxes: shared, per-agent, per-role, or per-exec (shared)")
      ->type_name("HOW");
  command.add_option("--budget", options->budget, "No new work begins when so many USD are spent")->type_name("USD");
  command
      .add_option("--test-command", options->test_command,
                  "What must succeed before anything is merged; else as the files tell")
      ->type_name("COMMAND");
  command.add_option("--test-timeout", options->test_timeout, "How long that may take (10m)")->type_name("DURATION");
  command.add_option("--workflow", options->workflow, "Which workflow, or the path of one (autonomous-dev)")
      ->type_name("NAME|FILE");
  command.add_option("--reviewers", options->reviewers, "How many others approve each change; 0: nobody looks (1)")
      ->type_name("N");
  command.add_option("--rounds", options->rounds, "Rounds of review before a change is in dispute (4)")->type_name("N");
  command.add_option("--env", options->env, "Environment of the agents; may be repeated")->type_name("KEY=VALUE");
  command.add_option("--label", options->labels, "A mark to find it by; may be repeated")->type_name("KEY=VALUE");
  command.add_flag("--keep-sandbox", options->keep_sandbox, "Leave the sandbox when it is over");
  command.add_flag("--push", options->push, "When it is done, push the result with this host's credentials");
  command.add_flag("--pr", options->pull_request, "When it is done, push the result and open a pull request");
  command.add_option("--remote", options->ship.remote, "Where to: a remote of the repository, or a URL (origin)")
      ->type_name("REMOTE");
  add_pull_request_options(command, options->ship);
  command.add_flag("-f,--follow", options->follow,
                   "Show how it goes on until it is over (what happens without --detach)");
  command.add_flag("-d,--detach", options->detach, "Print its name and return");
  command.add_flag("--dry-run", options->dry_run, "Check everything, show what would be done, do nothing");
  command.callback(
      [&selection, options] { selection.action = [options](Context& context) { return deploy(context, *options); }; });
}

}  // namespace swarm::client
