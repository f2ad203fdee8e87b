#pragma once
// A real `agentd init` with a real `agentd run` below it, without a sandbox around them, and the daemon's end of the
// tunnel.

#include <catch2/catch.hpp>

#include "protocol/api/agentd.hpp"
#include "protocol/async/process.hpp"
#include "protocol/transport/unix.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/router.hpp"
#include "protocol/wire/tunnel_dialer.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::tests {

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers): tests only

class AgentdRig {
 public:
  AgentdRig();
  AgentdRig(const AgentdRig&) = delete;
  AgentdRig& operator=(const AgentdRig&) = delete;
  ~AgentdRig();

  /// Dials, or dials again: the connection of a (new) daemon.
  void connect();
  void disconnect();

  /// The answer of a method; a failure fails the test.
  template <class Req, class Res>
  Res ask(const api::Method<Req, Res>& method, const std::type_identity_t<Req>& request) {
    Result<Res> answer = try_ask(method, request);
    if (!answer) FAIL(method.name << ": " << answer.error().to_string());
    return std::move(*answer);
  }
  template <class Req, class Res>
  Result<Res> try_ask(const api::Method<Req, Res>& method, const std::type_identity_t<Req>& request) {
    return loop.block_on(wire::call_with_timeout(*connection, method, request, 30s));
  }

  /// The pid of the `agentd run` that serves us.
  pid_t agentd_pid() { return static_cast<pid_t>(ask(api::inside::kAgentdInfo, {}).pid); }

  /// What a program printed on a stream that we opened as `id`.
  std::string read_stream(std::unique_ptr<wire::ByteSource> source);

  SystemClock clock;
  async::Loop loop{clock};
  SystemRandom random;
  test::TemporaryDirectory directory;
  std::string sandbox;
  wire::TunnelSecret secret;
  std::unique_ptr<async::Process> init;
  std::unique_ptr<wire::Connection> connection;
  /// Answers what agentd asks of its daemon. Bind before a call; nothing is bound at first.
  wire::Router answers{{.name = "swarmd", .version = "0.1.0", .features = {}}, clock};

 private:
  async::Task<Result<std::unique_ptr<transport::Stream>>> dial();
  async::Task<> serve();

  wire::SessionBudget budget_{loop, 16U << 20U};
  wire::PeerHandler handler_{answers, {.kind = wire::Peer::Kind::sandbox, .sandbox = "rig"}};
  std::unique_ptr<wire::TunnelDialer> dialer_;
  async::TaskSet tasks_{loop};
};

}  // namespace swarm::tests
