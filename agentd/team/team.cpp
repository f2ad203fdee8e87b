#include "agentd/team/team.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agentd/delivery/record.hpp"
#include "agentd/team/far.hpp"
#include "agentd/team/schema.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/async/file.hpp"
#include "protocol/authority/options.hpp"
#include "protocol/coord/schema.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::agentd {
namespace {

using store::Sql;

constexpr std::int32_t kApplicationId = 0x73776167;  // "swag": an agentd's store
/// A sign of life is written down this often.
constexpr std::chrono::seconds kHeardEvery{10};
constexpr std::size_t kMostEnvironment = 1U << 20U;

constexpr Sql kTeam{"team.read", "SELECT swarm, name, epoch, rate, patience, far FROM team"};
constexpr Sql kPutTeam{
    "team.put",
    "INSERT OR REPLACE INTO team (one, swarm, name, epoch, rate, patience, far) VALUES (1, ?, ?, ?, ?, ?, ?)"};
constexpr Sql kMembers{
    "team.members",
    "SELECT agent, uid, gid, user, home, role, kind, lead, gone FROM team_members ORDER BY position LIMIT 100000"};
constexpr Sql kPutMember{"team.put_member",
                         "INSERT INTO team_members (position, agent, uid, gid, user, home, role, kind, lead, gone)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (agent) DO UPDATE SET"
                         " role = excluded.role, kind = excluded.kind, lead = excluded.lead, gone = 0"};
constexpr Sql kGone{"team.gone", "UPDATE team_members SET gone = 1 WHERE agent = ?"};

std::unexpected<Error> far_away() {
  return fail(Code::failed_precondition,
              "this swarm spans several sandboxes; the daemon decides about its messages, locks, notes and registry");
}

std::unexpected<Error> not_open() {
  return fail(Code::failed_precondition, "this sandbox is the home of no swarm yet; 'team.open' makes it one");
}

/// Of an older agentd: none was written.
api::TeamPatience read_patience(std::string_view bytes) {
  if (bytes.empty()) return {};
  Result<Value> value = wire::decode(std::as_bytes(std::span(bytes)), wire::Limits{});
  if (!value) return {};
  return api::decode_reply<api::TeamPatience>(std::move(*value)).value_or(api::TeamPatience{});
}

/// The value of SWARM_AGENT that a process was started with.
std::string named_agent(pid_t pid) {
  const Result<std::string> all = async::read_file_now(fmt::format("/proc/{}/environ", pid), kMostEnvironment);
  if (!all) return {};
  constexpr std::string_view kName = "SWARM_AGENT=";
  std::string_view rest = *all;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find('\0'));
    if (entry.starts_with(kName)) return std::string(entry.substr(kName.size()));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
  }
  return {};
}

}  // namespace

Team::Team(async::Loop& loop, Random& random, TeamOptions options)
    : loop_(loop),
      random_(random),
      options_(std::move(options)),
      accounts_(options_.places, options_.identity),
      tasks_(loop) {}

Team::~Team() { tasks_.cancel_all(); }

Result<void> Team::recover() {
  if (access((options_.store + "/team.db").c_str(), F_OK) != 0) return {};
  if (Result<void> opened = open_store(); !opened) return opened;
  if (Result<void> loaded = load(); !loaded) return loaded;
  // Made and not opened: the agentd before us died in between, and nobody was told that it is open.
  if (swarm_.empty() || far_) return {};
  return open_host();
}

Result<void> Team::open_store() {
  if (store_ != nullptr) return {};
  for (auto slash = options_.store.find('/', 1);; slash = options_.store.find('/', slash + 1)) {
    const std::string directory = options_.store.substr(0, slash);
    if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", directory);
    if (slash == std::string::npos) break;
  }
  if (chmod(options_.store.c_str(), 0700) != 0) return fail_errno("chmod", options_.store);
  const std::array domains = {coord::kCoordDomain, kTeamDomain, delivery::kDeliveryDomain};
  auto opened = store::Store::open(loop_,
                                   {.path = options_.store + "/team.db",
                                    .identity = {.application_id = kApplicationId, .program = "agentd " SWARM_VERSION},
                                    .folding = store::Folding::beside},
                                   domains, random_);
  if (!opened) return fail(opened.error(), "team's store");
  store_ = std::move(*opened);
  return {};
}

