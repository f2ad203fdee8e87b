// Who looks at a change, when an approval falls, who steps in for one that says nothing, and how it ends without
// agreement.
#include <catch2/catch.hpp>
#include <set>

#include "daemon/workflow/schema.hpp"
#include "fake_world.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::workflow;
using namespace swarm::workflow::tests;
using namespace std::chrono_literals;

namespace {

using api::ReviewState;
using api::TaskState;
using api::Verdict;

constexpr const char* kReviewed = "swm_reviewed";

std::string workflow_with(const std::string& review) {
  return R"toml(name = "reviewed"
title = "Changes that are looked at"
brief = "Work."
[[phase]]
name = "plan"
kind = "answer"
role = "planner"
title = "Plan"
tasks = 1
prompt = "Plan."
[[phase]]
kind = "implement"
prompt = "Do it."
[[phase]]
kind = "review"
prompt = "Look."
)toml" + review +
         R"toml(
[[phase]]
kind = "consensus"
fallback = "change"
[[phase]]
kind = "integrate"
)toml";
}

/// A run with four agents that a test moves by hand.
class Bench {
 public:
  explicit Bench(const std::string& review) {
    const std::array domains = {kWorkflowDomain};
    store_ = ok(store::Store::open(loop, {.path = dir_ / "db", .identity = {.program = "test"}}, domains, random_));
    engine_ =
        std::make_unique<Engine>(loop, *store_, random_, world, EngineOptions{.retry_first = 1ms, .retry_most = 4ms});
    ok(loop.block_on(engine_->recover()));
    api::RunStartRequest request{.definition = workflow_with(review),
                                 .feature = "make it",
                                 .test_command = "make test",
                                 .agents = {{.name = "agent-0", .role = "planner", .lead = true},
                                            {.name = "agent-1", .role = "implementer"},
                                            {.name = "agent-2", .role = "security"},
                                            {.name = "agent-3", .role = "researcher"}}};
    ok(call<api::RunInfo>([=, this](Turn& turn) { return service::run_start(turn, person, request); }));
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  template <class T>
  static T ok(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().to_string());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
  template <class R, class F>
  Result<R> call(F f) {
    return loop.block_on(engine_->change<R>("t.call", store::Durability::power, std::move(f)));
  }
  static Actor agent(int number) {
    return {.kind = Actor::Kind::agent, .swarm = kReviewed, .name = "agent-" + std::to_string(number)};
  }

  /// Waits until what is looked at is so.
  template <class F>
  void until(F so) {
    const MonoTime end = loop.clock().now() + 60s;
    for (;;) {
      const std::uint64_t seen = engine_->generation();
      if (so()) return;
      if (loop.clock().now() > end) throw std::runtime_error("it did not come to that within a minute");
      loop.block_on(engine_->changed_since(kReviewed, seen, end));
    }
  }

  void plan(const std::vector<std::string>& titles) {
    const api::TaskInfo task = claim(0);
    for (const std::string& title : titles) {
      ok(call<api::TaskInfo>(
          [=](Turn& turn) { return service::task_add(turn, agent(0), {.title = title, .body = title}); }));
    }
    ok(call<api::TaskInfo>(
        [=](Turn& turn) { return service::task_done(turn, agent(0), {.task = task.id, .answer = "planned"}); }));
  }

  /// The agent's next task, when there is one.
  api::TaskInfo claim(int number) {
    std::optional<api::TaskInfo> found;
    until([&] {
      const auto next =
          ok(call<api::TaskNextReply>([=](Turn& turn) { return service::task_next(turn, agent(number), {}); }));
      if (next.next == api::Turn::task) found = next.task;
      return found.has_value();
    });
    return *found;
  }

  /// Hands a change in.
  void hand_in(int number, const std::string& task, std::map<std::string, std::string> lines) {
    const std::string commit = world.commit("agent-" + std::to_string(number), std::move(lines));
    ok(call<api::TaskInfo>(
        [=](Turn& turn) { return service::task_done(turn, agent(number), {.task = task, .commit = commit}); }));
  }

  std::vector<Review> reviews(const std::string& task) {
    return ok(engine_->look([&](Turn& turn) -> Result<std::vector<Review>> { return reviews_of_task(turn, task); }));
  }
  Task task(const std::string& id) {
    return ok(engine_->look([&](Turn& turn) -> Result<Task> { return *load_task(turn, id); }));
  }
  /// The one of that round, when it is open.
  Review opened(const std::string& task, std::uint32_t round) {
    std::optional<Review> found;
    until([&] {
      for (Review& review : reviews(task)) {
        if (review.round == round && review.state == ReviewState::open) found = std::move(review);
      }
      return found.has_value();
    });
    return *found;
  }

  Result<api::ReviewInfo> say(int number, const std::string& review, Verdict verdict, const std::string& finding = "") {
    api::ReviewSubmitRequest request{.review = review, .verdict = verdict};
    if (!finding.empty()) {
      request.findings.push_back({.file = "x", .line = 1, .text = finding});
      request.findings.push_back({.file = "y", .line = 2, .text = "and that"});
    }
    return call<api::ReviewInfo>([=](Turn& turn) { return service::review_submit(turn, agent(number), request); });
  }

  static std::set<std::string> asked(const Review& review) {
    std::set<std::string> names;
    for (const api::ReviewerInfo& each : review.reviewers) names.insert(each.agent);
    return names;
  }

  SystemClock clock;
  async::Loop loop{clock};
  FakeWorld world{loop};
  const Actor person{.kind = Actor::Kind::person, .swarm = kReviewed, .name = "uid 1000"};

 private:
  ::swarm::test::TemporaryDirectory dir_{::swarm::test::TemporaryDirectory::On::memory};
  SeededRandom random_{5};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Engine> engine_;
};

using Names = std::set<std::string>;

constexpr const char* kRules = R"toml(
count = 1
rounds = 2
[[phase.rule]]
paths = ["src/auth/**"]
roles = ["security"]
[[phase.rule]]
paths = ["db/**"]
agents = ["agent-3"]
)toml";

}  // namespace

