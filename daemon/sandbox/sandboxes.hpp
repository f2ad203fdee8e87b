#pragma once
// Every sandbox of this daemon, and what can be done with them. Each step of a life is written to the store before it
// is acted on (state.hpp has the table); what runs outside is compared with what is written at start and every minute.
//
// It knows the store and the providers. It does not know clients, swarms or prices: they hear of changes by events, and
// who counts money by the steward that it was handed.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/providers/provider.hpp"
#include "daemon/sandbox/capacity.hpp"
#include "daemon/sandbox/link.hpp"
#include "daemon/sandbox/pool_settings.hpp"
#include "daemon/sandbox/pools.hpp"
#include "daemon/sandbox/record.hpp"
#include "daemon/sandbox/state.hpp"
#include "daemon/sandbox/steward.hpp"
#include "protocol/api/pool.hpp"
#include "protocol/api/sandbox.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/store/store.hpp"

namespace swarm::sandbox {

class Sandbox;

/// What a sandbox may use: as asked, else as its template says, else the configured default.
api::SandboxLimits limits_of(const api::SandboxLimits& asked, const config::Template& from,
                             const config::Sandbox& defaults);
/// What it may reach, likewise.
api::NetworkPolicy network_of(const std::optional<api::NetworkPolicy>& asked, const config::Template& from,
                              const config::Sandbox& defaults);

/// Where a step is: about to be written, written, or refused by the store.
enum class StepMoment { intended, recorded, failed };
/// Is called at each step of each sandbox: tests stop the daemon there.
using StepObserver = std::function<void(State from, Event event, StepMoment moment)>;

/// What the service stands on; everything outlives it.
struct Surroundings {
  async::Loop& loop;
  store::Store& store;
  Random& random;
  const config::Config& config;
  TunnelSetup& tunnels;
  std::vector<providers::Provider*> providers;  ///< in the configured order
  wire::Router& tunnel_router;                  ///< answers calls from inside
  StepObserver observer{};                      ///< may be empty
  Steward* steward = nullptr;                   ///< null: nothing is counted or limited
  Duration reconcile_every = std::chrono::minutes(1);
};

class Sandboxes final : private PoolHost {
 public:
  explicit Sandboxes(Surroundings surroundings);
  Sandboxes(const Sandboxes&) = delete;
  Sandboxes& operator=(const Sandboxes&) = delete;
  ~Sandboxes() override;

  /// Closes every tunnel, for the daemon's end: what sandboxes have asked is dropped, and nothing is asked any more.
  void hang_up();

  /// Takes up what an earlier run of the daemon left: adopts what lives, looks up what is unknown, ends what nobody
  /// recorded. Before anything else is served.
  async::Task<Result<void>> recover();

  /// Makes one and answers when it is claimed, or, with `wait = false`, when it is recorded. Dropping the task does not
  /// end the sandbox; its lease does. The same `key` gives the same sandbox, whatever has become of it. Where several
  /// providers may make it, the next is asked when one is down, refuses or is at its limit.
  async::Task<Result<api::SandboxInfo>> create(api::SandboxCreateRequest request, std::optional<CallKey> key);

  /// By id, unique prefix of an id, or name, living or ended.
  async::Task<Result<api::SandboxInfo>> info(std::string what);
  async::Task<Result<api::SandboxListReply>> list(api::SandboxListRequest request);

  async::Task<Result<api::SandboxInfo>> kill(std::string what, api::SandboxKillRequest request);
  async::Task<Result<api::SandboxExtendReply>> extend(std::string what, std::chrono::milliseconds lease);
  async::Task<Result<api::SandboxInfo>> pause(std::string what);
  async::Task<Result<api::SandboxInfo>> resume(std::string what);
  /// Changes what it may write. One that stands still because of that goes on.
  async::Task<Result<api::SandboxInfo>> resize(std::string what, api::SandboxResizeRequest request);
  async::Task<Result<api::SandboxMetrics>> metrics(std::string what);

