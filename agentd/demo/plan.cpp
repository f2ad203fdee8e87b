#include <filesystem>
#include <map>

#include "agentd/demo/agent.hpp"

namespace swarm::demo {
namespace {

Result<std::string> research(const Self& self) {
  const Result<std::vector<Wish>> wishes = read_wishes(self.worktree);
  if (!wishes) return fail(wishes.error());
  const Result<Ran> tests =
      run({"python3", "-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."}, self.worktree);
  if (!tests) return fail(tests.error());
  std::string report = std::to_string(wishes->size()) + " wishes in features/. The tests are " +
                       (tests->ok() ? "green" : "red") + " now.";
  std::map<std::string, int> modules;
  for (const Wish& wish : *wishes) {
    ++modules[wish.register_in.empty() ? wish.module : wish.register_in];
    report += "\n- " + wish.title + " (" + wish.path + ", " + wish.module + ")";
  }
  for (const auto& [file, count] : modules) {
    if (count > 1) report += "\n" + std::to_string(count) + " wishes meet in " + file + ".";
  }
  const Result<Value> noted = swarm_tool({"note", "put", "research", report});
  if (!noted) say("  " + noted.error().message);
  return report;
}

/// A task for each wish; what others need comes first.
Result<std::string> plan(const Self& self) {
  const Result<std::vector<Wish>> wishes = read_wishes(self.worktree);
  if (!wishes) return fail(wishes.error());
  if (wishes->empty()) {
    return fail(Code::failed_precondition,
                "there is no file in features/, and the demo agent has no model: it understands nothing else. Deploy a "
                "coding agent with --agent, or try './dev demo'");
  }
  // What is planned already, where this is begun a second time.
  const Result<Value> known = swarm_tool({"task", "list"});
  if (!known) return fail(known.error());
  std::map<std::string, std::string> tasks;
  for (const Wish& wish : *wishes) {
    for (const Value& task : items(*known, "tasks")) {
      if (text(task, "title") == wish.title) tasks[wish.name] = text(task, "id");
    }
    if (tasks.contains(wish.name)) continue;
    std::vector<std::string> words{"task",
                                   "add",
                                   wish.title,
                                   "--kind",
                                   wish.kind == "fix" ? "fix" : "change",
                                   "--body",
                                   "What is wished for stands in " + wish.path + ".",
                                   "--file",
                                   wish.module + (wish.register_in.empty() ? "" : "," + wish.register_in),
                                   "--priority",
                                   wish.kind == "fix" ? "20"
                                   : wish.urgent      ? "10"
                                                      : "0"};
    if (wish.kind == "fix") words.insert(words.end(), {"--proof", "python3 -B -m unittest " + wish.test_name()});
    for (const std::string& need : wish.needs) {
      const auto found = tasks.find(need);
      if (found != tasks.end()) words.insert(words.end(), {"--needs", found->second});
    }
    const Result<Value> added = swarm_tool(std::move(words));
    if (!added) return fail(added.error());
    tasks[wish.name] = text(*added, "id");
    say("  planned: " + wish.title);
  }
  return "One task for each of the " + std::to_string(wishes->size()) + " wishes.";
}

}  // namespace

Result<std::string> answer_task(const Self& self, const Value& task) {
  return text(task, "phase") == "plan" ? plan(self) : research(self);
}

}  // namespace swarm::demo
