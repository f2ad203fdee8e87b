#pragma once
// A provider behind its own rate: each call of its API waits for `provider/NAME/api`. What ends a sandbox goes first,
// since it ends cost; what only looks goes last. `create` waits for nothing more here than for the API: the lifecycle
// has waited for `provider/NAME/create` before it recorded the intent.

#include "daemon/limits/limiters.hpp"
#include "daemon/providers/provider.hpp"

namespace swarm::steward {

class LimitedProvider final : public providers::Provider {
 public:
  /// Both outlive it.
  LimitedProvider(providers::Provider& provider, limits::Limiters& limiters, const Clock& clock);

  [[nodiscard]] std::string name() const override { return provider_.name(); }
  [[nodiscard]] providers::Capabilities capabilities() const override { return provider_.capabilities(); }
  [[nodiscard]] std::vector<std::string> templates() const override { return provider_.templates(); }
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
  [[nodiscard]] std::optional<MonoTime> seen(const std::string& ref) const override { return provider_.seen(ref); }
  async::Task<std::optional<WallTime>> ended_at(std::string ref) override;
  async::Task<std::optional<providers::Overrun>> overrun(std::string ref) override;
  async::Task<Result<std::vector<api::LimitStatus>>> limit_disk(std::string ref, std::uint64_t bytes) override;
  async::Task<std::vector<std::string>> remarks() override;
  async::Task<std::vector<std::string>> problems() override;
  [[nodiscard]] std::optional<Duration> retry_after() const override { return provider_.retry_after(); }

 private:
  template <class T>
  async::Task<Result<T>> limited(limits::Priority priority, async::Task<Result<T>> call);
  async::Task<Result<limits::Permit>> leave(limits::Priority priority);

  providers::Provider& provider_;
  limits::Limiters& limiters_;
  const Clock& clock_;
  const std::string key_;
};

}  // namespace swarm::steward