  /// Pauses one because a budget says so, as soon as it can be paused; one that waits in a pool is ended instead.
  /// `unimplemented` when its provider cannot pause. Success, too, when it has ended meanwhile.
  async::Task<Result<void>> hold(std::string id, std::string budget, std::string reason);
  /// Lets one go on that was held.
  async::Task<Result<void>> let_go(std::string id);
  /// Whether each that costs, or may, has been seen in this run: until then some may have ended before it began.
  [[nodiscard]] bool watching() const;
  /// Whether one has ended, or is to, as of now: also while that is being written.
  [[nodiscard]] bool is_leaving(const std::string& id) const;
  /// What is known of every living sandbox, by id. Valid until the loop goes on.
  [[nodiscard]] std::vector<const Record*> living() const;

  /// Calls `told` whenever a connection to a sandbox's agentd has come up: whoever follows something inside begins
  /// anew there. One listener, set before `recover`.
  void on_connected(std::function<void(const std::string&, std::shared_ptr<wire::Connection>)> told) {
    connected_ = std::move(told);
  }

  /// A way into a sandbox that can be spoken to. While the `Use` lives the sandbox counts as used, and its lease does
  /// not run out.
  class Use;
  async::Task<Result<Use>> use(std::string what);

  /// Compares with the providers' own lists now. Runs by itself every minute.
  async::Task<> reconcile();

  /// Pools as they stand, with places and claims; of one pool where it is named.
  Result<api::PoolStatusReply> pool_status(const std::optional<std::string>& pool) const;
  async::Task<Result<api::PoolInfo>> set_pool(api::PoolSetRequest request);
  async::Task<Result<api::PoolDrainReply>> drain_pool(std::string pool);
  async::Task<Result<api::PoolInfo>> warm_pool(api::PoolWarmRequest request);
  /// Takes changed pools of the configuration over, except those that were set.
  void reload_pools();

  [[nodiscard]] const Capacity& capacity() const { return capacity_; }

  /// Those that a provider has, or may have, for us.
  [[nodiscard]] std::uint64_t count(const std::string& provider) const;
  /// Living ones in each state.
  [[nodiscard]] std::map<std::string, std::uint64_t> count_by_state() const;

 private:
  friend class Sandbox;
  using Living = std::map<std::string, std::shared_ptr<Sandbox>>;
  using ByAge = std::map<std::pair<std::int64_t, std::string>, std::shared_ptr<Sandbox>>;  ///< (created_us, id)
  /// How many live, kept with every step: there may be many thousands, and `top` asks every second.
  struct Tally {
    std::map<State, std::uint64_t> states;
    std::map<std::string, std::uint64_t> places;  ///< by provider: those that it has, or may have
    void enter(const Record& record);
    void leave(const Record& record);
  };

