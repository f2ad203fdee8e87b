#pragma once
// What agents and people ask of a swarm's coordination (`agent.*`, `lock.*`, `message.*`, `note.*`), over coord::Host:
// decode, one transaction, encode. Whoever is the swarm's authority serves it from here: agentd for a swarm in one
// sandbox, the daemon for one that spans several.
//
//   agentd:  uid of the caller -------------------------> Actor --.
//   daemon:  a sandbox's agentd says whom the kernel named --------+--> Entry::call(desk, actor, params) -->
//   coord::Host
//            a person on the host ------------------------> Actor --'
//
// It knows nothing of connections, and believes the actor that it is given.

#include <functional>
#include <string>
#include <vector>

#include "protocol/api/agent_delivery.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/async/event.hpp"
#include "protocol/coord/host.hpp"
#include "protocol/coord/path.hpp"

namespace swarm::authority {

/// From what a caller calls a path to the key of its lock. Called off the loop too, so it holds what it needs.
using KeyMaker = std::function<Result<coord::LockKey>(const std::string& agent, const std::string& repository,
                                                      coord::LockKind kind, const std::string& path)>;

/// Paths that are normalised already, with their repository named: by who has no file system to look at.
Result<coord::LockKey> plain_key(const std::string& agent, const std::string& repository, coord::LockKind kind,
                                 const std::string& path);

/// What the methods of one swarm work with; outlives its calls.
struct Desk {
  async::Loop& loop;
  Random& random;
  /// The coordination; asked with each call, since another epoch has another.
  std::function<coord::Host&()> host;
  KeyMaker key = plain_key;
  /// Adds what is known of its program to what is told of an agent; `whole`: its stalls too. May be empty.
  std::function<void(api::AgentInfo& info, bool whole)> add_program{};
  /// How messages reach an agent's program; called in a step. May be empty.
  std::function<std::optional<api::AgentDelivery>(const coord::Turn& turn, const std::string& agent)> delivery{};
  /// Notified by `happened`: who watches notes waits for it.
  async::Condition notes_changed;

  /// To be told of what happened, after each commit.
  void happened(const std::vector<coord::Happening>& happenings);
};

/// Who may call.
enum class Who : std::uint8_t {
  anyone,  ///< a person, the sandbox itself, any agent
  agents,
};

/// A method as it is served.
struct Entry {
  const api::MethodInfo* info;
  Who who;
  /// `params` as they came on the wire; their `swarm` is not looked at. `caller` is an agent where `who` says so.
  std::function<async::Task<Result<Value>>(Desk& desk, coord::Actor caller, Value params)> call;
};

/// Every one of them.
const std::vector<Entry>& entries();
/// By the method's name; null where it is none of them.
const Entry* find_entry(std::string_view method);

/// The `swarm` that parameters name, before they are decoded.
std::optional<std::string> named_swarm(const Value& params);

/// The wire forms.
api::LockInfo lock_info(const coord::Lease& lease, coord::Span paused);
api::MessageLetter letter_info(const coord::Letter& letter, const coord::Turn& turn);

constexpr api::Identity identity_of(bool proven) {
  return proven ? api::Identity::enforced : api::Identity::cooperative;
}

/// The name of the person for whom the daemon speaks.
inline constexpr std::string_view kPerson = "human";

}  // namespace swarm::authority
