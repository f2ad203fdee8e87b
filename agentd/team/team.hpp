#pragma once
// The team that lives in this sandbox: whose home it is, who belongs to it, and its coordination (locks, messages,
// registry, notes), of which this agentd is the authority. All of it is in a store of agentd's own, so that an agentd
// that comes after a crash goes on where this one was.
//
//   tunnel: team.open, join, leave --> members (uid <-> agent) --.
//   inner socket: SO_PEERCRED uid  ------------------------------+--> Actor --> coord::Host --> store
//
// Of a swarm that spans several sandboxes the daemon is the authority. Then the team is *far*: there are members and no
// host here, what agents ask goes up (far.hpp), and the daemon says for whom there is mail.
//
// It knows nothing of RPC; agentd/rpc/ binds it.

#include <functional>
#include <list>
#include <memory>

#include "agentd/team/accounts.hpp"
#include "protocol/api/relay.hpp"
#include "protocol/coord/host.hpp"
#include "protocol/transport/stream.hpp"

namespace swarm::agentd {

/// An agent of the team, past or present.
struct Member {
  std::string agent;
  Account account;
  std::string role;
  std::string kind;
  bool lead = false;
  bool gone = false;
};

struct TeamOptions {
  std::string store;      ///< a directory of our own (0700); made when the team is opened
  std::string workspace;  ///< where repositories and views are
  Accounts::Places places{};
  api::Identity identity = api::Identity::unknown;
};

/// Belongs to the loop's thread.
class Team {
 public:
  using Happenings = std::vector<coord::Happening>;

  Team(async::Loop& loop, Random& random, TeamOptions options);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  /// Opens what the agentd before us had open; nothing where there was none. Blocks: for the start.
  Result<void> recover();

  async::Task<Result<api::TeamInfo>> open(api::TeamOpenRequest request);
  async::Task<Result<api::TeamMember>> join(api::TeamJoinRequest request);
  async::Task<Result<api::TeamMember>> leave(api::TeamLeaveRequest request);
  /// `failed_precondition` while no team is open.
  [[nodiscard]] Result<api::TeamInfo> info() const;

  [[nodiscard]] bool is_open() const { return host_ != nullptr || (far_ && !swarm_.empty()); }
  /// The daemon is the authority of this swarm.
  [[nodiscard]] bool is_far() const { return far_ && is_open(); }
  [[nodiscard]] const std::string& swarm() const { return swarm_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const TeamOptions& options() const { return options_; }
  [[nodiscard]] const api::TeamPatience& patience() const { return patience_; }

  /// Calls a method of the daemon. Set once, before the team is opened or recovered.
  using Ask = std::function<async::Task<Result<Value>>(std::string method, Value params)>;
  void ask_with(Ask ask) { ask_ = std::move(ask); }
  /// `unavailable` while there is no way to the daemon.
  async::Task<Result<Value>> ask(std::string method, Value params);

  /// Of a far team: how many messages wait for each agent, as far as it is known.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& mail() const { return mail_; }
  [[nodiscard]] std::uint64_t mail_of(const std::string& agent) const;
  /// The daemon says so; whoever listens is told. `failed_precondition` where this is the authority itself.
  Result<void> set_mail(std::map<std::string, std::uint64_t> unread);
  /// An agent was told so with what it asked.
  void set_mail_of(const std::string& agent, std::uint64_t unread);

  /// The coordination. `failed_precondition` while no team is open, and of a far one.
  [[nodiscard]] Result<coord::Host*> host();
  /// The store, for domains that keep their tables beside; null while no team is open.
  [[nodiscard]] store::Store* store() { return store_.get(); }

  /// Who a program of the sandbox is, as the kernel says: the agent of its uid; uid 0 is the sandbox itself. Where all
  /// share one uid, the agent that its environment names (SWARM_AGENT), marked as not proven. `permission_denied` for
  /// anybody else, and for an agent that has left.
  [[nodiscard]] Result<coord::Actor> caller(const transport::PeerCredentials& credentials) const;

  /// `not_found` names who there is.
  [[nodiscard]] Result<const Member*> find(const std::string& agent) const;
  [[nodiscard]] const std::list<Member>& members() const { return members_; }

  /// A call of an agent, which is a sign of life. Brings back one whose program had ended.
  void alive(const std::string& agent);
  /// A sign of life that somebody else saw.
  void seen(const std::string& agent);
  /// Its last call; zero: none yet of this agentd.
  [[nodiscard]] MonoTime heard(const std::string& agent) const;
  /// Its program has ended, and nobody started it again: its locks come free, and it is gone until its next sign of
  /// life. `not_found` for an unknown one.
  async::Task<Result<void>> program_ended(std::string agent, std::string why);

  /// Calls `listener` on the loop after each commit, with what happened, in order. For as long as the team lives.
  void listen(std::function<void(const Happenings&)> listener) { listeners_.push_back(std::move(listener)); }

  /// The sandbox was paused this long, up to now.
  void resumed(std::chrono::milliseconds paused);

 private:
  Result<void> open_store();
  Result<void> load();
  Result<void> open_host();
  async::Task<Result<void>> put_far(Member member, std::int64_t position);
  void tell(const Happenings& happenings);
  Result<void> check_open(const api::TeamOpenRequest& request) const;
  [[nodiscard]] const Member* by_uid(std::uint32_t uid) const;
  [[nodiscard]] api::TeamMember told(const Member& member) const;
  async::Task<Result<void>> add(Member member, std::int64_t position, std::vector<coord::Skill> skills);
  static async::Task<> tell_alive(coord::Host* host, std::string agent);
  static async::Task<> tell_alive_far(Team* self, std::string agent);

  async::Loop& loop_;
  Random& random_;
  TeamOptions options_;
  Accounts accounts_;
  std::string swarm_;
  std::string name_;
  std::int64_t epoch_ = 0;
  std::int64_t rate_ = 0;
  bool far_ = false;
  Ask ask_;
  std::map<std::string, std::uint64_t> mail_;
  api::TeamPatience patience_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<coord::Host> host_;
  /// Hosts of former epochs: callers that wait in their lines are answered, then they are idle.
  std::vector<std::unique_ptr<coord::Host>> former_;
  std::list<Member> members_;                ///< in the order in which they came; addresses stay
  std::map<std::string, MonoTime> written_;  ///< when a sign of life was last written down
  std::map<std::string, MonoTime> heard_;    ///< the last one
  std::vector<std::function<void(const Happenings&)>> listeners_;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace swarm::agentd
