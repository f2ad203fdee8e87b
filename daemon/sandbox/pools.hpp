#pragma once
// Sandboxes that wait, ready to be handed out. A pool keeps as many as lately were needed (demand.hpp), within
// [min_ready, max_ready]; refilling takes no place that somebody waits for, stops while creating keeps failing
// (breaker.hpp), and recycles what has become old. A claim takes the oldest that answers; one that does not answer is
// ended and the next is tried. What was claimed never comes back.

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "daemon/config/config.hpp"
#include "daemon/sandbox/breaker.hpp"
#include "daemon/sandbox/demand.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/core/error.hpp"

namespace swarm::sandbox {

class Pool;
class Sandbox;

/// What a pool needs of the service around it.
class PoolHost {
 public:
  virtual ~PoolHost() = default;
  /// Makes one more for the pool; gives its id when it is ready. Takes no place that somebody waits for.
  virtual async::Task<Result<std::string>> make_pooled(std::string pool, std::string template_name,
                                                       std::string provider) = 0;
  /// Ends one of the pool.
  virtual async::Task<> discard(std::string id, std::string reason) = 0;
  /// Asks its agentd whether it lives.
  virtual async::Task<bool> answers(std::string id) = 0;
  /// The breaker of a pool has changed; `message` says why.
  virtual void breaker_changed(const Pool& pool, std::string message) = 0;
  /// One that was ready is not alive any more, and is not handed out.
  virtual void found_dead(const Pool& pool, const std::string& id, std::string message) = 0;
};

/// Counters since the start.
struct PoolCounters {
  std::uint64_t warm_claims = 0;  ///< handed out at once
  std::uint64_t cold_claims = 0;  ///< asked while none was ready
  std::uint64_t made = 0;
  std::uint64_t failed = 0;
  std::uint64_t found_dead = 0;
  std::uint64_t recycled = 0;
};

class Pool {
 public:
  Pool(async::Loop& loop, PoolHost& host, std::string name, config::Pool settings, std::string provider);
  ~Pool();

  /// Begins to fill.
  void start();

  /// One that is ready and has answered just now, at most kFresh ago; nothing when there is none. It leaves the pool at
  /// once. Where claims follow each other closely the next is asked between them, so that they need not wait for it.
  async::Task<std::optional<std::string>> take();
  /// What was taken is recorded. A claim that follows another closely is likely to be followed by one.
  void expect_another();

  /// One that is ready, made in this run of the daemon or in an earlier one. Known ones stay where they are.
  void adopt(const std::string& id, MonoTime made);
  /// One that an earlier run of the daemon began to make and that may still come.
  void expect(const std::string& id) { expected_.insert(id); }
  /// It is ready no more, or will never be.
  void lost(const std::string& id);
  /// New settings; the pool grows or shrinks to them.
  void set(config::Pool settings);
  /// Ends all that are ready and stops filling until `set` or `warm`.
  async::Task<std::size_t> drain();
  /// As after `drain`, for a pool that was drained in an earlier run.
  void stay_drained() { draining_ = true; }
  /// Fills up to `count` now, whatever demand says; they are kept for `max_idle`.
  void warm(std::uint32_t count);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const config::Pool& settings() const { return settings_; }
  [[nodiscard]] const std::string& provider() const { return provider_; }
  [[nodiscard]] std::size_t ready() const { return ready_.size(); }
  [[nodiscard]] std::size_t being_made() const { return being_made_ + expected_.size(); }
  [[nodiscard]] std::uint32_t target() const;
  [[nodiscard]] const Breaker& breaker() const { return breaker_; }
  [[nodiscard]] const Demand& demand() const { return demand_; }
  [[nodiscard]] const PoolCounters& counters() const { return counters_; }
  [[nodiscard]] const std::string& last_failure() const { return last_failure_; }
  [[nodiscard]] bool draining() const { return draining_; }
  /// What `warm` asked for, while it holds.
  [[nodiscard]] std::optional<std::uint32_t> warm_target() const;
  /// How long that still holds.
  [[nodiscard]] Duration warm_for() const;
  /// Why the target is what it is, and what keeps it from being met, as far as the pool itself knows.
  [[nodiscard]] std::string why() const;
  /// After each sandbox that has become ready, or could not be made.
  [[nodiscard]] async::Condition& changed() { return changed_; }

 private:
  struct Ready {
    std::string id;
    MonoTime made;
    MonoTime idle_since;
    std::optional<MonoTime> answered;  ///< when it was asked ahead of a claim
  };

  async::Task<> keep_filled();
  async::Task<> make_one();
  async::Task<> look_after();
  async::Task<bool> probe(std::string id);
  async::Task<> check(std::string id);
  async::Task<> check_ahead(std::string id);
  [[nodiscard]] bool is_fresh(const Ready& ready) const;
  [[nodiscard]] Duration time_to_retry() const;

  async::Loop& loop_;
  PoolHost& host_;
  std::string name_;
  config::Pool settings_;
  std::string provider_;
  std::list<Ready> ready_;  // oldest first
  std::size_t being_made_ = 0;
  std::set<std::string> expected_;
  std::uint32_t warm_target_ = 0;
  MonoTime warm_until_;
  bool draining_ = false;
  Breaker breaker_;
  Demand demand_;
  std::optional<MonoTime> last_taken_;
  bool asking_ahead_ = false;
  PoolCounters counters_;
  std::string last_failure_;
  async::Event look_again_;
  async::Condition changed_;
  async::TaskSet tasks_;
};

}  // namespace swarm::sandbox
