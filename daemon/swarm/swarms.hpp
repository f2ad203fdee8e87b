#pragma once
// Every swarm of this daemon: from the call that wants one to the branch that it brings back.
//
//   sandbox -> team -> import -> agents -> run -> deliver -> publish -> teardown -> over
//
// Each step is recorded before it is begun and can be done again: after a crash a swarm goes on with the step that its
// record names. What happens inside of `run` is the workflow engine's; it acts through the ports (ports.hpp).
//
// It knows sandboxes, git and the engine. It does not know clients.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/costs/meter.hpp"
#include "daemon/model/gateway.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "daemon/swarm/outlet.hpp"
#include "daemon/swarm/record.hpp"
#include "daemon/swarm/repository.hpp"
#include "daemon/swarm/runs.hpp"
#include "daemon/team/authorities.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::swarms {

class Agents;
class Swarm;

/// Which swarm is meant, and where it is.
struct Place {
  std::string swarm;
  std::string name;
  std::string sandbox;  ///< empty: it has none now; of several the one where changes are merged
};

/// What the service stands on; everything outlives it.
struct Surroundings {
  async::Loop& loop;
  store::Store& store;
  Random& random;
  sandbox::Sandboxes& sandboxes;
  const git::Program& git;
  std::filesystem::path repos;               ///< a bare repository for each swarm
  team::Authorities* authorities = nullptr;  ///< of swarms over several sandboxes; null: there are none
  model::Gateway* models = nullptr;          ///< the way of agents to models; null: there is none
  costs::Meter* meter = nullptr;             ///< told of each agent that runs; null: nobody counts
  const config::Config* config = nullptr;    ///< null: the defaults
};

class Swarms {
 public:
  explicit Swarms(Surroundings surroundings);
  Swarms(const Swarms&) = delete;
  Swarms& operator=(const Swarms&) = delete;
  ~Swarms();

  /// Hands over the engine, which needs the ports and so comes later. Before `recover`.
  void connect(Runs& runs) { runs_ = &runs; }
  /// Who takes results out; without one, a deploy that asks for that is refused.
  void connect(Outlet& outlet) { outlet_ = &outlet; }

  /// Takes up what an earlier run of the daemon left. When sandboxes are recovered.
  async::Task<Result<void>> recover();
  /// Stops working on them; nothing of theirs ends.
  void stop();

  /// Checks and records a swarm and begins with it. With `dry_run` it is only checked.
  async::Task<Result<api::SwarmInfo>> create(api::SwarmCreateRequest request);
  async::Task<Result<api::SwarmListReply>> list(api::SwarmListRequest request);
  async::Task<Result<api::SwarmInfo>> info(std::optional<std::string> what);
  async::Task<Result<api::SwarmInfo>> shutdown(std::optional<std::string> what, api::SwarmShutdownRequest request);
  async::Task<Result<api::SwarmInfo>> pause(std::optional<std::string> what);
  async::Task<Result<api::SwarmInfo>> resume(std::optional<std::string> what);
  async::Task<Result<api::SwarmFetchReply>> fetch(std::optional<std::string> what);
  async::Task<Result<api::SwarmDiffReply>> diff(std::optional<std::string> what, api::SwarmDiffRequest request);
  async::Task<Result<api::SwarmLogReply>> log(std::optional<std::string> what, api::SwarmLogRequest request);
  async::Task<Result<api::SwarmInfo>> discard(std::optional<std::string> what, api::SwarmDiscardRequest request);

  /// What a swarm has merged until now, for somebody who takes it further.
  async::Task<Result<Goods>> goods(std::optional<std::string> what);
  /// Our bare repository of a swarm.
  [[nodiscard]] std::string keep_of(const std::string& swarm) const;

  /// A swarm by id, unique prefix of it, or name; without a word the only one that is not over. `not_found`, or
  /// `invalid_argument` where it is not clear which.
  [[nodiscard]] Result<Place> find(const std::optional<std::string>& what);
  /// All of its sandboxes that it has now.
  [[nodiscard]] Result<std::vector<std::string>> sandboxes_of(const std::string& what);
  /// The one in which an agent of it lives; for a name that is none of its agents' the one where changes are merged.
  [[nodiscard]] Result<std::string> sandbox_of_agent(const std::string& what, const std::string& agent);
  /// The agents that a call from this sandbox may be of; nothing where its agentd alone says.
  [[nodiscard]] std::optional<std::set<std::string>> agents_in(const std::string& sandbox) const;
  /// The swarm whose sandbox this is; nothing where it is none's.
  [[nodiscard]] std::optional<Place> of_sandbox(const std::string& sandbox) const;