  Result<Record> plan(const api::SandboxCreateRequest& request);
  /// Who may make it, in the order in which they are asked: the one that is named, else (or for "auto") those of the
  /// template, else of the configuration.
  [[nodiscard]] std::vector<std::string> providers_for(const api::SandboxCreateRequest& request) const;
  /// By the provider that is named; `passed_over` says why it is not an earlier one.
  async::Task<Result<api::SandboxInfo>> create_at(api::SandboxCreateRequest request, std::optional<CallKey> key,
                                                  std::string passed_over);
  async::Task<> bring_up(std::shared_ptr<Sandbox> sandbox);
  async::Task<> bring_down(std::shared_ptr<Sandbox> sandbox);
  async::Task<> watch_end(std::shared_ptr<Sandbox> sandbox);
  /// Records each time that the provider stopped it at a limit.
  async::Task<> watch_limits(std::shared_ptr<Sandbox> sandbox);
  async::Task<Result<void>> stopped_at(std::shared_ptr<Sandbox> sandbox, providers::Overrun overrun);
  async::Task<> keep_alive(std::shared_ptr<Sandbox> sandbox);
  async::Task<> renew(std::shared_ptr<Sandbox> sandbox);
  /// For as long as this connection to its agentd lives.
  async::Task<> fetch_happenings(std::string sandbox, std::shared_ptr<wire::Connection> connection);
  async::Task<> tell_resumed(std::shared_ptr<Sandbox> sandbox, std::chrono::milliseconds paused);
  async::Task<> answer(std::shared_ptr<Sandbox> sandbox);
  async::Task<> lease_out(std::shared_ptr<Sandbox> sandbox);
  async::Task<Result<void>> look_up(std::shared_ptr<Sandbox> sandbox);
  async::Task<> learn(std::shared_ptr<Sandbox> sandbox, providers::Created created);
  async::Task<Result<State>> advance(std::shared_ptr<Sandbox> sandbox, Event event, std::string reason);
  /// What belongs to the same transaction as a step.
  using Also = std::function<Result<void>(store::Changes&)>;
  async::Task<Result<State>> advance(std::shared_ptr<Sandbox> sandbox, Event event, std::string reason,
                                     std::function<void(Record&)> change, Also also = {}, When when = {});
  /// Tells the steward of a step that the record does not show: a pause that has come about, a resume that is begun.
  async::Task<Result<void>> account(std::shared_ptr<Sandbox> sandbox, State as, When when);
  /// Several at once, in one transaction.
  async::Task<Result<void>> account(std::shared_ptr<Sandbox> sandbox, std::vector<std::pair<State, When>> happened);
  /// It was listed as running then: a pause that failed has not come about.
  async::Task<> settle_pause(std::shared_ptr<Sandbox> sandbox, Instant listed);
  /// When it was last there for certain; nothing when this run has not seen it.
  [[nodiscard]] std::optional<Instant> last_there(const Sandbox& sandbox) const;
  /// The same by what was seen of it alone: holds, too, once it has been ended.
  [[nodiscard]] std::optional<Instant> last_seen(const Sandbox& sandbox) const;
  /// What the provider itself knows of that.
  [[nodiscard]] std::optional<Instant> seen_by(const providers::Provider& by, const std::string& ref) const;
  /// It was there then.
  static void see(Sandbox& sandbox, Instant at);
  /// When one was there for certain that stands in a list which was asked for then.
  [[nodiscard]] static Instant shown_in_list(const providers::Provider& by, Instant asked);
  /// One that is paused and does not stand still is found within this, as long as lists can be had.
  [[nodiscard]] Duration standing_known_within() const;
  /// Ends what the provider has and no living record does.
  async::Task<> end_orphan(providers::Provider& by, providers::Listed entry, Instant asked);
  /// Ends for good what an earlier run was about to: it is in the books, and no living record has it.
  async::Task<> end_orphans_begun();
  async::Task<Result<void>> end_record(providers::Provider& by, Record record, Instant there);
  /// Tells the steward of all that an earlier run left.
  async::Task<Result<void>> account_all();
  [[nodiscard]] Step step_of(const Sandbox& sandbox, Record next, Event event, When when) const;
  [[nodiscard]] Instant instant() const { return {with_.loop.clock().wall(), with_.loop.clock().now()}; }
  async::Task<Result<Leave>> leave_to_create(std::shared_ptr<Sandbox> sandbox, MonoTime deadline);
  async::Task<providers::CreateOutcome> ask_provider(std::shared_ptr<Sandbox> sandbox, Leave leave, MonoTime deadline);
  [[nodiscard]] providers::CreateSpec spec_of(const Sandbox& sandbox) const;
  /// `change` says in the record who paused it: a budget, or idleness; nobody else does.
  async::Task<Result<void>> pause_it(std::shared_ptr<Sandbox> sandbox, std::string reason,
                                     std::function<void(Record&)> change);
  async::Task<Result<void>> ask_to_pause(std::shared_ptr<Sandbox> sandbox);
  async::Task<Result<void>> resume_it(std::shared_ptr<Sandbox> sandbox);
  /// It is recorded as paused: what a list says of that.
  void compare_pause(const providers::Provider& by, const std::shared_ptr<Sandbox>& sandbox, bool is_paused,
                     Instant asked);
  async::Task<> pause_again(std::shared_ptr<Sandbox> sandbox, Instant listed);
  /// It was listed as paused for as long as a resume that was cut off may take to come about.
  async::Task<> settle_resume(std::shared_ptr<Sandbox> sandbox, Instant listed);
  async::Task<Result<std::optional<std::string>>> claim_pooled(api::SandboxCreateRequest request,
                                                               std::optional<CallKey> key, Record planned);
  async::Task<Result<api::SandboxInfo>> wait_usable(std::string id, bool wait);
  Pool* pool_for(const api::SandboxCreateRequest& request, const Record& planned) const;
  Result<void> open_pools();
  Pool* open_pool(const std::string& name, const config::Pool& settings);
  Result<Pool*> find_pool(const std::string& name) const;
  [[nodiscard]] api::PoolInfo pool_info(const Pool& pool) const;
  async::Task<Result<void>> remember_pool(std::string name, std::optional<PoolSetting> setting, std::string told);
  async::Task<> empty_pool(std::string name);
  Result<config::Pool> wanted_pool(const api::PoolSetRequest& request) const;
  /// One that was made for a pool is ready.
  void pooled_ready(const Sandbox& sandbox);
  /// A request for a new sandbox has come to nothing.
  void count_failure(const Sandbox& sandbox);
  void refused(const std::string& provider, const Error& why);
  /// What the log is told of a request that no pool could meet at once.
  [[nodiscard]] std::vector<store::NewEvent> decisions_on(const Record& planned, const Pool* pool,
                                                          const Result<Reservation>& place) const;
  async::Task<> tell_refusals(std::string provider, std::string message);
  async::Task<> tell(store::NewEvent event);

