#include <algorithm>
#include <optional>

#include "agentd/demo/agent.hpp"
#include "agentd/demo/code.hpp"
#include "protocol/api/json.hpp"

namespace swarm::demo {
namespace {

struct Found {
  std::string severity;
  std::string file;
  std::string text;
  std::string evidence;
};

Result<Value> task_of(const std::string& task) {
  Result<Value> shown = swarm_tool({"task", "show", task});
  if (!shown) return shown;
  const Value* inner = shown->find("task");
  return inner == nullptr ? *shown : *inner;
}

/// What is wrong with a change, as far as trying it tells.
Result<std::vector<Found>> try_change(const Tree& tree, const Self& self, const Wish& wish) {
  std::vector<Found> found;
  // The test stands for the wish: whoever changes it has to change the wish.
  const Result<std::string> before = base_file(self.worktree, wish.test);
  const Result<std::string> now = read_file(tree.directory() + "/" + wish.test);
  if (before && (!now || *now != *before)) {
    found.push_back(
        {.severity = "major",
         .file = wish.test,
         .text = "This test stands for " + wish.path + ", and it was changed.",
         .evidence = now ? std::to_string(before->size()) + " bytes before, " + std::to_string(now->size()) + " now"
                         : "it is gone"});
    if (Result<void> restored = write_file(tree.directory() + "/" + wish.test, *before); !restored) {
      return fail(restored.error());
    }
  }
  const Result<Checked> checked = run_test(tree.directory(), wish.test_name());
  if (!checked) return fail(checked.error());
  if (!checked->good) {
    found.push_back({.severity = "critical",
                     .file = wish.module,
                     .text = "The test as it was is red with this change.",
                     .evidence = checked->output});
  }
  const auto broken = broken_examples(tree.directory(), wish);
  if (!broken) return fail(broken.error());
  for (const std::string& one : *broken) {
    found.push_back({.severity = "critical",
                     .file = wish.module,
                     .text = "An example of " + wish.path + " does not hold.",
                     .evidence = one});
  }
  if (!wish.register_in.empty()) {
    const Result<std::string> list = read_file(tree.directory() + "/" + wish.register_in);
    if (!list || list->find("\"" + wish.name + "\"") == std::string::npos) {
      found.push_back({.severity = "critical",
                       .file = wish.register_in,
                       .text = wish.name + " is not in " + wish.list + ".",
                       .evidence = {}});
    }
  }
  return found;
}

std::string findings_json(const std::vector<Found>& found) {
  Value::Array list;
  for (const Found& one : found) {
    Value finding;
    finding.set("severity", one.severity);
    finding.set("file", one.file);
    finding.set("text", one.text);
    finding.set("evidence", one.evidence);
    list.emplace_back(std::move(finding));
  }
  return api::to_json(Value(std::move(list)));
}

Result<void> submit(const std::string& review, const std::string& verdict, const std::string& summary,
                    const std::vector<Found>& found) {
  std::vector<std::string> words{"review", "submit", review, "--" + verdict, "--summary", summary};
  std::string input;
  if (!found.empty()) {
    words.insert(words.end(), {"--findings-file", "-"});
    input = findings_json(found);
  }
  const Result<Value> submitted = swarm_tool(std::move(words), input);
  if (!submitted) return fail(submitted.error());
  return {};
}

/// Whether this change was disputed before: a decision is not asked for twice.
Result<bool> disputed_before(const std::string& task) {
  const Result<Value> shown = swarm_tool({"task", "show", task});
  if (!shown) return fail(shown.error());
  return std::ranges::any_of(items(*shown, "reviews"),
                             [](const Value& review) { return !text(review, "settled_by").empty(); });
}

}  // namespace

Result<void> review_change(const Self& self, const Value& review) {
  const std::string id = text(review, "id");
  const std::string author = text(review, "author");
  const Result<Value> task = task_of(text(review, "task"));
  if (!task) return fail(task.error());
  const Result<Tree> tree = Tree::of(self.worktree, text(review, "commit"));
  if (!tree) return fail(tree.error());
  const Result<Wish> wish = wish_of(tree->directory(), text(*task, "title") + "\n" + text(*task, "body"));
  if (!wish) return submit(id, "approve", "No wish of features/ is named; there is nothing that I could try.", {});

  const auto found = try_change(*tree, self, *wish);
  if (!found) return fail(found.error());
  if (!found->empty()) {
    say("  " + author + "'s change does not hold: " + found->front().text);
    const std::string first = found->back().evidence.empty() ? found->back().text : found->back().evidence;
    const Result<Value> told =
        swarm_tool({"send", author, "Your change for '" + wish->title + "' does not hold: " + first});
    if (!told) say("  " + told.error().message);
    return submit(id, "request-changes", "I tried it: " + std::to_string(found->size()) + " things do not hold.",
                  *found);
  }
  if (!wish->choices.empty()) {
    const Result<std::string> made = choice_made(tree->directory(), *wish);
    if (!made) return fail(made.error());
    const Result<bool> settled = disputed_before(text(*task, "id"));
    if (!settled) return fail(settled.error());
    const auto other = std::ranges::find_if(wish->choices, [&](const std::string& choice) { return choice != *made; });
    if (!*settled && !made->empty() && other != wish->choices.end()) {
      say("  " + wish->path + " leaves open what to join with; I argue for " + *other + " against " + *made);
      return submit(id, "challenge", "The wish leaves it open; " + *other + " reads better than " + *made + ".",
                    {{.severity = "minor",
                      .file = wish->module,
                      .text = "Join with " + *other + " instead of " + *made + ".",
                      .evidence = wish->path + " allows both."}});
    }
  }
  say("  " + author + "'s change holds: the test as it was, and every example");
  return submit(id, "approve",
                "I tried it: the test as it was is green, and every example of " + wish->path + " holds.", {});
}

Result<void> vote(const Self& self, const std::string& proposal) {
  const Result<Value> shown = swarm_tool({"vote", "show", proposal});
  if (!shown) return fail(shown.error());
  const Value::Array& options = items(*shown, "options");
  if (options.empty()) return fail(Code::internal, "the proposal has no options");
  const std::string question = text(*shown, "title") + "\n" + text(*shown, "body");

  // Which of the options do I like? Where it is about a wish's choice, what I like of the choices decides.
  std::string best;
  std::string why = "of all options I like this best";
  const std::string review = text(*shown, "review");
  if (!review.empty()) {
    const Result<Value> disputed = swarm_tool({"review", "show", review});
    if (!disputed) return fail(disputed.error());
    const Result<Value> task = task_of(text(*disputed, "task"));
    if (!task) return fail(task.error());
    const Result<Tree> tree = Tree::of(self.worktree, text(*disputed, "commit"));
    if (!tree) return fail(tree.error());
    const Result<Wish> wish = wish_of(tree->directory(), text(*task, "title") + "\n" + text(*task, "body"));
    if (wish && !wish->choices.empty()) {
      const Result<std::string> made = choice_made(tree->directory(), *wish);
      if (!made) return fail(made.error());
      std::string liked;
      for (const std::string& choice : wish->choices) {
        if (liked.empty() || liking(self, wish->name + choice) > liking(self, wish->name + liked)) liked = choice;
      }
      best = liked == *made ? "merge" : "change";
      why = "I would join with " + liked + "; the change joins with " + *made;
    }
  }
  const bool offered = std::ranges::any_of(options, [&](const Value& option) { return option == Value(best); });
  if (!offered) {
    best.clear();
    for (const Value& option : options) {
      const std::string* name = option.as_string();
      if (name == nullptr) continue;
      if (best.empty() || liking(self, question + *name) > liking(self, question + best)) best = *name;
    }
  }
  say("  I vote for '" + best + "': " + why);
  const Result<Value> cast = swarm_tool({"vote", "cast", proposal, best, "--reason", why});
  if (!cast) return fail(cast.error());
  return {};
}

}  // namespace swarm::demo
