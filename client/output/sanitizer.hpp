#pragma once
// Text from a sandbox is hostile: control sequences move the cursor, rewrite what was printed, set the clipboard or the
// title, or make the terminal type answers into the shell. What people see passes through here first.

#include <cstdint>
#include <string>
#include <string_view>

namespace swarm::client {

/// Takes terminal control out of a byte stream, over the borders of its chunks. Kept: valid UTF-8, newline and tab. A
/// carriage return becomes a newline (with a following newline: one of them), so that a line cannot overwrite what
/// stands before it. Dropped: all other control characters in both spellings (C0, and C1 as U+0080..U+009F), escape
/// sequences with their parameters and strings, and the marks that reorder text (U+202A..U+202E, U+2066..U+2069). A
/// byte that is no UTF-8 becomes U+FFFD.
class Sanitizer {
 public:
  /// What of `bytes`, and of what was held back before, can be shown.
  std::string feed(std::string_view bytes);

  /// The stream ends: what was held back.
  std::string finish();

 private:
  enum class State : std::uint8_t {
    text,
    escape,        // after ESC
    intermediate,  // ESC and bytes of 0x20..0x2f: one more byte belongs to it
    csi,           // ESC [ to a final byte
    control_text,  // OSC, DCS, SOS, PM, APC to their terminator
    control_end,   // ESC within one of these: a backslash ends it
  };
  void byte(std::string& out, unsigned char b);
  void text_byte(std::string& out, unsigned char b);
  void character(std::string& out, char32_t c);
  void control(std::string& out, unsigned char c);
  void malformed(std::string& out);

  State state_ = State::text;
  bool after_return_ = false;
  std::string partial_;       // the first bytes of a character
  std::size_t expected_ = 0;  // how many bytes it will have
  std::size_t swallowed_ = 0;
};

/// A whole text, for one cell or line: sanitised, newlines and tabs as spaces.
std::string one_line(std::string_view text);

/// A whole text with its lines.
std::string sanitized(std::string_view text);

}  // namespace swarm::client
