// The sandboxes of a swarm: one that its agents share, or several and one more in which changes are merged. What is
// done at one of them can be done again: it is named by the swarm and the place, and found again by that.
//
//   agent's sandbox --commit--> our bare repository --candidate--> integration sandbox: merged, tested
//         ^                        |         ^                            |
//         '-- all other branches --'         '---- integration branch ----'
#include <fmt/format.h>

#include "daemon/git/protected_paths.hpp"
#include "daemon/log/log.hpp"
#include "daemon/swarm/swarms.hpp"
#include "protocol/api/git.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/api/team.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::swarms {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr Duration kStepLimit = 10min;
/// What was merged goes to each sandbox before the next one is told of it; one that hangs gets it later.
constexpr Duration kSpreadLimit = 30s;
constexpr Duration kFetchLimit = 2min;

/// Where several things are done at once.
struct Gathered {
  std::optional<Error> first;
};

async::Task<> gather(async::Task<Result<void>> task, std::string place, std::shared_ptr<Gathered> into) {
  const Result<void> done = co_await std::move(task);
  if (!done && !into->first) into->first = place.empty() ? done.error() : done.error().with_context(place);
}

}  // namespace

async::Task<Result<void>> Swarms::at_all(std::shared_ptr<Swarm> swarm, AtPlace what) {
  async::TaskSet each(with_.loop);
  const auto gathered = std::make_shared<Gathered>();
  for (const api::SwarmPlace& place : places_of(swarm->record.info)) {
    each.spawn(gather((this->*what)(swarm, place.name), place.name, gathered));
  }
  co_await each.join();
  if (gathered->first) co_return fail(*gathered->first);
  co_return {};
}

Result<void> Swarms::attend(Swarm& swarm, Stands stands) {
  const api::SwarmInfo& info = swarm.record.info;
  if (with_.authorities == nullptr || !spans(info)) return {};
  if (stands == Stands::still) {
    with_.authorities->let_go(info.id);
    return {};
  }
  std::chrono::milliseconds paused{0};
  if (swarm.record.hidden.paused_us > 0) {
    paused = std::chrono::milliseconds(
        std::max<std::int64_t>(0, (with_.loop.clock().wall().us - swarm.record.hidden.paused_us) / 1000));
  }
  if (Result<void> hosted = with_.authorities->host(info.id, info.repo_name, paused); !hosted) return hosted;
  seat(swarm);
  return {};
}

void Swarms::seat(const Swarm& swarm) {
  const api::SwarmInfo& info = swarm.record.info;
  if (with_.authorities == nullptr || !spans(info)) return;
  team::Seats seats;
  for (const api::SwarmAgentInfo& agent : info.agents) {
    // Where the platform gives one uid only, all agents have that.
    seats[agent.id] = {.sandbox = sandbox_of(info, agent.id),
                       .proven = !agent.uid || *agent.uid >= api::kFirstAgentUid};
  }
  with_.authorities->seat(info.id, std::move(seats));
}

async::Task<Result<void>> Swarms::make_sandbox(std::shared_ptr<Swarm> swarm, std::string place) {
  const auto known = place_named(swarm->record.info, place);
  if (!known) co_return fail(Code::internal, fmt::format("the swarm has no place '{}'", place));
  if (spans(swarm->record.info) && !known->sandbox.empty()) co_return {};
  std::map<std::string, std::string> labels = {{"swarm", swarm->id()}};
  if (!place.empty()) labels["place"] = place;
  api::SandboxCreateRequest request{.template_name = swarm->record.hidden.template_name,
                                    .provider = swarm->record.hidden.provider,
                                    .name = {},
                                    .swarm = swarm->id(),
                                    .labels = std::move(labels),
                                    .env = {},
                                    .lease_ms = {},
                                    .max_lifetime_ms = {},
                                    .limits = {},
                                    .network = {},
                                    .pooled = true,
                                    .queue_ms = std::chrono::minutes(10),
                                    .wait = true};
  // The key makes it the same sandbox, however often this step is begun; another one after that was lost.
  std::uint32_t before = swarm->record.hidden.sandboxes;
  if (!place.empty()) before += swarm->record.hidden.made[place] + swarm->record.hidden.turns[place];
  std::string name = before == 0 ? "sandbox" : fmt::format("sandbox {}", before);
  if (!place.empty()) name += " of " + place;
  CallKey key{.scope = "swarm:" + swarm->id(),
              .key = std::move(name),
              .method = std::string(api::kSandboxCreate.name),
              .arguments = swarm->id()};
  const Result<api::SandboxInfo> made = co_await with_.sandboxes.create(std::move(request), std::move(key));
  if (!made) co_return fail(made.error());
  if (made->state != api::SandboxState::claimed) {
    co_return fail(Code::failed_precondition,
                   fmt::format("sandbox {} has ended: {}", made->id, made->reason.value_or("nobody knows why")));
  }
  Result<void> written = co_await change(swarm, [place, id = made->id, provider = made->provider](Record& record) {
    set_sandbox(record.info, place, id, provider);
  });
  co_return written;
}

