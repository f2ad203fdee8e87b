// `swarm`: what agents, hooks and people call inside a sandbox. Static and without an event loop, since it is started
// for every little question. The verbs are in verb.hpp.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "agentd/cli/call.hpp"
#include "agentd/cli/verb.hpp"
#include "protocol/core/nearest.hpp"

namespace {

using namespace swarm;
using cli::Verb;

int usage(std::FILE* to, int result) {
  std::fprintf(to, "usage: swarm [--socket PATH] VERB [WORDS...]\n\n");
  for (const Verb* verb : cli::all_verbs()) {
    std::fprintf(to, "  %-11.*s %.*s\n", static_cast<int>(verb->name.size()), verb->name.data(),
                 static_cast<int>(verb->summary.size()), verb->summary.data());
  }
  std::fprintf(to, "\n'swarm VERB --help' tells more; every verb takes '--json'.\n");
  return result;
}

int help(const Verb& verb) {
  const auto print = [](const char* format, std::string_view text) {
    std::printf(format, static_cast<int>(text.size()), text.data());
  };
  std::string forms(verb.usage);
  for (auto at = forms.find('\n'); at != std::string::npos; at = forms.find('\n', at + 1)) {
    forms.replace(at, 1, "\n       swarm ");
  }
  print("usage: swarm %.*s\n\n", forms);
  print("%.*s.\n", verb.summary);
  if (!verb.details.empty()) print("\n%.*s\n", verb.details);
  return kExitOk;
}

int run(const Verb& verb, cli::Invocation& call) {
  call.verb = &verb;
  const auto text = std::ranges::find(call.words, "--");
  if (std::find(call.words.begin(), text, "--help") != text) return help(verb);
  return verb.run(call);
}

}  // namespace

int main(int argc, char** argv) {
  cli::Invocation call{.socket = cli::kInnerSocket, .words = {argv + std::min(argc, 1), argv + argc}};
  if (call.words.size() >= 2 && call.words[0] == "--socket") {
    call.socket = call.words[1];
    call.words.erase(call.words.begin(), call.words.begin() + 2);
  }
  if (call.words.empty()) return usage(stderr, kExitUsage);
  const std::string name = call.words.front();
  call.words.erase(call.words.begin());
  const bool asks_for_help = name == "help" || name == "--help" || name == "-h";
  if (asks_for_help && call.words.empty()) return usage(stdout, kExitOk);
  std::vector<std::string> names;
  for (const Verb* verb : cli::all_verbs()) {
    if (asks_for_help && verb->name == call.words.front()) return help(*verb);
    if (verb->name == name) return run(*verb, call);
    names.emplace_back(verb->name);
  }
  const std::string& unknown = asks_for_help ? call.words.front() : name;
  std::fprintf(stderr, "swarm: unknown verb '%s'%s\n", unknown.c_str(), did_you_mean(unknown, names).c_str());
  return kExitUsage;
}
