#include "daemon/rpc/scoped.hpp"

#include <catch2/catch.hpp>

#include "protocol/api/task.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/memory_stream.hpp"

using namespace swarm;
using namespace swarm::rpc;

namespace {

/// One swarm in two sandboxes, and one in a sandbox that all its agents share.
class TwoSwarms final : public team::Homes {
 public:
  [[nodiscard]] Result<team::Home> find(const std::optional<std::string>& what) const override {
    return team::Home{.swarm = what.value_or("swm_1"), .name = "one", .sandbox = "s0"};
  }
  [[nodiscard]] std::optional<team::Home> of_sandbox(const std::string& sandbox) const override {
    using Agents = std::set<std::string>;
    if (sandbox == "s0") return team::Home{.swarm = "swm_1", .name = "one", .sandbox = "s0", .agents = Agents{}};
    if (sandbox == "s1")
      return team::Home{.swarm = "swm_1", .name = "one", .sandbox = "s0", .agents = Agents{"agent-1"}};
    if (sandbox == "all") return team::Home{.swarm = "swm_2", .name = "two", .sandbox = "all"};
    return std::nullopt;
  }
};

struct Calls : tests::LoopFixture {
  TwoSwarms homes;
  std::shared_ptr<tests::MemoryPipe> in = std::make_shared<tests::MemoryPipe>(loop, 65536);
  std::shared_ptr<tests::MemoryPipe> out = std::make_shared<tests::MemoryPipe>(loop, 65536);
  wire::Connection connection{loop, std::make_unique<tests::MemoryStream>(in, out), wire::Side::acceptor,
                              wire::Limits{}, nullptr};

  Result<Scope> scope(const std::string& sandbox, std::optional<std::string> agent,
                      std::optional<std::string> swarm = {}) {
    const wire::Peer peer{.kind = wire::Peer::Kind::sandbox, .credentials = {}, .sandbox = sandbox};
    const wire::CallContext call{.connection = connection, .peer = peer, .method = "task.list", .common = {}};
    api::FromAgent<api::TaskListRequest> request;
    request.agent = std::move(agent);
    request.swarm = std::move(swarm);
    return scope_of(homes, call, request);
  }
};

Code code_of(const Result<Scope>& scope) { return scope ? Code::internal : scope.error().code; }

}  // namespace

TEST_CASE_METHOD(Calls, "a sandbox of several asks for work in the name of its own agents alone") {
  const Result<Scope> own = scope("s1", "agent-1");
  REQUIRE(own);
  CHECK(own->agent == "agent-1");
  CHECK(own->home.swarm == "swm_1");
  CHECK(code_of(scope("s1", "agent-0")) == Code::permission_denied);
  CHECK(code_of(scope("s0", "agent-0")) == Code::permission_denied);  // where changes are merged lives nobody
  CHECK(code_of(scope("s1", std::nullopt)) == Code::permission_denied);
  CHECK(code_of(scope("elsewhere", "agent-1")) == Code::permission_denied);
}

TEST_CASE_METHOD(Calls, "a sandbox acts on its own swarm, whatever it says") {
  const Result<Scope> shared = scope("all", "agent-7", "swm_1");
  REQUIRE(shared);
  CHECK(shared->home.swarm == "swm_2");
  CHECK(shared->agent == "agent-7");
}
