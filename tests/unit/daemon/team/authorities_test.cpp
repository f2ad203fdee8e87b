#include "daemon/team/authorities.hpp"

#include <catch2/catch.hpp>

#include "protocol/api/codec.hpp"
#include "protocol/api/note.hpp"
#include "protocol/coord/schema.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::team;
using namespace std::chrono_literals;

namespace {

struct Hosting : tests::FakeTimeFixture {
  test::TemporaryDirectory dir{test::TemporaryDirectory::On::memory};
  SeededRandom random{3};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Authorities> authorities;
  std::vector<std::pair<std::string, api::TeamMailRequest>> pushed;
  bool reachable = true;

  Hosting() { open(); }

  void open() {
    const std::array domains = {coord::kCoordDomain};
    auto opened = store::Store::open(loop, {.path = dir / "db", .identity = {.program = "test"}}, domains, random);
    REQUIRE(opened);
    store = std::move(*opened);
    authorities = std::make_unique<Authorities>(
        loop, *store, random,
        [this](std::string sandbox, api::TeamMailRequest mail) { return push(this, std::move(sandbox), mail); });
    REQUIRE(authorities->host("swm_1", "shop"));
    authorities->seat("swm_1", {{"agent-0", {.sandbox = "s0"}}, {"agent-1", {.sandbox = "s1"}}});
    loop.run_until_idle();
  }
  /// As after `kill -9`: what is in the store is all there is.
  void restart() {
    authorities.reset();
    store.reset();
    open();
  }
  static async::Task<Result<void>> push(Hosting* self, std::string sandbox, api::TeamMailRequest mail) {
    if (!self->reachable) co_return fail(Code::unavailable, "away");
    self->pushed.emplace_back(std::move(sandbox), std::move(mail));
    co_return {};
  }
  void join(const std::string& agent) {
    coord::NewAgent made{.id = agent, .uid = 2001, .role = "implementer", .proven = true, .card = {}};
    if (agent == "agent-1") made.uid = 2002;
    REQUIRE(loop.block_on(authorities->join("swm_1", made)));
  }
  template <class Req, class Res>
  Result<Res> call(const std::string& sandbox, std::optional<std::string> agent, const api::Method<Req, Res>& method,
                   const std::type_identity_t<Req>& request) {
    api::RelayCallRequest relay{.agent = std::move(agent), .method = std::string(method.name), .arguments = {}};
    relay.arguments = api::encode(request);
    auto reply = loop.block_on(authorities->call("swm_1", sandbox, std::move(relay)));
    if (!reply) return fail(reply.error());
    return api::decode_reply<Res>(std::move(reply->answer));
  }
  Result<api::MessageSendReply> send(const std::string& sandbox, const std::string& from, const std::string& to) {
    api::InSwarm<api::MessageSendRequest> request;
    request.to = std::vector<std::string>{to};
    request.body = "hello";
    return call(sandbox, from, api::kMessageSend, request);
  }
  Result<api::LockAcquireReply> lock(const std::string& sandbox, const std::string& agent, const std::string& path) {
    api::InSwarm<api::LockAcquireRequest> request;
    request.repository = "shop";
    request.path = api::Path(path);
    request.reason = "test";
    return call(sandbox, agent, api::kLockAcquire, request);
  }
};

Code code_of(const auto& result) { return result ? Code::internal : result.error().code; }

}  // namespace

TEST_CASE_METHOD(Hosting, "a sandbox speaks for the agents that live there, and for no others") {
  join("agent-0");
  join("agent-1");
  REQUIRE(send("s0", "agent-0", "agent-1"));
  CHECK(code_of(send("s1", "agent-0", "agent-1")) == Code::permission_denied);
  CHECK(code_of(send("", "agent-0", "agent-1")) == Code::permission_denied);
  CHECK(code_of(send("s0", "agent-7", "agent-1")) == Code::permission_denied);
  // Neither its mail, nor its locks, nor what is told of it.
  CHECK(code_of(call("s0", "agent-1", api::kMessageInbox, {})) == Code::permission_denied);
  CHECK(code_of(lock("s0", "agent-1", "a.c")) == Code::permission_denied);
  const auto report = loop.block_on(authorities->report("swm_1", "s0", {.agent = "agent-1", .ended = "gone"}));
  CHECK(code_of(report) == Code::permission_denied);
  const auto hook = loop.block_on(authorities->hook("swm_1", "s0", {.agent = "agent-1", .event = "Stop"}));
  CHECK(code_of(hook) == Code::permission_denied);
  // One that moved is not spoken for where it was.
  authorities->seat("swm_1", {{"agent-0", {.sandbox = "s0"}}, {"agent-1", {.sandbox = "s2"}}});
  CHECK(code_of(call("s1", "agent-1", api::kMessageInbox, {})) == Code::permission_denied);
  const auto inbox = call("s2", "agent-1", api::kMessageInbox, {});
  REQUIRE(inbox);
  CHECK(inbox->letters.size() == 1);
}

