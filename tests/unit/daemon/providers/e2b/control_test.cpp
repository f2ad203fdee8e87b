#include "daemon/providers/e2b/control.hpp"

#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/scripted_server.hpp"

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;
using tests::ScriptedServer;
using Peer = ScriptedServer::Peer;

constexpr const char* kMade = R"({"sandboxID":"i1","templateID":"base","clientID":"c","envdVersion":"0.6.13"})";

async::Task<Result<secrets::SecretString>> key() { co_return secrets::SecretString("e2b_00"); }

/// Answers to requests, in order; the last one for all that follow. A status of 0 closes instead of answering.
struct Reply {
  int status = 200;
  std::string body = "{}";
  std::string headers = {};
};

struct Rig : tests::LoopFixture {
  std::deque<Reply> replies;
  ScriptedServer server{loop, [this](Peer& peer) { return serve(peer, *this); }};
  http_client::Client client{loop, {}};
  SystemRandom random;
  Control control{
      loop, client, random, {.api_url = server.url(), .key = key, .patience = {.answer = 300ms}, .first_pause = 1ms}};

  static async::Task<> serve(Peer& peer, Rig& rig) {
    for (;;) {
      const auto request = co_await peer.request();
      if (!request) co_return;
      const Reply reply = rig.replies.front();
      if (rig.replies.size() > 1) rig.replies.pop_front();
      if (reply.status == 0) co_return;
      if (reply.status < 0) co_await peer.closed();
      if (reply.status < 0) co_return;
      const bool sent = co_await peer.answer(reply.status, reply.body, reply.headers);
      if (!sent) co_return;
    }
  }

  [[nodiscard]] std::string line(std::size_t request) const {
    const std::string& head = server.requests.at(request).head;
    return head.substr(0, head.find(" HTTP/"));
  }
};

TEST_CASE_METHOD(Rig, "a create is answered with what was made", "[e2b]") {
  replies = {{201, kMade}};
  const CreateAnswer made = loop.block_on(control.create({.template_id = "base"}));
  REQUIRE(made.kind == CreateAnswer::Kind::created);
  CHECK(made.sandbox.id == "i1");
  CHECK(line(0) == "POST /sandboxes");
  CHECK(server.requests[0].head.find("X-API-Key: e2b_00\r\n") != std::string::npos);
}

TEST_CASE_METHOD(Rig, "a create whose answer is lost is unknown, and is sent once", "[e2b]") {
  SECTION("the connection breaks") { replies = {{0}}; }
  SECTION("no answer comes") { replies = {{-1}}; }
  SECTION("a gateway gives up") { replies = {{504, R"({"code":504,"message":"x"})"}}; }
  SECTION("the answer is garbage") { replies = {{201, "{\"sandboxID\":"}}; }
  const CreateAnswer made = loop.block_on(control.create({.template_id = "base"}));
  CHECK(made.kind == CreateAnswer::Kind::unknown);
  CHECK(server.requests.size() == 1);
  CHECK(made.error.message.find("e2b_00") == std::string::npos);
}

TEST_CASE_METHOD(Rig, "a create is unknown, too, on a connection that was used before", "[e2b]") {
  replies = {{200, "[]"}, {0}};
  REQUIRE(loop.block_on(control.check()));
  const CreateAnswer made = loop.block_on(control.create({.template_id = "base"}));
  CHECK(made.kind == CreateAnswer::Kind::unknown);
  CHECK(server.requests.size() == 2);
}

TEST_CASE_METHOD(Rig, "a create that is refused says when to come back", "[e2b]") {
  replies = {{429, R"({"code":429,"message":"Rate limit exceeded"})", "Retry-After: 5\r\n"}};
  const CreateAnswer made = loop.block_on(control.create({.template_id = "base"}));
  CHECK(made.kind == CreateAnswer::Kind::refused);
  CHECK(made.error.code == Code::resource_exhausted);
  CHECK(made.retry_after == 5s);
  REQUIRE(control.retry_after());
  CHECK(*control.retry_after() > 4s);
}

TEST_CASE_METHOD(Rig, "nothing was made when nobody could be reached, or there is no key", "[e2b]") {
  Control nobody(loop, client, random, {.api_url = "http://127.0.0.1:1", .key = key});
  CHECK(loop.block_on(nobody.create({.template_id = "base"})).kind == CreateAnswer::Kind::refused);
  Control keyless(loop, client, random,
                  {.api_url = server.url(), .key = []() -> async::Task<Result<secrets::SecretString>> {
                     co_return fail(Code::not_found, "no secret 'e2b'");
                   }});
  const CreateAnswer made = loop.block_on(keyless.create({.template_id = "base"}));
  CHECK(made.kind == CreateAnswer::Kind::refused);
  CHECK(made.error.message == "no secret 'e2b'");
}

TEST_CASE_METHOD(Rig, "the second version of the call is used where the first is gone", "[e2b]") {
  replies = {{404, R"({"code":404,"message":"no such route"})"}, {201, kMade}};
  const CreateAnswer made = loop.block_on(control.create({.template_id = "base"}));
  CHECK(made.kind == CreateAnswer::Kind::created);
  CHECK(line(1) == "POST /v2/sandboxes");
  const auto again = loop.block_on(control.connect("i1", 60s));
  REQUIRE(again);
  CHECK(line(2) == "POST /v2/sandboxes/i1/connect");
}

