#include "client/commands/arguments.hpp"

#include <fmt/format.h>

namespace swarm::client {

void add_globals(CLI::App& command, Globals& globals) {
  const auto hidden = [](CLI::Option* option) { option->group(""); };
  hidden(command.add_flag("--json", globals.json, "Print JSON: one document, or one line an event"));
  hidden(command.add_flag("-q,--quiet", globals.quiet, "Say nothing but the result"));
  hidden(command.add_flag("--no-start", globals.no_start, "Do not start a daemon when none runs"));
  hidden(command.add_option("--socket", globals.socket, "Socket of the daemon")->type_name("PATH"));
  hidden(command
             .add_option("--provider,--backend", globals.provider,
                         "Who makes sandboxes: local, e2b; auto: who can, in order")
             ->type_name("NAME"));
  hidden(command.add_option("--color", globals.color, "When to use colour: auto, always or never")
             ->check(CLI::IsMember({"auto", "always", "never"}))
             ->type_name("WHEN"));
  if (command.get_option_no_throw("--timeout") == nullptr) {
    hidden(command.add_option("--timeout", globals.timeout, "Give up waiting for an answer after this long: 30s, 5m")
               ->type_name("DURATION"));
  }
}

CLI::App& add_command(CLI::App& parent, Selection& selection, const std::string& name, const std::string& help,
                      const std::string& examples) {
  CLI::App& command = *parent.add_subcommand(name, help);
  add_globals(command, selection.globals);
  std::string footer = "\nOptions of every command (--json, --socket, ...): swarmctl --help";
  if (!examples.empty()) footer = "\nExamples:\n" + examples + footer;
  command.footer(footer);
  return command;
}

CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App& group = *parent.add_subcommand(name, help);
  group.require_subcommand(0, 1);
  return group;
}

CLI::Option* add_sandbox_argument(CLI::App& command, std::string& sandbox) {
  return command.add_option("SANDBOX", sandbox, "Its id, a unique beginning of it, or its name")->required();
}

Result<std::map<std::string, std::string>> read_pairs(std::string_view option, const std::vector<std::string>& words) {
  std::map<std::string, std::string> pairs;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    // The value may be a secret: only the name is quoted, never what stands behind it.
    if (equals == 0 || equals == std::string::npos) {
      return fail(Code::invalid_argument, fmt::format("{}: expected KEY=VALUE{}", option,
                                                      equals == 0 ? ", got no KEY" : fmt::format(", got '{}'", word)));
    }
    pairs[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return pairs;
}

Result<std::optional<std::chrono::milliseconds>> read_duration(std::string_view option, const std::string& text) {
  if (text.empty()) return std::optional<std::chrono::milliseconds>();
  const Result<Duration> read = parse_duration(text);
  if (!read) return fail(read.error(), option);
  return std::optional(std::chrono::ceil<std::chrono::milliseconds>(*read));
}

Result<std::optional<std::uint64_t>> read_size(std::string_view option, const std::string& text) {
  if (text.empty()) return std::optional<std::uint64_t>();
  const Result<ByteSize> read = parse_size(text);
  if (!read) return fail(read.error(), option);
  return std::optional(read->bytes);
}

std::optional<std::string> non_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace swarm::client
