#include "daemon/swarm/agents.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/log/log.hpp"
#include "daemon/swarm/kinds/kinds.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/api/pane.hpp"
#include "protocol/api/team.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::swarms {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr Duration kAgentCallLimit = 2min;
/// So often a program may fall within that time; then it is given up.
constexpr int kFalls = 5;
constexpr Duration kFallsWithin = 10min;
constexpr Duration kRestartPause = 200ms;
/// A program that fell sooner did not get far enough to have anything to go on with.
constexpr Duration kShort = 5s;
constexpr Duration kAgain = 500ms;
constexpr std::chrono::milliseconds kWatch = 10min;

using api::PaneState;
const std::vector<PaneState> kOver = {PaneState::exited, PaneState::crashed};
const std::vector<PaneState> kAlive = {PaneState::starting,   PaneState::ready,      PaneState::typing,
                                       PaneState::busy,       PaneState::permission, PaneState::rate_limited,
                                       PaneState::logged_out, PaneState::unknown};

std::string how_it_ended(const std::optional<api::PaneInfo>& pane) {
  if (!pane) return "its pane is gone";
  if (pane->oom_killed) return "it used up its memory";
  if (pane->signal) return fmt::format("it was ended by signal {}", *pane->signal);
  return fmt::format("it ended with status {}", pane->exit_code.value_or(0));
}

/// The files that a program has to find when it starts.
async::Task<Result<void>> place(Agents::Tunnel agentd, std::vector<kinds::File> files, std::string user) {
  for (kinds::File& file : files) {
    api::FilesWriteRequest write;
    write.path = api::Path(file.path);
    write.user = file.root ? "0" : user;
    write.data = Bytes{std::move(file.content)};
    write.mode = file.mode;
    write.parents = true;
    write.if_exists = file.keep ? api::WriteMode::create : api::WriteMode::any;
    const auto written = co_await wire::call_with_timeout(*agentd, api::inside::kFilesWrite, write, kAgentCallLimit);
    const bool kept = !written && file.keep && written.error().code == Code::already_exists;
    if (!written && !kept) co_return fail(written.error(), file.path);
  }
  co_return {};
}

async::Task<Result<bool>> runs_already(Agents::Tunnel agentd, std::string agent) {
  const api::PaneListRequest request{.labels = {{"agent", agent}}, .states = false};
  const auto panes = co_await wire::call_with_timeout(*agentd, api::inside::kPaneList, request, kAgentCallLimit);
  if (!panes) co_return fail(panes.error());
  co_return std::ranges::any_of(panes->panes, [](const api::PaneInfo& pane) { return pane.running; });
}

/// What a program is started with. One that cannot take a conversation up begins anew.
Result<kinds::Start> start_of(const kinds::Kind& kind, kinds::StartSpec spec, const std::string& whole_brief) {
  Result<kinds::Start> start = kind.start(spec);
  if (start || start.error().code != Code::unimplemented || spec.mode != kinds::Mode::resume) return start;
  spec.mode = kinds::Mode::full_screen;
  spec.brief = whole_brief;
  return kind.start(spec);
}

constexpr std::string_view kStalled =
    "Your program showed nothing new for so long that it was started again. Go on where you were; where you cannot, "
    "say "
    "why with `swarm ask-human`.";

/// How agentd starts it again when it stalls; empty where it cannot go on with its conversation.
std::vector<std::string> resume_words(const kinds::Kind& kind, kinds::StartSpec spec) {
  spec.mode = kinds::Mode::resume;
  spec.brief = kStalled;
  Result<kinds::Start> start = kind.start(spec);
  return start ? std::move(start->argv) : std::vector<std::string>();
}

/// Says so when the connection ends. The log of a team whose authority is the daemon stays empty, so nothing else ends
/// the wait for it.
async::Task<> until_cut(Agents::Tunnel agentd, async::Loop& loop, async::Event& cut) {
  while (!agentd->closed()) {
    auto waiting = wire::call(*agentd, api::inside::kTeamLog, api::TeamLogRequest{});
    const Result<api::TeamLogReply> ended = co_await std::move(waiting);
    if (!agentd->closed()) co_await async::sleep_for(loop, ended ? Duration(kWatch) : kAgain);
  }
  cut.set();
}