async::Task<Result<std::shared_ptr<wire::Connection>>> Swarms::agentd(std::shared_ptr<Swarm> swarm) {
  std::string place = spans(swarm->record.info) ? kIntegrationPlace : "";
  return agentd_at(std::move(swarm), std::move(place));
}

async::Task<Result<std::shared_ptr<wire::Connection>>> Swarms::agentd_at(std::shared_ptr<Swarm> swarm,
                                                                         std::string place) {
  const auto known = place_named(swarm->record.info, place);
  if (!known || known->sandbox.empty()) {
    co_return fail(Code::failed_precondition, fmt::format("swarm {} has no sandbox{}{}", swarm->record.info.name,
                                                          place.empty() ? "" : " for ", place));
  }
  auto use = co_await with_.sandboxes.use(known->sandbox);
  if (!use) co_return fail(use.error());
  std::shared_ptr<wire::Connection> connection = use->connection();
  swarm->uses.try_emplace(known->sandbox, std::move(*use));
  co_return connection;
}

async::Task<Result<void>> Swarms::open_team(std::shared_ptr<Swarm> swarm, std::string place) {
  auto connection = co_await agentd_at(swarm, place);
  if (!connection) co_return fail(connection.error());
  const bool far = spans(swarm->record.info);
  api::TeamOpenRequest open{.swarm = swarm->id(), .name = swarm->record.info.name};
  if (far) open.authority = api::TeamAuthority::host;
  const auto opened = co_await wire::call_with_timeout(**connection, api::inside::kTeamOpen, open, kStepLimit);
  if (!opened) co_return fail(opened.error(), "open the team");
  std::map<std::string, api::TeamMember> members;
  const std::vector<api::SwarmAgentInfo> agents = swarm->record.info.agents;
  for (const api::SwarmAgentInfo& agent : agents) {
    if (place_of(swarm->record.info, agent.id) != place) continue;
    api::TeamJoinRequest join{
        .agent = agent.id, .role = agent.role, .kind = agent.kind, .lead = agent.lead, .skills = {}};
    if (join.kind.starts_with("cmd:")) join.kind = "cmd";
    for (const std::string& skill : agent.skills) join.skills.push_back({.name = skill});
    Result<api::TeamMember> joined =
        co_await wire::call_with_timeout(**connection, api::inside::kTeamJoin, join, kStepLimit);
    if (!joined) co_return fail(joined.error(), agent.id);
    members.emplace(agent.id, std::move(*joined));
  }
  const Result<void> written = co_await change(swarm, [members](Record& record) {
    for (api::SwarmAgentInfo& agent : record.info.agents) {
      const auto member = members.find(agent.id);
      if (member == members.end()) continue;
      agent.uid = member->second.uid;
      agent.user = member->second.user;
    }
  });
  if (!written) co_return fail(written.error());
  if (!far) co_return {};
  // By their names: the record is another one whenever somebody at another place has changed it.
  for (const auto& [agent, member] : members) {
    Result<void> joined = co_await join_far(swarm, agent);
    if (!joined) co_return fail(joined.error(), agent);
  }
  co_return {};
}

async::Task<Result<void>> Swarms::join_far(std::shared_ptr<Swarm> swarm, std::string name) {
  const api::SwarmAgentInfo& agent = *swarm->agent(name);
  // No uid: those of two sandboxes may be the same.
  coord::NewAgent joins{.id = name,
                        .uid = {},
                        .role = agent.role,
                        .proven = !agent.uid || *agent.uid >= api::kFirstAgentUid,
                        .card = {},
                        .lead = agent.lead};
  for (const std::string& skill : agent.skills) joins.card.skills.push_back({.name = skill});
  return with_.authorities->join(swarm->id(), std::move(joins));
}

