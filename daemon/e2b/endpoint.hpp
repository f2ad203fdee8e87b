#pragma once
// An E2B-compatible endpoint: what the official SDKs speak, on this daemon's own sandboxes. One port serves the control
// plane, envd and the sandboxes' ports; which of them a request is for, its host name says
// (`<port>-<sandbox>.<domain>`) or two fields that newer SDKs send (`e2b-sandbox-id`, `e2b-sandbox-port`).
//
//   Endpoint ── routes ──> Control ─┐
//                      ──> Envd    ─┼── Boxes ── Sandboxes (daemon/sandbox)
//                      ──> Ports   ─┘
//
// It shares no encoding with the provider that drives E2B's cloud (daemon/providers/e2b): each is the other's judge.

#include <filesystem>

#include "daemon/e2b/envd.hpp"
#include "daemon/e2b/faults.hpp"
#include "daemon/e2b/ports.hpp"
#include "daemon/http/server.hpp"
#include "protocol/api/e2b.hpp"

namespace swarm::e2b_endpoint {

class Endpoint final : public http::Handler {
 public:
  struct Surroundings {
    async::Loop& loop;
    store::Store& store;
    sandbox::Sandboxes& sandboxes;
    const config::Config& config;
    Random& random;
    wire::Router& tunnel_router;      ///< hears what agentds report
    std::filesystem::path directory;  ///< where the key and the secret of the tokens are kept; made when missing
  };
  explicit Endpoint(Surroundings surroundings);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint() override;

  /// Takes up sandboxes of an earlier run, and serves if the configuration says so.
  async::Task<Result<void>> start();
  async::Task<> stop(Duration patience);

  /// Begins to serve; `already_exists` when it does.
  async::Task<Result<api::E2bStatus>> open(api::E2bOpenRequest request);
  async::Task<Result<api::Empty>> close();
  [[nodiscard]] api::E2bStatus status() const;
  Result<api::Empty> set_faults(const api::E2bFaultsRequest& request);

 private:
  async::Task<> serve(http::Exchange& exchange) override;
  async::Task<> route(http::Exchange& exchange);
  Result<void> load_identity();
  [[nodiscard]] BoxPtr signed_box(const http::Request& request) const;

  Surroundings with_;
  Identity identity_;
  Builds builds_;
  Boxes boxes_;
  Watches watches_;
  Faults faults_;
  Control control_;
  Envd envd_;
  Ports ports_;
  std::unique_ptr<http::TlsContext> tls_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace swarm::e2b_endpoint
