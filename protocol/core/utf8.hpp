#pragma once
// UTF-8 at the border: what leaves as text must be valid, what arrives may be anything.

#include <string>
#include <string_view>

namespace swarm {

/// True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF).
bool is_utf8(std::string_view text);

/// The same text with every malformed byte replaced by U+FFFD.
std::string to_utf8(std::string_view text);

/// At most `bytes` bytes of `text`, cut between characters.
std::string_view utf8_prefix(std::string_view text, std::size_t bytes);

/// Text from elsewhere made safe for one line of an error or log: at most `bytes` bytes, with "..." where it was cut,
/// control characters as `\xNN` and malformed bytes as U+FFFD.
std::string shown(std::string_view text, std::size_t bytes = 60);

}  // namespace swarm
