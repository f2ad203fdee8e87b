#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/daemon_program.hpp"
#include "client/output/sanitizer.hpp"
#include "client/start_daemon.hpp"
#include "protocol/api/daemon.hpp"
#include "protocol/api/json.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

struct ConfigOptions {
  std::string config;
  std::string prefix;
  bool changed = false;
  bool system = false;
};

std::vector<std::string> arguments_of(const std::string& verb, const ConfigOptions& options) {
  std::vector<std::string> words{"config", verb};
  if (options.system) words.emplace_back("--system");
  if (!options.config.empty()) {
    words.insert(words.end(), {"--config", std::filesystem::absolute(options.config).native()});
  }
  return words;
}

/// It prints for people or as JSON just as we would; what it says is ours to pass on.
async::Task<Result<int>> check(Context& context, ConfigOptions options) {
  std::vector<std::string> words = arguments_of("check", options);
  if (context.printer.json()) words.emplace_back("--json");
  const Result<async::CommandOutput> run =
      co_await run_daemon_program(context, std::move(words), context.timeout.value_or(std::chrono::seconds(30)));
  if (!run) co_return fail(run.error());
  context.printer.text(run->out);
  if (!run->err.empty()) context.printer.err().write(run->err);
  if (run->status.signal != 0) {
    co_return fail(Code::internal, fmt::format("swarmd was ended by signal {}", run->status.signal));
  }
  co_return run->status.code == 0 ? kExitOk : kExitFailed;
}

/// The settings of the running daemon, or without one what the next one would take.
async::Task<Result<api::ConfigShowReply>> settings(Context& context, ConfigOptions options, bool& running) {
  running = false;
  if (options.config.empty() && !options.system) {
    Result<std::unique_ptr<Client>> client = co_await Client::open(context, Start::forbidden);
    if (client) {
      running = true;
      Result<api::ConfigShowReply> reply =
          co_await (*client)->call(api::kConfigShow, {.prefix = options.prefix, .changed_only = options.changed});
      co_return reply;
    }
  }
  std::vector<std::string> words = arguments_of("show", options);
  words.emplace_back("--json");
  if (!options.prefix.empty()) words.insert(words.end(), {"--prefix", options.prefix});
  if (options.changed) words.emplace_back("--changed");
  const Result<async::CommandOutput> run =
      co_await run_daemon_program(context, std::move(words), context.timeout.value_or(std::chrono::seconds(30)));
  if (!run) co_return fail(run.error());
  if (run->status.code != 0 || run->status.signal != 0) {
    co_return fail(Code::failed_precondition, "the configuration has mistakes:\n" + run->err);
  }
  Result<Value> value = api::value_from_json(run->out);
  if (!value) co_return fail(value.error(), "swarmd config show");
  co_return api::decode_reply<api::ConfigShowReply>(std::move(*value));
}

async::Task<Result<int>> show(Context& context, ConfigOptions options) {
  bool running = false;
  const Result<api::ConfigShowReply> reply = co_await settings(context, options, running);
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
    co_return kExitOk;
  }
  Table table({{"SETTING"}, {"VALUE", Align::left, Fit::shorten}, {"FROM", Align::left, Fit::shorten}});
  for (const api::ConfigSetting& setting : reply->settings) {
    const bool set = setting.source != api::SettingSource::built_in;
    table.add({{one_line(setting.name), set ? Style::strong : Style::plain},
               one_line(setting.value),
               {one_line(setting.origin.value_or("default")), set ? Style::plain : Style::faint}});
  }
  if (table.empty()) {
    context.printer.line(options.changed && options.prefix.empty()
                             ? "Every setting is at its default"
                             : fmt::format("There is no such setting whose name begins with '{}'", options.prefix));
  } else {
    context.printer.table(table);
  }
  std::vector<std::string> files;
  for (const api::Path& file : reply->files) files.push_back(one_line(file.bytes));
  context.printer.note(
      fmt::format("\n{} {}", running ? "Of the running daemon, from" : "No daemon runs; the next one reads",
                  files.empty() ? "defaults alone (no file)" : fmt::format("{}", fmt::join(files, ", "))));
  co_return kExitOk;
}

}  // namespace

async::Task<Result<async::CommandOutput>> run_daemon_program(Context& context, std::vector<std::string> arguments,
                                                             Duration patience) {
  Result<std::string> program = find_daemon_program(context);
  if (!program) co_return fail(program.error());
  async::SpawnOptions spawn{.argv = {std::move(*program)}, .env = async::current_environment()};
  std::ranges::move(arguments, std::back_inserter(spawn.argv));
  Result<async::CommandOutput> output = co_await async::with_timeout(
      context.loop, async::run_command(context.loop, std::move(spawn)), patience, "swarmd");
  co_return output;
}

void add_config_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "config", "Check and show the daemon's configuration");
  auto options = std::make_shared<ConfigOptions>();
  const auto common = [options](CLI::App& command) {
    command.add_option("--config", options->config, "This file instead of the default one")->type_name("FILE");
    command.add_flag("--system", options->system, "The configuration of the machine's daemon");
  };
  CLI::App& checking = add_command(group, selection, "check", "Look for mistakes: file, line, key, and what was meant",
                                   "  swarmctl config check\n"
                                   "  swarmctl config check --config ./swarmd.toml\n");
  common(checking);
  checking.callback(
      [&selection, options] { selection.action = [options](Context& context) { return check(context, *options); }; });
  CLI::App& showing = add_command(group, selection, "show", "Show every setting, its value and where that comes from",
                                  "  swarmctl config show --changed\n"
                                  "  swarmctl config show log\n");
  common(showing);
  showing.add_option("PREFIX", options->prefix, "Only settings whose name begins so: log, pool.fast");
  showing.add_flag("--changed", options->changed, "Only those that are not at their default");
  showing.callback(
      [&selection, options] { selection.action = [options](Context& context) { return show(context, *options); }; });
}

}  // namespace swarm::client