constexpr std::string_view kResumed =
    "Your program ended before the work was done, and has been started again. What you had committed is there. Go on: "
    "`swarm task next` gives you the work that is still yours.";

}  // namespace

async::Task<Result<void>> Agents::mark(std::shared_ptr<Swarm> swarm, std::string agent, std::string state,
                                       std::string reason) {
  Result<void> written = co_await swarms_.change(swarm, [agent, state, reason](Record& record) {
    for (api::SwarmAgentInfo& one : record.info.agents) {
      if (one.id != agent) continue;
      one.state = state;
      one.reason = reason;
    }
  });
  co_return written;
}

async::Task<Result<std::string>> Agents::model_url(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name) {
  const api::SwarmAgentInfo agent = *swarm->agent(name);
  const bool asks = agent.kind != "demo" && agent.kind != "shell";
  if (swarms_.with().models == nullptr || !asks) co_return std::string();
  const ModelPort known = swarm->record.hidden.model_ports[name];
  const model::Caller caller{.swarm = swarm->id(),
                             .swarm_name = swarm->record.info.name,
                             .sandbox = sandbox_of(swarm->record.info, name),
                             .agent = name,
                             .role = agent.role,
                             .user = agent.user};
  const model::Port before{.forward = known.forward, .number = known.number};
  Result<model::Port> port = co_await swarms_.with().models->open(agentd, caller, before);
  if (!port) co_return fail(port.error());
  if (port->number != known.number || port->forward != known.forward) {
    const Result<void> kept = co_await swarms_.change(swarm, [name, port = *port](Record& record) {
      record.hidden.model_ports[name] = {.forward = port.forward, .number = port.number};
    });
    if (!kept) co_return fail(kept.error());
  }
  co_return fmt::format("http://127.0.0.1:{}", port->number);
}