async::Task<Result<void>> Swarms::import(std::shared_ptr<Swarm> swarm) {
  const bool several = !swarm->record.info.repos.empty();
  auto taking =
      several ? take_members(swarm) : swarm->repository.take(swarm->record.info.repo, swarm->record.info.base_commit);
  const Result<void> taken = co_await std::move(taking);
  if (!taken) co_return fail(taken.error());
  Result<void> brought = co_await at_all(swarm, &Swarms::import_to);
  co_return brought;
}

async::Task<Result<void>> Swarms::import_to(std::shared_ptr<Swarm> swarm, std::string place) {
  const api::SwarmInfo info = swarm->record.info;
  auto connection = co_await agentd_at(swarm, place);
  if (!connection) co_return fail(connection.error());
  const Result<void> brought =
      co_await swarm->repository.bring_in(*connection, info.repo_name, info.base_commit, info.name);
  if (!brought) co_return fail(brought.error());

  api::GitWorktreeRequest request{
      .repo = info.repo_name, .swarm = info.name, .agent = "integrator", .base = info.base_commit, .user = {}};
  if (place.empty() || place == kIntegrationPlace) {
    const auto integration =
        co_await wire::call_with_timeout(**connection, api::inside::kGitWorktree, request, kStepLimit);
    if (!integration) co_return fail(integration.error(), "the integration worktree");
  }
  std::map<std::string, api::GitWorktreeReply> trees;
  for (const api::SwarmAgentInfo& agent : info.agents) {
    if (place_of(info, agent.id) != place) continue;
    request.agent = agent.id;
    request.user = agent.user;
    Result<api::GitWorktreeReply> tree =
        co_await wire::call_with_timeout(**connection, api::inside::kGitWorktree, request, kStepLimit);
    if (!tree) co_return fail(tree.error(), agent.id);
    trees.emplace(agent.id, std::move(*tree));
  }
  Result<void> written = co_await change(swarm, [trees](Record& record) {
    for (api::SwarmAgentInfo& agent : record.info.agents) {
      const auto tree = trees.find(agent.id);
      if (tree == trees.end()) continue;
      agent.worktree = tree->second.path.bytes;
      agent.branch = tree->second.branch;
    }
  });
  co_return written;
}

async::Task<Result<std::string>> Swarms::keep_work_of(std::shared_ptr<Swarm> swarm, std::string place) {
  const api::SwarmInfo info = swarm->record.info;
  auto connection = co_await agentd_at(swarm, place);
  if (!connection) co_return fail(connection.error());
  // Of several sandboxes each is believed about the branches of those who work there.
  std::optional<std::set<std::string>> believed;
  if (spans(info)) {
    believed.emplace();
    if (place == kIntegrationPlace) believed->insert("integration");
    if (const auto known = place_named(info, place)) believed->insert(known->agents.begin(), known->agents.end());
  }
  auto fetching = swarm->repository.fetch(*connection, info.repo_name, info.name, std::move(believed));
  Result<std::string> head = fail(Code::internal, "");
  if (spans(info)) {
    // One sandbox that hangs keeps nobody from the work of the others.
    head = co_await async::with_timeout(with_.loop, std::move(fetching), kFetchLimit, "what was committed");
  } else {
    head = co_await std::move(fetching);
  }
  if (!head || (!place.empty() && place != kIntegrationPlace)) co_return head;
  co_return co_await note_head(swarm, std::move(*head));
}

async::Task<Result<std::string>> Swarms::note_head(std::shared_ptr<Swarm> swarm, std::string head) {
  const api::SwarmInfo info = swarm->record.info;
  if (head == info.base_commit) head.clear();  // nothing was merged
  if (head == swarm->record.info.head || head.empty()) co_return head;
  Result<std::vector<api::SwarmRepo>> repos = co_await split_heads(swarm, head);
  if (!repos) co_return fail(repos.error());
  const Result<std::vector<std::string>> paths = co_await swarm->repository.changed_paths(info.base_commit, head);
  if (!paths) co_return fail(paths.error());
  const config::Git defaults;
  const std::vector<std::string>& patterns =
      with_.config == nullptr ? defaults.protected_paths : with_.config->git.protected_paths;
  std::vector<std::string> guarded;
  for (const std::string& path : *paths) {
    // Of several repositories each begins at its own root.
    const std::string inside = repos->empty() ? path : path.substr(std::min(path.find('/') + 1, path.size()));
    if (!git::protected_among(patterns, {inside}).empty()) guarded.push_back(path);
  }
  const Result<void> written = co_await change(swarm, [to = head, guarded, repos = *repos](Record& record) {
    record.info.head = to;
    record.info.protected_paths = guarded;
    for (std::size_t i = 0; i < repos.size(); ++i) record.info.repos.at(i).head = repos[i].head;
  });
  if (!written) co_return fail(written.error());
  co_return head;
}

