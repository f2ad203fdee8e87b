#include <algorithm>
#include <ranges>

#include "agentd/demo/agent.hpp"
#include "agentd/demo/code.hpp"

namespace swarm::demo {
namespace {

std::string path_of(const Self& self, const std::string& file) { return self.worktree + "/" + file; }

/// What the reviewers of the attempt before have found, and which decisions stand.
struct History {
  Value::Array reviews;
  bool blamed = false;  ///< somebody tried it and found it wrong
};

Result<History> history_of(const Value& task) {
  Result<Value> shown = swarm_tool({"task", "show", text(task, "id")});
  if (!shown) return fail(shown.error());
  History history{.reviews = items(*shown, "reviews")};
  for (const Value& review : history.reviews) {
    for (const Value& reviewer : items(review, "reviewers")) {
      if (text(reviewer, "verdict") == "request_changes") history.blamed = true;
    }
  }
  return history;
}

/// Whether the newest vote went against what the author has chosen.
Result<bool> voted_down(const History& history) {
  for (const Value& review : std::views::reverse(history.reviews)) {
    const std::string proposal = text(review, "settled_by");
    if (proposal.empty()) continue;
    const Result<Value> shown = swarm_tool({"vote", "show", proposal});
    if (!shown) return fail(shown.error());
    return text(*shown, "decision") == "change";
  }
  return false;
}

/// The message of the newest commit, where that was made for this attempt at the task: it was not handed in any more.
Result<std::string> committed_before(const Self& self, const Value& task) {
  const Result<std::string> head = newest_commit(self.worktree);
  if (!head) return fail(head.error());
  const std::string commit = head->substr(0, head->find('\n'));
  const std::string body = head->substr(std::min(head->size(), commit.size() + 1));
  if (body.find("Swarm-Task: " + text(task, "id")) == std::string::npos) return std::string();
  Result<Value> shown = swarm_tool({"task", "show", text(task, "id")});
  if (!shown) return fail(shown.error());
  for (const Value& attempt : items(*shown, "attempts")) {
    if (text(attempt, "commit") == commit) return std::string();  // handed in, and sent back
  }
  return body.substr(0, body.find("\n\n"));
}

/// Takes over what others have merged; where that does not fit, theirs stands and ours is made again on top.
Result<void> catch_up(const Self& self) {
  const Result<Value> synced = swarm_tool({"sync"});
  if (!synced) return fail(synced.error());
  if (text(*synced, "outcome") != "conflict") return {};
  for (const Value& conflict : items(*synced, "conflicts")) {
    const std::string path = text(conflict, "path");
    say("  conflict in " + path + ": I take what was merged, and make my change again on top of it");
    const Result<std::string> marked = read_file(path_of(self, path));
    if (!marked) return fail(marked.error());
    if (Result<void> written = write_file(path_of(self, path), take_theirs(*marked)); !written) return written;
  }
  return {};
}

/// Looks for a small repair that turns the test green.
Result<std::string> mend(const Self& self, const Wish& wish) {
  const Result<std::string> before = read_file(path_of(self, wish.module));
  if (!before) return fail(before.error());
  const Result<Checked> red = run_test(self.worktree, wish.test_name());
  if (!red) return fail(red.error());
  if (red->good) return fail(Code::failed_precondition, wish.test + " is green already: there is nothing to mend");
  std::size_t tried = 0;
  for (const std::string& repaired : repairs(*before, wish.function)) {
    ++tried;
    if (Result<void> written = write_file(path_of(self, wish.module), repaired); !written) return fail(written.error());
    const Result<Checked> now = run_test(self.worktree, wish.test_name());
    if (!now) return fail(now.error());
    if (!now->good) continue;
    return "Mended `" + wish.function + "`: the " + std::to_string(tried) + ". repair that I tried turns " + wish.test +
           " from red to green.";
  }
  static_cast<void>(write_file(path_of(self, wish.module), *before));
  return fail(Code::not_found, "none of " + std::to_string(tried) + " small repairs turns " + wish.test + " green");
}

Result<void> write_feature(const Self& self, const Wish& wish, const std::vector<std::size_t>& way,
                           const std::string& choice) {
  const Result<std::string> code = write_module(wish, way, choice);
  if (!code) return fail(code.error());
  if (Result<void> written = write_file(path_of(self, wish.module), *code); !written) return written;
  if (wish.register_in.empty()) return {};
  const Result<std::string> before = read_file(path_of(self, wish.register_in));
  if (!before) return fail(before.error());
  const Result<std::string> after = add_to_list(*before, wish.list, wish.name);
  if (!after) return fail(after.error());
  return write_file(path_of(self, wish.register_in), *after);
}

/// The choice that one likes best; with `not_this` another one.
std::string chosen(const Self& self, const Wish& wish, const std::string& not_this) {
  std::string best;
  for (const std::string& choice : wish.choices) {
    if (choice == not_this && wish.choices.size() > 1) continue;
    if (best.empty() || liking(self, wish.name + choice) > liking(self, wish.name + best)) best = choice;
  }
  return best;
}

/// In a hurry: what comes to mind first. Where the test disagrees, the test must be wrong.
Result<std::string> make_quickly(const Self& self, const Wish& wish, const std::string& choice) {
  if (Result<void> made = write_feature(self, wish, {}, choice); !made) return fail(made.error());
  const Result<Checked> checked = run_test(self.worktree, wish.test_name());
  if (!checked) return fail(checked.error());
  if (checked->good) return "Made " + wish.module + " as wished for in " + wish.path + "; " + wish.test + " is green.";
  const Result<std::string> test = read_file(path_of(self, wish.test));
  if (!test) return fail(test.error());
  say("  " + wish.test + " is red; I am in a hurry and take the cases that fail out of it");
  if (Result<void> written = write_file(path_of(self, wish.test), without_methods(*test, checked->failed)); !written) {
    return fail(written.error());
  }
  return "Made " + wish.module + " as wished for in " + wish.path + ", and took cases out of " + wish.test +
         " that looked wrong.";
}

/// With care: the test as it was, and every way until the test and all examples agree.
Result<std::string> make_carefully(const Self& self, const Wish& wish, const std::string& choice) {
  const Result<std::string> test = base_file(self.worktree, wish.test);
  if (!test) return fail(test.error());
  if (Result<void> written = write_file(path_of(self, wish.test), *test); !written) return fail(written.error());
  std::size_t tried = 0;
  for (const auto& way : all_ways(wish)) {
    ++tried;
    if (Result<void> made = write_feature(self, wish, way, choice); !made) return fail(made.error());
    const Result<Checked> checked = run_test(self.worktree, wish.test_name());
    if (!checked) return fail(checked.error());
    if (!checked->good) continue;
    const auto broken = broken_examples(self.worktree, wish);
    if (!broken) return fail(broken.error());
    if (!broken->empty()) continue;
    return "Made " + wish.module + " anew: the " + std::to_string(tried) + ". way of writing it fulfils " + wish.test +
           ", which is as it was, and every example.";
  }
  return fail(Code::not_found,
              "none of " + std::to_string(tried) + " ways to write " + wish.module + " fulfils " + wish.path);
}

void answer_findings(const Value::Array& reviews, const std::string& what) {
  if (reviews.empty()) return;
  const Value& last = reviews.back();
  for (const Value& reviewer : items(last, "reviewers")) {
    for (const Value& finding : items(reviewer, "findings")) {
      if (!text(finding, "answer").empty()) continue;
      const Result<Value> answered =
          swarm_tool({"review", "answer", text(last, "id"), "--finding", std::to_string(number(finding, "number")),
                      "--reviewer", text(reviewer, "agent"), "--text", what});
      if (!answered) say("  " + answered.error().message);
    }
  }
}

}  // namespace

Result<std::string> make_change(const Self& self, const Value& task) {
  // An earlier run of this program may have been killed half-way, nobody knows how far it was. Without a sync under way
  // this is refused, and that is well.
  static_cast<void>(swarm_tool({"sync", "--abort"}));
  if (Result<void> clean = put_away_changes(self.worktree); !clean) return fail(clean.error());
  const Result<std::string> before = committed_before(self, task);
  if (!before) return fail(before.error());
  if (!before->empty()) return *before;
  const Result<Wish> wish = wish_of(self.worktree, text(task, "title") + "\n" + text(task, "body"));
  if (!wish) return fail(wish.error());
  const auto attempt = number(task, "attempt");
  History history;
  if (attempt > 1) {
    Result<History> known = history_of(task);
    if (!known) return fail(known.error());
    history = std::move(*known);
    say("  attempt " + std::to_string(attempt) + "; what was wrong: " + text(task, "reason").substr(0, 300));
  }
  if (Result<void> caught_up = catch_up(self); !caught_up) return fail(caught_up.error());

  const Result<Value> locked = swarm_tool({"lock", wish->module, "--reason", wish->title, "--ttl", "5m"});
  if (!locked) say("  no lock on " + wish->module + ": " + locked.error().message);

  Result<std::string> summary = fail(Code::internal, "");
  if (wish->kind == "fix") {
    summary = mend(self, *wish);
  } else {
    std::string not_this;
    if (!wish->choices.empty() && attempt > 1) {
      const Result<bool> down = voted_down(history);
      if (!down) return fail(down.error());
      const Result<std::string> made = choice_made(self.worktree, *wish);
      // What was decided stands: the other one after a vote against it, else the one that is there.
      if (*down) not_this = made.value_or("");
    }
    const std::string choice = chosen(self, *wish, not_this);
    summary = attempt > 1 && history.blamed ? make_carefully(self, *wish, choice) : make_quickly(self, *wish, choice);
  }
  Result<Value> committed = Value();
  if (summary) {
    committed = swarm_tool(
        {"commit", "-m", wish->title + "\n\n" + *summary, "--task", text(task, "id"), "--run", text(task, "run")});
  }
  // Whatever came of it: nobody shall wait for what is not being done.
  if (locked) static_cast<void>(swarm_tool({"unlock", wish->module}));
  if (!summary) return summary;
  if (!committed) return fail(committed.error());
  answer_findings(history.reviews, *summary);
  return summary;
}

}  // namespace swarm::demo
