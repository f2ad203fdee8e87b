#pragma once
// A world for the engine: a repository in memory that merges and tests as a real one does, and agents that work through
// the same methods as real ones. It outlives engines and stores, as the world outlives a killed daemon.

#include <functional>
#include <map>
#include <set>

#include "daemon/workflow/engine.hpp"
#include "daemon/workflow/service.hpp"
#include "protocol/core/tests_ran.hpp"

namespace swarm::workflow::tests {

using Tree = std::map<std::string, std::string>;

struct Commit {
  std::string id;
  std::string author;
  Tree base;
  std::string base_id;
  std::map<std::string, std::string> lines;  ///< file -> the line that is added at its end
};

/// Ports onto the repository in memory. Every action is kept by its key, as trailers and idempotency keys do.
class FakeWorld final : public Ports {
 public:
  explicit FakeWorld(async::Loop& loop) : loop_(loop) {}

  // What a test looks at.
  Tree tree;
  std::string head = "c0";
  std::map<std::string, Commit> commits;
  std::map<std::string, std::string> branches;  ///< agent -> its newest commit
  std::map<std::string, int> merges;            ///< task -> how often its change went onto the branch
  std::map<std::string, int> refused;           ///< "conflict", "red", "empty"
  std::vector<std::string> merged_titles;
  std::set<std::string> started;
  std::map<std::string, std::vector<std::string>> told;  ///< agent -> texts, each once
  std::vector<std::string> notices;
  int deliveries = 0;
  int tests = 0;
  /// Called before and after each effect; a test kills there.
  std::function<void(std::string_view what)> at = [](std::string_view) {};
  /// What the next call of a kind fails with, so many times.
  std::map<std::string, std::pair<Error, int>> failures;
  /// Output of the test command where the tree is good.
  std::string good_output = "Ran 3 tests in 0.01s\n";

  std::string commit(const std::string& agent, std::map<std::string, std::string> lines) {
    const std::string id = "c" + std::to_string(++count_);
    commits[id] = {.id = id, .author = agent, .base = tree, .base_id = head, .lines = std::move(lines)};
    branches[agent] = id;
    return id;
  }

  async::Task<Result<void>> start_agent(StepKey key, StartAgent what) override {
    auto failed = failure("start");
    at("start");
    co_await loop_.yield();
    if (failed) co_return fail(*failed);
    started.insert(what.agent);
    at(key.step);
    co_return {};
  }
  async::Task<Result<void>> stop_agent(StepKey, std::string) override { co_return {}; }
  async::Task<Result<void>> prompt(StepKey key, Prompt what) override {
    at("prompt");
    co_await loop_.yield();
    if (prompts_.insert(key.step).second) told[what.agent].push_back(what.text);
    at(key.step);
    co_return {};
  }
  async::Task<Result<Change>> inspect(StepKey key, Inspect what) override {
    at("inspect");
    co_await loop_.yield();
    const std::string id = what.commit.value_or(branches[what.agent]);
    at(key.step);
    const auto found = commits.find(id);
    if (found == commits.end()) co_return Change{};
    Change change{.commit = id, .base = found->second.base_id};
    for (const auto& [file, line] : found->second.lines) {
      change.files.push_back(file);
      change.patch += file + "+" + line + ";";
    }
    co_return change;
  }
  async::Task<Result<Merged>> merge(StepKey key, Merge what) override {
    auto failed = failure("merge");
    at("merge");
    co_await loop_.yield();
    if (failed) co_return fail(*failed);
    if (const auto known = outcomes_.find(key.run + key.step); known != outcomes_.end()) co_return known->second;
    const Commit& made = commits.at(what.commit);
    Merged out;
    Tree merged = tree;
    for (const auto& [file, line] : made.lines) {
      const auto base = made.base.contains(file) ? made.base.at(file) : "";
      const auto now = tree.contains(file) ? tree.at(file) : "";
      if (base != now) {
        out.outcome = Merged::Outcome::conflict;
        out.conflicts.push_back({.path = file, .hunks = "<<<<<<<\n" + now + "=======\n" + line + "\n>>>>>>>\n"});
      }
      merged[file] = now + line + "\n";
    }
    if (out.conflicts.empty()) {
      out.test = run_tests(merged, what.test_command);
      const bool passed = out.test->exit_status == 0 && tests_ran(out.test->output) != 0U;
      out.outcome = passed ? Merged::Outcome::merged : Merged::Outcome::red;
    }
    if (out.outcome == Merged::Outcome::merged) {
      tree = std::move(merged);
      head = out.commit = "m" + std::to_string(++count_);
      ++merges[what.task];
      merged_titles.push_back(what.message.substr(0, what.message.find('\n')));
    } else {
      ++refused[out.outcome == Merged::Outcome::conflict ? "conflict" : "red"];
    }
    outcomes_[key.run + key.step] = out;
    at(key.step);
    co_return out;
  }
  async::Task<Result<TestRun>> test(StepKey key, Test what) override {
    at("test");
    co_await loop_.yield();
    ++tests;
    Tree on = tree;
    if (const auto made = commits.find(what.commit); made != commits.end()) {
      for (const auto& [file, line] : made->second.lines) on[file] += line + "\n";
    }
    TestRun run = run_tests(on, what.command);
    run.commit = what.commit;
    at(key.step);
    co_return run;
  }
  async::Task<Result<Delivered>> deliver(StepKey key, Deliver what) override {
    at("deliver");
    co_await loop_.yield();
    if (delivered_.insert(key.run + key.step).second) ++deliveries;
    at(key.step);
    co_return Delivered{.where = "refs/heads/swarm/x", .commit = what.commit};
  }
  void notify(Notice notice) override { notices.push_back(notice.text); }

