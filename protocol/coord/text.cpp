#include "protocol/coord/text.hpp"

#include <algorithm>

#include "protocol/coord/characters.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

constexpr char32_t kEscape = 0x1B;
constexpr char32_t kJoiner = 0x200D;

bool within(char32_t c, char32_t low, char32_t high) { return c >= low && c <= high; }

/// Pictures that joiners hold together: a family is one picture made of several.
bool pictorial(char32_t c) {
  return within(c, 0x1F000, 0x1FAFF) || within(c, 0x2190, 0x2BFF) || within(c, 0xFE00, 0xFE0F) || c == 0x3030;
}

bool invisible(char32_t c) {
  return within(c, 0x200B, 0x200F) || within(c, 0x202A, 0x202E) || within(c, 0x2060, 0x206F) || c == 0xFEFF ||
         c == 0x061C || c == 0x180E || c == 0x00AD || within(c, 0xE0000, 0xE007F) || within(c, 0xFFF9, 0xFFFB) ||
         within(c, 0x2028, 0x2029);
}

bool control(char32_t c) { return c < 0x20 || within(c, 0x7F, 0x9F); }

/// Characters of a string sequence (OSC, DCS, SOS, PM, APC) go to its terminator, or to the end of the line: a missing
/// terminator must not swallow the whole message.
std::size_t skip_string(std::u32string_view text, std::size_t at) {
  for (; at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == 0x07 || text[at] == 0x9C) return at + 1;
    if (text[at] == kEscape && at + 1 < text.size() && text[at + 1] == '\\') return at + 2;
  }
  return at;
}

/// Parameters, intermediates and the final character of a CSI.
std::size_t skip_csi(std::u32string_view text, std::size_t at) {
  while (at < text.size() && within(text[at], 0x20, 0x3F)) ++at;
  return at < text.size() && within(text[at], 0x40, 0x7E) ? at + 1 : at;
}

/// Behind the escape sequence whose introducer ends at `at` - 1.
std::size_t skip_escape(std::u32string_view text, std::size_t at) {
  if (at >= text.size()) return at;
  const char32_t kind = text[at];
  if (kind == '[') return skip_csi(text, at + 1);
  if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') return skip_string(text, at + 1);
  while (at < text.size() && within(text[at], 0x20, 0x2F)) ++at;
  return at < text.size() && within(text[at], 0x30, 0x7E) ? at + 1 : at;
}

std::u32string characters(std::string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) out += detail::next_character(text, at);
  return out;
}

}  // namespace

std::string clean_text(std::string_view raw) {
  const auto plain = [](char c) { return c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7F); };
  if (std::ranges::all_of(raw, plain)) return std::string(raw);
  const std::u32string text = characters(to_utf8(raw));
  std::string out;
  char32_t before = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text[at++];
    if (c == '\r') {
      if (at >= text.size() || text[at] != '\n') out += '\n';
    } else if (c == '\n' || c == '\t') {
      out += static_cast<char>(c);
    } else if (c == kEscape) {
      at = skip_escape(text, at);
    } else if (c == 0x9B) {
      at = skip_csi(text, at);
    } else if (c == 0x90 || c == 0x98 || within(c, 0x9D, 0x9F)) {
      at = skip_string(text, at);
    } else if (c == kJoiner && pictorial(before) && at < text.size() && pictorial(text[at])) {
      detail::append_character(out, c);
    } else if (!control(c) && !invisible(c)) {
      detail::append_character(out, c);
      before = c;
      continue;
    }
    if (c != kJoiner) before = 0;
  }
  return out;
}

std::string clean_line(std::string_view text) {
  std::string out = clean_text(text);
  std::ranges::replace(out, '\n', ' ');
  std::ranges::replace(out, '\t', ' ');
  return out;
}

}  // namespace swarm::coord
