#pragma once
// The coordination (messages, locks, notes, registry) of swarms that span several sandboxes: the daemon is the
// authority of these. It is in the daemon's own store, so a daemon that comes after a crash goes on where this one was.
//
//   agent --> agentd of its sandbox --relay.call {agent}--> is that agent's seat in that sandbox? --> Desk
//   Desk  --> somebody has mail ----team.mail {unread}----> agentd of the sandbox where it lives  --> its program
//
// A sandbox is believed in what it says of agents that have their seat there, and in nothing about others.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "protocol/api/relay.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/authority/desk.hpp"
#include "protocol/store/store.hpp"

namespace swarm::team {

/// Where an agent lives.
struct Seat {
  std::string sandbox;  ///< empty: nowhere now
  bool proven = true;   ///< there the kernel tells it from others
  bool operator==(const Seat&) const = default;
};
using Seats = std::map<std::string, Seat>;  ///< by agent

/// Belongs to the loop's thread.
class Authorities {
 public:
  /// Tells a sandbox for which of its agents mail waits. An error: it is tried again.
  using Push = std::function<async::Task<Result<void>>(std::string sandbox, api::TeamMailRequest mail)>;

  /// All must outlive it.
  Authorities(async::Loop& loop, store::Store& store, Random& random, Push push);
  Authorities(const Authorities&) = delete;
  Authorities& operator=(const Authorities&) = delete;
  ~Authorities();

  /// From here on the daemon decides for this swarm; `repository` is meant where a call names none. Again: nothing.
  /// `paused`: for so long nobody did, and the time does not count. Blocks for a point read.
  Result<void> host(const std::string& swarm, const std::string& repository, std::chrono::milliseconds paused = {});
  /// It is over, or stands still: calls are refused. Those that wait are answered, or end with their callers.
  void let_go(const std::string& swarm);
  [[nodiscard]] bool hosts(const std::string& swarm) const { return hosted_.contains(swarm); }

  /// Says where its agents live now.
  void seat(const std::string& swarm, Seats seats);

  /// Adds an agent to the registry, or brings it back. `not_found` where the swarm is not hosted.
  async::Task<Result<void>> join(std::string swarm, coord::NewAgent agent);
  /// It is gone: its locks come free.
  async::Task<Result<void>> leave(std::string swarm, std::string agent, std::string why);

  /// Its change of these paths was merged: what its edits reserved there is free.
  async::Task<Result<void>> merged(std::string swarm, std::string agent, std::string repository,
                                   std::vector<std::string> paths);

  /// A call of a person on the host, with arguments as they are on the wire.
  async::Task<Result<Value>> as_person(std::string swarm, std::string method, Value params);

  /// What comes from a sandbox of the swarm. `permission_denied` for an agent that does not live there.
  async::Task<Result<api::RelayCallReply>> call(std::string swarm, std::string sandbox, api::RelayCallRequest request);
  async::Task<Result<api::HookEventReply>> hook(std::string swarm, std::string sandbox, api::RelayHookRequest request);
  async::Task<Result<api::Empty>> report(std::string swarm, std::string sandbox, api::RelayReportRequest request);

  /// A sandbox can be spoken to again: what it was told may be forgotten.
  void connected(const std::string& sandbox);

 private:
  struct Hosted;
  struct Branch;

  Result<std::shared_ptr<Hosted>> find(const std::string& swarm) const;
  Result<coord::Actor> agent_in(const Hosted& hosted, const std::string& sandbox, const std::string& agent) const;
  void happened(Hosted& hosted, const std::vector<coord::Happening>& happenings);
  static async::Task<> tell(Authorities* self, Hosted* hosted, std::shared_ptr<Branch> branch);
  static async::Task<> notify(store::Store* store, std::vector<store::NewEvent> notices);

  async::Loop& loop_;
  store::Store& store_;
  Random& random_;
  Push push_;
  std::map<std::string, std::shared_ptr<Hosted>> hosted_;  ///< shared with calls that are being answered
  async::TaskSet tasks_;
};

}  // namespace swarm::team
