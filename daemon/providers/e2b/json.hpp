#pragma once
// JSON of a service that is not ours, read with suspicion. For .cpp files alone: nlohmann/json costs a second of
// compile time each.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "protocol/core/error.hpp"

namespace swarm::e2b {

using Json = nlohmann::json;

/// So much of a service's own words is passed on, in bytes.
inline constexpr std::size_t kMessageMost = 500;

/// Discarded (`is_discarded()`) for what is no JSON, or is nested like an attack.
Json parse_json(std::string_view text);

/// What is not UTF-8 is replaced.
std::string dump(const Json& json);

/// The text under the key; empty where there is none.
std::string text_of(const Json& object, const char* key);

/// `internal`: what `who` answered is no `what`.
std::unexpected<Error> no_answer(std::string_view who, std::string_view what);

}  // namespace swarm::e2b
