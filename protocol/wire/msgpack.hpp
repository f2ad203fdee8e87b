#pragma once
// Value <-> MessagePack.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"
#include "protocol/wire/limits.hpp"

namespace swarm::wire {

/// Appends `value` to `out`. Malformed UTF-8 in a string becomes U+FFFD, since str is always UTF-8 on the wire.
void encode(const Value& value, std::string& out);
std::string encode(const Value& value);

/// Reads exactly one value. `resource_exhausted` over a limit (before memory is taken for it), `invalid_argument` for
/// what is not MessagePack, ends early, goes on behind the value, has a map key that is not a str, or a str that is not
/// UTF-8; the message says where.
Result<Value> decode(std::span<const std::byte> bytes, const Limits& limits);

/// The same for bytes that a FrameScanner has passed: one complete value within the limits. `root` names it in errors:
/// "params[0].argv[2]: ...".
Result<Value> decode_scanned(std::span<const std::byte> bytes, std::string_view root);

/// Appends pieces of a message that need no Value.
void append_array(std::string& out, std::uint32_t count);
void append_map(std::string& out, std::uint32_t count);
void append_uint(std::string& out, std::uint64_t number);
void append_nil(std::string& out);
void append_str(std::string& out, std::string_view text);
/// The header of a bin; `size` bytes have to follow.
void append_bin_header(std::string& out, std::uint32_t size);

}  // namespace swarm::wire