TEST_CASE("who owns the files of a change looks at it, each of them, and nobody at their own") {
  Bench bench(kRules);
  bench.plan({"both", "plain", "own"});
  const api::TaskInfo both = bench.claim(1);
  const api::TaskInfo plain = bench.claim(3);
  const api::TaskInfo own = bench.claim(2);
  bench.hand_in(1, both.id, {{"src/auth/login", "one"}, {"db/schema", "two"}});
  const Review of_both = bench.opened(both.id, 1);
  CHECK(Bench::asked(of_both) == Names{"agent-2", "agent-3"});
  CHECK(of_both.needed == 2);
  // No rule is about these files: one other, whoever has least to do.
  bench.hand_in(3, plain.id, {{"README", "text"}});
  CHECK(Bench::asked(bench.opened(plain.id, 1)) == Names{"agent-0"});
  // The owner does not look at what is its own, and what is left to ask is one other.
  bench.hand_in(2, own.id, {{"src/auth/logout", "three"}});
  const Review of_own = bench.opened(own.id, 1);
  CHECK(of_own.reviewers.size() == 1);
  CHECK_FALSE(Bench::asked(of_own).contains("agent-2"));

  // One of two owners is not enough, and who was not asked has no say.
  CHECK(bench.say(0, of_both.id, Verdict::approve).error().code == Code::permission_denied);
  CHECK(bench.say(1, of_both.id, Verdict::approve).error().code == Code::permission_denied);
  REQUIRE(bench.say(2, of_both.id, Verdict::approve));
  CHECK(bench.say(2, of_both.id, Verdict::approve).error().code == Code::failed_precondition);
  CHECK(bench.task(both.id).state == TaskState::in_review);
  CHECK(bench.world.merges.empty());
  REQUIRE(bench.say(3, of_both.id, Verdict::approve));
  bench.until([&] { return bench.task(both.id).state == TaskState::done; });
  CHECK(bench.task(both.id).approved_by == std::vector<std::string>{"agent-2", "agent-3"});
}

TEST_CASE("an approval is for one change: another one of the same task is looked at anew, the same one is not") {
  Bench bench("count = 1\nrounds = 3\n");
  bench.plan({"change"});
  const api::TaskInfo task = bench.claim(1);
  bench.hand_in(1, task.id, {{"a", "BAD"}});  // tests are red with it
  const Review first = bench.opened(task.id, 1);
  const std::string reviewer = first.reviewers.front().agent;
  const int number = reviewer.back() - '0';
  REQUIRE(bench.say(number, first.id, Verdict::approve));
  bench.until([&] { return bench.task(task.id).state == TaskState::ready; });
  CHECK(bench.world.refused["red"] == 1);

  // The same again: nobody is asked again, and it is as red as before.
  REQUIRE(bench.claim(1).id == task.id);
  bench.hand_in(1, task.id, {{"a", "BAD"}});
  bench.until([&] { return bench.world.refused["red"] == 2 && bench.task(task.id).state == TaskState::ready; });
  CHECK(bench.reviews(task.id).size() == 1);

  // Another one: the approval before says nothing about it.
  REQUIRE(bench.claim(1).id == task.id);
  bench.hand_in(1, task.id, {{"a", "good"}});
  const Review second = bench.opened(task.id, 2);
  CHECK(second.patch != first.patch);
  CHECK(second.reviewers.front().agent == reviewer);  // who knows it already
  CHECK(bench.world.merges.empty());
  CHECK(bench.say(number, first.id, Verdict::approve).error().code == Code::failed_precondition);
  REQUIRE(bench.say(number, second.id, Verdict::approve));
  bench.until([&] { return bench.task(task.id).state == TaskState::done; });
  CHECK(bench.world.merges.at(task.id) == 1);
}

