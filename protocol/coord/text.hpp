#pragma once
// Text from one agent that another one's terminal and model will read: data, never commands.

#include <string>
#include <string_view>

namespace swarm::coord {

/// `text` as valid UTF-8 with line ends as LF, without what could act on a terminal or deceive a reader: escape
/// sequences (CSI, OSC, DCS, 8-bit too) with their parameters, other control characters but LF and TAB, bidirectional
/// controls, zero-width characters and tags. ZWJ between emoji and variation selectors are part of what they draw and
/// stay; so do all scripts.
std::string clean_text(std::string_view text);

/// The same in one line: line ends and tabs as spaces.
std::string clean_line(std::string_view text);

}  // namespace swarm::coord
