#include "daemon/swarm/swarms.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/log/log.hpp"
#include "daemon/swarm/agents.hpp"
#include "daemon/swarm/kinds/kinds.hpp"
#include "daemon/swarm/words.hpp"
#include "daemon/workflow/definition.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/id.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::swarms {
namespace {

using api::SwarmState;
using api::SwarmStep;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

/// The start of the daemon waits so long for a repository that does not answer.
constexpr Duration kSettleLimit = 1min;

/// A name from what is to be done: the first few words.
std::string name_from(const std::string& feature) {
  std::string name;
  int words = 0;
  for (const char c : feature) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 && static_cast<unsigned char>(c) < 128) {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!name.empty() && name.back() != '-') {
      if (++words == 4) break;
      name += '-';
    }
    if (name.size() >= 40) break;
  }
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "work" : name;
}

bool is_branch_word(const std::string& name) {
  return !name.starts_with('-') && !name.starts_with('.') && !name.ends_with('.') && !name.ends_with(".lock") &&
         name.find("..") == std::string::npos && std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

bool begins_a_sandbox(const api::SwarmInfo& info, const std::string& beginning) {
  return std::ranges::any_of(places_of(info),
                             [&](const api::SwarmPlace& one) { return one.sandbox.starts_with(beginning); });
}

/// Who bears the cost of which sandbox.
std::map<std::pair<std::string, std::string>, costs::Agent> bearers(const Record& record) {
  std::map<std::pair<std::string, std::string>, costs::Agent> out;
  for (const api::SwarmAgentInfo& agent : record.info.agents) {
    if (agent.state != "running" && agent.state != "resting") continue;
    const std::string sandbox = sandbox_of(record.info, agent.id);
    if (sandbox.empty()) continue;
    out[{sandbox, agent.id}] = {.swarm = record.info.id, .agent = agent.id, .role = agent.role, .task = agent.task};
  }
  return out;
}

/// Tells the meter who has come and who has left.
Result<void> count_agents(store::Changes& changes, costs::Meter& meter, const Record& before, const Record& after,
                          costs::Moment at) {
  const auto were = bearers(before);
  const auto are = bearers(after);
  for (const auto& [place, agent] : were) {
    if (are.contains(place)) continue;
    if (Result<void> left = meter.agent_left(changes, place.first, agent.swarm, agent.agent, at); !left) return left;
  }
  for (const auto& [place, agent] : are) {
    const auto known = were.find(place);
    if (known != were.end() && known->second == agent) continue;
    if (Result<void> joined = meter.agent_joined(changes, place.first, agent, at); !joined) return joined;
  }
  return {};
}

/// Tells of agents whose program does something else now.
Result<void> tell_agents(store::Changes& changes, const Record& before, const Record& after) {
  for (const api::SwarmAgentInfo& agent : after.info.agents) {
    const auto was = std::ranges::find(before.info.agents, agent.id, &api::SwarmAgentInfo::id);
    if (agent.state.empty()) continue;
    if (was != before.info.agents.end() && was->state == agent.state && was->starts == agent.starts) continue;
    const api::SwarmAgentChanged told{
        .agent = agent.id, .state = agent.state, .starts = agent.starts, .reason = agent.reason};
    const std::string sandbox = sandbox_of(after.info, agent.id);
    const auto seq = changes.append({.type = std::string(api::kSwarmAgent.name),
                                     .swarm = after.info.id,
                                     .sandbox = sandbox.empty() ? std::nullopt : std::optional(sandbox),
                                     .agent = agent.id,
                                     .data = wire::encode(api::encode(told))});
    if (!seq) return fail(seq.error());
  }
  return {};
}

}  // namespace

std::string state_name(SwarmState state) {
  const Value name = api::encode(state);
  const std::string* text = name.as_string();
  return text == nullptr ? "unknown" : *text;
}

api::SwarmAgentInfo* Swarm::agent(const std::string& name) {
  const auto found = std::ranges::find(record.info.agents, name, &api::SwarmAgentInfo::id);
  return found == record.info.agents.end() ? nullptr : &*found;
}

Swarms::Swarms(Surroundings surroundings)
    : with_(std::move(surroundings)),
      keeps_(with_.git),
      listening_(with_.store.subscribe([this](const std::vector<store::Event>& events) {
        for (const store::Event& event : events) {
          if (event.swarm && event.type == "run.changed") run_changed(*event.swarm);
          if (event.sandbox && event.type == api::kGitCommitted.name) committed(*event.sandbox);
        }
      })),
      tasks_(with_.loop) {
  agents_ = std::make_unique<Agents>(*this);
}

