#pragma once
// What the store keeps of a swarm: the part that everybody may see (api::SwarmInfo) and the part that only the daemon
// needs.

#include <map>
#include <string>
#include <vector>

#include "protocol/api/swarm.hpp"
#include "protocol/store/migration.hpp"
#include "protocol/store/store.hpp"

namespace swarm::swarms {

/// The port inside at which an agent finds its model.
struct ModelPort {
  std::string forward;
  std::uint32_t number = 0;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmModelPort", "The port inside at which an agent finds its model.");
    d.field("forward", &ModelPort::forward, "As its agentd calls it.");
    d.field("number", &ModelPort::number, "The TCP port.");
  }
};

/// What is kept of one of several repositories.
struct HiddenRepo {
  std::string git_dir;
  std::string base_branch;

  template <class D>
  static void describe(D& d) {
    d.type("HiddenSwarmRepo", "What the daemon keeps of one of several repositories.");
    d.field("git_dir", &HiddenRepo::git_dir, "Of the user's repository.");
    d.field("base_branch", &HiddenRepo::base_branch, "The branch that work began from.");
  }
};

/// One branch of a publication to several repositories.
struct Landing {
  std::string name;        ///< of the repository inside
  std::string repository;  ///< the user's
  std::string commit;      ///< that its branch is set to
  std::string before;      ///< where it stood; empty: there was none

  template <class D>
  static void describe(D& d) {
    d.type("HiddenSwarmLanding", "One branch of a publication to several repositories.");
    d.field("name", &Landing::name, "Of the repository inside.");
    d.field("repository", &Landing::repository, "The user's.");
    d.field("commit", &Landing::commit, "That its branch is set to.");
    d.field("before", &Landing::before, "Where it stood.");
  }
};

/// A publication to several repositories that was begun: what is meant, from before the first branch is set until all
/// are, or none is.
struct Publishing {
  std::string head;  ///< the commit that has all of them
  std::vector<Landing> branches;
  bool undoing = false;  ///< one was refused: those that were set are put back
  std::string why;       ///< that it was

  template <class D>
  static void describe(D& d) {
    d.type("HiddenSwarmPublishing", "A publication to several repositories that was begun.");
    d.field("head", &Publishing::head, "The commit that has all of them.");
    d.field("branches", &Publishing::branches, "One for each repository that was changed.");
    d.field("undoing", &Publishing::undoing, "Those that were set are put back.");
    d.field("why", &Publishing::why, "Why they are.");
  }
};