TEST_CASE_METHOD(Hosting, "a sandbox without an agent looks, and changes nothing") {
  join("agent-0");
  CHECK(call("s9", std::nullopt, api::kLockList, {}));
  api::InSwarm<api::NotePutRequest> note;
  note.key = "plan";
  note.value = "mine";
  CHECK(code_of(call("s9", std::nullopt, api::kNotePut, note)) == Code::permission_denied);
  CHECK(code_of(call("s9", std::nullopt, api::kMessageInbox, {})) == Code::permission_denied);
  api::InSwarm<api::LockBreakRequest> over;
  over.id = "lck_1";
  CHECK(code_of(call("s0", "agent-0", api::inside::kLockBreak, over)) == Code::permission_denied);
  api::RelayCallRequest other{.agent = "agent-0", .method = "sandbox.kill", .arguments = {}};
  CHECK(code_of(loop.block_on(authorities->call("swm_1", "s0", other))) == Code::permission_denied);
  // A swarm that is not hosted is nobody's way in.
  CHECK(code_of(loop.block_on(authorities->call("swm_2", "s0", other))) == Code::failed_precondition);
}

TEST_CASE_METHOD(Hosting, "mail is told to the sandbox where its agent lives, until it is heard") {
  join("agent-0");
  join("agent-1");
  advance(1s);
  pushed.clear();
  reachable = false;
  REQUIRE(send("s0", "agent-0", "agent-1"));
  advance(1s);
  CHECK(pushed.empty());
  reachable = true;
  for (int i = 0; i < 5; ++i) advance(1s);
  const auto told = [&](const std::string& sandbox, const std::string& agent) {
    return std::ranges::any_of(pushed, [&](const auto& one) {
      return one.first == sandbox && one.second.unread.contains(agent) && one.second.unread.at(agent) == 1;
    });
  };
  CHECK(told("s1", "agent-1"));
  CHECK_FALSE(told("s0", "agent-1"));
  pushed.clear();
  authorities->connected("s1");
  for (int i = 0; i < 3; ++i) advance(1s);
  CHECK(told("s1", "agent-1"));
}

TEST_CASE_METHOD(Hosting, "messages and locks outlive the daemon") {
  join("agent-0");
  join("agent-1");
  REQUIRE(send("s0", "agent-0", "agent-1"));
  REQUIRE(lock("s0", "agent-0", "src/a.c"));
  restart();
  CHECK(code_of(lock("s1", "agent-1", "src/a.c")) == Code::failed_precondition);
  const auto inbox = call("s1", "agent-1", api::kMessageInbox, {});
  REQUIRE(inbox);
  REQUIRE(inbox->letters.size() == 1);
  CHECK(inbox->letters[0].message.sender == "agent-0");
  REQUIRE(loop.block_on(authorities->leave("swm_1", "agent-0", "over")));
  CHECK(lock("s1", "agent-1", "src/a.c"));
}

TEST_CASE_METHOD(Hosting, "a hook takes its locks and gets its messages in one answer") {
  join("agent-0");
  join("agent-1");
  REQUIRE(send("s0", "agent-0", "agent-1"));
  api::RelayHookRequest edit{.agent = "agent-1",
                             .event = "PreToolUse",
                             .tool = "Edit",
                             .detail = {},
                             .paths = {{.repository = "shop", .path = api::Path("a.c"), .own = true}}};
  const auto reply = loop.block_on(authorities->hook("swm_1", "s1", edit));
  REQUIRE(reply);
  CHECK_FALSE(reply->refused);
  CHECK(reply->letters.size() == 1);
  edit.agent = "agent-0";
  const auto refused = loop.block_on(authorities->hook("swm_1", "s0", edit));
  REQUIRE(refused);
  CHECK(refused->refused);
}