Swarms::~Swarms() { stop(); }

void Swarms::stop() {
  tasks_.cancel_all();
  for (const auto& [id, swarm] : living_) swarm->uses.clear();
}

std::shared_ptr<Swarm> Swarms::living(const std::string& id) const {
  const auto found = living_.find(id);
  return found == living_.end() ? nullptr : found->second;
}

void Swarms::run_changed(const std::string& swarm) {
  const auto found = living(swarm);
  if (found == nullptr) return;
  ++found->news;
  found->changed.notify_all();
}

void Swarms::committed(const std::string& sandbox) {
  const std::optional<Place> place = of_sandbox(sandbox);
  if (!place) return;
  const std::shared_ptr<Swarm> swarm = living(place->swarm);
  // After this the last step fetches what there is.
  if (swarm->record.info.step != SwarmStep::run) return;
  for (const api::SwarmPlace& one : places_of(swarm->record.info)) {
    if (one.sandbox == sandbox) keep_soon(swarm, one.name);
  }
}

std::shared_ptr<Swarm> Swarms::adopt(Record record) {
  const std::string id = record.info.id;
  auto swarm = detached(std::move(record));
  living_[id] = swarm;
  return swarm;
}

void Swarms::begin(const std::shared_ptr<Swarm>& swarm) {
  if (swarm->carried_on) return;
  swarm->carried_on = true;
  tasks_.spawn(carry_on(swarm));
}

async::Task<Result<void>> Swarms::recover() {
  Result<std::vector<Record>> records = load_living(with_.store.reader());
  if (!records) co_return fail(records.error());
  for (Record& record : *records) adopt(std::move(record));
  // Branches of several repositories that were set in part: before anybody looks at them.
  Result<std::vector<Record>> begun = load_publishing(with_.store.reader());
  if (!begun) co_return fail(begun.error());
  for (Record& record : *begun) {
    auto swarm = living(record.info.id);
    if (swarm == nullptr) swarm = detached(std::move(record));
    const Result<void> settled =
        co_await async::with_timeout(with_.loop, settle_publication(swarm), kSettleLimit, "a publication");
    if (settled) continue;
    log::logger<"swarm">().error("branches of several repositories are set in part",
                                 {{"swarm", swarm->id()}, {"error", settled.error()}});
  }
  for (const auto& [id, swarm] : living_) {
    if (!swarm->record.hidden.leaving.empty()) tasks_.spawn(end_left_soon(swarm));
    begin(swarm);
  }
  co_return {};
}

async::Task<Result<void>> Swarms::change(std::shared_ptr<Swarm> swarm, std::function<void(Record&)> what,
                                         store::Durability durability) {
  const auto turn = co_await swarm->turn.take();
  Record next = swarm->record;
  what(next);
  next.info.updated_us = with_.loop.clock().wall().us;
  const api::SwarmStateChanged told{
      .from = swarm->record.info.state,
      .to = next.info.state,
      .step = next.info.step,
      .reason = next.info.reason.empty() ? std::nullopt : std::optional(next.info.reason)};
  const bool tell = told.from != told.to || told.step != swarm->record.info.step;
  const costs::Moment at{with_.loop.clock().wall(), with_.loop.clock().now()};
  const Result<void> written = co_await with_.store.write(
      "swarm.change", durability,
      [before = swarm->record, next, told, tell, meter = with_.meter, at](store::Changes& changes) -> Result<void> {
        if (Result<void> done = update(changes.db(), next); !done) return done;
        if (Result<void> done = tell_agents(changes, before, next); !done) return done;
        if (meter != nullptr) {
          if (Result<void> done = count_agents(changes, *meter, before, next, at); !done) return done;
        }
        if (!tell) return {};
        const auto seq =
            changes.append({.type = std::string(api::kSwarmState.name),
                            .swarm = next.info.id,
                            .sandbox = next.info.sandbox.empty() ? std::nullopt : std::optional(next.info.sandbox),
                            .data = wire::encode(api::encode(told))});
        if (!seq) return fail(seq.error());
        return {};
      });
  if (!written) co_return fail(written.error());
  swarm->record = std::move(next);
  seat(*swarm);
  swarm->changed.notify_all();
  co_return {};
}

