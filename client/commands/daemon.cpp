#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "client/commands/arguments.hpp"
#include "client/commands/commands.hpp"
#include "client/connect.hpp"
#include "client/exit_codes.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/start_daemon.hpp"
#include "protocol/api/daemon.hpp"
#include "protocol/async/process.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

async::Task<Result<int>> start(Context& context, StartOptions options) {
  const Result<Started> started = co_await start_daemon(context, std::move(options));
  if (!started) co_return fail(started.error());
  if (context.printer.json()) {
    Value document;
    document.set("started", !started->already);
    document.set("pid", started->pid);
    document.set("socket", started->socket);
    context.printer.document(document);
  } else {
    context.printer.line(fmt::format("The daemon {} (pid {}), listening at {}",
                                     started->already ? "runs already" : "is running", started->pid, started->socket));
  }
  co_return kExitOk;
}

struct StopOptions {
  std::string drain;
  bool kill_sandboxes = false;
};

/// Completes when the daemon has closed the connection.
async::Task<Result<bool>> hung_up(Client& client) {
  co_await client.ended();
  co_return true;
}

async::Task<Result<int>> stop(Context& context, StopOptions options) {
  const auto drain = read_duration("--drain", options.drain);
  if (!drain) co_return fail(drain.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context, Start::forbidden);
  if (!client) {
    if (client.error().code != Code::unavailable) co_return fail(client.error());
    if (context.printer.json()) {
      context.printer.document(Value(Value::Map{{"stopped", false}}));
    } else {
      context.printer.line("No daemon runs");
    }
    co_return kExitOk;
  }
  api::DaemonStopRequest request{.kill_sandboxes = options.kill_sandboxes};
  if (*drain) request.drain_ms = **drain;
  const Result<api::Empty> stopped = co_await (*client)->call(api::kDaemonStop, request);
  if (!stopped) co_return fail(stopped.error());
  // It answers when it begins; it has stopped when it hangs up.
  const Duration patience = context.timeout.value_or(request.drain_ms + std::chrono::seconds(20));
  const Result<bool> gone = co_await async::with_timeout(context.loop, hung_up(**client), patience, "daemon.stop");
  if (!gone) {
    co_return fail(Code::deadline_exceeded,
                   fmt::format("the daemon has been told to stop and still runs after {}; 'swarmctl daemon logs' shows "
                               "what it waits for",
                               async::format_duration(patience)));
  }
  if (context.printer.json()) {
    context.printer.document(Value(Value::Map{{"stopped", true}}));
  } else {
    context.printer.line("The daemon has stopped");
  }
  co_return kExitOk;
}

Style style_of(const api::ProviderStatus& provider) { return provider.available ? Style::good : Style::bad; }

async::Task<Result<int>> status(Context& context) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context, Start::forbidden);
  if (!client) {
    if (client.error().code == Code::unavailable && context.printer.json()) {
      context.printer.document(Value(Value::Map{{"running", false}}));
      co_return kExitUnavailable;
    }
    co_return fail(client.error());
  }
  const Result<api::DaemonInfoReply> info = co_await (*client)->call(api::kDaemonInfo, {});
  if (!info) co_return fail(info.error());
  if (context.printer.json()) {
    context.printer.document_of(*info);
    co_return kExitOk;
  }
  Fields fields;
  fields.add("State", fmt::format("running for {} (pid {})", human_duration(info->uptime_ms), info->pid), Style::good);
  fields.add("Version", info->version);
  fields.add("Mode", info->mode == api::DaemonMode::system ? "system" : "user");
  fields.add("Socket", one_line(info->socket.bytes));
  fields.add("State in", one_line(info->state_dir.bytes));
  if (info->log_file) fields.add("Log", one_line(info->log_file->bytes));
  std::vector<std::string> files;
  for (const api::Path& file : info->config_files) files.push_back(one_line(file.bytes));
  fields.add("Config", files.empty() ? "defaults (no file)" : fmt::format("{}", fmt::join(files, "\n")));
  std::vector<std::string> states;
  for (const auto& [state, count] : info->sandboxes) {
    if (count > 0) states.push_back(fmt::format("{} {}", count, state));
  }
  fields.add("Sandboxes", states.empty() ? "none" : fmt::format("{}", fmt::join(states, ", ")));
  fields.add("Clients", human_count(info->connections));
  if (info->memory_bytes > 0) fields.add("Memory", human_size(info->memory_bytes));
  context.printer.fields(fields);
  if (!info->providers.empty()) {
    context.printer.line("");
    Table table({{"PROVIDER"}, {"SANDBOXES", Align::right}, {"STATE", Align::left, Fit::shorten}});
    for (const api::ProviderStatus& provider : info->providers) {
      table.add({provider.name,
                 provider.capacity ? fmt::format("{} of {}", provider.sandboxes, *provider.capacity)
                                   : std::to_string(provider.sandboxes),
                 {provider.available ? "available" : one_line(provider.reason.value_or("not available")),
                  style_of(provider)}});
    }
    context.printer.table(table);
  }
  co_return kExitOk;
}