Result<void> Team::load() {
  const auto team = store_->reader().one<std::string, std::string, std::int64_t, std::int64_t, Bytes, bool>(kTeam);
  if (!team) return fail(team.error());
  if (*team) {
    Bytes patience;
    std::tie(swarm_, name_, epoch_, rate_, patience, far_) = **team;
    patience_ = read_patience(patience.data);
  }
  auto rows = store_->reader()
                  .all<std::string, std::uint32_t, std::uint32_t, std::string, std::string, std::string, std::string,
                       bool, bool>(kMembers);
  if (!rows) return fail(rows.error());
  members_.clear();
  for (auto& [agent, uid, gid, user, home, role, kind, lead, gone] : *rows) {
    members_.push_back({.agent = std::move(agent),
                        .account = {.uid = uid, .gid = gid, .user = std::move(user), .home = std::move(home)},
                        .role = std::move(role),
                        .kind = std::move(kind),
                        .lead = lead,
                        .gone = gone});
  }
  return {};
}

Result<void> Team::open_host() {
  auto opened = coord::Host::open(loop_, *store_, swarm_, random_, authority::host_options(epoch_, rate_, patience_));
  if (!opened) return fail(opened.error(), "coordination");
  if (host_ != nullptr) former_.push_back(std::move(host_));
  host_ = std::move(*opened);
  host_->on_happenings([this](const Happenings& happenings) { tell(happenings); });
  return {};
}

void Team::tell(const Happenings& happenings) {
  for (const auto& listener : listeners_) listener(happenings);
}

async::Task<Result<Value>> Team::ask(std::string method, Value params) {
  if (!ask_) co_return fail(Code::unavailable, "there is no way to the daemon");
  auto asking = ask_(std::move(method), std::move(params));
  Result<Value> answer = co_await std::move(asking);
  co_return answer;
}

std::uint64_t Team::mail_of(const std::string& agent) const {
  const auto found = mail_.find(agent);
  return found == mail_.end() ? 0 : found->second;
}

Result<void> Team::set_mail(std::map<std::string, std::uint64_t> unread) {
  if (!is_open()) return not_open();
  if (!far_) return fail(Code::failed_precondition, "the agentd of this sandbox knows itself who has mail");
  mail_ = std::move(unread);
  Happenings told;
  for (const Member& member : members_) {
    // Also of one whose mail is not new: it may have come while nobody could be told.
    told.push_back({mail_of(member.agent) > 0 ? "message.again" : "message.state", member.agent, Value()});
  }
  if (!told.empty()) tell(told);
  return {};
}

void Team::set_mail_of(const std::string& agent, std::uint64_t unread) {
  if (!is_far() || mail_of(agent) == unread) return;
  mail_[agent] = unread;
  tell({{unread > 0 ? "message.again" : "message.state", agent, Value()}});
}

Result<void> Team::check_open(const api::TeamOpenRequest& request) const {
  if (swarm_.empty()) return {};
  if (request.swarm != swarm_) {
    return fail(Code::failed_precondition, fmt::format("this sandbox is the home of '{}' ({}) and cannot become that "
                                                       "of '{}'; use another sandbox",
                                                       swarm_, shown(name_), shown(request.swarm)));
  }
  if ((request.authority.value_or(api::TeamAuthority::sandbox) == api::TeamAuthority::host) != far_) {
    return fail(Code::failed_precondition, "who decides about messages, locks and notes of a swarm does not change");
  }
  if (request.epoch < epoch_) {
    return fail(Code::failed_precondition,
                fmt::format("epoch {} is older than {}, the one of this authority", request.epoch, epoch_));
  }
  return {};
}