async::Task<Result<Record>> Swarms::planned(api::SwarmCreateRequest request) {
  const std::string id = new_id("swm", with_.loop.clock(), with_.random);
  Result<Looked> looked =
      co_await Repository::look(with_.git, request.repo, request.base, (with_.repos / (id + ".look")).string());
  if (!looked) co_return fail(looked.error());
  Record record;
  api::SwarmInfo& info = record.info;
  info.id = id;
  info.name = request.name.value_or(name_from(request.feature));
  if (!is_branch_word(info.name)) {
    co_return fail(Code::invalid_argument,
                   fmt::format("'{}' cannot be a swarm's name: letters, digits, '-', '_' and '.' make one", info.name));
  }
  info.state = SwarmState::preparing;
  info.step = SwarmStep::none;
  info.feature = request.feature;
  info.repo = looked->root;
  info.repo_name = looked->name;
  if (!request.more_repos.empty()) {
    const Result<void> several = co_await plan_members(record, *looked, request);
    if (!several) co_return fail(several.error());
  }
  info.base = request.base;
  info.base_commit = looked->commit;
  info.branch = "swarm/" + info.name;
  info.workflow = request.workflow;
  if (!request.definition.empty()) {
    const Result<workflow::Definition> definition = workflow::read_definition(request.definition);
    if (!definition) co_return fail(definition.error(), "the workflow");
    info.workflow = definition->name;
  }
  if (!request.test_command.empty()) info.test_command = request.test_command;
  if (info.test_command.empty() && info.repos.empty()) info.test_command = looked->test_command;
  info.review = request.review;
  info.keep_sandbox = request.keep_sandbox;
  info.labels = request.labels;
  info.created_us = with_.loop.clock().wall().us;
  info.updated_us = info.created_us;
  if (info.test_command.empty()) {
    co_return fail(Code::invalid_argument,
                   "the files of the repository do not tell how it is tested, and nothing is merged that is not "
                   "tested; say it with --test-command, or --test-command true where there is nothing to test");
  }
  const std::size_t count = request.team.empty() ? request.agents : request.team.size();
  for (std::size_t i = 0; i < count; ++i) {
    const api::SwarmAgentSpec spec = request.team.empty() ? api::SwarmAgentSpec{} : request.team[i];
    api::SwarmAgentInfo agent{.id = fmt::format("agent-{}", i),
                              .kind = spec.kind.empty() ? request.kind : spec.kind,
                              .mode = spec.mode.value_or(request.mode),
                              .role = spec.role,
                              .lead = i == 0,
                              .skills = spec.skills,
                              .uid = {},
                              .user = {},
                              .worktree = {},
                              .branch = {},
                              .state = {},
                              .reason = {},
                              .task = {},
                              .pane = {},
                              .starts = 0};
    // A program that stays for more than one turn would stay for all of them.
    if (request.topology == api::SwarmTopology::per_exec) agent.mode = api::AgentMode::one_shot;
    if (agent.mode == api::AgentMode::unknown) co_return fail(Code::invalid_argument, "mode: full_screen or one_shot");
    const Result<kinds::Kind> kind = kinds::find(agent.kind);
    if (!kind) co_return fail(kind.error());
    const bool own_way =
        std::ranges::any_of(request.env, [](const auto& variable) { return variable.first.ends_with("BASE_URL"); });
    if (with_.models != nullptr && !kind->model_provider().empty() && !own_way) {
      const Result<void> key = co_await with_.models->has_key(kind->model_provider(), info.name, agent.role);
      if (!key) co_return fail(key.error());
    }
    info.agents.push_back(std::move(agent));
  }
  if (const Result<void> spread = plan_places(info, request.topology); !spread) co_return fail(spread.error());
  if (info.review.reviewers >= count && info.review.reviewers > 0) {
    co_return fail(Code::invalid_argument,
                   fmt::format("{} reviewers for each change need at least {} agents: nobody reviews what is its own",
                               info.review.reviewers, info.review.reviewers + 1));
  }
  const std::map<std::string, HiddenRepo> members = std::move(record.hidden.repos);
  record.hidden = Hidden{.env = std::move(request.env),
                         .template_name = request.template_name,
                         .provider = request.provider,
                         .test_timeout = request.test_timeout_ms,
                         .briefs = {},
                         .model_ports = {},
                         .sandboxes = 0,
                         .stop_asked = false,
                         .publish_at_end = true,
                         .base_branch = looked->branch,
                         .git_dir = looked->git_dir,
                         .repos = members,
                         .publishing = {},
                         .joined = {},
                         .title = {},
                         .body = {},
                         .definition = std::move(request.definition),
                         .ship = std::move(request.ship),
                         .made = {},
                         .turns = {},
                         .leaving = {},
                         .paused_us = 0};
  if (record.hidden.ship && outlet_ == nullptr) {
    co_return fail(Code::unimplemented, "nothing takes results to a remote here");
  }
  if (record.hidden.ship) {
    std::vector<std::string> directories = {record.hidden.git_dir};
    if (!members.empty()) directories.clear();
    for (const auto& [name, repo] : members) directories.push_back(repo.git_dir);
    for (const std::string& directory : directories) {
      const Result<void> can = co_await outlet_->check(directory, *record.hidden.ship);
      if (!can) co_return fail(can.error());
    }
  }
  co_return record;
}