  /// A living swarm by its id, or null. For the ports.
  [[nodiscard]] std::shared_ptr<Swarm> living(const std::string& id) const;
  /// Changes a swarm's record in the store and in memory; an event tells of a new state or step.
  async::Task<Result<void>> change(std::shared_ptr<Swarm> swarm, std::function<void(Record&)> what,
                                   store::Durability durability = store::Durability::process);
  /// A connection to the agentd where changes are merged.
  async::Task<Result<std::shared_ptr<wire::Connection>>> agentd(std::shared_ptr<Swarm> swarm);
  /// To that of one of its places, by name.
  async::Task<Result<std::shared_ptr<wire::Connection>>> agentd_at(std::shared_ptr<Swarm> swarm, std::string place);
  /// Fetches what the swarm has merged and what its agents have, and records the newest merged commit.
  async::Task<Result<std::string>> keep_work(std::shared_ptr<Swarm> swarm);
  /// Fetches from one of its places; records the newest merged commit where that is where changes are merged.
  async::Task<Result<std::string>> keep_work_of(std::shared_ptr<Swarm> swarm, std::string place);
  /// The same in the background, of one place or of all; however often it is wanted meanwhile, it is done once more.
  void keep_soon(std::shared_ptr<Swarm> swarm, std::optional<std::string> place = {});
  /// Of a swarm in several sandboxes: brings an agent's commit (without a name, somebody's) to where changes are
  /// merged.
  async::Task<Result<void>> bring_candidate(std::shared_ptr<Swarm> swarm, std::string agent, std::string commit);
  /// Fetches what is new at a place, and brings it to all where agents work: to review it, or to sync with what was
  /// merged. What cannot be reached gets it later; an error: what is new could not be fetched.
  async::Task<Result<void>> spread(std::shared_ptr<Swarm> swarm, std::string from);
  /// Brings the branches that we have to one place.
  async::Task<Result<void>> spread_to(std::shared_ptr<Swarm> swarm, std::string place);
  /// A change of this agent was merged: what its edits reserved is free.
  async::Task<> merged(std::shared_ptr<Swarm> swarm, std::string agent, std::string commit);
  /// One of several sandboxes is gone: makes another and brings its agents' work there.
  async::Task<Result<void>> rehouse(std::shared_ptr<Swarm> swarm, std::string place);
  /// Gives a place that has none a sandbox, with its team and its repository; what is there already stays.
  async::Task<Result<void>> settle(std::shared_ptr<Swarm> swarm, std::string place);
  /// The turn of the agent at a place is over, and its next one is in another sandbox: fetches what it committed, and
  /// leaves the one that it has, which ends. The place has none then; `settle` gives it one.
  async::Task<Result<void>> leave_sandbox(std::shared_ptr<Swarm> swarm, std::string place);
  /// Adds an agent to the registry that the daemon keeps of a swarm in several sandboxes.
  async::Task<Result<void>> join_far(std::shared_ptr<Swarm> swarm, std::string agent);
  /// Sets the branch of the user's repository to what was fetched last.
  async::Task<Result<git::Published>> publish(std::shared_ptr<Swarm> swarm, bool replace);
  /// The engine's run of a swarm went on.
  void run_changed(const std::string& swarm);
  /// An agent of this sandbox has committed: that must not be lost with it.
  void committed(const std::string& sandbox);

  [[nodiscard]] const Surroundings& with() const { return with_; }
  [[nodiscard]] Runs* runs() const { return runs_; }
  [[nodiscard]] Agents& agents() { return *agents_; }

 private:
  using Living = std::map<std::string, std::shared_ptr<Swarm>>;

  std::shared_ptr<Swarm> adopt(Record record);
  /// One that nobody keeps going: for a look at what it left.
  std::shared_ptr<Swarm> detached(Record record);
  async::Task<Result<Record>> load_record(std::optional<std::string> what);
  async::Task<Result<std::shared_ptr<Swarm>>> living_or_refused(std::optional<std::string> what, std::string_view verb);
  async::Task<Result<Record>> planned(api::SwarmCreateRequest request);
  async::Task<Result<void>> plan_members(Record& record, Looked first, api::SwarmCreateRequest request);
  async::Task<Result<void>> take_members(std::shared_ptr<Swarm> swarm);
  async::Task<Result<std::vector<api::SwarmRepo>>> split_heads(std::shared_ptr<Swarm> swarm, std::string head);
  async::Task<Result<git::Published>> publish_members(std::shared_ptr<Swarm> swarm, bool replace);
  async::Task<Result<std::optional<Error>>> land(std::shared_ptr<Swarm> swarm);
  async::Task<Result<void>> settle_publication(std::shared_ptr<Swarm> swarm);
  async::Task<Result<void>> remove_branches(std::shared_ptr<Swarm> swarm);

