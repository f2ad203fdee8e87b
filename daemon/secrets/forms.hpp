#pragma once

#include <string_view>
#include <vector>

#include "daemon/secrets/secret_string.hpp"

namespace swarm::secrets {

/// Shorter text occurs by chance; replacing it would eat logs and, by the gaps, even tell where it stands.
inline constexpr std::size_t kShortestSecret = 6;

/// Every spelling in which a secret may turn up in text, each at least `kShortestSecret` long and each once: as it is,
/// line by line, hexadecimal, percent-encoded, JSON-escaped, and base64 (both alphabets) at each of the three
/// alignments that it can have inside a longer encoded text, as in "Authorization: Basic base64(user:secret)".
[[nodiscard]] std::vector<SecretString> forms_of(std::string_view secret);

}  // namespace swarm::secrets
