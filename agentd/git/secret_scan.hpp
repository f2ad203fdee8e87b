#pragma once
// Lines that look as if they held a secret: the forms that issuers give their keys (protocol/core/known_keys.hpp), and
// values without a pattern behind a name that says what they are (`password = "..."`).

#include <optional>
#include <string>
#include <string_view>

namespace swarm::agentd::git {

/// What a line looks like: "github-token", "private-key", "high-entropy value of 'api_key'"; nothing for most lines.
/// Never contains the value.
std::optional<std::string> secret_in(std::string_view line);

/// Bits of information in each character of `text`, by the frequencies in it.
double entropy(std::string_view text);

}  // namespace swarm::agentd::git
