#pragma once
// From the life of sandboxes to entries of the ledger. The lifecycle tells each transition inside the transaction that
// records it, so that neither exists without the other: an interval is opened when a sandbox begins to cost, cut when
// what it is split by changes, and booked when it is cut or ends.
//
// How long an interval was is measured on CLOCK_BOOTTIME, which a restart of the daemon and a jump of the wall clock do
// not disturb; both clocks and the boot's id are kept with it. Where the end was not seen (the machine was restarted, a
// sandbox died while nobody watched) it lies between the last moment at which the daemon is known to have watched and
// the moment at which the end was found: half of that is booked, the other half is the bound of the error, and the
// entry is marked with it. The same holds where the provider was asked for the end or a pause: it lies between the
// question and the answer, and the answer may be lost. So what is certain is booked when the question is put, and the
// rest stays open, also over a restart, until it is known what came of it. Where the provider tells both ends, its own
// difference counts: exact, whatever its clock says, and if that is less than was booked the rest is taken back.

#include <functional>
#include <memory>
#include <mutex>

#include "daemon/costs/ledger.hpp"
#include "protocol/api/sandbox_types.hpp"

namespace swarm::costs {

/// Now, on both clocks; taken on the loop when the thing happened.
struct Moment {
  WallTime wall;
  MonoTime mono;
};

/// One step in a sandbox's life.
struct Transition {
  std::string sandbox;
  api::SandboxState to = api::SandboxState::requested;
  Moment at;
  std::string swarm;  ///< whose it is now; empty in the pool
  std::string label;
  std::string provider;
  std::string template_name;
  double cpus = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<WallTime> provider_started;  ///< when the provider says that billing began
  std::optional<WallTime> provider_ended;    ///< when it says that it ended
  std::optional<Moment> not_before;          ///< it happened between then and `at`
  bool found = false;  ///< seen afterwards: it may have happened at any time since an earlier run watched
  /// Asked of the provider, or concluded from its silence: it may not have come about. What was certain until then is
  /// booked; the rest waits for what becomes known.
  bool perhaps = false;
  Duration late{0};           ///< how late an earlier run would have told of what is `found`
  bool bills_paused = false;  ///< the provider charges while it is paused
  bool existed = true;        ///< towards its end: whether the provider has it, or ever had it
};

/// An agent that lives in a sandbox and bears its part of the cost.
struct Agent {
  std::string swarm;
  std::string agent;
  std::string role;
  std::string task;
  auto operator<=>(const Agent&) const = default;
};

/// What was used of a model or a server.
struct Usage {
  Kind kind = Kind::model;
  std::string source;  ///< an id of the request: booked once, however often it is told
  WallTime at;
  Owner owner;  ///< `provider` and `item`: "anthropic", "claude-sonnet-4"; or "mcp", "github"
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write = 0;
  std::int64_t calls = 0;
};

/// The name that prices are looked up by: "e2b/node", "model/claude-sonnet-4", "mcp/github".
[[nodiscard]] std::string price_item(Kind kind, const std::string& provider, const std::string& item);

/// Sandboxes in which that agent lives, and no other: what it alone may be stopped for.
Result<std::vector<std::string>> sandboxes_alone(store::Database& db, const std::string& swarm,
                                                 const std::string& agent);

/// Sandboxes that cost or may, as far as the ledger knows.
Result<std::vector<std::string>> open_sandboxes(store::Database& db);

/// Is handed entries one by one; a failure ends it.
using EntryVisitor = std::function<Result<void>(const Entry&)>;

/// What was used and counted as free, because no price applies to it.
struct Unpriced {
  std::string item;
  std::int64_t since_us = 0;
  std::optional<std::int64_t> until_us;  ///< nothing: there is still no price
};
/// What was so in [since, until).
Result<std::vector<Unpriced>> unpriced(store::Database& db, std::optional<std::int64_t> since_us,
                                       std::optional<std::int64_t> until_us);

/// Its functions belong to a transaction of the caller and run on the writer's thread; `set_prices` on any.
class Meter {
 public:
  /// `boot_id`: /proc/sys/kernel/random/boot_id.
  explicit Meter(std::string boot_id) : boot_id_(std::move(boot_id)) {}

  /// Numbers the tables in the store, then they hold. Open intervals go by them from where each is valid.
  Result<void> set_prices(store::Changes& changes, std::vector<PriceTable> tables);
  [[nodiscard]] std::shared_ptr<const PriceBook> prices() const;

