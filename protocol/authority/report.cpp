#include "protocol/authority/report.hpp"

#include "protocol/api/codec.hpp"

namespace swarm::authority {
namespace {

using coord::AgentState;
using coord::Step;

Result<void> say(Step& step, const std::string& agent, const std::string& text) {
  coord::Draft draft;
  draft.to = {agent};
  draft.priority = coord::Priority::urgent;
  draft.body = text;
  const coord::Actor self{.kind = coord::Actor::Kind::system, .name = std::string(coord::kSystemName)};
  const Result<coord::Sent> sent = step.messages.send(step.turn, self, draft);
  if (!sent) return fail(sent.error());
  return {};
}

Result<api::Empty> take_down(Step& step, const api::RelayReportRequest& what) {
  const auto now = step.registry.state_of(step.turn, what.agent);
  if (!now) return fail(now.error());
  if (what.ended) {
    if (auto gone = step.registry.gone(step.turn, what.agent, *what.ended); !gone) return fail(gone.error());
    step.locks.owner_gone(what.agent, step.turn.now);
  } else {
    std::optional<AgentState> state;
    std::optional<std::string> detail = what.detail;
    if (what.state && *what.state != api::AgentState::unknown) state = static_cast<AgentState>(*what.state);
    if (!state && *now == AgentState::gone) {
      state = AgentState::starting;  // a sign of life brings it back
      detail = "";
    }
    auto updated = step.registry.update(step.turn, what.agent, state, std::nullopt, detail);
    if (!updated) return fail(updated.error());
  }
  if (what.nudge) {
    if (Result<void> said = say(step, what.agent, *what.nudge); !said) return fail(said.error());
  }
  if (what.stalled) step.turn.tell(std::string(api::kAgentStalled.name), what.agent, api::encode(*what.stalled));
  return api::Empty{};
}

}  // namespace

async::Task<Result<api::Empty>> report(Desk& desk, api::RelayReportRequest what) {
  auto task = desk.host().in_tables("team.report", store::Durability::process,
                                    [what = std::move(what)](Step& step) { return take_down(step, what); });
  Result<api::Empty> done = co_await std::move(task);
  co_return done;
}

}  // namespace swarm::authority