async::Task<Result<std::string>> Swarms::keep_work(std::shared_ptr<Swarm> swarm) {
  for (const api::SwarmPlace& place : places_of(swarm->record.info)) {
    if (place.name.empty() || place.name == kIntegrationPlace) continue;
    const Result<std::string> kept = co_await keep_work_of(swarm, place.name);
    // What was merged does not hang on what an agent has besides.
    if (!kept) {
      log::logger<"swarm">().warn("what an agent has could not be fetched",
                                  {{"swarm", swarm->id()}, {"place", place.name}, {"error", kept.error()}});
    }
  }
  std::string place = spans(swarm->record.info) ? kIntegrationPlace : "";
  Result<std::string> head = co_await keep_work_of(swarm, std::move(place));
  co_return head;
}

void Swarms::keep_soon(std::shared_ptr<Swarm> swarm, std::optional<std::string> place) {
  if (place) {
    swarm->to_keep.insert(std::move(*place));
  } else {
    for (const api::SwarmPlace& one : places_of(swarm->record.info)) swarm->to_keep.insert(one.name);
  }
  if (!swarm->keeping) tasks_.spawn(keep_in_background(std::move(swarm)));
}

async::Task<> Swarms::keep_in_background(std::shared_ptr<Swarm> swarm) {
  if (swarm->keeping) co_return;
  swarm->keeping = true;
  while (!swarm->to_keep.empty()) {
    const std::string place = *swarm->to_keep.begin();
    swarm->to_keep.erase(swarm->to_keep.begin());
    const Result<std::string> kept = co_await keep_work_of(swarm, place);
    if (kept) continue;
    log::logger<"swarm">().warn("what was made could not be fetched yet",
                                {{"swarm", swarm->id()}, {"error", kept.error()}});
  }
  swarm->keeping = false;
}

async::Task<Result<void>> Swarms::bring_candidate(std::shared_ptr<Swarm> swarm, std::string agent, std::string commit) {
  const api::SwarmInfo info = swarm->record.info;
  if (!spans(info)) co_return {};
  const bool kept = co_await swarm->repository.has(commit);
  if (!kept) {
    const Result<std::string> fetched =
        agent.empty() ? co_await keep_work(swarm) : co_await keep_work_of(swarm, place_of(info, agent));
    if (!fetched) co_return fail(fetched.error(), "fetch the change from its author's sandbox");
  }
  auto connection = co_await agentd(swarm);
  if (!connection) co_return fail(connection.error());
  Result<void> sent =
      co_await swarm->repository.send(*connection, info.repo_name, info.base_commit, {std::move(commit)}, {});
  co_return sent;
}

async::Task<Result<void>> Swarms::spread_to(std::shared_ptr<Swarm> swarm, std::string place) {
  const api::SwarmInfo info = swarm->record.info;
  if (!spans(info) || place == kIntegrationPlace) co_return {};
  const auto known = place_named(info, place);
  if (known && known->sandbox.empty()) co_return {};  // between two turns; the next one begins with it
  Result<std::vector<git::Ref>> branches = co_await swarm->repository.branches(info.name);
  if (!branches) co_return fail(branches.error());
  // Those of its own agents are newer there.
  const std::string prefix = fmt::format("refs/heads/swarm/{}/", info.name);
  std::erase_if(*branches, [&](const git::Ref& ref) {
    const std::string whose = ref.name.substr(prefix.size());
    return known && std::ranges::find(known->agents, whose) != known->agents.end();
  });
  if (branches->empty()) co_return {};
  std::vector<std::string> commits;
  for (const git::Ref& ref : *branches) commits.push_back(ref.id);
  auto connection = co_await agentd_at(swarm, place);
  if (!connection) co_return fail(connection.error());
  auto sending =
      swarm->repository.send(*connection, info.repo_name, info.base_commit, std::move(commits), std::move(*branches));
  Result<void> sent = co_await async::with_timeout(with_.loop, std::move(sending), kSpreadLimit, "what others made");
  co_return sent;
}

