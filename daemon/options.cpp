#include "daemon/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "protocol/core/version.hpp"

namespace swarm {

ParsedOptions parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app(
      "Runs teams of AI coding agents in isolated sandboxes. Usually started by 'swarmctl daemon start', by "
      "systemd, or by the first command that needs it.",
      "swarmd");
  app.set_version_flag("--version", fmt::format("swarmd {}", kVersion));
  app.add_flag("--system", options.system, "Serve the machine: /etc, /var/lib, /run instead of the user's directories");
  app.add_flag("--background", options.background, "Log into the log directory instead of to standard error");
  std::string config;
  std::string socket;
  std::vector<std::string> settings;
  app.add_option("--config", config, "Configuration file");
  app.add_option("--socket", socket, "Socket to listen on");
  app.add_option("--set", settings, "KEY=VALUE: any setting of the configuration, for this run")
      ->allow_extra_args(false);
  app.footer(
      "Every setting is also a flag (--log-level=debug) and an environment variable (SWARMD_LOG_LEVEL=debug).\n"
      "docs/configuration.md lists them.");
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {.exit_code = app.exit(error) == 0 ? 0 : 2};
  }

  const auto refuse = [](const std::string& message) {
    std::cerr << "swarmd: " << message << "\n";
    return ParsedOptions{.exit_code = 2};
  };
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) return refuse(fmt::format("--set {}: expected KEY=VALUE", setting));
    options.flags.push_back({.spelling = "--set " + setting.substr(0, equals),
                             .key = setting.substr(0, equals),
                             .value = setting.substr(equals + 1)});
  }
  const std::vector<std::string> extras = app.remaining();
  for (std::size_t i = 0; i < extras.size(); ++i) {
    const std::string& extra = extras[i];
    const std::size_t equals = extra.find('=');
    const std::string name = extra.substr(0, equals);
    const std::string key = name.starts_with("--") ? config::key_of_flag(name.substr(2)) : "";
    if (key.empty()) return refuse(fmt::format("unknown argument '{}'; 'swarmd --help' lists them", extra));
    if (equals != std::string::npos) {
      options.flags.push_back({.spelling = name, .key = key, .value = extra.substr(equals + 1)});
    } else if (i + 1 < extras.size()) {
      options.flags.push_back({.spelling = name, .key = key, .value = extras[++i]});
    } else {
      return refuse(fmt::format("{} needs a value", name));
    }
  }
  if (!config.empty()) options.config = std::filesystem::absolute(config);
  if (!socket.empty()) options.socket = std::filesystem::absolute(socket);
  return {.options = std::move(options)};
}

}  // namespace swarm
