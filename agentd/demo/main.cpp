// `swarm-demo-agent`: see agent.hpp. It ends when its run is over.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "agentd/demo/agent.hpp"

namespace swarm::demo {

double liking(const Self& self, const std::string& of) {
  // FNV-1a, then splitmix64's last steps: any two words give unrelated numbers.
  std::uint64_t hash = 14695981039346656037ULL ^ self.seed;
  for (const char c : self.name + "/" + of) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  hash = (hash ^ (hash >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27U)) * 0x94d049bb133111ebULL;
  return static_cast<double>((hash ^ (hash >> 31U)) >> 11U) / 9007199254740992.0;
}

namespace {

/// Hands a task in, or says why it cannot be done.
void work_on(const Self& self, const Value& task) {
  const std::string id = text(task, "id");
  say("task: " + text(task, "title"));
  if (text(task, "kind") == "answer") {
    const Result<std::string> answer = answer_task(self, task);
    const Result<Value> told = answer ? swarm_tool({"task", "done", id, "--answer", *answer})
                                      : swarm_tool({"task", "fail", id, "--reason", answer.error().message});
    if (!told) say("  " + told.error().message);
    return;
  }
  const Result<std::string> summary = make_change(self, task);
  if (summary) say("  " + *summary);
  if (!summary) say("  cannot: " + summary.error().message);
  const Result<Value> told = summary ? swarm_tool({"task", "done", id, "--summary", *summary})
                                     : swarm_tool({"task", "fail", id, "--reason", summary.error().message});
  if (!told) say("  " + told.error().message);
}

/// What it does before it ends.
enum class Stay { one_turn, to_the_end };

int take_part(Stay stay) {
  const Result<Value> who = swarm_tool({"whoami"});
  if (!who) {
    say("the demo agent is no part of a swarm: " + who.error().message);
    return EXIT_FAILURE;
  }
  const char* seed = std::getenv("SWARM_DEMO_SEED");
  const Self self{.name = text(*who, "agent"),
                  .worktree = std::filesystem::current_path(),
                  .seed = seed == nullptr ? 0 : std::strtoull(seed, nullptr, 10)};
  say("This is the demo agent as " + self.name +
      ". No model is involved: it writes down the few things that it knows.");
  for (;;) {
    // It waits for a daemon that is away by itself; what was handed in before is safe there.
    const Result<Value> next = swarm_tool({"task", "next", "--wait", "30s"});
    if (!next) {
      say("The swarm does not answer any more: " + next.error().message);
      return EXIT_FAILURE;
    }
    const std::string turn = text(*next, "next");
    if (turn == "ended") {
      say("The run is over.");
      return EXIT_SUCCESS;
    }
    const bool mine = turn == "task" || turn == "review" || turn == "vote";
    const Value* task = next->find("task");
    const Value* review = next->find("review");
    if (turn == "task" && task != nullptr) work_on(self, *task);
    if (turn == "review" && review != nullptr) {
      say("review: " + text(*review, "title") + " of " + text(*review, "author"));
      const Result<void> done = review_change(self, *review);
      if (!done) say("  " + done.error().message);
    }
    if (turn == "vote") {
      say("vote: " + text(*next, "proposal"));
      const Result<void> done = vote(self, text(*next, "proposal"));
      if (!done) say("  " + done.error().message);
    }
    if (mine && stay == Stay::one_turn) return EXIT_SUCCESS;
  }
}

}  // namespace
}  // namespace swarm::demo

int main(int argc, char** argv) {
  const bool once = argc == 2 && std::string_view(argv[1]) == "--once";
  if (argc > 1 && !once) {
    static_cast<void>(
        std::fputs("swarm-demo-agent [--once]: does its part of a swarm's work; with --once one turn\n", stderr));
    return 2;
  }
  return swarm::demo::take_part(once ? swarm::demo::Stay::one_turn : swarm::demo::Stay::to_the_end);
}
