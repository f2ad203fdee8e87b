#pragma once
// Sandboxes at E2B. What they are called there and which tokens they want is asked of the service and kept here only
// for speed: it can be asked again at any time. Probes go to the control plane, since a request to a sandbox would wake
// a paused one.

#include "daemon/providers/e2b/bring_up.hpp"
#include "daemon/providers/e2b/settings.hpp"
#include "daemon/providers/provider.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::e2b {

class E2bProvider final : public providers::Provider {
 public:
  /// The loop and what the settings' key source needs outlive it.
  E2bProvider(async::Loop& loop, Settings settings);
  ~E2bProvider() override;

  [[nodiscard]] std::string name() const override { return "e2b"; }
  [[nodiscard]] providers::Capabilities capabilities() const override;
  [[nodiscard]] std::vector<std::string> templates() const override;
  async::Task<providers::CreateOutcome> create(providers::CreateSpec spec) override;
  async::Task<Result<void>> prepare(std::string ref, providers::CreateSpec spec) override;
  async::Task<Result<std::vector<providers::Listed>>> list() override;
  async::Task<Result<bool>> is_gone(std::string ref) override;
  async::Task<Result<void>> kill(std::string ref) override;
  async::Task<Result<void>> pause(std::string ref) override;
  async::Task<Result<void>> resume(std::string ref) override;
  async::Task<Result<void>> extend(std::string ref, Duration lifetime) override;
  async::Task<Result<std::unique_ptr<transport::Stream>>> dial(std::string ref) override;
  async::Task<Result<api::SandboxMetrics>> metrics(std::string ref) override;
  async::Task<> gone(std::string ref) override;
  [[nodiscard]] std::optional<MonoTime> seen(const std::string& ref) const override;
  async::Task<std::vector<std::string>> problems() override;
  [[nodiscard]] std::optional<Duration> retry_after() const override { return control_.retry_after(); }

 private:
  struct Known;

  std::shared_ptr<Known> known(const std::string& ref);
  /// What is told of it by the control plane; its tokens too, unless it is paused.
  async::Task<Result<Remote>> look(std::string ref);
  async::Task<Result<std::shared_ptr<const Bundle>>> bundle();
  async::Task<Result<Envd>> envd(std::string ref);
  async::Task<Result<void>> check_agent(std::shared_ptr<Known> sandbox, std::string ref);
  async::Task<> watch();
  [[nodiscard]] NewSandbox request_of(const providers::CreateSpec& spec) const;
  [[nodiscard]] std::chrono::seconds lifetime_of(Duration wanted) const;

  async::Loop& loop_;
  Settings settings_;
  SystemRandom random_;
  http_client::Client client_;
  Control control_;
  std::map<std::string, std::shared_ptr<Known>> known_;  // shared with calls under way
  std::shared_ptr<const Bundle> bundle_;                 // shared with uploads under way
  async::Turn reading_bundle_;
  std::size_t watched_ = 0;
  bool watching_ = false;
  async::TaskSet tasks_;  // last: its task uses everything above
};

}  // namespace swarm::e2b
