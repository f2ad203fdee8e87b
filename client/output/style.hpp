#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace swarm::client {

/// What a piece of text means; how that looks is decided here and nowhere else. The words say it all without colour.
enum class Style : std::uint8_t { plain, heading, good, warning, bad, faint, strong };

/// Whether escape sequences may be written.
enum class Paint : std::uint8_t { no, yes };

/// `text` in that style.
std::string painted(std::string_view text, Style style, Paint paint);

}  // namespace swarm::client
