#pragma once
// Names of things. A sandbox is `s` and 20 of [a-z2-7]: a DNS label and valid as an E2B id. Everything else is a short
// prefix and a ULID, which sorts by the time it was made.

#include <string>
#include <string_view>

#include "protocol/core/clock.hpp"
#include "protocol/core/random.hpp"

namespace swarm {

/// A new sandbox id: `s` + 20 characters of RFC 4648 base32 in lower case (100 random bits).
std::string new_sandbox_id(Random& random);

/// True for exactly what `new_sandbox_id` makes.
bool is_sandbox_id(std::string_view text);

/// A new id of any other kind: `prefix` ("swm", "agt", "run", "tsk", "rev", "prp", "msg", "lck", "prc", "evt"), `_`,
/// and a ULID (26 characters of Crockford base32, lower case: 48 bits of milliseconds and 80 random bits).
std::string new_id(std::string_view prefix, const Clock& clock, Random& random);

/// True for `<prefix>_` and a well-formed ULID.
bool is_id(std::string_view prefix, std::string_view text);

}  // namespace swarm
