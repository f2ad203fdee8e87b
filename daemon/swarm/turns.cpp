// A sandbox for each execution: an agent's turn is one program in a sandbox of its own, claimed from the pool. What it
// commits is fetched when the turn is over; its next turn finds that in another one. Who an agent is, its messages,
// locks and notes are the daemon's, so they stay.
//
//   turn --program ends--> rests, until it is its turn again --> fetched, left --> another sandbox --> turn
//                                                                    '--> ends
#include <algorithm>

#include "daemon/log/log.hpp"
#include "daemon/swarm/swarms.hpp"

namespace swarm::swarms {

async::Task<Result<void>> Swarms::leave_sandbox(std::shared_ptr<Swarm> swarm, std::string place) {
  const auto one_by_one = co_await swarm->housing.take();
  const auto known = place_named(swarm->record.info, place);
  if (!known) co_return fail(Code::internal, "the swarm has no place '" + place + "'");
  if (known->sandbox.empty()) co_return {};
  const Result<std::string> kept = co_await keep_work_of(swarm, place);
  if (!kept) co_return fail(kept.error(), "fetch what a turn has made");
  // Recorded before it ends: a daemon that dies in between neither goes back to it nor forgets it.
  const Result<void> left = co_await change(swarm, [place, sandbox = known->sandbox](Record& record) {
    set_sandbox(record.info, place, "", "");
    ++record.hidden.turns[place];
    record.hidden.leaving.push_back(sandbox);
    for (api::SwarmAgentInfo& agent : record.info.agents) {
      if (place_of(record.info, agent.id) != place) continue;
      record.hidden.model_ports.erase(agent.id);
      agent.state = "running";  // it gets a program there
    }
  });
  if (!left) co_return fail(left.error());
  swarm->uses.erase(known->sandbox);
  tasks_.spawn(end_left_soon(swarm));
  co_return {};
}

async::Task<Result<void>> Swarms::end_left(std::shared_ptr<Swarm> swarm) {
  const std::vector<std::string> leaving = swarm->record.hidden.leaving;
  for (const std::string& sandbox : leaving) {
    const Result<api::SandboxInfo> ended =
        co_await with_.sandboxes.kill(sandbox, {.grace_ms = std::chrono::milliseconds(0),
                                                .reason = "a turn in swarm " + swarm->record.info.name + " is over",
                                                .wait = true});
    if (!ended && ended.error().code != Code::not_found) co_return fail(ended.error());
    const Result<void> written =
        co_await change(swarm, [sandbox](Record& record) { std::erase(record.hidden.leaving, sandbox); });
    if (!written) co_return fail(written.error());
  }
  co_return {};
}

async::Task<> Swarms::end_left_soon(std::shared_ptr<Swarm> swarm) {
  const Result<void> ended = co_await end_left(swarm);
  if (!ended) {
    log::logger<"swarm">().warn("a sandbox whose turn is over is there still; it ends with the swarm",
                                {{"swarm", swarm->id()}, {"error", ended.error()}});
  }
}

}  // namespace swarm::swarms
