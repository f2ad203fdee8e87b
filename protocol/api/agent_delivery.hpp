#pragma once
// How messages reach an agent's program.

#include "protocol/api/method.hpp"

namespace swarm::api {

struct AgentDelivery {
  std::string way;
  std::string session;
  std::string event;
  std::string tool;
  std::optional<std::int64_t> event_us;
  bool in_turn = false;
  std::optional<std::int64_t> woken_us;
  std::uint32_t failures = 0;
  std::string problem;
  std::optional<std::int64_t> next_us;
  bool operator==(const AgentDelivery&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentDelivery", "How messages reach an agent's program, and what stands in the way.");
    d.field("way", &AgentDelivery::way, "`hooks` or `paste`; empty: not known.");
    d.field("session", &AgentDelivery::session, "The program's own name for its conversation.");
    d.field("event", &AgentDelivery::event, "What its hooks told last: `PostToolUse`.");
    d.field("tool", &AgentDelivery::tool, "The tool that this was about.");
    d.field("event_us", &AgentDelivery::event_us, "When, UTC.");
    d.field("in_turn", &AgentDelivery::in_turn, "Its hooks told of a prompt, and not yet of its end.");
    d.field("woken_us", &AgentDelivery::woken_us, "When it was last given a prompt for its messages, UTC.");
    d.field("failures", &AgentDelivery::failures, "Deliveries in a row that failed.");
    d.field("problem", &AgentDelivery::problem, "Why its messages wait; empty: nothing is in the way.");
    d.field("next_us", &AgentDelivery::next_us, "When it is tried again at the latest, UTC.");
  }
};

}  // namespace swarm::api