async::Task<Result<void>> Swarms::spread(std::shared_ptr<Swarm> swarm, std::string from) {
  if (!spans(swarm->record.info)) co_return {};
  const Result<std::string> kept = co_await keep_work_of(swarm, std::move(from));
  if (!kept) co_return fail(Code::unavailable, kept.error().message);
  const Result<void> spread = co_await at_all(swarm, &Swarms::spread_to);
  if (spread) co_return {};
  log::logger<"swarm">().warn("what was made is not everywhere yet",
                              {{"swarm", swarm->id()}, {"error", spread.error()}});
  co_return {};
}

async::Task<> Swarms::merged(std::shared_ptr<Swarm> swarm, std::string agent, std::string commit) {
  if (!spans(swarm->record.info) || with_.authorities == nullptr) co_return;
  const Result<std::vector<std::string>> paths = co_await swarm->repository.changed_paths(commit + "^1", commit);
  if (!paths) co_return;  // the locks run out by themselves
  const Result<void> freed =
      co_await with_.authorities->merged(swarm->id(), std::move(agent), swarm->record.info.repo_name, *paths);
  static_cast<void>(freed);  // likewise
}

async::Task<Result<void>> Swarms::rehouse(std::shared_ptr<Swarm> swarm, std::string place) {
  const auto one_by_one = co_await swarm->housing.take();
  const auto known = place_named(swarm->record.info, place);
  if (!known) co_return fail(Code::internal, fmt::format("the swarm has no place '{}'", place));
  if (swarm->record.hidden.made[place] >= kMostSandboxes) {
    co_return fail(Code::failed_precondition,
                   fmt::format("the sandbox of {} was lost, the {}th time; what was merged is kept", place,
                               swarm->record.hidden.made[place] + 1));
  }
  log::logger<"swarm">().warn("a sandbox was lost; its agents go on in another",
                              {{"swarm", swarm->id()}, {"place", place}, {"sandbox", known->sandbox}});
  swarm->uses.erase(known->sandbox);
  // What they had not committed is lost, and nobody waits for it.
  for (const std::string& agent : known->agents) {
    const Result<void> left = co_await with_.authorities->leave(swarm->id(), agent, "its sandbox was lost");
    if (!left) co_return fail(left.error());
  }
  const Result<void> out = co_await change(swarm, [place, agents = known->agents](Record& record) {
    set_sandbox(record.info, place, "", "");
    ++record.hidden.made[place];
    for (const std::string& agent : agents) record.hidden.model_ports.erase(agent);
    for (api::SwarmAgentInfo& agent : record.info.agents) {
      const bool here = std::ranges::find(agents, agent.id) != agents.end();
      if (here && agent.starts > 0 && agent.state != "gone") agent.state = "running";  // it gets a pane there
    }
  });
  if (!out) co_return fail(out.error());
  Result<void> again = co_await settle(swarm, place);
  co_return again;
}

async::Task<Result<void>> Swarms::settle(std::shared_ptr<Swarm> swarm, std::string place) {
  for (const AtPlace step : {&Swarms::make_sandbox, &Swarms::open_team, &Swarms::import_to, &Swarms::spread_to}) {
    auto doing = (this->*step)(swarm, place);
    const Result<void> done = co_await std::move(doing);
    if (!done) co_return fail(done.error(), place);
  }
  co_return {};
}

async::Task<Result<void>> Swarms::end_sandbox(std::shared_ptr<Swarm> swarm, std::string place) {
  const auto known = place_named(swarm->record.info, place);
  if (!known || known->sandbox.empty()) co_return {};
  const Result<api::SandboxInfo> ended =
      co_await with_.sandboxes.kill(known->sandbox, {.grace_ms = std::chrono::milliseconds(1000),
                                                     .reason = "swarm " + swarm->record.info.name + " is over",
                                                     .wait = true});
  if (!ended && ended.error().code != Code::not_found) co_return fail(ended.error());
  co_return {};
}

async::Task<Result<void>> Swarms::freeze(std::shared_ptr<Swarm> swarm, std::string place) {
  const auto known = place_named(swarm->record.info, place);
  if (!known || known->sandbox.empty()) co_return {};
  const Result<api::SandboxInfo> frozen = co_await with_.sandboxes.pause(known->sandbox);
  if (!frozen) co_return fail(frozen.error());
  co_return {};
}

async::Task<Result<void>> Swarms::thaw(std::shared_ptr<Swarm> swarm, std::string place) {
  const auto known = place_named(swarm->record.info, place);
  if (!known || known->sandbox.empty()) co_return {};
  const Result<api::SandboxInfo> thawed = co_await with_.sandboxes.resume(known->sandbox);
  if (!thawed) co_return fail(thawed.error());
  co_return {};
}

}  // namespace swarm::swarms
