#include "agentd/watch/keeper.hpp"

#include <fmt/format.h>

#include "agentd/team/far.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::agentd {
namespace {

using api::PaneState;
using coord::AgentState;
using store::Sql;

constexpr Sql kSteps{"stalls.all", "SELECT agent, step FROM team_stalls ORDER BY seq LIMIT 100000"};
constexpr Sql kAddStep{"stalls.add", "INSERT INTO team_stalls (agent, step) VALUES (?, ?)"};
constexpr Sql kDropSteps{"stalls.drop",
                         "DELETE FROM team_stalls WHERE agent = ?1 AND seq NOT IN (SELECT seq FROM team_stalls WHERE"
                         " agent = ?1 ORDER BY seq DESC LIMIT ?2)"};

/// A composer that is there now: a person may begin to type in the next second.
constexpr std::chrono::milliseconds kPromptWait{5000};
constexpr std::size_t kMostText = 500;

/// What the registry says of an agent whose program shows this; nothing: what it said before.
std::optional<AgentState> state_of(PaneState state) {
  switch (state) {
    case PaneState::starting:
      return AgentState::starting;
    case PaneState::busy:
      return AgentState::working;
    case PaneState::ready:
    case PaneState::typing:
      return AgentState::idle;
    case PaneState::permission:
    case PaneState::logged_out:
      return AgentState::waiting;
    case PaneState::rate_limited:
      return AgentState::rate_limited;
    default:
      return std::nullopt;
  }
}

std::string detail_of(PaneState state) {
  switch (state) {
    case PaneState::permission:
      return "it asks for a permission";
    case PaneState::logged_out:
      return "it has no credentials, or no credit";
    case PaneState::rate_limited:
      return "its provider lets it wait";
    default:
      return {};
  }
}

std::string nudge_text(const StallStep& step) {
  return step.kind == api::StallKind::asleep
             ? "There are messages for you: 'swarm inbox' shows them. Go on with your work; where you cannot, say why "
               "with 'swarm ask-human'."
             : fmt::format(
                   "It looks as if you do not get on: {}. If you are stuck, try another way, or say what you "
                   "need with 'swarm ask-human'.",
                   step.seen);
}

async::Task<bool> has_mail(Team* team, std::string agent) {
  if (team->is_far()) co_return team->mail_of(agent) > 0;
  const auto host = team->host();
  if (!host) co_return false;
  auto asking = (*host)->with_locks("team.mail", [](coord::Step& step) { return step.messages.unread(step.turn); });
  const auto unread = co_await std::move(asking);
  if (!unread) co_return true;  // the store is busy: rather once too often
  const auto mail = unread->find(agent);
  co_return mail != unread->end() && mail->second > 0;
}

std::string ended_text(const api::PaneInfo& pane) {
  if (pane.oom_killed) return "its program ran out of memory";
  if (pane.signal) return fmt::format("its program was ended by signal {}", *pane.signal);
  return fmt::format("its program ended with status {}", pane.exit_code.value_or(0));
}

}  // namespace

Keeper::Keeper(async::Loop& loop, Team& team, panes::Panes& panes, KeeperOptions options)
    : loop_(loop), team_(team), panes_(panes), options_(options), tasks_(loop) {}

Keeper::~Keeper() { tasks_.cancel_all(); }

void Keeper::start() { tasks_.spawn(keep(this)); }

StallTimes Keeper::times() const {
  const api::TeamPatience& patience = team_.patience();
  StallTimes times;
  times.asleep = patience.asleep_ms;
  times.silent = patience.silent_ms;
  times.dialog = patience.dialog_ms;
  times.rung = patience.rung_ms;
  return times;
}

std::int64_t Keeper::wall_us(MonoTime moment) const {
  const auto ago = std::chrono::duration_cast<std::chrono::microseconds>(loop_.clock().now() - moment);
  return loop_.clock().wall().us - ago.count();
}

