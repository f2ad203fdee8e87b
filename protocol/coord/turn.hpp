#pragma once
// What one step of the coordination works with: the open transaction, the time, and where it says what happened. The
// machines of this folder that keep their state in tables (messages, registry, notes) take it with each call.

#include <string>
#include <string_view>
#include <vector>

#include "protocol/coord/moment.hpp"
#include "protocol/core/random.hpp"
#include "protocol/core/value.hpp"
#include "protocol/store/database.hpp"

namespace swarm::coord {

/// Something that happened, for the durable log and whoever watches. `data` is what the event type documents.
struct Happening {
  std::string type;  ///< "message.queued"
  std::string agent;
  Value data;
};

/// One step. Lives as long as the step.
struct Turn {
  store::Database& db;
  const std::string& swarm;
  Moment now;
  /// What to add to a moment to show it as UTC.
  Span paused;
  Random& random;
  std::vector<Happening>& happenings;

  [[nodiscard]] std::int64_t wall_us(Moment moment) const { return moment.us + paused.count(); }
  void tell(std::string type, std::string agent, Value data) const {
    happenings.push_back({std::move(type), std::move(agent), std::move(data)});
  }
  /// A new id, "msg_..." for "msg".
  [[nodiscard]] std::string make_id(std::string_view prefix) const;
};

/// Who does something. The host of this code has it from the kernel or the handshake, never from what is said.
struct Actor {
  enum class Kind {
    agent,   ///< `name` is an agent of this swarm
    person,  ///< a person on the host; `name` tells which ("uid 1000")
    system,  ///< the swarm itself
  };
  Kind kind = Kind::agent;
  std::string name;
  bool proven = true;  ///< false where agents share one uid
};

/// The name of the swarm itself as a sender; no agent may have it.
inline constexpr std::string_view kSystemName = "swarm";

/// A name of an agent, role or note as it is kept: trimmed; letters, digits, '-', '_' and '.', no '-' or '.' at either
/// end, up to 64. `what` names it in the refusal ("agent").
Result<std::string> checked_name(std::string_view text, std::string_view what);

}  // namespace swarm::coord