/// Kept with the swarm, never shown.
struct Hidden {
  std::map<std::string, std::string> env;
  std::optional<std::string> template_name;
  std::optional<std::string> provider;
  std::chrono::milliseconds test_timeout{600'000};
  std::map<std::string, std::string> briefs;     ///< what each agent is started with
  std::map<std::string, ModelPort> model_ports;  ///< by agent
  std::uint32_t sandboxes = 0;                   ///< how many it had before the one that it has
  bool stop_asked = false;                       ///< a person ended it; the flow goes on with its end
  bool publish_at_end = true;
  std::string base_branch;                     ///< that it began from; empty: none
  std::string git_dir;                         ///< of the user's repository
  std::map<std::string, HiddenRepo> repos;     ///< by name, where there are several
  std::optional<Publishing> publishing;        ///< of several repositories; nothing: none is under way
  std::string joined;                          ///< the commit that has all of them; empty: not made yet
  std::string title;                           ///< of its result, as its run says
  std::string body;                            ///< the same, in full
  std::string definition;                      ///< of its workflow; empty: the built-in one of that name
  std::optional<api::ShipmentWish> ship;       ///< how its result leaves when it is done
  std::map<std::string, std::uint32_t> made;   ///< how many sandboxes each place had before, where there are several
  std::map<std::string, std::uint32_t> turns;  ///< how many sandboxes each place had that ended with their turn
  std::vector<std::string> leaving;            ///< sandboxes whose turn is over, and that are to end
  std::int64_t paused_us = 0;                  ///< since when it stands still, UTC; 0: it does not

  template <class D>
  static void describe(D& d) {
    d.type("HiddenSwarmRecord", "What the daemon keeps of a swarm and shows to nobody.");
    d.field("env", &Hidden::env, "Environment of its agents.").secret();
    d.field("template", &Hidden::template_name, "What its sandbox is made from.");
    d.field("provider", &Hidden::provider, "Who was asked for its sandbox.");
    d.field("test_timeout_ms", &Hidden::test_timeout, "How long its test may take.");
    d.field("briefs", &Hidden::briefs, "What each agent is started with.");
    d.field("model_ports", &Hidden::model_ports, "Where each agent finds its model.");
    d.field("sandboxes", &Hidden::sandboxes, "How many sandboxes it had before.");
    d.field("stop_asked", &Hidden::stop_asked, "A person ended it.");
    d.field("publish_at_end", &Hidden::publish_at_end, "What was merged is published when it ends.");
    d.field("base_branch", &Hidden::base_branch, "The branch that it began from.");
    d.field("git_dir", &Hidden::git_dir, "Of the user's repository.");
    d.field("repos", &Hidden::repos, "Of several repositories, by name.");
    d.field("publishing", &Hidden::publishing, "A publication that is under way.");
    d.field("joined", &Hidden::joined, "The commit that has all of them.");
    d.field("title", &Hidden::title, "Of its result.");
    d.field("body", &Hidden::body, "Of its result.");
    d.field("definition", &Hidden::definition, "Of its workflow.");
    d.field("ship", &Hidden::ship, "How its result leaves when it is done.");
    d.field("made", &Hidden::made, "How many sandboxes each place had before.");
    d.field("turns", &Hidden::turns, "How many sandboxes each place had that ended with their turn.");
    d.field("leaving", &Hidden::leaving, "Sandboxes that are to end.");
    d.field("paused_us", &Hidden::paused_us, "Since when it stands still.");
  }
};

struct Record {
  api::SwarmInfo info;
  Hidden hidden;
};

/// So often a place whose sandbox vanishes gets another.
inline constexpr std::uint32_t kMostSandboxes = 3;

/// The place where changes are merged, of a swarm that has several.
inline constexpr const char* kIntegrationPlace = "integration";

/// Says which sandboxes a swarm with these agents gets. With one for each execution every agent has a place of its own,
/// which gets another sandbox for each of its turns.
Result<void> plan_places(api::SwarmInfo& info, api::SwarmTopology topology);

/// Its agents are in several sandboxes.
[[nodiscard]] bool spans(const api::SwarmInfo& info);

/// All of its sandboxes: of a swarm that has one, that one, without a name and with all agents.
[[nodiscard]] std::vector<api::SwarmPlace> places_of(const api::SwarmInfo& info);
/// One of them by its name.
[[nodiscard]] std::optional<api::SwarmPlace> place_named(const api::SwarmInfo& info, const std::string& name);
/// The name of the one that an agent lives in; empty for that of a swarm that has one.
[[nodiscard]] std::string place_of(const api::SwarmInfo& info, const std::string& agent);
/// The sandbox that an agent lives in; empty: none now.
[[nodiscard]] std::string sandbox_of(const api::SwarmInfo& info, const std::string& agent);
/// Writes down that a place has this sandbox now; an empty one: none.
void set_sandbox(api::SwarmInfo& info, const std::string& place, const std::string& sandbox,
                 const std::string& provider);

/// Nothing is left to do for it.
[[nodiscard]] bool is_over(api::SwarmState state);

/// The tables of this domain.
extern const store::Domain kSwarmDomain;

/// Adds a new swarm. `already_exists` when one that is not discarded has its name.
Result<void> insert(store::Database& db, const Record& record);

/// Replaces what is kept of a known swarm.
Result<void> update(store::Database& db, const Record& record);

/// Every swarm that is not over, oldest first.
Result<std::vector<Record>> load_living(store::Database& db);

/// Every swarm with a publication that was begun and is neither done nor put back.
Result<std::vector<Record>> load_publishing(store::Database& db);

/// One, by id; nothing when there is none.
Result<std::optional<Record>> load(store::Database& db, const std::string& id);

/// Up to `limit` swarms whose (created_us, id) is below the given one, newest first.
Result<std::vector<Record>> load_page(store::Database& db, bool all, std::int64_t created_before_us,
                                      const std::string& id_before, int limit);

/// Ids of those that are named so, or whose id begins so; at most `limit`. Of one name the one that is not discarded
/// comes first.
Result<std::vector<std::string>> find_ids(store::Database& db, const std::string& what, int limit);

}  // namespace swarm::swarms