async::Task<Result<api::TeamInfo>> Team::open(api::TeamOpenRequest request) {
  if (request.authority == api::TeamAuthority::unknown) {
    co_return fail(Code::invalid_argument, "authority: sandbox or host");
  }
  if (Result<void> fine = check_open(request); !fine) co_return fail(fine.error());
  if (Result<void> opened = open_store(); !opened) co_return fail(opened.error());
  const bool same = is_open() && request.epoch == epoch_ && request.messages_per_minute == rate_ &&
                    request.patience == patience_ && (request.name.empty() || request.name == name_);
  if (!same) {
    if (!request.name.empty()) name_ = request.name;
    // From here on another swarm is refused, also while this is being written.
    const std::string before = std::exchange(swarm_, request.swarm);
    const bool was_far = std::exchange(far_, request.authority == api::TeamAuthority::host);
    auto task = store_->write(
        "team.open", store::Durability::power,
        [swarm = request.swarm, name = name_, epoch = request.epoch, rate = request.messages_per_minute, far = far_,
         patience = wire::encode(api::encode(request.patience))](store::Changes& changes) -> Result<void> {
          return changes.db().run(kPutTeam, swarm, name, epoch, std::int64_t{rate}, Bytes{patience}, far);
        });
    const Result<void> written = co_await std::move(task);
    if (!written) {
      swarm_ = before;
      far_ = was_far;
      co_return fail(written.error(), "team");
    }
    epoch_ = request.epoch;
    rate_ = request.messages_per_minute;
    patience_ = request.patience;
    if (!far_) {
      if (Result<void> hosted = open_host(); !hosted) co_return fail(hosted.error());
    }
  }
  co_return info();
}

Result<coord::Host*> Team::host() {
  if (is_far()) return far_away();
  if (host_ == nullptr) return not_open();
  return host_.get();
}

api::TeamMember Team::told(const Member& member) const {
  return {.agent = member.agent,
          .uid = member.account.uid,
          .user = member.account.user,
          .home = api::Path(member.account.home),
          .role = member.role,
          .kind = member.kind,
          .lead = member.lead,
          .identity = options_.identity,
          .gone = member.gone};
}

Result<api::TeamInfo> Team::info() const {
  if (!is_open()) return not_open();
  api::TeamInfo info{.swarm = swarm_, .name = name_, .epoch = epoch_, .identity = options_.identity, .members = {}};
  if (far_) info.authority = api::TeamAuthority::host;
  for (const Member& member : members_) info.members.push_back(told(member));
  return info;
}

