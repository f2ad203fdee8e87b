// Who one is, how things are: the verbs that belong to no domain.

#include <array>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/git.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

int version(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {}, {.most = 0});
  if (!args) return misused(call, args.error());
  if (args->json()) {
    print_json(Value::Map{{"version", SWARM_VERSION}});
  } else {
    print_line("swarm " SWARM_VERSION);
  }
  return flushed();
}

/// "name  value" lines.
void print_fields(const Value& answer) {
  const Value::Map* fields = answer.as_map();
  if (fields == nullptr) return;
  for (const auto& [name, value] : *fields) {
    if (value.is_nil()) continue;
    std::string line = name;
    line.resize(std::max<std::size_t>(line.size(), 12), ' ');
    print_line(line + " " + text_of(&value));
  }
}

int whoami(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {}, {.most = 0});
  if (!args) return misused(call, args.error());
  return answer(call, *args, {.method = "inner.whoami", .again = Again::safe}, print_fields);
}

int status(const Invocation& call) {
  const Result<Arguments> args =
      Arguments::read(call.words, {{"--task", Takes::value}, {"--detail", Takes::value}}, {.most = 1});
  if (!args) return misused(call, args.error());
  Value::Map changes;
  if (!args->rest().empty()) changes.emplace_back("state", args->rest().front());
  for (const char* field : {"task", "detail"}) {
    if (auto value = args->value(std::string("--") + field)) changes.emplace_back(field, std::move(*value));
  }
  if (changes.empty()) {
    const int result = answer(call, *args, {.method = "inner.status", .again = Again::safe}, print_fields);
    if (result == kExitOk && !args->json()) print_worktree(call);
    return result;
  }
  return answer(call, *args, {.method = "agent.update", .arguments = std::move(changes), .again = Again::safe},
                print_fields);
}

constexpr std::array kGeneralVerbs = {
    Verb{"status", "status\nstatus [STATE] [--task TEXT] [--detail TEXT]",
         "how agentd and your worktree are doing, or what you do",
         "With words it tells the others what you do: STATE is starting, working, idle, waiting or rate_limited.\n"
         "`--task ''` clears what stands there.",
         status},
    Verb{"version", "version", "the version of this program", "", version},
    Verb{"whoami", "whoami", "who you are, as the kernel says",
         "Your agent is that of your uid: no variable and no option changes it. Where the sandbox has one uid only,\n"
         "`identity` says `cooperative`.",
         whoami},
};

}  // namespace

std::span<const Verb> general_verbs() { return kGeneralVerbs; }

}  // namespace swarm::cli
