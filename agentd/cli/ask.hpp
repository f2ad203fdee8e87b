#pragma once
// Any method of agentd's inner socket, called by name with a map of arguments.

#include <chrono>
#include <string_view>

#include "agentd/cli/arguments.hpp"
#include "agentd/cli/verb.hpp"
#include "protocol/core/value.hpp"

namespace swarm::cli {

/// Whether a call may be sent a second time when the connection broke before its answer.
enum class Again {
  never,
  safe,   ///< it only reads, or doing it twice is doing it once
  keyed,  ///< an `idempotency_key` is sent along, by which agentd gives the first answer again
};

struct Question {
  std::string_view method;
  Value::Map arguments{};
  Again again = Again::never;
  /// How long to wait for the answer; a call that waits for something itself needs more.
  std::chrono::milliseconds patience{10'000};
  /// How long to try again while agentd is being restarted: it is back within milliseconds after a crash; init waits
  /// longer after several.
  std::chrono::milliseconds restart{5000};
};

/// Asks agentd. While it is being restarted this waits a little.
Result<Value> ask(const Invocation& call, Question question);

/// Asks, and prints: the whole answer as JSON with `--json`, else what `show` makes of it. The exit status.
int answer(const Invocation& call, const Arguments& arguments, Question question, void (*show)(const Value& answer));

/// A random name that nobody else has: for `idempotency_key`.
std::string unique_key();

}  // namespace swarm::cli