  async::Task<> carry_on(std::shared_ptr<Swarm> swarm);
  async::Task<Result<api::SwarmStep>> do_step(std::shared_ptr<Swarm> swarm);
  using AtPlace = async::Task<Result<void>> (Swarms::*)(std::shared_ptr<Swarm>, std::string place);
  /// Does it at all places at once; the first error.
  async::Task<Result<void>> at_all(std::shared_ptr<Swarm> swarm, AtPlace what);
  async::Task<Result<void>> make_sandbox(std::shared_ptr<Swarm> swarm, std::string place);
  async::Task<Result<void>> open_team(std::shared_ptr<Swarm> swarm, std::string place);
  async::Task<Result<void>> import(std::shared_ptr<Swarm> swarm);
  async::Task<Result<void>> import_to(std::shared_ptr<Swarm> swarm, std::string place);
  async::Task<Result<void>> end_sandbox(std::shared_ptr<Swarm> swarm, std::string place);
  async::Task<Result<void>> end_left(std::shared_ptr<Swarm> swarm);
  async::Task<> end_left_soon(std::shared_ptr<Swarm> swarm);
  async::Task<Result<void>> freeze(std::shared_ptr<Swarm> swarm, std::string place);
  async::Task<Result<void>> thaw(std::shared_ptr<Swarm> swarm, std::string place);
  /// The daemon decides about messages and locks of a swarm in several sandboxes, from here on or not any more.
  enum class Stands { still, not_still };
  Result<void> attend(Swarm& swarm, Stands stands);
  void seat(const Swarm& swarm);
  async::Task<Result<std::string>> note_head(std::shared_ptr<Swarm> swarm, std::string head);
  async::Task<Result<api::SwarmStep>> run(std::shared_ptr<Swarm> swarm);
  async::Task<Result<void>> tear_down(std::shared_ptr<Swarm> swarm);
  async::Task<Result<void>> move_out(std::shared_ptr<Swarm> swarm);
  async::Task<> fail_with(std::shared_ptr<Swarm> swarm, Error error);
  async::Task<> hold(std::shared_ptr<Swarm> swarm);
  async::Task<> keep_in_background(std::shared_ptr<Swarm> swarm);
  void begin(const std::shared_ptr<Swarm>& swarm);

  Surroundings with_;
  git::Keeps keeps_;
  Runs* runs_ = nullptr;
  Outlet* outlet_ = nullptr;
  std::unique_ptr<Agents> agents_;
  Living living_;
  store::Subscription listening_;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

/// What is remembered of an agent's program from one of its ends to the next.
struct Shift {
  int falls = 0;
  MonoTime first_fall;
  MonoTime begun;
  std::string turn;  ///< what a one-shot program was started for
};

/// One swarm that is not over, or that a flow still works for. Shared by the service and by those flows.
class Swarm {
 public:
  Swarm(async::Loop& loop, git::Keeps& keeps, std::string repository, Record record)
      : record(std::move(record)),
        turn(loop),
        starting(loop),
        changed(loop),
        housing(loop),
        publishing(loop),
        repository(keeps, std::move(repository)) {}

  [[nodiscard]] const std::string& id() const { return record.info.id; }
  [[nodiscard]] api::SwarmAgentInfo* agent(const std::string& name);

  Record record;                        ///< as last written
  async::Turn turn;                     ///< changes of the record pass one by one
  async::Turn starting;                 ///< so do starts of its programs
  async::Condition changed;             ///< after each change, and when its run went on
  async::Turn housing;                  ///< and its places are made anew one by one
  async::Turn publishing;               ///< and so do publications
  std::map<std::string, Shift> shifts;  ///< by agent
  bool lost = false;                    ///< its sandbox was found to be gone
  bool keeping = false;                 ///< its work is being fetched in the background,
  std::set<std::string> to_keep;        ///< and there is more already, at these places
  std::set<std::string> offline;        ///< places that cannot be reached
  std::optional<Error> broken;          ///< a place could not be made anew
  Repository repository;
  std::map<std::string, sandbox::Sandboxes::Use> uses;  ///< keep its sandboxes alive; by sandbox
  bool carried_on = false;                              ///< its flow is under way
  std::uint64_t news = 0;                               ///< counts what its run told
};

}  // namespace swarm::swarms
