#include "protocol/store/answers.hpp"

#include "tests/unit/protocol/store/fixture.hpp"

using namespace swarm;
using namespace swarm::store;
using Catch::Matchers::Contains;

namespace {

CallKey call() { return {.scope = "uid:1000", .key = "k1", .method = "sandbox.create", .arguments = "{template: x}"}; }

}  // namespace

TEST_CASE("the same call has its effect once and its answer as often as asked") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  int effects = 0;
  const auto effect = [&]() -> Result<std::string> { return "s" + std::to_string(++effects); };
  CHECK(must(answer_once(db, call(), {1}, effect)) == "s1");
  CHECK(must(answer_once(db, call(), {2}, effect)) == "s1");
  CallKey other = call();
  other.scope = "uid:1001";
  CHECK(must(answer_once(db, other, {2}, effect)) == "s2");
  CHECK(effects == 2);
}

TEST_CASE("a key is refused for other arguments and other methods, without telling what they were") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  must(record_answer(db, call(), "s1", {1}));
  CallKey other = call();
  other.arguments = "{template: y}";
  const auto refused = find_answer(db, other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::invalid_argument);
  CHECK_THAT(refused.error().message, Contains("other arguments") && !Contains("template"));
  other = call();
  other.method = "sandbox.kill";
  CHECK_THAT(find_answer(db, other).error().message, Contains("used for sandbox.create before"));
  other.key.clear();
  CHECK_FALSE(find_answer(db, other));
  other.key = std::string(257, 'k');
  CHECK_FALSE(find_answer(db, other));
}

TEST_CASE("an effect that fails is not recorded, and old answers go") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  const auto fails = []() -> Result<std::string> { return fail(Code::unavailable, "not now"); };
  CHECK_FALSE(answer_once(db, call(), {1}, fails));
  CHECK_FALSE(must(find_answer(db, call())));
  must(record_answer(db, call(), "s1", {1'000}));
  const AnswerRetention short_time{.max_age = std::chrono::microseconds(500)};
  CHECK(must(prune_answers(db, short_time, {1'400}, 10)) == 0);
  CHECK(must(prune_answers(db, short_time, {1'600}, 10)) == 1);
  CHECK_FALSE(must(find_answer(db, call())));
}

TEST_CASE("a call that has begun is not made again until its answer is known") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  {
    Database db = open_notes(dir / "db");
    CHECK_FALSE(must(begin_call(db, call(), {1})));
  }
  Database db = open_notes(dir / "db");  // the program was killed between intent and answer
  const auto unknown = begin_call(db, call(), {2});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Code::failed_precondition);
  CHECK_THAT(unknown.error().message,
             Contains("nobody knows how this call of sandbox.create ended") && Contains("take a new idempotency_key"));
  CallKey other = call();
  other.arguments = "{}";
  CHECK(begin_call(db, other, {2}).error().code == Code::invalid_argument);

  must(finish_call(db, call(), "s1"));
  CHECK(must(begin_call(db, call(), {3})) == "s1");
  CHECK(must(find_answer(db, call())) == "s1");
}

TEST_CASE("a refused call leaves its key new, a doubtful one says what it was answered") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  CHECK_FALSE(must(begin_call(db, call(), {1})));
  must(forget_call(db, call()));
  CHECK_FALSE(must(begin_call(db, call(), {2})));
  must(doubt_call(db, call(), "unavailable: the tunnel broke"));
  const auto doubtful = begin_call(db, call(), {3});
  REQUIRE_FALSE(doubtful);
  CHECK(doubtful.error().code == Code::failed_precondition);
  CHECK_THAT(doubtful.error().message, Contains("unavailable: the tunnel broke"));
}

TEST_CASE("an answer that is too long is not kept, and its call not made again") {
  const test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  Database db = open_notes(dir / "db");
  CHECK_FALSE(must(begin_call(db, call(), {1})));
  must(finish_call(db, call(), std::string(kMaxKeptAnswer + 1, 'x')));
  const auto again = begin_call(db, call(), {2});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::failed_precondition);
  CHECK_THAT(again.error().message, Contains("too long"));
}
