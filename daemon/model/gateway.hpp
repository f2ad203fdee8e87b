#pragma once
// The way of agents to models. Each agent has a loopback port of its own inside its sandbox; what it sends there comes
// over the tunnel to here, gets the key of its provider, and goes on to that provider. The answer streams back as it
// comes; who reads slowly holds it up.
//
//   agent --http--> 127.0.0.1:PORT (agentd) ==tunnel==> Gateway --https, key--> provider
//
// The key is looked up for each request and never enters the sandbox. Only requests to models pass. What an answer says
// that it used is booked for the agent.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/costs/meter.hpp"
#include "daemon/model/routes.hpp"
#include "daemon/model/usage.hpp"
#include "daemon/secrets/vault.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/core/random.hpp"
#include "protocol/http/client.hpp"
#include "protocol/store/store.hpp"
#include "protocol/wire/connection.hpp"

namespace swarm::model {

/// For whom a port is.
struct Caller {
  std::string swarm;
  std::string swarm_name;
  std::string sandbox;
  std::string agent;
  std::string role;
  std::string user;  ///< its user inside: nobody else's programs are served at its port
};

/// A port as agentd has it. Both are kept by the caller of `open`, so that an agent's URL holds for its whole life.
struct Port {
  std::string forward;  ///< agentd's name for it
  std::uint32_t number = 0;
};

class Gateway {
 public:
  struct Setup {
    async::Loop& loop;
    store::Store& store;
    Random& random;
    secrets::Vault& vault;
    costs::Meter* meter = nullptr;  ///< null: nothing is booked
    /// The provider of that name, as it is configured now.
    std::function<Upstream(const std::string& provider)> upstream;
  };
  explicit Gateway(Setup setup) : with_(std::move(setup)), client_(with_.loop, {}), tasks_(with_.loop) {}
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway() { tasks_.cancel_all(); }

  /// Serves an agent for as long as this connection to its agentd lives, at `port` where it had one. Again on the same
  /// connection: the same.
  async::Task<Result<Port>> open(std::shared_ptr<wire::Connection> agentd, Caller caller, Port port);

  /// Whether a swarm's agents of this role would find a key for the provider's models; the error says what is missing.
  async::Task<Result<void>> has_key(std::string provider, std::string swarm_name, std::string role);

  void stop() { tasks_.cancel_all(); }

 private:
  using Tunnel = std::shared_ptr<wire::Connection>;

  static async::Task<> accept(Gateway* self, Tunnel agentd, Caller caller, Port port);
  static async::Task<> serve(Gateway* self, Tunnel agentd, Caller caller, std::unique_ptr<wire::ByteSource> source,
                             std::unique_ptr<wire::ByteSink> sink);
  async::Task<Result<secrets::SecretString>> key_of(Upstream upstream, std::string swarm_name, std::string role);
  async::Task<Result<void>> pass(std::shared_ptr<ServerConnection> connection, Caller caller, Request request);
  async::Task<> book(Caller caller, std::string provider, Used used);

  Setup with_;
  http_client::Client client_;
  std::map<std::string, std::weak_ptr<wire::Connection>> served_;  ///< by swarm and agent
  async::TaskSet tasks_;                                           // last: its tasks use everything above
};

}  // namespace swarm::model
