#include "client/cli.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "client/commands/arguments.hpp"
#include "client/commands/artifacts.hpp"
#include "client/commands/commands.hpp"
#include "client/exit_codes.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/version.hpp"

namespace swarm::client {
namespace {

/// The subcommand that the words got to.
const CLI::App& deepest(const CLI::App& root) {
  const CLI::App* app = &root;
  for (;;) {
    const auto below = app->get_subcommands();
    if (below.empty()) return *app;
    app = below.front();
  }
}

std::string path_of(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : path_of(*parent) + " " + app.get_name();
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* below :
       app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); })) {
    if (!below->get_name().empty()) names.push_back(below->get_name());
  }
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  for (const CLI::App* group :
       app.get_subcommands([](const CLI::App* command) { return command->get_name().empty(); })) {
    std::ranges::move(option_names(*group), std::back_inserter(names));
  }
  return names;
}

/// What is wrong with words that nobody took.
std::string about_extras(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining();
  const std::string word = extras.empty() ? std::string() : extras.front();
  const std::string where = path_of(app);
  if (word.starts_with("-") && word.size() > 1) {
    const std::string name = word.substr(0, word.find('='));
    return fmt::format("{} has no option '{}'{}", where, name, did_you_mean(name, option_names(app)));
  }
  const std::vector<std::string> commands = command_names(app);
  if (!commands.empty() && app.get_subcommands().empty()) {
    return fmt::format("{} has no command '{}'{}", where, word, did_you_mean(word, commands));
  }
  return fmt::format("{}: '{}' is one argument too many", where, word);
}

ParsedLine usage_error(const CLI::App& root, Selection selection, std::string message) {
  const CLI::App& app = deepest(root);
  const std::string path = path_of(app);
  const bool runs = path == "swarmctl exec" || path == "swarmctl shell" || path == "swarmctl ps attach";
  ParsedLine parsed{.selection = std::move(selection), .exit = runs ? kExitOurs : kExitUsage};
  parsed.error = fail(Code::invalid_argument,
                      fmt::format("{}{} See '{} --help'", message, message.ends_with('?') ? "" : ".", path_of(app)))
                     .error();
  return parsed;
}

/// Takes the words after the first "--" away, for commands where these belong to another program. CLI11 would read
/// them as arguments of the tree's upper commands.
std::optional<std::vector<std::string>> take_after_dashes(std::vector<std::string>& arguments) {
  constexpr std::array<std::string_view, 5> kWithValue{"--socket", "--provider", "--backend", "--color", "--timeout"};
  auto word = arguments.begin();
  for (; word != arguments.end() && word->starts_with('-') && *word != "--"; ++word) {
    if (std::ranges::find(kWithValue, *word) != kWithValue.end() && word + 1 != arguments.end()) ++word;
  }
  if (word == arguments.end() || (*word != "exec" && *word != "__complete")) return std::nullopt;
  const auto dashes = std::find(word, arguments.end(), "--");
  if (dashes == arguments.end()) return std::nullopt;
  std::vector<std::string> after(dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  return after;
}

/// Help whose usage line can be typed: with the names of the commands above.
class Help : public CLI::Formatter {
 public:
  Help() { column_width(30); }
  std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
    const bool options_first = app->get_prefix_command();
    std::string usage = "Usage: " + path_of(*app) + " [OPTIONS]";
    if (options_first) return usage + " SANDBOX [--] PROGRAM [ARGUMENTS]...\n";
    for (const CLI::Option* option : app->get_options()) {
      if (!option->get_positional()) continue;
      const std::string name = option->get_name(true) + (option->get_items_expected_max() > 1 ? "..." : "");
      usage += option->get_required() ? " " + name : " [" + name + "]";
    }
    if (!command_names(*app).empty()) usage += app->get_require_subcommand_min() > 0 ? " COMMAND" : " [COMMAND]";
    return usage + "\n";
  }
};