  async::Task<Result<std::string>> make_pooled(std::string pool, std::string template_name,
                                               std::string provider) override;
  async::Task<> discard(std::string id, std::string reason) override;
  async::Task<bool> answers(std::string id) override;
  void breaker_changed(const Pool& pool, std::string message) override;
  void found_dead(const Pool& pool, const std::string& id, std::string message) override;
  async::Task<> reconcile_provider(providers::Provider& provider);
  async::Task<> reconcile_always();
  async::Task<> settle(std::shared_ptr<Sandbox> sandbox);
  async::Task<> take_up(std::shared_ptr<Sandbox> sandbox);
  void open_link(const std::shared_ptr<Sandbox>& sandbox);
  /// A stream to its agentd, once it is not paused.
  static async::Task<Result<std::unique_ptr<transport::Stream>>> dial(providers::Provider& by,
                                                                      std::weak_ptr<Sandbox> of);
  void arm_lease(const std::shared_ptr<Sandbox>& sandbox);
  /// Nobody uses it from now on: it is paused or ended when that goes on for too long.
  void fell_idle(const std::shared_ptr<Sandbox>& sandbox);
  void arm_idle(const std::shared_ptr<Sandbox>& sandbox);
  async::Task<> idle_out(std::shared_ptr<Sandbox> sandbox);
  async::Task<> bring_down_later(std::shared_ptr<Sandbox> sandbox);
  async::Task<> go_on(std::shared_ptr<Sandbox> sandbox);
  Result<std::shared_ptr<Sandbox>> find(const std::string& what);
  async::Task<Result<Record>> find_any(std::string what);
  std::shared_ptr<Sandbox> adopt(Record record);
  /// It has ended for good.
  void drop(const Sandbox& sandbox);
  [[nodiscard]] providers::Provider* provider(const std::string& name) const;
  /// That of a sandbox; `failed_precondition` where it is not configured any more.
  [[nodiscard]] Result<providers::Provider*> provider_of(const Sandbox& sandbox) const;
  /// Those whose provider is not configured any more: what may run there is kept, and says so.
  async::Task<> take_up_unserved();