  /// Call it for every transition, also of those that cost nothing.
  Result<void> on_transition(store::Changes& changes, const Transition& transition);

  /// From now on the agent bears its part; one that is there already changes role or task.
  Result<void> agent_joined(store::Changes& changes, const std::string& sandbox, const Agent& agent, Moment at);
  Result<void> agent_left(store::Changes& changes, const std::string& sandbox, const std::string& swarm,
                          const std::string& agent, Moment at);

  Result<void> record(store::Changes& changes, const Usage& usage);

  /// Notes that the daemon watches. Called every few seconds while something runs or rests.
  Result<void> alive(store::Changes& changes, Moment at);

  /// Books up to `limit` intervals that are open for over an hour, or since another boot, and goes on with them: so
  /// that what is open stays short. Gives how many there were.
  Result<std::size_t> settle(store::Changes& changes, Moment at, std::size_t limit);

  /// What all open intervals would be booked as if they ended now. Any connection, any thread.
  Result<std::vector<Entry>> accrued(store::Database& db, Moment now) const;
  /// The same one by one, as the rows are read: there may be many thousands.
  Result<void> accrued(store::Database& db, Moment now, const EntryVisitor& visit) const;

  /// What all open intervals use in an hour from now on, at the prices of now: for forecasts.
  Result<std::vector<Entry>> burning(store::Database& db, Moment now) const;

  [[nodiscard]] const std::string& boot_id() const { return boot_id_; }

 private:
  struct Open;
  struct Extent;
  struct Running;
  struct End;
  /// When an earlier run of the daemon last watched.
  struct Watched {
    std::string boot;
    std::int64_t ns = 0;
    std::int64_t us = 0;
  };
  /// Calls `visit` with each open interval and who shares it.
  static Result<void> each_running(store::Database& db, const std::function<Result<void>(Running&)>& visit);
  static Result<std::optional<Open>> load(store::Database& db, const std::string& sandbox);
  static Result<void> save(store::Database& db, const Open& open);
  static Result<void> forget(store::Database& db, const std::string& sandbox);
  /// Remembers, and tells once, that nothing says what `item` costs.
  Result<void> note_unpriced(store::Changes& changes, const std::string& item, std::int64_t at_us) const;
  Result<std::optional<Watched>> watched_before(store::Database& db) const;
  /// From the beginning of the open interval to that end, as one that runs.
  [[nodiscard]] Result<Extent> extent(store::Database& db, const Open& open, const End& end) const;
  /// The same, with what its phase leaves in doubt.
  [[nodiscard]] Result<Extent> measure(store::Database& db, const Open& open, const End& end) const;
  [[nodiscard]] std::vector<Entry> cut(const Open& open, const Extent& extent, const std::vector<Agent>& agents) const;
  /// The same at the end of `entries`.
  void cut(const PriceBook& prices, const Open& open, const Extent& extent, const std::vector<Agent>& agents,
           std::vector<Entry>& entries) const;
  Result<void> book_extent(store::Database& db, Open& open, const Extent& extent) const;
  /// Books what ran up to its end, and begins the next interval where that one ends.
  Result<void> close(store::Database& db, Open& open, const End& end) const;
  /// Books what has run for certain, should it have ended there; what remains stays open.
  Result<void> book_certain(store::Database& db, Open& open, const End& end) const;
  void start(Open& open, Moment at) const;
  void describe(Open& open, const Transition& t) const;
  Result<void> pause(store::Database& db, Open& open, const Transition& t) const;
  Result<void> lose(store::Database& db, Open& open, const Transition& t) const;
  Result<void> finish(store::Database& db, Open& open, const Transition& t) const;
  /// When at the earliest one went on that rested.
  [[nodiscard]] Result<Moment> woken_since(store::Database& db, const Open& open, const Transition& t) const;
  Result<void> run(store::Database& db, Open& open, const Transition& t, bool known) const;

  const std::string boot_id_;
  mutable std::mutex mutex_;
  std::shared_ptr<const PriceBook> prices_ = std::make_shared<PriceBook>();  // guarded by mutex_; shared with readers
  mutable std::optional<std::optional<Watched>> watched_before_;             // guarded by mutex_; read once
};

}  // namespace swarm::costs