TEST_CASE("rounds without agreement end in a vote, and each finding has its author's answer") {
  Bench bench("count = 1\nrounds = 2\n");
  bench.plan({"change"});
  const api::TaskInfo task = bench.claim(1);
  bench.hand_in(1, task.id, {{"a", "one"}});
  const Review first = bench.opened(task.id, 1);
  const int reviewer = first.reviewers.front().agent.back() - '0';
  // A refusal says why.
  CHECK(bench.say(reviewer, first.id, Verdict::request_changes).error().code == Code::invalid_argument);
  REQUIRE(bench.say(reviewer, first.id, Verdict::request_changes, "this is wrong"));
  bench.until([&] { return bench.task(task.id).state == TaskState::ready; });
  CHECK_THAT(bench.task(task.id).reason, Catch::Contains("this is wrong") && Catch::Contains("2. y:2: and that"));

  const auto answer = [&](int who, std::uint32_t finding, const std::string& text) {
    const api::ReviewAnswerRequest request{.review = first.id, .finding = finding, .text = text};
    return bench.call<api::ReviewInfo>(
        [=](Turn& turn) { return service::review_answer(turn, Bench::agent(who), request); });
  };
  REQUIRE(bench.claim(1).id == task.id);
  REQUIRE(answer(1, 1, "mended"));
  REQUIRE(answer(1, 2, "it is meant so"));
  CHECK(answer(1, 3, "what?").error().code == Code::not_found);
  CHECK(answer(reviewer, 1, "not mine to say").error().code == Code::permission_denied);
  const auto findings = bench.reviews(task.id).front().reviewers.front().findings;
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].answer == "mended");
  CHECK(findings[1].answer == "it is meant so");

  bench.hand_in(1, task.id, {{"a", "two"}});
  const Review second = bench.opened(task.id, 2);
  REQUIRE(bench.say(reviewer, second.id, Verdict::request_changes, "still wrong"));
  bench.until([&] { return bench.task(task.id).state == TaskState::in_dispute; });
  CHECK(bench.reviews(task.id).back().state == ReviewState::challenged);
  CHECK(bench.world.merges.empty());
  const auto proposals = Bench::ok(
      bench.call<api::ProposalListReply>([&](Turn& turn) { return service::proposal_list(turn, bench.person, {}); }));
  REQUIRE(proposals.proposals.size() == 1);
  CHECK_THAT(proposals.proposals.front().title, Catch::Contains("change"));
}

TEST_CASE("who does not answer is replaced by another, and where nobody is left a person decides") {
  Bench bench("count = 1\nrounds = 2\ndeadline = \"20ms\"\n");
  bench.plan({"change"});
  const api::TaskInfo task = bench.claim(1);
  bench.hand_in(1, task.id, {{"a", "one"}});
  bench.until([&] { return !bench.world.notices.empty(); });
  const std::vector<Review> reviews = bench.reviews(task.id);
  REQUIRE(reviews.size() == 1);
  REQUIRE(reviews.front().reviewers.size() == 3);  // everybody but the author, each once
  CHECK(Bench::asked(reviews.front()) == Names{"agent-0", "agent-2", "agent-3"});
  const auto& asked = reviews.front().reviewers;
  CHECK(asked[0].replaced_by == asked[1].agent);
  CHECK(asked[1].replaced_by == asked[2].agent);
  CHECK(asked[2].replaced_by == "");
  CHECK(reviews.front().state == ReviewState::stale);
  CHECK(bench.world.merges.empty());
  // Too late.
  CHECK(bench.say(asked[0].agent.back() - '0', reviews.front().id, Verdict::approve).error().code ==
        Code::failed_precondition);
}