Result<const Member*> Team::find(const std::string& agent) const {
  const auto found = std::ranges::find(members_, agent, &Member::agent);
  if (found != members_.end()) return &*found;
  std::vector<std::string> names;
  for (const Member& member : members_) names.push_back(member.agent);
  return fail(Code::not_found,
              fmt::format("no agent '{}' in this team{}; there are: {}", shown(agent), did_you_mean(agent, names),
                          names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

async::Task<Result<api::TeamMember>> Team::join(api::TeamJoinRequest request) {
  if (!is_open()) co_return not_open();
  Result<std::string> name = coord::checked_name(request.agent, "agent");
  if (!name) co_return fail(name.error());
  const auto known = std::ranges::find(members_, *name, &Member::agent);
  const bool is_new = known == members_.end();
  if (!is_new && !known->gone && known->role == request.role && known->kind == request.kind &&
      known->lead == request.lead && request.skills.empty()) {
    co_return told(*known);
  }
  Member member{
      .agent = std::move(*name), .account = {}, .role = request.role, .kind = request.kind, .lead = request.lead};
  auto position = static_cast<std::int64_t>(members_.size());
  if (is_new) {
    std::set<std::uint32_t> taken;
    for (const Member& other : members_) taken.insert(other.account.uid);
    Result<Account> account = accounts_.choose(member.agent, taken);
    if (!account) co_return fail(account.error());
    member.account = std::move(*account);
    // Its place and uid are taken from here on, before anything waits.
    members_.push_back(member);
    members_.back().gone = true;
  } else {
    member.account = known->account;
    position = std::distance(members_.begin(), known);
  }
  std::vector<coord::Skill> skills;
  skills.reserve(request.skills.size());
  for (const api::AgentSkill& skill : request.skills) skills.push_back({skill.name, skill.rate});
  Result<void> added = co_await add(member, position, std::move(skills));
  const auto place = std::ranges::find(members_, member.agent, &Member::agent);
  if (!added) {
    if (is_new && place != members_.end()) members_.erase(place);
    co_return fail(added.error());
  }
  *place = std::move(member);
  co_return told(*place);
}

async::Task<Result<void>> Team::add(Member member, std::int64_t position, std::vector<coord::Skill> skills) {
  auto making =
      async::run_blocking(loop_, [accounts = accounts_, account = member.account] { return accounts.make(account); });
  const Result<void> made = co_await std::move(making);
  if (!made) co_return fail(made.error(), "account of " + member.agent);
  if (is_far()) co_return co_await put_far(std::move(member), position);
  auto task =
      host_->in_tables("team.join", store::Durability::power,
                       [member, position, skills = std::move(skills),
                        proven = options_.identity == api::Identity::enforced](coord::Step& step) -> Result<void> {
                         const Account& account = member.account;
                         auto put = step.turn.db.run(kPutMember, position, member.agent, std::int64_t{account.uid},
                                                     std::int64_t{account.gid}, account.user, account.home, member.role,
                                                     member.kind, member.lead);
                         if (!put) return put;
                         coord::NewAgent agent{.id = member.agent,
                                               .uid = std::int64_t{account.uid},
                                               .role = member.role,
                                               .proven = proven,
                                               .card = {},
                                               .lead = member.lead};
                         agent.card.skills = skills;
                         const Result<coord::AgentRecord> added = step.registry.add(step.turn, std::move(agent));
                         if (!added) return fail(added.error());
                         return {};
                       });
  const Result<void> done = co_await std::move(task);
  co_return done;
}

async::Task<Result<void>> Team::put_far(Member member, std::int64_t position) {
  auto task =
      store_->write("team.join", store::Durability::power, [member, position](store::Changes& changes) -> Result<void> {
        const Account& account = member.account;
        return changes.db().run(kPutMember, position, member.agent, std::int64_t{account.uid},
                                std::int64_t{account.gid}, account.user, account.home, member.role, member.kind,
                                member.lead);
      });
  Result<void> done = co_await std::move(task);
  co_return done;
}

async::Task<Result<api::TeamMember>> Team::leave(api::TeamLeaveRequest request) {
  if (!is_open()) co_return not_open();
  const Result<const Member*> found = find(request.agent);
  if (!found) co_return fail(found.error());
  const std::string agent = (*found)->agent;
  if (!(*found)->gone && is_far()) {
    auto task = store_->write("team.leave", store::Durability::power,
                              [agent](store::Changes& changes) { return changes.db().run(kGone, agent); });
    const Result<void> done = co_await std::move(task);
    if (!done) co_return fail(done.error());
  } else if (!(*found)->gone) {
    auto task = host_->in_tables("team.leave", store::Durability::power,
                                 [agent, why = request.reason](coord::Step& step) -> Result<void> {
                                   if (auto marked = step.turn.db.run(kGone, agent); !marked) return marked;
                                   if (auto gone = step.registry.gone(step.turn, agent, why); !gone) return gone;
                                   step.locks.owner_gone(agent, step.turn.now);
                                   return {};
                                 });
    const Result<void> done = co_await std::move(task);
    if (!done) co_return fail(done.error());
  }
  const auto place = std::ranges::find(members_, agent, &Member::agent);
  place->gone = true;
  heard_.erase(agent);
  written_.erase(agent);
  co_return told(*place);
}

async::Task<Result<void>> Team::program_ended(std::string agent, std::string why) {
  if (!is_open()) co_return not_open();
  const Result<const Member*> found = find(agent);
  if (!found) co_return fail(found.error());
  if (is_far()) {
    written_.erase(agent);
    Result<void> told = co_await tell_host(*this, {.agent = agent, .ended = why});
    co_return told;
  }
  // The next sign of life is written down at once.
  written_.erase(agent);
  auto task = host_->in_tables("team.program_ended", store::Durability::process,
                               [agent, why](coord::Step& step) -> Result<void> {
                                 if (auto gone = step.registry.gone(step.turn, agent, why); !gone) return gone;
                                 step.locks.owner_gone(agent, step.turn.now);
                                 return {};
                               });
  Result<void> done = co_await std::move(task);
  co_return done;
}

MonoTime Team::heard(const std::string& agent) const {
  const auto found = heard_.find(agent);
  return found == heard_.end() ? MonoTime{} : found->second;
}

const Member* Team::by_uid(std::uint32_t uid) const {
  const auto found = std::ranges::find_if(members_, [uid](const Member& one) { return one.account.uid == uid; });
  return found == members_.end() ? nullptr : &*found;
}

Result<coord::Actor> Team::caller(const transport::PeerCredentials& credentials) const {
  if (!is_open()) return not_open();
  const bool enforced = options_.identity == api::Identity::enforced;
  const Member* member = nullptr;
  if (enforced) {
    if (credentials.uid == 0) {
      return coord::Actor{.kind = coord::Actor::Kind::system, .name = std::string(coord::kSystemName)};
    }
    member = by_uid(credentials.uid);
    if (member == nullptr) {
      return fail(Code::permission_denied,
                  fmt::format("uid {} is no agent of this swarm; agents run as users of their own ('swarmctl exec "
                              "--user agent-0')",
                              credentials.uid));
    }
  } else {
    const std::string named = named_agent(credentials.pid);
    const auto found = std::ranges::find(members_, named, &Member::agent);
    if (found == members_.end()) {
      return fail(Code::permission_denied,
                  named.empty() ? std::string("all agents share one uid here; the environment variable SWARM_AGENT "
                                              "says which one a program belongs to, and it is not set")
                                : fmt::format("SWARM_AGENT is '{}', which is no agent of this swarm", shown(named)));
    }
    member = &*found;
  }
  if (member->gone) {
    return fail(Code::permission_denied, fmt::format("'{}' has left the swarm", member->agent));
  }
  return coord::Actor{.kind = coord::Actor::Kind::agent, .name = member->agent, .proven = enforced};
}

void Team::alive(const std::string& agent) {
  heard_[agent] = loop_.clock().now();
  seen(agent);
}

void Team::seen(const std::string& agent) {
  if (!is_open()) return;
  const MonoTime now = loop_.clock().now();
  const auto [place, is_new] = written_.try_emplace(agent, now);
  if (!is_new && now - place->second < kHeardEvery) return;
  place->second = now;
  if (is_far()) {
    tasks_.spawn(tell_alive_far(this, agent));
  } else {
    tasks_.spawn(tell_alive(host_.get(), agent));
  }
}

async::Task<> Team::tell_alive_far(Team* self, std::string agent) {
  static_cast<void>(co_await tell_host(*self, {.agent = std::move(agent)}));  // told again with the next sign
}

async::Task<> Team::tell_alive(coord::Host* host, std::string agent) {
  auto task = host->in_tables("agent.alive", store::Durability::process, [agent](coord::Step& step) -> Result<void> {
    const auto state = step.registry.state_of(step.turn, agent);
    if (!state) return fail(state.error());
    const bool back = *state == coord::AgentState::gone;
    return step.registry.update(step.turn, agent, back ? std::optional(coord::AgentState::starting) : std::nullopt,
                                std::nullopt, back ? std::optional(std::string()) : std::nullopt);
  });
  static_cast<void>(co_await std::move(task));  // it may have left meanwhile
}

void Team::resumed(std::chrono::milliseconds paused) {
  if (host_ != nullptr) host_->resumed(paused);
}

}  // namespace swarm::agentd
