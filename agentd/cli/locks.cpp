// Who may change which paths.

#include <unistd.h>

#include <array>
#include <climits>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/locks.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

constexpr std::string_view kWorkspace = "/workspace";

std::string name_of(const Value& lock) {
  const std::string repository = text_of(lock, "repository");
  std::string path = text_of(lock, "path");
  if (path.empty()) path = ".";
  if (text_of(lock, "kind") == "directory") path += "/";
  return repository.empty() ? path : repository + ":" + path;
}

void print_granted(const Value& answer) {
  const Value* lock = answer.find("lock");
  if (lock == nullptr) return;
  print_line(text_of(*lock, "id") + "  " + name_of(*lock) + ", " + text_of(*lock, "mode") + ", ends " +
             until(lock->find("expires_us")) + (truth_of(answer, "renewed") ? ", renewed" : ""));
}

void print_released(const Value& answer) { print_line(text_of(answer, "released") + " released"); }

void print_locks(const Value& answer) {
  std::vector<std::vector<std::string>> rows = {{"LOCK", "AGENT", "PATH", "MODE", "ENDS", "REASON"}};
  for (const Value& lock : list_of(answer, "locks")) {
    rows.push_back({text_of(lock, "id"), text_of(lock, "agent"), name_of(lock), text_of(lock, "mode"),
                    until(lock.find("expires_us")), text_of(lock, "reason")});
  }
  for (const Value& waiter : list_of(answer, "waiting")) {
    rows.push_back({text_of(waiter, "id"), text_of(waiter, "agent"), name_of(waiter), text_of(waiter, "mode"),
                    "waits, gives up " + until(waiter.find("until_us")), text_of(waiter, "reason")});
  }
  print_table(rows, "nothing is locked");
}

/// "file", "directory" or "glob", as the options say.
std::string kind_of(const Arguments& args) {
  if (args.has("--glob")) return "glob";
  return args.has("--dir") ? "directory" : "file";
}

int lock(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words,
                                                 {{"--shared", Takes::nothing},
                                                  {"--dir", Takes::nothing},
                                                  {"--glob", Takes::nothing},
                                                  {"--reason", Takes::value},
                                                  {"--ttl", Takes::value},
                                                  {"--wait", Takes::value},
                                                  {"--repo", Takes::value}},
                                                 {.least = 1, .most = 1});
  if (!args) return misused(call, args.error());
  const auto ttl =
      args->value("--ttl") == "none" ? Result<std::optional<std::chrono::milliseconds>>() : args->duration("--ttl");
  const auto wait = args->duration("--wait");
  if (!ttl) return misused(call, ttl.error());
  if (!wait) return misused(call, wait.error());
  Value::Map arguments{{"kind", kind_of(*args)},
                       {"path", placed(args->rest().front(), args->has("--repo"))},
                       {"mode", args->has("--shared") ? "shared" : "exclusive"}};
  if (auto reason = args->value("--reason")) arguments.emplace_back("reason", std::move(*reason));
  if (auto repository = args->value("--repo")) arguments.emplace_back("repository", std::move(*repository));
  if (args->value("--ttl") == "none") {
    arguments.emplace_back("ttl_ms", Value());
  } else if (*ttl) {
    arguments.emplace_back("ttl_ms", std::int64_t{(*ttl)->count()});
  }
  const auto patience = wait->value_or(std::chrono::milliseconds(0));
  arguments.emplace_back("wait_ms", std::int64_t{patience.count()});
  return answer(call, *args,
                {.method = "lock.acquire",
                 .arguments = std::move(arguments),
                 .again = Again::safe,
                 .patience = patience + std::chrono::seconds(10)},
                print_granted);
}

int unlock(const Invocation& call) {
  const Result<Arguments> args =
      Arguments::read(call.words, {{"--dir", Takes::nothing}, {"--glob", Takes::nothing}, {"--repo", Takes::value}},
                      {.least = 1, .most = 1});
  if (!args) return misused(call, args.error());
  const std::string& what = args->rest().front();
  Value::Map arguments;
  if (what.starts_with("lck_")) {
    arguments.emplace_back("id", what);
  } else {
    arguments.emplace_back("path", placed(what, args->has("--repo")));
    arguments.emplace_back("kind", kind_of(*args));
    if (auto repository = args->value("--repo")) arguments.emplace_back("repository", std::move(*repository));
  }
  return answer(call, *args, {.method = "lock.release", .arguments = std::move(arguments), .again = Again::safe},
                print_released);
}

int locks(const Invocation& call) {
  const Result<Arguments> args =
      Arguments::read(call.words, {{"--agent", Takes::value}, {"--mine", Takes::nothing}}, {.most = 0});
  if (!args) return misused(call, args.error());
  Value::Map arguments{{"limit", 1000}};
  if (auto agent = args->value("--agent")) arguments.emplace_back("agent", std::move(*agent));
  if (args->has("--mine")) {
    const Result<Value> self = ask(call, {.method = "inner.whoami", .again = Again::safe});
    if (!self) return failed(self.error());
    arguments.emplace_back("agent", text_of(*self, "agent"));
  }
  return answer(call, *args, {.method = "lock.list", .arguments = std::move(arguments), .again = Again::safe},
                print_locks);
}

constexpr std::array kLockVerbs = {
    Verb{"lock", "lock PATH [--dir | --glob] [--shared] [--reason TEXT] [--ttl TIME] [--wait TIME] [--repo NAME]",
         "take a lock, so that nobody else changes a path",
         "PATH counts from where you are, or from the root of `--repo`. The same file is the same lock in every\n"
         "worktree. Taking what you hold already makes it last longer.\n\n"
         "  --dir, --glob   PATH is a directory with all below it, or a pattern: 'src/**/*.c'\n"
         "  --shared        others may share it; nobody may have it alone\n"
         "  --reason TEXT   shown to those who are refused\n"
         "  --ttl TIME      it ends by itself after 5m, or after this; 'none': with you\n"
         "  --wait TIME     stand in line for so long; else it is granted or refused at once (status 1)",
         lock},
    Verb{"locks", "locks [--agent AGENT | --mine]", "what is locked, by whom, and who waits", "", locks},
    Verb{"unlock", "unlock PATH [--dir | --glob] [--repo NAME]\nunlock LOCK-ID", "give a lock back", "", unlock},
};

}  // namespace

std::string placed(const std::string& path, bool in_repository) {
  if (in_repository || path.starts_with('/')) return path;
  char here[PATH_MAX] = {};
  if (getcwd(here, sizeof here) == nullptr) return path;
  const std::string_view directory(here);
  // Elsewhere a relative path is one of the only repository.
  if (!directory.starts_with(kWorkspace) || directory == kWorkspace) return path;
  std::string whole(directory);
  std::string_view rest = path;
  // agentd wants absolute paths without "..", which would be read by names and not by directories.
  while (rest.starts_with("./") || rest.starts_with("../") || rest == ".." || rest == ".") {
    if (rest.starts_with("..")) whole.erase(std::min(whole.rfind('/'), whole.size()));
    rest.remove_prefix(
        std::min(rest.find('/') == std::string_view::npos ? rest.size() : rest.find('/') + 1, rest.size()));
  }
  return rest.empty() ? whole : whole + "/" + std::string(rest);
}

std::span<const Verb> lock_verbs() { return kLockVerbs; }

}  // namespace swarm::cli
