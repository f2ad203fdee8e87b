#pragma once
// Local sandboxes behind the interface of all providers. Everything that blocks runs on the thread pool (sandbox.hpp);
// on the loop there are only the table of sandboxes, a watcher on each PID 1, and the turns in which changes to one
// sandbox pass.

#include <map>
#include <memory>
#include <set>

#include "daemon/providers/local/disk_watch.hpp"
#include "daemon/providers/local/sandbox.hpp"
#include "daemon/providers/provider.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::local {

class LocalProvider final : public providers::Provider {
 public:
  /// `loop` outlives the provider. Nothing is looked up or created before the first call. Destroying the provider
  /// leaves its sandboxes running.
  LocalProvider(async::Loop& loop, Settings settings);
  ~LocalProvider() override;

  [[nodiscard]] std::string name() const override { return "local"; }
  [[nodiscard]] providers::Capabilities capabilities() const override;
  [[nodiscard]] std::vector<std::string> templates() const override;
  async::Task<providers::CreateOutcome> create(providers::CreateSpec spec) override;
  async::Task<Result<std::vector<providers::Listed>>> list() override;
  async::Task<Result<void>> kill(std::string ref) override;
  async::Task<Result<void>> pause(std::string ref) override;
  async::Task<Result<void>> resume(std::string ref) override;
  async::Task<Result<void>> extend(std::string ref, Duration lifetime) override;
  async::Task<Result<std::unique_ptr<transport::Stream>>> dial(std::string ref) override;
  async::Task<Result<api::SandboxMetrics>> metrics(std::string ref) override;
  async::Task<> gone(std::string ref) override;
  async::Task<std::optional<providers::Overrun>> overrun(std::string ref) override;
  async::Task<Result<std::vector<api::LimitStatus>>> limit_disk(std::string ref, std::uint64_t bytes) override;
  async::Task<std::vector<std::string>> remarks() override;
  async::Task<std::vector<std::string>> problems() override;

 private:
  struct Sandbox;
  class Claim;

  async::Task<std::shared_ptr<const Host>> host();
  /// Null when somebody has it already.
  std::shared_ptr<Claim> claim(const std::string& id);
  std::shared_ptr<Sandbox> adopt(Running running);
  async::Task<Result<std::shared_ptr<Sandbox>>> find(std::string ref);
  async::Task<> watch(std::shared_ptr<Sandbox> sandbox);
  async::Task<Result<void>> set_paused(std::string ref, bool paused);
  void watch_disk(const Sandbox& sandbox);
  async::Task<> watch_disks();
  async::Task<> count_disk(DiskWatch::Due due);
  async::Task<> halt(std::shared_ptr<Sandbox> sandbox, DiskWatch::Verdict verdict);
  async::Task<Result<void>> sweep_up(std::shared_ptr<const Host> host, std::string id, Record record);

  async::Loop& loop_;
  Settings settings_;
  std::shared_ptr<const Host> host_;
  async::Turn looking_up_;
  // Shared with the watcher and with whoever uses a sandbox across a wait: it must not go in the middle of that.
  std::map<std::string, std::shared_ptr<Sandbox>> sandboxes_;
  // Directories that a job is filling or emptying: not for `list` to judge. Shared with the claims on them, which live
  // as long as the job, also when nobody waits for it any more.
  std::shared_ptr<std::set<std::string>> busy_ = std::make_shared<std::set<std::string>>();
  DiskWatch disk_;
  bool watching_disks_ = false;
  std::size_t counting_ = 0;  ///< counts under way
  async::TaskSet watchers_;   // last: its tasks use everything above
};

}  // namespace swarm::local