async::Task<Result<api::SwarmInfo>> Swarms::create(api::SwarmCreateRequest request) {
  const bool named = request.name.has_value();
  const bool dry_run = request.dry_run;
  Result<Record> record = co_await planned(std::move(request));
  if (!record) co_return fail(record.error());
  if (dry_run) co_return record->info;
  // A name that was made from the feature gives way to one that is there; one that was asked for does not.
  const std::string wanted = record->info.name;
  for (int again = 2;; ++again) {
    const Result<void> written = co_await with_.store.write(
        "swarm.create", store::Durability::power, [record = *record](store::Changes& changes) -> Result<void> {
          if (Result<void> done = insert(changes.db(), record); !done) return done;
          const api::SwarmStateChanged told{
              .from = SwarmState::unknown, .to = record.info.state, .step = record.info.step, .reason = std::nullopt};
          const auto seq = changes.append({.type = std::string(api::kSwarmState.name),
                                           .swarm = record.info.id,
                                           .data = wire::encode(api::encode(told))});
          if (!seq) return fail(seq.error());
          return {};
        });
    if (written) break;
    if (written.error().code != Code::already_exists || named || again > 999) co_return fail(written.error());
    record->info.name = fmt::format("{}-{}", wanted, again);
    record->info.branch = "swarm/" + record->info.name;
  }
  const std::shared_ptr<Swarm> swarm = adopt(std::move(*record));
  begin(swarm);
  co_return swarm->record.info;
}

async::Task<Result<api::SwarmInfo>> Swarms::info(std::optional<std::string> what) {
  Result<Record> record = co_await load_record(std::move(what));
  if (!record) co_return fail(record.error());
  api::SwarmInfo info = std::move(record->info);
  if (runs_ != nullptr && !info.run.empty()) {
    const Result<std::optional<api::RunInfo>> run = co_await runs_->newest(info.id);
    if (run && *run) {
      const auto count = [&](std::initializer_list<const char*> states) {
        std::uint32_t sum = 0;
        for (const char* state : states) {
          const auto found = (*run)->tasks.find(state);
          if (found != (*run)->tasks.end()) sum += found->second;
        }
        return sum;
      };
      info.tasks = {.total = 0,
                    .waiting = count({"waiting", "ready", "blocked"}),
                    .working = count({"claimed"}),
                    .reviewing = count({"checking", "in_review", "in_dispute", "merging"}),
                    .merged = count({"done"}),
                    .failed = count({"failed", "dropped"})};
      info.tasks.total =
          info.tasks.waiting + info.tasks.working + info.tasks.reviewing + info.tasks.merged + info.tasks.failed;
    }
  }
  co_return info;
}

async::Task<Result<api::SwarmListReply>> Swarms::list(api::SwarmListRequest request) {
  // The cursor is the place of the last entry: "<created_us>.<id>".
  std::int64_t created_before = INT64_MAX;
  std::string id_before;
  if (request.cursor) {
    const std::size_t dot = request.cursor->find('.');
    if (dot == std::string::npos) co_return fail(Code::invalid_argument, "cursor: not one that this method gave");
    created_before = std::strtoll(request.cursor->c_str(), nullptr, 10);
    id_before = request.cursor->substr(dot + 1);
  }
  const bool all = request.all || request.sandbox.has_value();
  Result<std::vector<Record>> records =
      load_page(with_.store.reader(), all, created_before, id_before, static_cast<int>(request.limit) + 1);
  if (!records) co_return fail(records.error());
  api::SwarmListReply reply;
  if (records->size() > request.limit) {
    records->resize(request.limit);
    const api::SwarmInfo& last = records->back().info;
    reply.next_cursor = fmt::format("{}.{}", last.created_us, last.id);
  }
  for (Record& record : *records) {
    if (request.sandbox && !begins_a_sandbox(record.info, *request.sandbox)) continue;
    Result<api::SwarmInfo> told = co_await info(record.info.id);
    reply.swarms.push_back(told ? std::move(*told) : std::move(record.info));
  }
  co_return reply;
}

}  // namespace swarm::swarms