async::Task<Result<void>> Agents::launch(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name, Cause cause) {
  const auto one_by_one = co_await swarm->starting.take();
  const api::SwarmAgentInfo* known = swarm->agent(name);
  if (known == nullptr) co_return fail(Code::not_found, fmt::format("the swarm has no agent '{}'", name));
  const api::SwarmAgentInfo agent = *known;
  const Result<bool> running = co_await runs_already(agentd, name);
  if (!running) co_return fail(running.error());
  if (!*running) {
    const Result<kinds::Kind> kind = kinds::find(agent.kind);
    if (!kind) co_return fail(kind.error());
    const std::string brief = swarm->record.hidden.briefs[name];
    const Result<std::string> model = co_await model_url(swarm, agentd, name);
    if (!model) co_return fail(model.error());
    kinds::StartSpec spec{.agent = name,
                          .role = agent.role,
                          .brief = brief,
                          .home = "/home/" + agent.user,
                          .worktree = agent.worktree,
                          .model_url = *model};
    if (agent.mode == api::AgentMode::one_shot) {
      spec.mode = kinds::Mode::one_shot;
      if (cause != Cause::first) spec.brief += "\n\n" + std::string(cause == Cause::turn ? "Go on." : kResumed);
    } else if (cause == Cause::resume) {
      spec.mode = kinds::Mode::resume;
      spec.brief = kResumed;
    }
    api::PaneProgram program = kind->program();
    // One that does a thing and ends has no conversation in its pane.
    if (agent.mode != api::AgentMode::one_shot) program.resume = resume_words(*kind, spec);
    Result<kinds::Start> start = start_of(*kind, std::move(spec), brief);
    if (!start) co_return fail(start.error());
    // Any program finds it there; those of a kind have it in their own settings besides.
    if (!model->empty()) start->env.insert_or_assign("SWARM_MODEL_URL", *model);
    for (const auto& [variable, value] : swarm->record.hidden.env) start->env.insert_or_assign(variable, value);
    const Result<void> placed = co_await place(agentd, std::move(start->files), agent.user);
    if (!placed) co_return fail(placed.error(), "prepare " + name);

    // In the terminal that it had, if there is one: its output goes on in the same log.
    const api::PaneRestartRequest again{.pane = name, .argv = start->argv, .env = start->env, .grace_ms = 2s};
    Result<api::PaneInfo> opened = fail(Code::not_found, "");
    if (cause != Cause::first) {
      opened = co_await wire::call_with_timeout(*agentd, api::inside::kPaneRestart, again, kAgentCallLimit);
    }
    if (!opened && opened.error().code == Code::not_found) {
      const api::PaneOpenRequest open{.pane = name,
                                      .argv = std::move(start->argv),
                                      .env = std::move(start->env),
                                      .cwd = api::Path(agent.worktree),
                                      .user = agent.user,
                                      .labels = {{"agent", name}, {"swarm", swarm->id()}},
                                      .program = std::move(program),
                                      .replace = true};
      opened = co_await wire::call_with_timeout(*agentd, api::inside::kPaneOpen, open, kAgentCallLimit);
    }
    if (!opened && opened.error().message.contains("no program '" + kind->install().program + "'") &&
        !kind->install().tool.empty()) {
      const std::string version = kind->install().version.empty() ? "" : "@" + kind->install().version;
      co_return fail(Code::failed_precondition,
                     fmt::format("there is no '{}' in the sandbox; 'swarmctl template install {}{}' brings it into the "
                                 "template, or name a template that has it",
                                 kind->install().program, kind->install().tool, version));
    }
    if (!opened) co_return fail(opened.error(), "start " + name);
  }
  swarm->shifts[name].begun = swarms_.with().loop.clock().now();
  Result<void> written = co_await swarms_.change(swarm, [name, again = !*running](Record& record) {
    for (api::SwarmAgentInfo& one : record.info.agents) {
      if (one.id != name) continue;
      one.state = "running";
      one.reason.clear();
      one.pane = name;
      if (again) ++one.starts;
    }
  });
  co_return written;
}

async::Task<Result<void>> Agents::start(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent,
                                        std::string brief) {
  if (swarm->record.hidden.briefs[agent] != brief) {
    const Result<void> kept =
        co_await swarms_.change(swarm, [agent, brief](Record& record) { record.hidden.briefs[agent] = brief; });
    if (!kept) co_return fail(kept.error());
  }
  Result<void> launched = co_await launch(std::move(swarm), std::move(agentd), std::move(agent), Cause::first);
  co_return launched;
}

async::Task<Result<void>> Agents::stop(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent) {
  // Marked first, so that whoever watches does not start it again.
  const Result<void> marked = co_await mark(swarm, agent, "ended");
  if (!marked) co_return fail(marked.error());
  const api::PaneKillRequest kill{.pane = agent, .grace_ms = 2s};
  const auto ended = co_await wire::call_with_timeout(*agentd, api::inside::kPaneKill, kill, kAgentCallLimit);
  if (!ended && ended.error().code != Code::not_found) co_return fail(ended.error());
  co_return {};
}

async::Task<Result<void>> Agents::join(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name) {
  const api::SwarmAgentInfo& agent = *swarm->agent(name);
  api::TeamJoinRequest request{.agent = name, .role = agent.role, .kind = agent.kind, .lead = agent.lead, .skills = {}};
  if (request.kind.starts_with("cmd:")) request.kind = "cmd";
  for (const std::string& skill : agent.skills) request.skills.push_back({.name = skill});
  const auto joined = co_await wire::call_with_timeout(*agentd, api::inside::kTeamJoin, request, kAgentCallLimit);
  if (!joined) co_return fail(joined.error());
  if (!spans(swarm->record.info)) co_return {};
  Result<void> back = co_await swarms_.join_far(swarm, name);
  co_return back;
}

