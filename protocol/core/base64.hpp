#pragma once
// Base64 (RFC 4648, section 4, with padding): how bytes travel in JSON.

#include <optional>
#include <string>
#include <string_view>

namespace swarm {

/// `data` in base64 with padding.
std::string base64_encode(std::string_view data);

/// The bytes, or nothing when `text` is not canonical base64 (wrong alphabet, length, padding or stray bits).
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace swarm