async::Task<> Keeper::keep(Keeper* self) {
  for (;;) {
    // The shortest patience sets the pace where it is shorter than ours.
    const StallTimes times = self->times();
    const Duration shortest = std::min({times.asleep, times.silent, times.dialog, times.rung});
    co_await async::sleep_for(self->loop_,
                              std::clamp<Duration>(shortest / 4, std::chrono::milliseconds(50), self->options_.every));
    if (self->team_.is_open()) co_await self->look_at_all();
  }
}

async::Task<> Keeper::look_at_all() {
  load_steps();
  const Result<api::PaneListReply> panes = co_await panes_.list({.states = false, .limit = 1000});
  if (!panes) co_return;
  Result<std::map<std::string, std::int64_t>> unread = std::map<std::string, std::int64_t>();
  if (team_.is_far()) {
    for (const auto& [agent, count] : team_.mail()) (*unread)[agent] = static_cast<std::int64_t>(count);
  } else {
    auto asking =
        (*team_.host())->with_locks("team.unread", [](coord::Step& step) { return step.messages.unread(step.turn); });
    unread = co_await std::move(asking);
  }
  if (!unread) co_return;
  for (const api::PaneInfo& pane : panes->panes) {
    const Result<const Member*> member = team_.find(pane.pane);
    if (!member || (*member)->gone) continue;
    const auto mail = unread->find(pane.pane);
    const bool has_mail = mail != unread->end() && mail->second > 0;
    if (pane.running) {
      co_await look_at(pane, has_mail);
    } else {
      co_await look_at_ended(pane);
    }
  }
}

async::Task<> Keeper::look_at(api::PaneInfo pane, bool has_mail) {
  const MonoTime now = loop_.clock().now();
  Watched& watched = watched_[pane.pane];
  // Over a new start too: one that stalls again after that has not been helped by it.
  if (!watched.watch) watched.watch.emplace(times(), now);
  if (watched.started_us != pane.started_us) {
    watched.started_us = pane.started_us;
    watched.looked = false;
    watched.told.reset();
  }
  watched.running = true;
  watched.gone = false;
  watched.ended.reset();
  watched.restarts = pane.restarts;
  if (pane.log_end != watched.log_end || !watched.looked) {
    Result<api::PaneScreenReply> screen = co_await panes_.screen({.pane = pane.pane});
    if (!screen) co_return;
    if (pane.log_end != watched.log_end) {
      watched.output_us = loop_.clock().wall().us;
      team_.seen(pane.pane);
    }
    watched.looked = true;
    watched.log_end = pane.log_end;
    watched.state = screen->info.state;
    watched.lines = line_marks(screen->text.bytes);
  }
  if (watched.told != watched.state) {
    co_await tell_state(pane.pane, watched.state);
    watched.told = watched.state;
  }
  if (watched.busy) co_return;
  const api::PaneProgram* program = panes_.program(pane.pane);
  const Sight sight{.state = watched.state,
                    .lines = watched.lines,
                    .has_mail = has_mail,
                    .heard = team_.heard(pane.pane),
                    .driven = program != nullptr && !program->kind.empty(),
                    .can_resume = program != nullptr && !program->resume.empty()};
  std::optional<StallStep> step = watched.watch->look(sight, now);
  if (!step) co_return;
  watched.busy = true;
  tasks_.spawn(climb(this, pane.pane, std::move(*step)));
}

async::Task<> Keeper::look_at_ended(api::PaneInfo pane) {
  const MonoTime now = loop_.clock().now();
  Watched& watched = watched_[pane.pane];
  watched.running = false;
  watched.state = pane.state;
  watched.restarts = pane.restarts;
  watched.log_end = pane.log_end;
  if (!watched.ended) watched.ended = now;
  // One that works a turn at a time ends well after each; its locks stand for what it has not handed in.
  const bool ended_well = !pane.signal && pane.exit_code == 0U;
  if (ended_well || watched.gone || now - *watched.ended < options_.ended_after) co_return;
  const Result<void> told = co_await team_.program_ended(pane.pane, ended_text(pane));
  if (told) watched.gone = true;
}