async::Task<bool> Agents::goes_on(std::shared_ptr<Swarm> swarm) {
  if (swarm->record.info.step != api::SwarmStep::run || swarm->record.hidden.stop_asked) co_return false;
  const Result<std::optional<api::RunInfo>> run = co_await swarms_.runs()->newest(swarm->id());
  if (!run || !*run) co_return true;  // nobody knows: as before
  const api::RunState state = (*run)->state;
  co_return state == api::RunState::running || state == api::RunState::waiting || state == api::RunState::paused;
}

async::Task<bool> Agents::sandbox_is_gone(std::string sandbox) {
  const Result<api::SandboxInfo> box = co_await swarms_.with().sandboxes.info(sandbox);
  if (!box) co_return box.error().code == Code::not_found;
  co_return sandbox::is_final(box->state) || box->state == api::SandboxState::lost ||
      box->state == api::SandboxState::stopping;
}

/// While a sandbox cannot be reached the leases of the swarm's tasks stand still.
async::Task<> Agents::reached(std::shared_ptr<Swarm> swarm, std::string place, bool yes) {
  const bool first = !yes && swarm->offline.empty();
  const bool last = yes && (swarm->offline.empty() || (swarm->offline.size() == 1 && swarm->offline.contains(place)));
  // Also the first time: the daemon before this may have been killed while it was offline.
  Result<void> told;
  if (first) told = co_await swarms_.runs()->offline(swarm->id());
  if (last) told = co_await swarms_.runs()->online(swarm->id());
  if (!told) co_return;  // with the next look
  if (yes) {
    swarm->offline.erase(place);
  } else {
    swarm->offline.insert(place);
  }
}

async::Task<> Agents::tend(std::shared_ptr<Swarm> swarm, std::string place) {
  async::Loop& loop = swarms_.with().loop;
  for (;;) {
    auto agentd = co_await swarms_.agentd_at(swarm, place);
    if (!agentd) {
      const auto known = place_named(swarm->record.info, place);
      const bool vacant = known && known->sandbox.empty();
      const bool gone = !known || vacant || co_await sandbox_is_gone(known->sandbox);
      if (!vacant && !swarm->offline.contains(place)) co_await reached(swarm, place, false);
      if (gone && spans(swarm->record.info)) {
        Result<void> again;
        if (vacant) {
          // For the next turn, or a daemon before this was killed in between.
          again = co_await swarms_.settle(swarm, place);
        } else {
          again = co_await swarms_.rehouse(swarm, place);
        }
        if (again || again.error().retryable) {
          if (!again) co_await async::sleep_for(loop, kAgain);
          continue;
        }
        swarm->broken = again.error();
        ++swarm->news;
        swarm->changed.notify_all();
        co_return;
      }
      if (gone) {
        swarm->lost = true;
        ++swarm->news;
        swarm->changed.notify_all();
        co_return;
      }
      co_await async::sleep_for(loop, kAgain);
      continue;
    }
    co_await reached(swarm, place, true);
    // What was committed while nobody listened: agentd's memory of it ends with agentd.
    swarms_.keep_soon(swarm, place);
    // And what was merged meanwhile.
    const Result<void> spread = co_await swarms_.spread_to(swarm, place);
    if (!spread)
      log::logger<"agents">().warn("what was merged is not there yet", {{"place", place}, {"error", spread.error()}});
    // Whoever runs already has to find its model again.
    const std::vector<api::SwarmAgentInfo> agents = swarm->record.info.agents;
    for (const api::SwarmAgentInfo& agent : agents) {
      if (agent.starts == 0 || place_of(swarm->record.info, agent.id) != place) continue;
      const Result<std::string> url = co_await model_url(swarm, *agentd, agent.id);
      if (!url)
        log::logger<"agents">().warn("an agent has no way to its model", {{"agent", agent.id}, {"error", url.error()}});
    }
    async::Event cut(loop);
    async::TaskSet watchers(loop);
    for (const api::SwarmAgentInfo& agent : swarm->record.info.agents) {
      if (place_of(swarm->record.info, agent.id) != place) continue;
      watchers.spawn(watch(this, swarm, *agentd, agent.id, cut));
    }
    // One without agents is watched by its connection alone.
    if (spans(swarm->record.info)) watchers.spawn(until_cut(*agentd, loop, cut));
    co_await cut.wait();
  }
}

