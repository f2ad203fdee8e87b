#pragma once
// Forwarded ports: a port of the host that leads into a sandbox, or a port inside that leads to a service of the host.
// Which services there are says the configuration; a sandbox can ask for nothing. A forward ends when it is closed or
// its sandbox is gone.

#include <map>
#include <memory>

#include "daemon/config/config.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/forward.hpp"
#include "protocol/relay/relay.hpp"
#include "protocol/transport/tcp.hpp"

namespace swarm::forward {

class Forwards {
 public:
  /// Everything outlives it.
  Forwards(async::Loop& loop, store::Store& store, sandbox::Sandboxes& sandboxes, const config::Config& config,
           Random& random);
  Forwards(const Forwards&) = delete;
  Forwards& operator=(const Forwards&) = delete;
  ~Forwards();

  /// `already_exists` when the port is taken, `not_found` for an unknown sandbox or service.
  async::Task<Result<api::ForwardInfo>> open(std::string sandbox, api::ForwardOpenRequest request);
  Result<api::ForwardListReply> list(const api::ForwardListRequest& request) const;
  /// By id or unique prefix; closes its connections too.
  async::Task<Result<api::Empty>> close(std::string id);

 private:
  struct Forward;

  async::Task<Result<std::shared_ptr<Forward>>> open_to_sandbox(std::shared_ptr<Forward> forward);
  async::Task<Result<std::shared_ptr<Forward>>> open_to_host(std::shared_ptr<Forward> forward);
  async::Task<> accept_on_host(Forward& forward);
  async::Task<> into_sandbox(Forward& forward, std::unique_ptr<transport::FdStream> connection);
  async::Task<> accept_inside(Forward& forward);
  async::Task<> to_service(Forward& forward, std::shared_ptr<wire::Connection> agent,
                           std::unique_ptr<wire::ByteSource> source, std::unique_ptr<wire::ByteSink> sink);
  void drop_those_of(const std::string& sandbox);
  [[nodiscard]] api::ForwardInfo info_of(const Forward& forward) const;

  async::Loop& loop_;
  sandbox::Sandboxes& sandboxes_;
  const config::Config& config_;
  Random& random_;
  std::map<std::string, std::shared_ptr<Forward>> forwards_;  // shared with the call that is opening it
  store::Subscription ends_;
};

}  // namespace swarm::forward
