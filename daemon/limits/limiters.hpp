#pragma once
// Every rate limit of the daemon, by the name of what is limited: `provider/e2b/create`, `provider/e2b/api`,
// `mcp/github`, `model/anthropic`, `messages/agent-1`. A limiter comes to life when it is first asked; rules say what
// it allows, and `set` overrides them while the daemon runs and after.
//
//   auto permit = co_await limiters.acquire("provider/e2b/create", {.swarm = id, .deadline = until});
//   if (!permit) co_return fail(permit.error());
//   ... the request ...
//   if (status == 429) permit->throttled(retry_after); else permit->succeeded();
//
// What a provider counts on its side survives a restart (`Rule::counted`): what was told (stand still, half the rate)
// always, the level of the bucket when the daemon ended in good order. After a crash it is not known what was taken,
// and the bucket starts as if everything had been, which never overshoots. Nothing is written for a single permit.

#include <memory>
#include <vector>

#include "daemon/limits/limiter.hpp"
#include "protocol/store/migration.hpp"
#include "protocol/store/store.hpp"

namespace swarm::limits {

/// What holds for the limiters whose key fits.
struct Rule {
  std::string pattern;  ///< a key, or the beginning of one and `*`
  Spec spec;
  bool counted = false;  ///< the other side keeps count: remembered over a restart
  std::string from;      ///< "configuration", "built in": for people
};

/// Whether `key` is what `pattern` says.
[[nodiscard]] bool key_matches(std::string_view pattern, std::string_view key);

/// True for what may be limited: 2 to 6 parts of [a-z0-9_.-], divided by `/`, 200 bytes at most.
[[nodiscard]] bool is_key(std::string_view key);

class Limiters;

/// Leave to do it once. Cheap, copyable; tells how it went at most once.
class Permit {
 public:
  Permit(Limiters& limiters, std::string key, std::uint64_t admission)
      : limiters_(&limiters), key_(std::move(key)), admission_(admission) {}

  /// The request was answered with 429 or 503.
  void throttled(std::optional<Duration> retry_after) const;
  void succeeded() const;

 private:
  Limiters* limiters_;
  std::string key_;
  std::uint64_t admission_;
};

/// One limiter for `limits.list`.
struct Status {
  std::string key;
  Spec spec;
  std::string from;
  bool counted = false;
  Counters counters;
  std::size_t waiting = 0;
  std::map<std::string, std::size_t> waiting_by_swarm;
  std::uint32_t thousandths = 1000;
  Duration blocked_for{0};
  Duration next_in{0};
};

/// The tables: what was set, and what is remembered.
extern const store::Domain kLimitsDomain;

/// Lives on the loop's thread and outlives the tasks that it gives out.
class Limiters {
 public:
  struct Setup {
    async::Loop& loop;
    store::Store* store = nullptr;  ///< null: nothing is remembered (tests, tools)
    std::vector<Rule> rules;        ///< the first that fits counts
    std::uint32_t speed = 1;        ///< times real time, for tests
    Limiter::Tell tell;             ///< may be empty
  };
  explicit Limiters(Setup setup);
  Limiters(const Limiters&) = delete;
  Limiters& operator=(const Limiters&) = delete;
  ~Limiters();

  /// Takes up what an earlier run remembered. Before the first `acquire`.
  async::Task<Result<void>> recover();
  /// Remembers where everything stands. At the end of the daemon, when nothing asks any more.
  async::Task<Result<void>> remember();

  /// Waits for leave; see Limiter::acquire. `invalid_argument` for what is no key.
  async::Task<Result<Permit>> acquire(std::string key, Ask ask);

  /// From now on this is what it allows, also after a restart. Those who wait go by it at once.
  async::Task<Result<void>> set(std::string key, Spec spec);
  /// Back to what the rules say. `not_found` when nothing was set.
  async::Task<Result<void>> reset(std::string key);
  /// Other rules (SIGHUP); what was set stays set.
  void set_rules(std::vector<Rule> rules);

  /// Every limiter that is alive, set, or has a rule without `*`; by key.
  [[nodiscard]] std::vector<Status> list(std::string_view prefix = {}) const;

  /// One of them, also one that nobody has asked yet.
  [[nodiscard]] Status status(const std::string& key) const;

  /// Sums over all limiters, also those that have gone to sleep.
  [[nodiscard]] Counters totals() const;

 private:
  friend Permit;
  struct Alive {
    std::unique_ptr<Limiter> limiter;
    bool counted = false;
    bool lending = false;  ///< of its reserve, right now
  };
  [[nodiscard]] Rule rule_for(const std::string& key) const;
  Limiter& at(const std::string& key);
  void heard(Notice notice);
  async::Task<> save(std::string key);
  async::Task<> lend(std::string key);
  void prune();

  Setup with_;
  std::map<std::string, Spec> overrides_;
  std::map<std::string, Limiter::Memory> remembered_;
  bool ended_well_ = true;
  std::map<std::string, Alive, std::less<>> alive_;
  Counters asleep_;
  std::size_t prune_at_ = 1024;
  async::TaskSet tasks_;
};

}  // namespace swarm::limits
