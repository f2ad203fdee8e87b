#pragma once
// What an agent's program says to its hook. It comes from a program that reads what models and web pages write, so
// every part of it may be anything.

#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::cli {

/// More than this is not read: the content of a file that is written is in it.
inline constexpr std::size_t kMostHookBytes = std::size_t{32} * 1024 * 1024;

/// What we use of it. Fields that are absent, or of another type than they should be, are empty.
struct HookInput {
  std::string event;       ///< as the program names it
  std::string session;     ///< up to 200 bytes
  std::string transcript;  ///< where it writes down its conversation; empty: it does not say
  std::string cwd;
  std::string tool;
  std::string detail;  ///< how a session began, what a notification is about
  std::string prompt;
  /// Files that a tool is about to change; absolute where they or `cwd` are.
  std::vector<std::string> paths;
};

/// Reads it. `invalid_argument` for what is no JSON object, `resource_exhausted` beyond what any program says.
Result<HookInput> read_hook(std::string_view json);

/// Whether the tool changes the file that it names.
bool changes_files(std::string_view tool);

}  // namespace swarm::cli
