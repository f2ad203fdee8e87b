// `swarm`: what agents, hooks and people call inside a sandbox. Static and without an event loop, since it is started
// for every little question.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "agentd/cli/call.hpp"

namespace {

using namespace swarm;

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr std::chrono::seconds kPatience{10};

struct Options {
  std::string socket = cli::kInnerSocket;
  std::vector<std::string> words;
};

/// One verb; more come as files of their own.
struct Verb {
  const char* name;
  const char* summary;
  int (*run)(const Options& options);
};

int complain(const Error& error) {
  std::fprintf(stderr, "swarm: %s\n", error.to_string().c_str());
  return kFailed;
}

/// "key: value" lines; what came is a flat map.
void print_fields(const Value& answer) {
  const Value::Map* fields = answer.as_map();
  if (fields == nullptr) return;
  for (const auto& [name, value] : *fields) {
    std::string text;
    if (const auto* string = value.as_string()) text = *string;
    if (const auto* number = value.as_int()) text = std::to_string(*number);
    if (const auto* truth = value.as_bool()) text = *truth ? "yes" : "no";
    std::printf("%-12s %s\n", name.c_str(), text.c_str());
  }
}

int ask(const Options& options, const char* method) {
  const Result<Value> answer = cli::call(options.socket, method, Value(Value::Map{}), kPatience);
  if (!answer) return complain(answer.error());
  print_fields(*answer);
  return EXIT_SUCCESS;
}

int version(const Options& /*options*/) {
  std::printf("swarm %s\n", SWARM_VERSION);
  return EXIT_SUCCESS;
}
int whoami(const Options& options) { return ask(options, "inner.whoami"); }
int status(const Options& options) { return ask(options, "inner.status"); }

constexpr Verb kVerbs[] = {
    {"status", "how the sandbox's agentd is doing", status},
    {"version", "the version of this program", version},
    {"whoami", "who you are in this sandbox, as the kernel says", whoami},
};

int usage(std::FILE* to, int result) {
  std::fprintf(to, "usage: swarm [--socket PATH] VERB\n\n");
  for (const Verb& verb : kVerbs) std::fprintf(to, "  %-10s %s\n", verb.name, verb.summary);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.words.assign(argv + 1, argv + argc);
  if (options.words.size() >= 2 && options.words[0] == "--socket") {
    options.socket = options.words[1];
    options.words.erase(options.words.begin(), options.words.begin() + 2);
  }
  if (options.words.empty()) return usage(stderr, kUsage);
  if (options.words[0] == "--help" || options.words[0] == "help") return usage(stdout, EXIT_SUCCESS);
  for (const Verb& verb : kVerbs) {
    if (options.words[0] != verb.name) continue;
    if (options.words.size() > 1) {
      std::fprintf(stderr, "swarm: '%s' takes no arguments\n", verb.name);
      return kUsage;
    }
    return verb.run(options);
  }
  std::fprintf(stderr, "swarm: unknown verb '%s'\n", options.words[0].c_str());
  return usage(stderr, kUsage);
}
