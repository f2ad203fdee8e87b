#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/sandbox_views.hpp"
#include "client/connect.hpp"
#include "client/exit_codes.hpp"
#include "client/output/progress.hpp"

namespace swarm::client {
namespace {

Result<std::optional<api::NetworkPolicy>> read_network(const CreateOptions& options) {
  if (!options.allow.empty()) {
    if (!options.network.empty() && options.network != "allow") {
      return fail(Code::invalid_argument,
                  fmt::format("--allow names what may be reached, and --network {} leaves nothing to choose; leave one "
                              "of them out",
                              options.network));
    }
    return std::optional(api::NetworkPolicy{.mode = api::NetworkMode::allow, .allow = options.allow});
  }
  if (options.network.empty()) return std::optional<api::NetworkPolicy>();
  if (options.network == "allow") {
    return fail(Code::invalid_argument, "--network allow: name the hosts with --allow, for example --allow pypi.org");
  }
  return std::optional(
      api::NetworkPolicy{.mode = options.network == "on" ? api::NetworkMode::on : api::NetworkMode::off});
}

async::Task<Result<int>> create(Context& context, CreateOptions options) {
  const Result<api::SandboxCreateRequest> request = create_request(options, context.globals.provider);
  if (!request) co_return fail(request.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  Progress progress(context, "Making a sandbox");
  const Result<api::SandboxInfo> made = co_await (*client)->call(api::kSandboxCreate, *request);
  progress.finish();
  if (!made) co_return fail(made.error());
  if (context.printer.json()) {
    context.printer.document_of(*made);
    co_return kExitOk;
  }
  context.printer.line(made->id);
  if (made->fallback) context.printer.note("Made by " + made->provider + ": " + safe(*made->fallback));
  if (context.printer.out().terminal) {
    context.printer.note(fmt::format("Next: swarmctl exec {0} -- ls -la, or swarmctl shell {0}",
                                     made->name.value_or(made->id.substr(0, 6))));
  }
  co_return kExitOk;
}

}  // namespace

Result<api::SandboxCreateRequest> create_request(const CreateOptions& options, const std::string& provider) {
  api::SandboxCreateRequest request{.template_name = non_empty(options.template_name),
                                    .provider = non_empty(provider),
                                    .name = non_empty(options.name),
                                    .swarm = non_empty(options.swarm),
                                    .pooled = !options.fresh,
                                    .wait = !options.no_wait};
  auto labels = read_pairs("--label", options.labels);
  if (!labels) return fail(labels.error());
  request.labels = std::move(*labels);
  auto env = read_pairs("--env", options.env);
  if (!env) return fail(env.error());
  request.env = std::move(*env);
  const auto lease = read_duration("--lease", options.lease);
  if (!lease) return fail(lease.error());
  request.lease_ms = *lease;
  const auto lifetime = read_duration("--max-lifetime", options.lifetime);
  if (!lifetime) return fail(lifetime.error());
  request.max_lifetime_ms = *lifetime;
  const auto idle_pause = read_duration("--idle-pause", options.idle_pause);
  if (!idle_pause) return fail(idle_pause.error());
  request.idle_pause_ms = *idle_pause;
  const auto idle_kill = read_duration("--idle-kill", options.idle_kill);
  if (!idle_kill) return fail(idle_kill.error());
  request.idle_kill_ms = *idle_kill;
  const auto queue = read_duration("--queue", options.queue);
  if (!queue) return fail(queue.error());
  if (*queue) request.queue_ms = **queue;
  const auto memory = read_size("--memory", options.memory);
  if (!memory) return fail(memory.error());
  request.limits.memory_bytes = *memory;
  const auto disk = read_size("--disk", options.disk);
  if (!disk) return fail(disk.error());
  request.limits.disk_bytes = *disk;
  if (options.cpus > 0) request.limits.cpus = options.cpus;
  if (options.processes > 0) request.limits.processes = options.processes;
  auto network = read_network(options);
  if (!network) return fail(network.error());
  request.network = std::move(*network);
  return request;
}

void add_create_options(CLI::App& command, CreateOptions& options) {
  command.add_option("--swarm", options.swarm, "The swarm that it is for; its costs are counted there")
      ->type_name("SWARM");
  command.add_option("--template", options.template_name, "What to make it from")->type_name("NAME");
  command.add_option("--label", options.labels, "A mark to find it by; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--memory", options.memory, "Memory that it may use: 512MiB, 2GiB")->type_name("SIZE");
  command.add_option("--cpus", options.cpus, "Processors' worth of CPU time: 1.5")->type_name("N");
  command.add_option("--processes", options.processes, "Processes and threads that it may have")->type_name("N");
  command.add_option("--disk", options.disk, "What it may write")->type_name("SIZE");
  command.add_option("--network", options.network, "What it may reach: off, on, or allow with --allow")
      ->check(CLI::IsMember({"off", "allow", "on"}))
      ->type_name("MODE");
  command
      .add_option("--allow", options.allow, "A host that it may reach; *.example.org for all below; may be repeated")
      ->type_name("HOST")
      ->allow_extra_args(false);
  command.add_option("--queue", options.queue, "Wait this long for capacity instead of being refused")
      ->type_name("DURATION");
  command.add_flag("--fresh", options.fresh, "Never take one that waits in the pool");
}

void add_sandbox_create(CLI::App& group, Selection& selection) {
  CLI::App& command = add_command(group, selection, "create", "Make a sandbox and print its id",
                                  "  swarmctl sandbox create\n"
                                  "  swarmctl sandbox create --name web --template node --memory 2GiB --lease 1h\n"
                                  "  id=$(swarmctl sandbox create --allow pypi.org --allow files.pythonhosted.org)\n");
  auto options = std::make_shared<CreateOptions>();
  command.add_option("--name", options->name, "A name for it, unique among living sandboxes")->type_name("NAME");
  add_create_options(command, *options);
  command.add_option("-e,--env", options->env, "Environment of every program in it; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--lease", options->lease, "It ends this long after its last use")->type_name("DURATION");
  command.add_option("--max-lifetime", options->lifetime, "It ends this long after it was made, used or not")
      ->type_name("DURATION");
  command
      .add_option("--idle-pause", options->idle_pause, "Pause it after so long without use; the next use resumes it")
      ->type_name("DURATION");
  command.add_option("--idle-kill", options->idle_kill, "End it after so long without use, whatever its lease")
      ->type_name("DURATION");
  command.add_flag("--no-wait", options->no_wait, "Answer at once, not when it can be used");
  command.callback(
      [&selection, options] { selection.action = [options](Context& context) { return create(context, *options); }; });
}

}  // namespace swarm::client