  Surroundings with_;
  Capacity capacity_;
  Living living_;
  ByAge by_age_;
  Tally tally_;
  std::map<std::string, std::unique_ptr<Pool>> pools_;
  std::map<std::string, PoolSetting> pool_settings_;  ///< what was set, beside the configuration
  api::ClaimCounters claims_;
  std::function<void(const std::string&, std::shared_ptr<wire::Connection>)> connected_;
  std::map<std::string, std::uint64_t> untold_refusals_;  ///< by provider; each with a task that will tell of them
  async::TaskSet tasks_;                                  // last: its tasks use everything above
};

/// One living sandbox. Shared by the service and by the flows that are under way for it.
class Sandbox {
 public:
  Sandbox(async::Loop& loop, Record record)
      : record(std::move(record)), turn(loop), switching(loop), changed(loop), lease_timer(loop), idle_timer(loop) {}

  [[nodiscard]] const std::string& id() const { return record.info.id; }
  [[nodiscard]] State state() const { return record.info.state; }

  Record record;             ///< as last written
  async::Turn turn;          ///< steps of this sandbox pass one by one
  async::Turn switching;     ///< so do pauses and resumes, with what the provider does for them
  async::Condition changed;  ///< after each step
  std::unique_ptr<Link> link;
  async::Timer lease_timer;
  MonoTime lease_until;
  async::Timer idle_timer;
  MonoTime idle_since;
  MonoTime lifetime_until;  ///< zero: none
  std::size_t uses = 0;
  Reservation place;                      ///< given back when it is gone
  std::chrono::milliseconds patience{0};  ///< how long it may wait for a place
  std::optional<Error> failure;           ///< why it could not be made, as its callers get it
  bool coming_up = false;                 ///< a flow of this run is at it
  MonoTime asked;                         ///< when the provider was last asked to make it, as far as is known
  int kill_failures = 0;                  ///< in a row
  bool creating = false;                  ///< this run of the daemon waits for the provider's answer
  bool bringing_down = false;
  bool leaving = false;            ///< its end is being recorded, as of a time that has passed
  bool refill = false;             ///< made for a pool: nobody waits for it
  std::optional<Instant> seen;     ///< when it was last known to be there, in this run
  std::optional<Instant> watched;  ///< since when the provider is asked to tell of its end
  std::optional<Instant> stood;    ///< paused, and last known then to stand still, in this run
  std::optional<Instant> ending;   ///< when the provider was first asked to end it
  /// Paused; a resume that was asked for by then has failed or was cut off, and may come about all the same.
  std::optional<Instant> may_run;
  std::optional<Instant> still;  ///< listed as paused while that is in doubt, which was told then
};

/// Why nothing can be done for one whose provider is not configured any more, and what helps.
std::string not_served(const Sandbox& sandbox);

class Sandboxes::Use {
 public:
  Use(std::shared_ptr<Sandbox> sandbox, std::shared_ptr<wire::Connection> connection, Sandboxes& owner);
  Use(Use&& other) noexcept = default;
  Use& operator=(Use&&) = delete;
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use();

  [[nodiscard]] const std::string& id() const { return sandbox_->id(); }
  [[nodiscard]] const Record& record() const { return sandbox_->record; }
  [[nodiscard]] wire::Connection& agent() const { return *connection_; }
  [[nodiscard]] std::shared_ptr<wire::Connection> connection() const { return connection_; }

 private:
  std::shared_ptr<Sandbox> sandbox_;
  std::shared_ptr<wire::Connection> connection_;
  Sandboxes* owner_;
};

}  // namespace swarm::sandbox
