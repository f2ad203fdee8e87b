#include "agentd/panes/text.hpp"

#include <charconv>

#include "protocol/core/utf8.hpp"

namespace swarm::agentd::panes {
namespace {

constexpr char kEscape = '\x1b';
constexpr unsigned char kDelete = 0x7f;

/// The length of the well-formed UTF-8 sequence at the start of `text`; 0 when there is none.
std::size_t sequence_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  std::size_t length = 1;
  if (first >= 0xf0) {
    length = 4;
  } else if (first >= 0xe0) {
    length = 3;
  } else if (first >= 0xc0) {
    length = 2;
  } else if (first >= 0x80) {
    return 0;
  }
  return text.size() >= length && is_utf8(text.substr(0, length)) ? length : 0;
}

bool is_c1(std::string_view sequence) {
  return sequence.size() == 2 && sequence[0] == '\xc2' && static_cast<unsigned char>(sequence[1]) < 0xa0;
}

/// The end of an escape sequence that begins `text`: CSI to its last byte, OSC and the other strings to their
/// terminator, else two bytes.
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2) return text.size();
  if (text[1] == '[') {
    std::size_t at = 2;
    while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
    return std::min(at + 1, text.size());
  }
  if (text[1] == ']' || text[1] == 'P' || text[1] == '_' || text[1] == '^' || text[1] == 'X') {
    for (std::size_t at = 2; at < text.size(); ++at) {
      if (text[at] == '\a') return at + 1;
      if (text[at] == kEscape && at + 1 < text.size() && text[at + 1] == '\\') return at + 2;
    }
    return text.size();
  }
  return text[1] == '(' || text[1] == ')' ? std::min<std::size_t>(3, text.size()) : 2;
}

bool is_sgr(std::string_view sequence) {
  return sequence.size() >= 3 && sequence[1] == '[' && sequence.back() == 'm' &&
         sequence.substr(2, sequence.size() - 3).find_first_not_of("0123456789;:") == std::string_view::npos;
}

/// Whether text is faint after this SGR sequence. `38;2;..` and the like carry numbers that are no attributes.
bool faint_after(std::string_view sequence, bool faint) {
  std::string_view rest = sequence.substr(2, sequence.size() - 3);
  if (rest.empty()) return false;
  int skip = 0;
  bool colour = false;
  while (true) {
    const auto end = rest.find_first_of(";:");
    const std::string_view word = rest.substr(0, end);
    int number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    if (colour) {
      skip = number == 2 ? 3 : 1;
      colour = false;
    } else if (skip > 0) {
      --skip;
    } else if (number == 38 || number == 48 || number == 58) {
      colour = true;
    } else if (number == 2) {
      faint = true;
    } else if (number == 0 || number == 22) {
      faint = false;
    }
    if (end == std::string_view::npos) return faint;
    rest.remove_prefix(end + 1);
  }
}

void trim_end(std::string& text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
}

}  // namespace

CleanText clean_text(std::string_view text) {
  CleanText clean;
  clean.text.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    if (text.front() == '\r') {
      if (text.size() > 1 && text[1] == '\n') {
        ++clean.removed_bytes;
      } else {
        clean.text += '\n';
      }
    } else if (first < 0x20 || first == kDelete) {
      if (text.front() == '\n' || text.front() == '\t') {
        clean.text += text.front();
      } else {
        ++clean.removed_bytes;
      }
    } else {
      length = sequence_length(text);
      if (length == 0 || is_c1(text.substr(0, length))) {
        length = std::max<std::size_t>(length, 1);
        clean.removed_bytes += length;
      } else {
        clean.text.append(text.substr(0, length));
      }
    }
    text.remove_prefix(length);
  }
  return clean;
}

std::vector<ScreenLine> parse_screen(std::string_view captured) {
  std::vector<ScreenLine> lines;
  ScreenLine line;
  bool faint = false;
  const auto finish = [&] {
    trim_end(line.text);
    trim_end(line.visible);
    lines.push_back(std::exchange(line, {}));
  };
  while (!captured.empty()) {
    std::size_t length = 1;
    if (captured.front() == '\n') {
      finish();
    } else if (captured.front() == kEscape) {
      length = escape_length(captured);
      const std::string_view sequence = captured.substr(0, length);
      if (is_sgr(sequence)) faint = faint_after(sequence, faint);
    } else if (static_cast<unsigned char>(captured.front()) >= 0x20) {
      length = std::max<std::size_t>(sequence_length(captured), 1);
      line.text.append(captured.substr(0, length));
      if (faint) {
        line.visible += ' ';
      } else {
        line.visible.append(captured.substr(0, length));
      }
    }
    captured.remove_prefix(length);
  }
  if (!line.text.empty()) finish();
  return lines;
}

std::string printable_screen(std::string_view captured, Styles styles) {
  std::string out;
  out.reserve(captured.size());
  while (!captured.empty()) {
    std::size_t length = 1;
    if (captured.front() == kEscape) {
      length = escape_length(captured);
      if (styles == Styles::keep && is_sgr(captured.substr(0, length))) out.append(captured.substr(0, length));
    } else if (captured.front() == '\n') {
      out += '\n';
    } else if (static_cast<unsigned char>(captured.front()) >= 0x20 &&
               static_cast<unsigned char>(captured.front()) != kDelete) {
      length = sequence_length(captured);
      if (length == 0) {
        out += "\xef\xbf\xbd";  // U+FFFD
        length = 1;
      } else if (!is_c1(captured.substr(0, length))) {
        out.append(captured.substr(0, length));
      }
    }
    captured.remove_prefix(length);
  }
  return out;
}

}  // namespace swarm::agentd::panes
