#pragma once
// E2B's control plane: REST under the API's host name, with an API key.

#include "daemon/e2b/boxes.hpp"
#include "daemon/e2b/faults.hpp"

namespace swarm::e2b_endpoint {

/// What the endpoint was told about itself.
struct Identity {
  std::string api_key;
  std::string secret;  ///< what access tokens are derived from
  std::string domain;  ///< empty: none is told
};

/// Tokens are keyed hashes of the sandbox's id: stable over pauses and restarts, and nothing to store.
std::string access_token(const Identity& identity, std::string_view purpose, std::string_view sandbox);
/// For envd.
std::string envd_token(const Identity& identity, const Box& box);
/// For other ports, where traffic is not public.
std::string traffic_token(const Identity& identity, const Box& box);

/// The version of envd whose behaviour this endpoint has.
inline constexpr std::string_view kEnvdVersion = "0.6.4";

class Control {
 public:
  Control(Boxes& boxes, Builds& builds, const Identity& identity, const config::Config& config, Faults& faults)
      : boxes_(boxes), builds_(builds), identity_(identity), config_(config), faults_(faults) {}

  async::Task<> serve(http::Exchange& exchange);

 private:
  using Path = std::vector<std::string>;
  enum class Api : std::uint8_t { v1, v2 };

  async::Task<> sandboxes(http::Exchange& exchange, Path path, Api api);
  async::Task<> one_sandbox(http::Exchange& exchange, Path path, Api api);
  async::Task<> templates(http::Exchange& exchange, Path path);
  async::Task<> change_template(http::Exchange& exchange, Path path);
  async::Task<> request_build(http::Exchange& exchange);
  async::Task<> start_build(http::Exchange& exchange, BuildPtr build);
  async::Task<> build_status(http::Exchange& exchange, BuildPtr build);
  async::Task<> build_logs(http::Exchange& exchange, BuildPtr build);
  /// Where a step's files can be put, for whoever has the address.
  async::Task<> files_address(http::Exchange& exchange, std::string hash);
  async::Task<> take_files(http::Exchange& exchange, std::string hash);
  [[nodiscard]] std::string upload_signature(const std::string& hash, std::string_view until) const;
  async::Task<> create(http::Exchange& exchange, Api api);
  [[nodiscard]] bool within_plan(Refusal& refusal, http::Headers& fields);
  [[nodiscard]] std::string time_of(std::int64_t us) const;
  async::Task<> list(http::Exchange& exchange, Api api);
  async::Task<> connect(http::Exchange& exchange, BoxPtr box, Api api, std::string verb);
  async::Task<> change(http::Exchange& exchange, BoxPtr box, std::string verb);
  async::Task<> metrics_of_many(http::Exchange& exchange);
  async::Task<> metrics(http::Exchange& exchange, BoxPtr box);
  async::Task<> logs(http::Exchange& exchange, BoxPtr box, Api api);
  [[nodiscard]] Value created(const Box& box) const;
  [[nodiscard]] Value detail(const Box& box) const;

  Boxes& boxes_;
  Builds& builds_;
  const Identity& identity_;
  const config::Config& config_;
  Faults& faults_;
};

}  // namespace swarm::e2b_endpoint
