#pragma once
// The verbs of `swarm`. A group of verbs is a file: it defines a `std::span<const Verb>` function, declared here and
// listed once in verb.cpp. A verb reads its words with `Arguments` (arguments.hpp), calls agentd with `ask` or
// `answer` (ask.hpp), and gives the exit status.
//
//   int claim(const Invocation& call) {
//     const Result<Arguments> args = Arguments::read(call.words, {{"--wait", Takes::value}}, {.least = 0, .most = 1});
//     if (!args) return misused(call, args.error());
//     return answer(call, *args, {.method = "task.claim", .arguments = {...}}, print_task);
//   }

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/exit_status.hpp"

namespace swarm::cli {

struct Verb;

/// How a verb was called.
struct Invocation {
  std::string socket;              ///< agentd's
  std::vector<std::string> words;  ///< behind the verb
  const Verb* verb = nullptr;
};

/// One verb. All texts are static.
struct Verb {
  std::string_view name;
  std::string_view usage;    ///< behind "swarm": "send TO... [--file F] TEXT"; several lines for several forms
  std::string_view summary;  ///< in the list of all verbs: one line, no full stop
  std::string_view details;  ///< what `swarm VERB --help` says beside usage and summary
  int (*run)(const Invocation& call);
};

/// Tells what went wrong on standard error; the exit status.
int failed(const Error& error);
/// The same with how the verb is used: for mistakes in its words.
int misused(const Invocation& call, const Error& error);

/// Every verb, by name.
std::vector<const Verb*> all_verbs();

// The groups, a file each.
std::span<const Verb> agent_verbs();
std::span<const Verb> artifact_verbs();
std::span<const Verb> general_verbs();
std::span<const Verb> git_verbs();
std::span<const Verb> hook_verbs();
std::span<const Verb> human_verbs();
std::span<const Verb> lock_verbs();
std::span<const Verb> mcp_verbs();
std::span<const Verb> message_verbs();
std::span<const Verb> note_verbs();
std::span<const Verb> review_verbs();
std::span<const Verb> task_verbs();

}  // namespace swarm::cli