async::Task<> Agents::watch(Agents* self, std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name,
                            async::Event& cut) {
  for (;;) {
    const std::string state = swarm->agent(name)->state;
    if (state == "resting") {
      const bool here = co_await self->take_turn(swarm, agentd, name);
      if (!here || agentd->closed()) {
        cut.set();
        co_return;
      }
      continue;
    }
    if (state != "running" && state != "gone") {
      co_await swarm->changed.wait();
      continue;
    }
    const bool gone = state == "gone";
    const api::PaneWaitRequest wait{.pane = name, .states = gone ? kAlive : kOver, .timeout_ms = kWatch};
    auto waiting = wire::call(*agentd, api::inside::kPaneWait, wait);
    const Result<api::PaneInfo> pane = co_await std::move(waiting);
    if (agentd->closed()) {
      cut.set();
      co_return;
    }
    if (!pane && pane.error().code == Code::deadline_exceeded) continue;
    if (!pane && pane.error().code != Code::not_found) {
      log::logger<"agents">().warn("an agent cannot be watched",
                                   {{"swarm", swarm->id()}, {"agent", name}, {"error", pane.error()}});
      co_await async::sleep_for(self->swarms_.with().loop, kAgain);
      continue;
    }
    if (swarm->agent(name)->state != state) continue;  // it was stopped on purpose, or started by others
    if (!gone) {
      co_await self->ended(swarm, agentd, name, pane ? std::optional(*pane) : std::nullopt);
    } else if (!pane) {
      co_await swarm->changed.wait();
    } else {
      // Somebody started it again.
      swarm->shifts[name] = {};
      const Result<void> joined = co_await self->join(swarm, agentd, name);
      if (!joined)
        log::logger<"agents">().warn("an agent cannot join again", {{"agent", name}, {"error", joined.error()}});
      const Result<void> marked = co_await self->mark(swarm, name, "running");
      const api::SwarmAgentInfo agent = *swarm->agent(name);
      const Result<void> told = co_await self->swarms_.runs()->agent_here(
          swarm->id(), {.name = agent.id, .role = agent.role, .skills = agent.skills, .lead = agent.lead});
      if (!marked || !told) log::logger<"agents">().warn("an agent is back", {{"swarm", swarm->id()}, {"agent", name}});
    }
  }
}

async::Task<> Agents::give_up(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string agent, std::string why) {
  log::logger<"agents">().warn("an agent is given up", {{"swarm", swarm->id()}, {"agent", agent}, {"reason", why}});
  const Result<void> marked = co_await mark(swarm, agent, "gone", why);
  // Its locks go with it.
  const auto left = co_await wire::call_with_timeout(*agentd, api::inside::kTeamLeave, {.agent = agent, .reason = why},
                                                     kAgentCallLimit);
  if (!left)
    log::logger<"agents">().warn("its locks run out by themselves", {{"agent", agent}, {"error", left.error()}});
  if (spans(swarm->record.info)) {
    const Result<void> gone = co_await swarms_.with().authorities->leave(swarm->id(), agent, why);
    if (!gone)
      log::logger<"agents">().warn("its locks run out by themselves", {{"agent", agent}, {"error", gone.error()}});
  }
  const Result<void> told = co_await swarms_.runs()->agent_gone(swarm->id(), agent, why);
  if (!marked || !told)
    log::logger<"agents">().error("the work of an agent waits for it", {{"swarm", swarm->id()}, {"agent", agent}});
}

