#include "daemon/providers/e2b/provider.hpp"

#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/scripted_server.hpp"

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;
using tests::ScriptedServer;
using Peer = ScriptedServer::Peer;

constexpr const char* kRuns =
    R"({"sandboxID":"i1","templateID":"base","clientID":"c","envdVersion":"0.6.13","state":"running",)"
    R"("startedAt":"2026-01-02T03:04:05Z","endAt":"2026-01-02T04:04:05Z","metadata":{"swarmd":"1"}})";

async::Task<Result<secrets::SecretString>> key() { co_return secrets::SecretString("e2b_00"); }

/// A service that answers each request when the test says so.
struct Rig : tests::LoopFixture {
  struct Reply {
    int status = 200;
    std::string body = kRuns;
  };
  std::deque<Reply> replies;
  async::Condition more{loop};
  ScriptedServer server{loop, [this](Peer& peer) { return serve(peer, *this); }};
  E2bProvider provider{loop, settings()};

  [[nodiscard]] Settings settings() const {
    Settings made{.api_url = server.url(), .key = key, .template_id = "base", .bundle = "/nonexistent"};
    made.routing.sandbox_url = server.url();
    made.pace.first_pause = 1ms;
    return made;
  }
  static async::Task<> serve(Peer& peer, Rig& rig) {
    for (;;) {
      const auto request = co_await peer.request();
      if (!request) co_return;
      rig.more.notify_all();
      while (rig.replies.empty()) co_await rig.more.wait();
      const Reply reply = rig.replies.front();
      rig.replies.pop_front();
      const bool sent = co_await peer.answer(reply.status, reply.body);
      if (!sent) co_return;
    }
  }
  void answer(Reply reply) {
    replies.push_back(std::move(reply));
    more.notify_all();
  }
  /// Until the service has been asked so often.
  void asked(std::size_t requests) {
    struct Wait {
      static async::Task<> until(Rig& rig, std::size_t count) {
        while (rig.server.requests.size() < count) co_await rig.more.wait();
      }
    };
    loop.block_on(Wait::until(*this, requests));
  }
  [[nodiscard]] std::string line(std::size_t request) const {
    const std::string& head = server.requests.at(request).head;
    return head.substr(0, head.find(" HTTP/"));
  }
};

async::Task<> keep(async::Task<Result<void>> task, std::optional<Result<void>>& out) {
  out.emplace(co_await std::move(task));
}

async::Task<> dial(E2bProvider& provider, bool& ended) {
  const auto stream = co_await provider.dial("i1");
  static_cast<void>(stream);  // nobody is there
  ended = true;
}

TEST_CASE_METHOD(Rig, "its tokens are not asked for, which would wake it, while it is being paused", "[e2b]") {
  async::TaskSet tasks(loop);
  bool dialled = false;
  std::optional<Result<void>> paused;
  tasks.spawn(dial(provider, dialled));
  asked(1);
  CHECK(line(0) == "GET /sandboxes/i1");
  tasks.spawn(keep(provider.pause("i1"), paused));
  answer({});
  asked(2);
  CHECK(line(1) == "POST /sandboxes/i1/connect");
  answer({});
  asked(3);
  CHECK(line(2) == "POST /sandboxes/i1/pause");
  answer({204, ""});
  loop.block_on([](std::optional<Result<void>>& out, async::Loop& on) -> async::Task<> {
    while (!out) co_await on.yield();
  }(paused, loop));
  CHECK(paused->has_value());
  tasks.cancel_all();
}

TEST_CASE_METHOD(Rig, "what an answer about a sandbox proves is when it had not ended", "[e2b]") {
  CHECK_FALSE(provider.seen("i1"));
  const MonoTime begun = clock.now();
  SECTION("a list may be late to leave it out") {
    answer({200, std::string("[") + kRuns + "]"});
    REQUIRE(loop.block_on(provider.list()));
    REQUIRE(provider.seen("i1"));
    CHECK(*provider.seen("i1") >= begun - provider.capabilities().lists_ended_within);
    CHECK(*provider.seen("i1") < begun);
  }
  SECTION("by its name it is there") {
    answer({});
    const Result<bool> gone = loop.block_on(provider.is_gone("i1"));
    REQUIRE(gone);
    CHECK_FALSE(*gone);
    REQUIRE(provider.seen("i1"));
    CHECK(*provider.seen("i1") >= begun);
  }
  SECTION("it was there until it was ended") {
    answer({204, ""});
    REQUIRE(loop.block_on(provider.kill("i1")));
    REQUIRE(provider.seen("i1"));
    CHECK(*provider.seen("i1") >= begun);
  }
  SECTION("it had ended before") {
    answer({404, R"({"code":404,"message":"no"})"});
    REQUIRE(loop.block_on(provider.kill("i1")));
    CHECK_FALSE(provider.seen("i1"));
  }
}

}  // namespace
}  // namespace swarm::e2b
