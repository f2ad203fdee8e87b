#pragma once
// What the command groups share in building their part of the tree and in reading arguments. Only for .cpp files of
// commands: it brings CLI11.

#include <CLI/CLI.hpp>

#include "client/context.hpp"
#include "protocol/core/units.hpp"

namespace swarm::client {

/// A subcommand that runs something: with the options that every command takes, and examples below its help.
CLI::App& add_command(CLI::App& parent, Selection& selection, const std::string& name, const std::string& help,
                      const std::string& examples = {});

/// A subcommand that only holds others.
CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& help);

/// The options that every command takes, without showing them in its own help.
void add_globals(CLI::App& command, Globals& globals);

/// The positional argument that names a sandbox; completion knows it by its name.
CLI::Option* add_sandbox_argument(CLI::App& command, std::string& sandbox);

/// "KEY=VALUE" words; `invalid_argument` names the option and the word without '='.
Result<std::map<std::string, std::string>> read_pairs(std::string_view option, const std::vector<std::string>& words);

/// A duration in whole milliseconds; nothing for an empty text.
Result<std::optional<std::chrono::milliseconds>> read_duration(std::string_view option, const std::string& text);

/// A size in bytes; nothing for an empty text.
Result<std::optional<std::uint64_t>> read_size(std::string_view option, const std::string& text);

/// A text, or nothing where it is empty.
std::optional<std::string> non_empty(const std::string& text);

}  // namespace swarm::client