 private:
  [[nodiscard]] TestRun run_tests(const Tree& on, const std::string& command) const {
    // "needs:FILE" passes where the file is there: what proves a fix.
    if (command.starts_with("needs:")) {
      const bool there = on.contains(command.substr(6));
      return {.id = "t", .exit_status = there ? 0 : 1, .output = there ? "Ran 1 test in 0.1s\n" : "missing"};
    }
    for (const auto& [file, text] : on) {
      if (text.find("BAD") != std::string::npos) {
        return {.id = "t", .exit_status = 1, .output = "Ran 3 tests in 0.01s\nFAILED in " + file + "\n"};
      }
    }
    return {.id = "t", .exit_status = 0, .output = good_output};
  }
  std::optional<Error> failure(const std::string& what) {
    const auto found = failures.find(what);
    if (found == failures.end() || found->second.second == 0) return {};
    --found->second.second;
    return found->second.first;
  }

  async::Loop& loop_;
  int count_ = 0;
  std::map<std::string, Merged> outcomes_;
  std::set<std::string> prompts_;
  std::set<std::string> delivered_;
};

/// What an agent does with what it is given. The same whichever agent it is, so that the outcome depends on no race.
struct Script {
  /// Titles and bodies that the planner adds; a body is "FILE LINE" pairs, one a line.
  std::vector<api::TaskAddRequest> plan;
  /// Lines that a change has in its first attempt alone, by title.
  std::map<std::string, std::string> slips;
};

/// Acknowledged votes: what must never be lost.
struct Ledger {
  std::map<std::string, std::map<std::string, std::string>> votes;  ///< proposal -> voter -> choice
};

/// Set when every agent was told that the run has ended, or by whoever kills.
struct AllEnded {
  async::Event stop;
  int left;
  AllEnded(async::Loop& loop, int agents) : stop(loop), left(agents) {}
};

/// One agent at work until the run has ended, or the engine has. Calls that fail are made again with what comes next.
inline async::Task<> work(Engine& engine, FakeWorld& world, const Script& script, Ledger& ledger, std::string swarm,
                          std::string name, AllEnded& ended) {
  const Actor self{.kind = Actor::Kind::agent, .swarm = swarm, .name = name};
  using namespace std::chrono_literals;
  for (;;) {
    const std::uint64_t seen = engine.generation();
    auto asking = engine.change<api::TaskNextReply>("t.next", store::Durability::process,
                                                    [self](Turn& turn) { return service::task_next(turn, self, {}); });
    const Result<api::TaskNextReply> next = co_await std::move(asking);
    world.at("agent");
    if (!next || next->next == api::Turn::nothing) {
      co_await engine.changed_since(swarm, seen, engine.loop().clock().now() + 60s);
      continue;
    }
    if (next->next == api::Turn::ended) {
      if (--ended.left == 0) ended.stop.set();
      co_return;
    }
    if (next->next == api::Turn::review) {
      const api::ReviewInfo& review = *next->review;
      std::string all;
      for (const auto& [file, line] : world.commits.at(review.commit).lines) all += line;
      api::ReviewSubmitRequest verdict{.review = review.id, .verdict = api::Verdict::approve};
      if (all.find("SLOPPY") != std::string::npos) {
        verdict.verdict = api::Verdict::request_changes;
        verdict.findings.push_back({.file = "x", .line = 1, .text = "this is sloppy"});
      } else if (all.find("ODD") != std::string::npos) {
        verdict.verdict = api::Verdict::challenge;
        verdict.summary = "should this be made at all?";
      }
      auto submitting = engine.change<api::ReviewInfo>(
          "t.review", store::Durability::power,
          [self, verdict](Turn& turn) { return service::review_submit(turn, self, verdict); });
      static_cast<void>(co_await std::move(submitting));
      world.at("agent");
      continue;
    }
    if (next->next == api::Turn::vote) {
      const std::string choice = name == "agent-3" ? "drop" : "merge";
      const api::ProposalVoteRequest vote{.proposal = *next->proposal, .choice = {choice}, .reason = "I think so"};
      auto voting = engine.change<api::ProposalInfo>("t.vote", store::Durability::power, [self, vote](Turn& turn) {
        return service::proposal_vote(turn, self, vote);
      });
      const Result<api::ProposalInfo> voted = co_await std::move(voting);
      if (voted) ledger.votes[vote.proposal][name] = choice;
      world.at("agent");
      continue;
    }
    const api::TaskInfo task = *next->task;
    api::TaskDoneRequest done{.task = task.id};
    if (task.kind == api::TaskKind::answer) {
      done.answer = "found out by " + name;
      if (task.phase == "plan") {
        for (const api::TaskAddRequest& each : script.plan) {
          auto adding = engine.change<api::TaskInfo>("t.add", store::Durability::power, [self, each](Turn& turn) {
            return service::task_add(turn, self, each);
          });
          static_cast<void>(co_await std::move(adding));  // `already_exists` after a crash
        }
      }
    } else {
      std::map<std::string, std::string> lines;
      const std::size_t space = task.body.find(' ');
      lines[task.body.substr(0, space)] = task.body.substr(space + 1);
      const auto slip = script.slips.find(task.title);
      if (slip != script.slips.end() && task.attempt == 1) lines[task.body.substr(0, space)] = slip->second;
      co_await engine.loop().yield();
      done.commit = world.commit(name, std::move(lines));
    }
    auto handing = engine.change<api::TaskInfo>(
        "t.done", store::Durability::power, [self, done](Turn& turn) { return service::task_done(turn, self, done); });
    static_cast<void>(co_await std::move(handing));
    world.at("agent");
  }
}

}  // namespace swarm::workflow::tests
