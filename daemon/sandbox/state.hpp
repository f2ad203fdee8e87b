#pragma once
// The life of a sandbox as a table: every pair of state and event has an outcome, and each step is recorded before it
// is acted on.
//
//   requested -> creating -> starting -> ready -> claimed -> stopping -> gone
//                   |            |         \________/ |           ^
//                unknown (the answer     paused <-----+           |
//                was lost: looked up,                             |
//                never made again)       any of them -------------+
//   * -> lost (the provider no longer has it) -> gone, once that is certain;   requested|creating|unknown -> failed

#include <optional>
#include <string_view>

#include "protocol/api/sandbox_types.hpp"

namespace swarm::sandbox {

using State = api::SandboxState;

/// What can happen to a sandbox.
enum class Event {
  begin,       ///< capacity is held; the provider is about to be asked
  created,     ///< the provider has made it
  refused,     ///< the provider has said no
  unanswered,  ///< the provider may or may not have made it
  found,       ///< it was looked up and exists
  absent,      ///< it was looked up and was never made
  answered,    ///< its agentd has answered
  claim,       ///< somebody takes it
  pause,
  resume,
  stop,      ///< it shall end
  ended,     ///< it is gone for certain, nothing of it left
  vanished,  ///< the provider no longer lists it, though nobody ended it
};

inline constexpr int kStates = 11;
inline constexpr int kEvents = 13;

/// What a pair of state and event means.
struct Outcome {
  enum class Kind {
    moves,    ///< to `to`
    ignored,  ///< late or repeated news that changes nothing
    refused,  ///< a request that makes no sense in this state: failed_precondition
  };
  Kind kind = Kind::ignored;
  State to = State::requested;
};

/// The table.
Outcome outcome(State state, Event event);

/// "pause", "stop": for messages.
std::string_view event_name(Event event);

/// "ready", "claimed": the spelling of the wire.
std::string_view state_name(State state);

/// True for gone and failed: nothing more can happen, and its capacity is given back.
bool is_final(State state);

/// True while it is being made: nobody can use it yet.
bool is_coming(State state);

/// True where the provider has it, or may have: it counts against capacity and, perhaps, costs money.
bool holds_capacity(State state);

/// True where programs in it can be spoken to.
bool is_usable(State state);

}  // namespace swarm::sandbox