struct DaemonLogOptions {
  bool follow = false;
  std::uint32_t lines = 50;
};

/// The log file: the running daemon knows; else where a daemon of this user would write it.
async::Task<Result<std::string>> log_file(Context& context) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context, Start::forbidden);
  if (client) {
    const Result<api::DaemonInfoReply> info = co_await (*client)->call(api::kDaemonInfo, {});
    if (info && info->log_file) co_return info->log_file->bytes;
  }
  const Result<Places> places = Places::find(context.surroundings);
  if (!places) co_return fail(places.error());
  co_return (places->log / "swarmd.log").native();
}

async::Task<Result<int>> daemon_logs(Context& context, DaemonLogOptions options) {
  const Result<std::string> file = co_await log_file(context);
  if (!file) co_return fail(file.error());
  if (::access(file->c_str(), R_OK) != 0) {
    co_return fail(Code::not_found,
                   fmt::format("there is no log at '{}': a daemon writes it when 'swarmctl daemon start' started it; "
                               "under systemd use 'journalctl --user -u swarmd'",
                               *file));
  }
  // tail(1) follows a file over its rotation and knows how to find the last lines of a large one.
  async::SpawnOptions spawn{.argv = {"tail", "-n", std::to_string(options.lines)},
                            .env = async::current_environment(),
                            .fds = {{1, 1}, {2, 2}}};
  if (options.follow) spawn.argv.emplace_back("-F");
  spawn.argv.insert(spawn.argv.end(), {"--", *file});
  Result<std::unique_ptr<async::Process>> tail = async::Process::spawn(context.loop, spawn);
  if (!tail) co_return fail(tail.error(), "show the log");
  const async::ExitStatus ended = co_await (*tail)->wait();
  co_return ended.signal == 0 && ended.code == 0 ? kExitOk : kExitFailed;
}

async::Task<Result<int>> reload(Context& context) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context, Start::forbidden);
  if (!client) co_return fail(client.error());
  const Result<api::DaemonReloadReply> reply = co_await (*client)->call(api::kDaemonReload, {});
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
    co_return kExitOk;
  }
  if (reply->changed.empty() && reply->for_new.empty() && reply->needs_restart.empty()) {
    context.printer.line("Nothing has changed");
  }
  const auto tell = [&](std::string_view what, const std::vector<std::string>& names) {
    if (!names.empty()) context.printer.line(fmt::format("{}: {}", what, fmt::join(names, ", ")));
  };
  tell("Hold from now on", reply->changed);
  tell("Hold for what is made from now on", reply->for_new);
  tell("Wait for a restart", reply->needs_restart);
  co_return kExitOk;
}

}  // namespace

void add_daemon_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "daemon", "Start, stop and watch the daemon");

  CLI::App& starting = add_command(group, selection, "start", "Start the daemon in the background, if none runs",
                                   "  swarmctl daemon start\n"
                                   "  swarmctl daemon start --config ./swarmd.toml\n");
  auto start_options = std::make_shared<StartOptions>();
  starting.add_option("--config", start_options->config, "Configuration file instead of the default one")
      ->type_name("FILE");
  starting.callback([&selection, start_options] {
    selection.action = [start_options](Context& context) { return start(context, *start_options); };
  });

  CLI::App& stopping =
      add_command(group, selection, "stop", "Stop the daemon; sandboxes live on unless asked otherwise",
                  "  swarmctl daemon stop\n"
                  "  swarmctl daemon stop --kill-sandboxes\n");
  auto stop_options = std::make_shared<StopOptions>();
  stopping.add_option("--drain", stop_options->drain, "Time for calls in flight to end (10s)")->type_name("DURATION");
  stopping.add_flag("--kill-sandboxes", stop_options->kill_sandboxes, "End all sandboxes first");
  stopping.callback([&selection, stop_options] {
    selection.action = [stop_options](Context& context) { return stop(context, *stop_options); };
  });

  add_command(group, selection, "status", "Say whether the daemon runs, and what it holds").callback([&selection] {
    selection.action = [](Context& context) { return status(context); };
  });

  CLI::App& log = add_command(group, selection, "logs", "Show the daemon's log",
                              "  swarmctl daemon logs -n 200\n"
                              "  swarmctl daemon logs --follow\n");
  auto log_options = std::make_shared<DaemonLogOptions>();
  log.add_flag("-f,--follow", log_options->follow, "Go on with new lines");
  log.add_option("-n,--lines", log_options->lines, "How many of the last lines (50)")->type_name("N");
  log.callback([&selection, log_options] {
    selection.action = [log_options](Context& context) { return daemon_logs(context, *log_options); };
  });

  add_command(group, selection, "reload", "Let the daemon read its configuration again").callback([&selection] {
    selection.action = [](Context& context) { return reload(context); };
  });
}

}  // namespace swarm::client