async::Task<> Keeper::tell_state(std::string agent, PaneState pane_state) {
  const std::optional<AgentState> state = state_of(pane_state);
  if (!state) co_return;
  if (team_.is_far()) {
    const auto told = co_await tell_host(
        team_, {.agent = agent, .state = static_cast<api::AgentState>(*state), .detail = detail_of(pane_state)});
    static_cast<void>(told);  // with the next change
    co_return;
  }
  auto task = (*team_.host())
                  ->in_tables("team.pane_state", store::Durability::process,
                              [agent, state, detail = detail_of(pane_state)](coord::Step& step) -> Result<void> {
                                return step.registry.update(step.turn, agent, state, std::nullopt, detail);
                              });
  static_cast<void>(co_await std::move(task));  // it may have left meanwhile
}

async::Task<> Keeper::climb(Keeper* self, std::string agent, StallStep step) {
  api::AgentStalled told{.kind = step.kind, .rung = step.rung, .seen = step.seen};
  const Result<void> taken = co_await self->take(agent, std::move(step));
  if (!taken) told.outcome = taken.error().message.substr(0, kMostText);
  told.time_us = self->loop_.clock().wall().us;
  co_await self->write_down(agent, std::move(told));
  self->watched_[agent].busy = false;
}

async::Task<Result<void>> Keeper::take(std::string agent, StallStep step) {
  switch (step.rung) {
    case api::StallRung::nudge: {
      Result<void> done = co_await nudge(agent, std::move(step));
      co_return done;
    }
    case api::StallRung::interrupt: {
      Result<void> done = co_await interrupt(agent);
      co_return done;
    }
    case api::StallRung::restart: {
      const api::PaneProgram* program = panes_.program(agent);
      if (program == nullptr) co_return fail(Code::not_found, "its pane is closed");
      const api::PaneRestartRequest request{.pane = agent, .argv = program->resume};
      const Result<api::PaneInfo> again = co_await panes_.restart(request);
      if (!again) co_return fail(again.error());
      co_return {};
    }
    case api::StallRung::replace: {
      // Another conversation in the same seat: with the first brief, on what the one before left in its worktree.
      const api::PaneRestartRequest request{.pane = agent, .anew = true};
      const Result<api::PaneInfo> again = co_await panes_.restart(request);
      if (!again) co_return fail(again.error());
      co_return {};
    }
    default:
      co_return {};  // the event is what is done: the daemon tells a person
  }
}

/// One that waits is spoken to; one that works gets a message, which its hook brings at the next turn.
async::Task<Result<void>> Keeper::nudge(std::string agent, StallStep step) {
  if (step.kind == api::StallKind::asleep) {
    const api::PanePromptRequest prompt{.pane = agent, .text = api::Text{nudge_text(step)}, .wait_ms = kPromptWait};
    // Its mail may go on another way while it is waited for: a prompt for nothing would cost it a turn.
    const Result<api::PanePromptReply> prompted =
        co_await panes_.prompt(prompt, [this, &agent] { return has_mail(&team_, agent); });
    if (!prompted && prompted.error().code == Code::cancelled) {
      co_return fail(Code::cancelled, "not needed: it has taken its mail meanwhile");
    }
    if (!prompted) co_return fail(prompted.error());
    co_return {};
  }
  if (team_.is_far()) {
    Result<void> told = co_await tell_host(team_, {.agent = agent, .nudge = nudge_text(step)});
    co_return told;
  }
  auto task = (*team_.host())
                  ->in_tables("team.nudge", store::Durability::process,
                              [agent, text = nudge_text(step)](coord::Step& at) -> Result<void> {
                                coord::Draft draft;
                                draft.to = {agent};
                                draft.priority = coord::Priority::urgent;
                                draft.body = text;
                                const coord::Actor self{.kind = coord::Actor::Kind::system,
                                                        .name = std::string(coord::kSystemName)};
                                const Result<coord::Sent> sent = at.messages.send(at.turn, self, draft);
                                if (!sent) return fail(sent.error());
                                return {};
                              });
  Result<void> sent = co_await std::move(task);
  co_return sent;
}

