#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"

namespace swarm::e2b {

/// An answer that is not a success, in our words.
struct Refusal {
  Error error;
  /// When it says so: how long to leave the service alone. Zero: it did not say how long.
  std::optional<Duration> retry_after;
  /// A request that makes something may have made it all the same: look it up.
  bool unknown = false;
};

/// Maps a status, the body and the `Retry-After` header of an answer. `what` is the request, for the message.
Refusal refusal_of(int status, std::string_view body, std::optional<std::string_view> retry_after,
                   const std::string& what, WallTime now);

/// A `Retry-After`: seconds, or a date. Nothing for what is neither; never longer than an hour.
std::optional<Duration> parse_retry_after(std::string_view text, WallTime now);

}  // namespace swarm::e2b
