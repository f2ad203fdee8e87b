#pragma once
// Text on its way into a terminal, and out of one.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace swarm::agentd::panes {

/// Text that a terminal can be given: what is left of it, and how many bytes were left out.
struct CleanText {
  std::string text;
  std::uint64_t removed_bytes = 0;
};

/// Leaves newline, tab and what can be seen. Out go all other control characters (C0, DEL, C1 also as UTF-8), so no
/// escape sequence and no end of a bracketed paste can be in it, and whatever is no UTF-8. CR LF and CR become LF. The
/// marks that turn the direction of writing stay: people write right to left.
CleanText clean_text(std::string_view text);

/// One line of a screen.
struct ScreenLine {
  std::string text;     ///< without styles, without blanks at its end
  std::string visible;  ///< the same with faint characters replaced by blanks
};

/// Reads what `capture-pane -e` gives: lines with SGR sequences.
std::vector<ScreenLine> parse_screen(std::string_view captured);

/// Leaves lines and, where asked, SGR sequences; every other sequence and control character goes. For what is shown to
/// somebody's terminal.
enum class Styles { drop, keep };
std::string printable_screen(std::string_view captured, Styles styles);

}  // namespace swarm::agentd::panes