async::Task<> Agents::ended(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name,
                            std::optional<api::PaneInfo> pane) {
  const bool goes = co_await goes_on(swarm);
  if (!goes) {
    const Result<void> marked = co_await mark(swarm, name, "ended");
    static_cast<void>(marked);  // for people to see; the end of the swarm says it too
    co_return;
  }
  if (swarm->agent(name)->mode == api::AgentMode::one_shot && pane && pane->exit_code == 0U) {
    const Result<void> marked = co_await mark(swarm, name, "resting");
    if (marked) co_return;  // whoever watches waits for its turn
  }
  co_await fall(swarm, agentd, name, pane);
}

async::Task<bool> Agents::take_turn(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name) {
  const Result<std::string> turn = co_await swarms_.runs()->next_turn(swarm->id(), name);
  if (swarm->agent(name)->state != "resting") co_return true;  // it was stopped on purpose, or started by others
  if (!turn) {
    log::logger<"agents">().warn("it is not known whose turn it is", {{"agent", name}, {"error", turn.error()}});
    co_await async::sleep_for(swarms_.with().loop, kAgain);
    co_return true;
  }
  if (turn->empty()) {
    const Result<void> over = co_await mark(swarm, name, "ended");
    if (!over) co_await async::sleep_for(swarms_.with().loop, kAgain);  // it rests still, and is asked again
    co_return true;
  }
  Shift& shift = swarm->shifts[name];
  // One that leaves the same thing undone again and again has fallen as one that crashed has.
  const bool got_on = *turn != shift.turn;
  shift.turn = *turn;
  if (got_on) shift.falls = 0;
  if (swarm->record.info.topology == api::SwarmTopology::per_exec && shift.falls < kFalls) {
    if (!got_on && ++shift.falls == 1) shift.first_fall = swarms_.with().loop.clock().now();
    const Result<void> left = co_await swarms_.leave_sandbox(swarm, place_of(swarm->record.info, name));
    if (left) co_return false;
    shift.turn.clear();
    log::logger<"agents">().warn("a turn waits for a sandbox", {{"agent", name}, {"error", left.error()}});
    co_await async::sleep_for(swarms_.with().loop, kAgain);
    co_return true;
  }
  if (got_on) {
    const Result<void> launched = co_await launch(swarm, agentd, name, Cause::turn);
    if (launched || agentd->closed()) co_return true;
    log::logger<"agents">().warn("an agent could not be started", {{"agent", name}, {"error", launched.error()}});
  }
  api::PaneInfo well;
  well.exit_code = 0U;
  co_await fall(swarm, agentd, name, well);
  co_return true;
}

async::Task<> Agents::fall(std::shared_ptr<Swarm> swarm, Tunnel agentd, std::string name,
                           std::optional<api::PaneInfo> pane) {
  async::Loop& loop = swarms_.with().loop;
  Shift& shift = swarm->shifts[name];
  std::string why = how_it_ended(pane);
  Cause cause = loop.clock().now() - shift.begun > kShort ? Cause::resume : Cause::again;
  // Its turn is in another sandbox than the one before: nothing has fallen.
  if (!pane && swarm->record.info.topology == api::SwarmTopology::per_exec) cause = Cause::turn;
  for (;;) {
    const MonoTime now = loop.clock().now();
    if (shift.falls == 0 || now - shift.first_fall > kFallsWithin) {
      shift.falls = 0;
      shift.first_fall = now;
    }
    // A sandbox that was made anew has no panes; that is no fall.
    if (pane && ++shift.falls > kFalls) {
      co_await give_up(swarm, agentd, name,
                       fmt::format("its program ended {} times; the last time {}", shift.falls, why));
      co_return;
    }
    if (pane) co_await async::sleep_for(loop, kRestartPause * (1 << shift.falls) / 2);
    const bool still = co_await goes_on(swarm);
    if (!still || agentd->closed()) co_return;  // whoever watches looks again
    const Result<void> launched = co_await launch(swarm, agentd, name, cause);
    if (launched || agentd->closed()) co_return;
    why = launched.error().message;
    cause = Cause::again;
    if (!pane) pane.emplace();  // from here on it counts
  }
}

}  // namespace swarm::swarms