constexpr std::string_view kOverview = R"(swarmctl runs teams of coding agents, and programs, in isolated sandboxes.

A team on your repository:
  swarmctl deploy --repo . --agents 4 --feature "Add a login page"
                                       ends with reviewed, tested commits on a branch of it
  swarmctl monitor                     see who does what
  swarmctl report                      read what was done, why and at what cost

Sandboxes by hand:
  swarmctl doctor                      look whether this machine can do it
  swarmctl sandbox create --name demo  make a sandbox (starts the daemon when none runs)
  swarmctl exec demo -- uname -a       run a program in it
  swarmctl shell demo                  work in it
  swarmctl cp ./src demo:              copy files into it
  swarmctl sandbox kill demo           end it

All commands: swarmctl --help      One of them: swarmctl exec --help
)";

}  // namespace

void build_commands(CLI::App& root, Selection& selection) {
  add_deploy_command(root, selection);
  add_swarm_commands(root, selection);
  add_team_commands(root, selection);
  add_work_commands(root, selection);
  add_artifact_commands(root, selection);
  add_decide_commands(root, selection);
  add_workflow_commands(root, selection);
  add_monitor_command(root, selection);
  add_report_command(root, selection);
  add_sandbox_commands(root, selection);
  add_exec_commands(root, selection);
  add_shell_command(root, selection);
  add_cp_command(root, selection);
  add_ps_commands(root, selection);
  add_logs_command(root, selection);
  add_forward_commands(root, selection);
  add_e2b_commands(root, selection);
  add_events_command(root, selection);
  add_pool_commands(root, selection);
  add_top_command(root, selection);
  add_template_commands(root, selection);
  add_cost_commands(root, selection);
  add_budget_commands(root, selection);
  add_limits_commands(root, selection);
  add_secret_commands(root, selection);
  add_db_commands(root, selection);
  add_daemon_commands(root, selection);
  add_doctor_command(root, selection);
  add_config_commands(root, selection);
  add_rpc_command(root, selection);
  add_attach_command(root, selection);
  add_pane_commands(root, selection);
  add_completion_commands(root, selection);
  add_help_commands(root, selection);
}

ParsedLine parse_line(std::vector<std::string> arguments) {
  if (arguments.empty()) return {.exit = kExitOk, .out = std::string(kOverview)};
  Selection selection;
  CLI::App root("Runs programs and coding agents in isolated sandboxes.", "swarmctl");
  root.require_subcommand(0, 1);
  root.formatter(std::make_shared<Help>());  // before the commands, which inherit it
  root.set_help_flag("-h,--help", "Print this, or the help of a command");
  root.set_version_flag("--version", fmt::format("swarmctl {}\n", kVersion), "Print the version of this client");
  add_globals(root, selection.globals);
  for (CLI::Option* option : root.get_options()) {
    if (option->get_group().empty()) option->group("Options of every command");
  }
  build_commands(root, selection);
  selection.after_dashes = take_after_dashes(arguments);
  std::ranges::reverse(arguments);  // as CLI11 wants them
  try {
    root.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return {.selection = std::move(selection), .exit = kExitOk, .out = deepest(root).help()};
  } catch (const CLI::CallForVersion& version) {
    return {.selection = std::move(selection), .exit = kExitOk, .out = version.what()};
  } catch (const CLI::ExtrasError&) {
    return usage_error(root, std::move(selection), about_extras(deepest(root)));
  } catch (const CLI::ParseError& error) {
    return usage_error(root, std::move(selection), error.what());
  }
  // Where a program's words begin, CLI11 takes an unknown option for the first of them.
  const CLI::App& command = deepest(root);
  if (command.get_prefix_command() && !command.remaining().empty() && command.remaining().front().starts_with('-')) {
    return usage_error(root, std::move(selection), about_extras(command));
  }
  if (!selection.action) {
    return {.selection = std::move(selection), .exit = kExitOk, .out = deepest(root).help()};
  }
  return {.selection = std::move(selection)};
}

}  // namespace swarm::client
