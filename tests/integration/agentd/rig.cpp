#include "tests/integration/agentd/rig.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <csignal>

#include "agentd/init/protocol.hpp"
#include "protocol/core/id.hpp"

namespace swarm::tests {

AgentdRig::AgentdRig() : sandbox(new_sandbox_id(random)), secret(wire::TunnelSecret::make(random)) {
  signal(SIGPIPE, SIG_IGN);
  // Programs run as another user where we are root.
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0777));
  Result<UniqueFd> listener = transport::bind_unix(directory / "tunnel", 0600);
  REQUIRE(listener);
  const UniqueFd memory(memfd_create("secret", MFD_CLOEXEC));
  REQUIRE(pwrite(memory.get(), secret.bytes().data(), secret.bytes().size(), 0) == 32);
  const std::string bin = SWARM_BIN_DIR;
  // Where we are root, agents get users: not those of this machine.
  std::filesystem::create_directories(directory / "etc");
  std::filesystem::create_directories(directory / "home");
  for (const char* name : {"passwd", "group"}) {
    std::filesystem::copy_file(std::filesystem::path("/etc") / name, std::filesystem::path(directory / "etc") / name);
  }
  const async::SpawnOptions options{.argv = {bin + "/agentd-init",
                                             "--log",
                                             directory / "log",
                                             "--",
                                             bin + "/agentd",
                                             "run",
                                             "--sandbox",
                                             sandbox,
                                             "--state",
                                             directory / "state",
                                             "--shim",
                                             bin + "/swarm-shim",
                                             "--workspace",
                                             directory.path(),
                                             "--store",
                                             directory / "store",
                                             "--etc",
                                             directory / "etc",
                                             "--homes",
                                             directory / "home"},
                                    .env = {"PATH=/usr/local/bin:/usr/bin:/bin", "FROM_TEMPLATE=yes"},
                                    .fds = {{agentd::kListenFd, listener->get()}, {agentd::kSecretFd, memory.get()}},
                                    .new_session = true};
  auto started = async::Process::spawn(loop, options);
  REQUIRE(started);
  init = std::move(*started);
  connect();
}

AgentdRig::~AgentdRig() {
  disconnect();
  if (!init->status()) {
    static_cast<void>(init->signal(SIGTERM));
    loop.block_on(init->wait());
  }
}

async::Task<Result<std::unique_ptr<transport::Stream>>> AgentdRig::dial() {
  Result<std::unique_ptr<transport::FdStream>> stream = co_await transport::connect_unix(loop, directory / "tunnel");
  if (!stream) co_return fail(stream.error());
  co_return std::unique_ptr<transport::Stream>(std::move(*stream));
}

void AgentdRig::connect() {
  disconnect();
  wire::InstanceId instance;
  random.fill(instance.bytes);
  dialer_ = std::make_unique<wire::TunnelDialer>(
      loop, [this] { return dial(); },
      wire::DialerOptions{
          .identity = {.secret = secret.copy(), .sandbox_id = sandbox, .version = {.major = 0, .minor = 1}},
          .instance = instance},
      random, budget_);
  Result<wire::Tunnel> tunnel = loop.block_on(dialer_->connect(20s));
  if (!tunnel) FAIL(tunnel.error().to_string());
  connection = std::make_unique<wire::Connection>(loop, std::move(tunnel->session), wire::Side::dialer, wire::Limits{},
                                                  &handler_);
  tasks_.spawn(serve());
}

async::Task<> AgentdRig::serve() {
  const Error why = co_await connection->run();
  static_cast<void>(why);
}

void AgentdRig::disconnect() {
  tasks_.cancel_all();
  handler_.drop_calls();
  connection.reset();
  dialer_.reset();
}

std::string AgentdRig::read_stream(std::unique_ptr<wire::ByteSource> source) {
  std::string text;
  for (;;) {
    Result<std::optional<std::string>> chunk =
        loop.block_on(async::with_timeout(loop, source->read(), 30s, "a stream"));
    if (!chunk) return text + "<" + chunk.error().to_string() + ">";
    if (!*chunk) return text;
    text += **chunk;
  }
}

}  // namespace swarm::tests