TEST_CASE_METHOD(Rig, "an unknown template is no reason to ask twice", "[e2b]") {
  replies = {{404, R"({"code":404,"message":"template 'nope' not found"})"}};
  const CreateAnswer made = loop.block_on(control.create({.template_id = "nope"}));
  CHECK(made.kind == CreateAnswer::Kind::refused);
  CHECK(made.error.code == Code::not_found);
  CHECK(server.requests.size() == 1);
}

TEST_CASE_METHOD(Rig, "what is safe is tried again", "[e2b]") {
  replies = {{500, ""}, {0}, {200, kMade}};
  const auto got = loop.block_on(control.get("i1"));
  REQUIRE(got);
  CHECK(server.requests.size() >= 3);
}

TEST_CASE_METHOD(Rig, "but not for ever, and not what cannot pass", "[e2b]") {
  SECTION("three times") {
    replies = {{500, ""}};
    const auto got = loop.block_on(control.get("i1"));
    REQUIRE_FALSE(got);
    CHECK(server.requests.size() == 3);
  }
  SECTION("a bad key") {
    replies = {{401, R"({"code":401,"message":"Invalid API key"})"}};
    const auto got = loop.block_on(control.get("i1"));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Code::unauthenticated);
    CHECK(server.requests.size() == 1);
  }
  SECTION("a long wait") {
    replies = {{429, "", "Retry-After: 60\r\n"}};
    const auto got = loop.block_on(control.get("i1"));
    REQUIRE_FALSE(got);
    CHECK(server.requests.size() == 1);
  }
}

TEST_CASE_METHOD(Rig, "a list has every page and each sandbox once", "[e2b]") {
  const std::string a = R"({"sandboxID":"a","metadata":{"swarmd":"1"}})";
  const std::string b = R"({"sandboxID":"b","metadata":{"swarmd":"1"},"state":"paused"})";
  const std::string other = R"({"sandboxID":"c","metadata":{"swarmd":"2"}})";
  replies = {{200, "[" + a + "]", "X-Next-Token: n 1\r\n"}, {200, "[" + a + "," + b + "," + other + "]"}};
  const auto listed = loop.block_on(control.list({{"swarmd", "1"}}));
  REQUIRE(listed);
  REQUIRE(listed->size() == 2);
  CHECK(listed->at(1).id == "b");
  CHECK(listed->at(1).state == State::paused);
  CHECK(line(0) == "GET /v2/sandboxes?limit=100&state=running%2Cpaused&metadata=swarmd%3D1");
  CHECK(line(1).ends_with("&nextToken=n%201"));
}

TEST_CASE_METHOD(Rig, "a list of which a page fails is no list", "[e2b]") {
  replies = {{200, "[]", "X-Next-Token: n\r\n"}, {500, ""}};
  CHECK_FALSE(loop.block_on(control.list({})));
}

TEST_CASE_METHOD(Rig, "a list that goes in circles ends", "[e2b]") {
  replies = {{200, "[]", "X-Next-Token: n\r\n"}};
  CHECK_FALSE(loop.block_on(control.list({})));
  CHECK(server.requests.size() == 2);
}

TEST_CASE_METHOD(Rig, "killing what has gone is a success", "[e2b]") {
  bool was_there = false;
  SECTION("gone before") { replies = {{404, R"({"code":404,"message":"no"})"}}; }
  SECTION("gone now") {
    replies = {{204, ""}};
    was_there = true;
  }
  SECTION("gone although the answer was lost") { replies = {{0}, {404, ""}}; }
  const Result<bool> killed = loop.block_on(control.kill("i1"));
  REQUIRE(killed);
  CHECK(*killed == was_there);
  CHECK(line(0) == "DELETE /sandboxes/i1");
}

TEST_CASE_METHOD(Rig, "a pause that is not answered is looked at", "[e2b]") {
  const std::string paused = R"({"sandboxID":"i1","state":"paused"})";
  SECTION("it takes too long") {
    replies = {{-1}, {200, paused}};
    CHECK(loop.block_on(control.pause("i1")));
  }
  SECTION("it was paused") {
    replies = {{409, R"({"code":409,"message":"already paused"})"}, {200, paused}};
    CHECK(loop.block_on(control.pause("i1")));
  }
  SECTION("something else is under way") {
    replies = {{409, R"({"code":409,"message":"in transition"})"}, {200, kMade}};
    const auto result = loop.block_on(control.pause("i1"));
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::failed_precondition);
    CHECK(result.error().retryable);
  }
}

TEST_CASE_METHOD(Rig, "times are told in seconds", "[e2b]") {
  replies = {{204, ""}};
  CHECK(loop.block_on(control.set_timeout("i1", 90s)));
  CHECK(server.requests[0].body == R"({"timeout":90})");
  CHECK(loop.block_on(control.refresh("i1", 7200s)));
  CHECK(server.requests[1].body == R"({"duration":3600})");
}

}  // namespace
}  // namespace swarm::e2b