/// Only what works is stopped: in a dialog, or in a line that somebody types, the key means something else.
async::Task<Result<void>> Keeper::interrupt(std::string agent) {
  const Result<api::PaneScreenReply> screen = co_await panes_.screen({.pane = agent});
  if (!screen) co_return fail(screen.error());
  const PaneState state = screen->info.state;
  if (state != PaneState::busy && state != PaneState::unknown && state != PaneState::starting) {
    co_return fail(Code::failed_precondition, fmt::format("it is {} now", panes::state_name(state)));
  }
  const api::PaneProgram* program = panes_.program(agent);
  if (program == nullptr) co_return fail(Code::not_found, "its pane is closed");
  const api::PaneSendRequest keys{.pane = agent, .keys = {program->interrupt_key}};
  const Result<api::PaneSendReply> sent = co_await panes_.send(keys);
  if (!sent) co_return fail(sent.error());
  co_return {};
}

async::Task<> Keeper::write_down(std::string agent, api::AgentStalled step) {
  Watched& watched = watched_[agent];
  watched.steps.push_back(step);
  while (watched.steps.size() > options_.most_steps) watched.steps.pop_front();
  if (team_.is_far()) {
    auto keeping = team_.store()->write(
        "team.stalled", store::Durability::process,
        [agent, told = api::encode(step), most = options_.most_steps](store::Changes& changes) -> Result<void> {
          const Bytes bytes{wire::encode(told)};
          if (auto added = changes.db().run(kAddStep, agent, bytes); !added) return added;
          return changes.db().run(kDropSteps, agent, static_cast<std::int64_t>(most));
        });
    static_cast<void>(co_await std::move(keeping));  // in memory it is known all the same
    const auto told = co_await tell_host(team_, {.agent = agent, .stalled = step});
    static_cast<void>(told);  // the next rung tells again
    co_return;
  }
  auto task =
      (*team_.host())
          ->in_tables("team.stalled", store::Durability::process,
                      [agent, told = api::encode(step), most = options_.most_steps](coord::Step& at) -> Result<void> {
                        at.turn.tell(std::string(api::kAgentStalled.name), agent, told);
                        const Bytes bytes{wire::encode(told)};
                        if (auto added = at.turn.db.run(kAddStep, agent, bytes); !added) return added;
                        return at.turn.db.run(kDropSteps, agent, static_cast<std::int64_t>(most));
                      });
  static_cast<void>(co_await std::move(task));  // in memory it is known all the same
}

void Keeper::load_steps() {
  if (std::exchange(loaded_, true)) return;
  auto rows = team_.store()->reader().all<std::string, Bytes>(kSteps);
  if (!rows) return;  // what was done before is not shown; what is done now is
  for (auto& [agent, bytes] : *rows) {
    Result<Value> value = wire::decode(std::as_bytes(std::span(bytes.data)), wire::Limits{});
    if (!value) continue;
    Result<api::AgentStalled> step = api::decode_reply<api::AgentStalled>(std::move(*value));
    if (step) watched_[agent].steps.push_back(std::move(*step));
  }
}

void Keeper::add_to(api::AgentInfo& info, Steps steps) const {
  const auto found = watched_.find(info.id);
  if (found == watched_.end()) return;
  const Watched& watched = found->second;
  if (steps == Steps::with) info.stalls.assign(watched.steps.begin(), watched.steps.end());
  if (watched.started_us == 0) return;  // its pane was not looked at yet
  api::AgentProgram program{.state = std::string(panes::state_name(watched.state)),
                            .running = watched.running,
                            .restarts = watched.restarts,
                            .log_end = watched.log_end,
                            .output_us = watched.output_us};
  if (watched.running && watched.watch && watched.watch->stall()) {
    program.stall = watched.watch->stall();
    program.stalled_us = wall_us(watched.watch->stalled_since());
  }
  info.program = std::move(program);
}

}  // namespace swarm::agentd
