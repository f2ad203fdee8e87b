#pragma once
// A provider of the test daemon alone: everything is asked of a program of its own on a Unix socket, as of a provider's
// service on the network. That program outlives the daemon and keeps its own account of what ran.

#include "daemon/providers/provider.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/wire/client.hpp"
#include "tests/harness/provider_api.hpp"

namespace swarm::harness {

class RemoteProvider final : public providers::Provider {
 public:
  /// Calls go to `socket`, byte streams to `<socket>.dial`.
  RemoteProvider(async::Loop& loop, std::string socket, providers::Capabilities capabilities);
  ~RemoteProvider() override;

  [[nodiscard]] std::string name() const override { return "scripted"; }
  [[nodiscard]] providers::Capabilities capabilities() const override { return capabilities_; }
  [[nodiscard]] std::vector<std::string> templates() const override { return {"default"}; }
  async::Task<providers::CreateOutcome> create(providers::CreateSpec spec) override;
  async::Task<Result<std::vector<providers::Listed>>> list() override;
  async::Task<Result<void>> kill(std::string ref) override;
  async::Task<Result<void>> pause(std::string ref) override;
  async::Task<Result<void>> resume(std::string ref) override;
  async::Task<Result<void>> extend(std::string ref, Duration lifetime) override;
  async::Task<Result<std::unique_ptr<transport::Stream>>> dial(std::string ref) override;
  async::Task<Result<api::SandboxMetrics>> metrics(std::string ref) override;
  async::Task<> gone(std::string ref) override;
  async::Task<std::optional<WallTime>> ended_at(std::string ref) override;
  async::Task<std::vector<std::string>> problems() override;

 private:
  async::Task<Result<std::shared_ptr<wire::Connection>>> connection();
  async::Task<Result<void>> order(const api::Method<RefRequest, api::Empty>& method, std::string ref);
  static async::Task<> run(std::shared_ptr<wire::Connection> connection);

  async::Loop& loop_;
  std::string socket_;
  providers::Capabilities capabilities_;
  std::shared_ptr<wire::Connection> connection_;  // shared with calls under way when it breaks
  async::TaskSet tasks_;
};

}  // namespace swarm::harness
