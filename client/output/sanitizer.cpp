#include "client/output/sanitizer.hpp"

#include "protocol/core/utf8.hpp"

namespace swarm::client {
namespace {

// A string that never ends would hide everything after it. Titles, links and clipboard texts that matter to nobody here
// are shorter; a longer one comes out as text.
constexpr std::size_t kLongestString = 4096;
constexpr unsigned char kEscape = 0x1b;

std::size_t length_of(unsigned char first) {
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 0;
}

char32_t decode(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  char32_t c = bytes.size() == 2 ? at(0) & 0x1fU : bytes.size() == 3 ? at(0) & 0x0fU : at(0) & 0x07U;
  for (std::size_t i = 1; i < bytes.size(); ++i) c = (c << 6U) | (at(i) & 0x3fU);
  return c;
}

bool reorders(char32_t c) { return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069); }

}  // namespace

std::string Sanitizer::feed(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char b : bytes) byte(out, static_cast<unsigned char>(b));
  return out;
}

std::string Sanitizer::finish() {
  std::string out;
  if (!partial_.empty()) malformed(out);
  *this = Sanitizer();
  return out;
}

void Sanitizer::byte(std::string& out, unsigned char b) {
  switch (state_) {
    case State::text:
      return text_byte(out, b);
    case State::escape:
      if (b == '[') {
        state_ = State::csi;
      } else if (b == ']' || b == 'P' || b == 'X' || b == '^' || b == '_') {
        state_ = State::control_text;
        swallowed_ = 0;
      } else if (b >= 0x20 && b <= 0x2f) {
        state_ = State::intermediate;
      } else {
        state_ = State::text;
        if (b < 0x20 || b >= 0x7f) text_byte(out, b);  // what follows a lone ESC: another control, or text
      }
      return;
    case State::intermediate:
      if (b >= 0x20 && b <= 0x2f) return;
      state_ = State::text;
      if (b < 0x20 || b >= 0x7f) text_byte(out, b);
      return;
    case State::csi:
      if (b >= 0x20 && b <= 0x3f) return;
      state_ = State::text;
      if (b < 0x20 || b >= 0x7f) text_byte(out, b);  // terminals obey controls inside of a sequence; it ends here
      return;
    case State::control_text:
      if (b == kEscape) {
        state_ = State::control_end;
      } else if (b == 0x07 || b == 0x18 || b == 0x1a) {
        state_ = State::text;
      } else if (b == 0x9c && !partial_.empty()) {
        partial_.clear();
        state_ = State::text;  // ST as U+009C
      } else {
        partial_.clear();
        if (b == 0xc2) partial_.assign(1, static_cast<char>(b));
        if (b == '\n' || ++swallowed_ > kLongestString) {
          partial_.clear();
          state_ = State::text;
          if (b == '\n' || b < 0x80) text_byte(out, b);
        }
      }
      return;
    case State::control_end:
      state_ = State::escape;
      if (b == '\\') {
        state_ = State::text;
      } else {
        byte(out, b);
      }
      return;
  }
}

void Sanitizer::text_byte(std::string& out, unsigned char b) {
  if (!partial_.empty()) {
    partial_.push_back(static_cast<char>(b));
    if ((b & 0xc0U) != 0x80U) {
      partial_.pop_back();
      malformed(out);
      return text_byte(out, b);
    }
    if (partial_.size() < expected_) return;
    const std::string whole = std::exchange(partial_, {});
    if (!is_utf8(whole)) {
      partial_ = whole;
      return malformed(out);
    }
    return character(out, decode(whole));
  }
  if (b < 0x20 || b == 0x7f) return control(out, b);
  after_return_ = false;
  if (b < 0x80) {
    out.push_back(static_cast<char>(b));
    return;
  }
  expected_ = length_of(b);
  partial_.assign(1, static_cast<char>(b));
  if (expected_ == 0) malformed(out);
}

void Sanitizer::character(std::string& out, char32_t c) {
  if (c >= 0x80 && c <= 0x9f) {
    // C1: each is ESC and a letter in one character.
    state_ = State::escape;
    return byte(out, static_cast<unsigned char>(c - 0x40));
  }
  if (reorders(c)) return;
  std::array<char, 4> bytes{};
  std::size_t size = 0;
  if (c < 0x800) {
    bytes = {static_cast<char>(0xc0U | (c >> 6U)), static_cast<char>(0x80U | (c & 0x3fU))};
    size = 2;
  } else if (c < 0x10000) {
    bytes = {static_cast<char>(0xe0U | (c >> 12U)), static_cast<char>(0x80U | ((c >> 6U) & 0x3fU)),
             static_cast<char>(0x80U | (c & 0x3fU))};
    size = 3;
  } else {
    bytes = {static_cast<char>(0xf0U | (c >> 18U)), static_cast<char>(0x80U | ((c >> 12U) & 0x3fU)),
             static_cast<char>(0x80U | ((c >> 6U) & 0x3fU)), static_cast<char>(0x80U | (c & 0x3fU))};
    size = 4;
  }
  out.append(bytes.data(), size);
}

void Sanitizer::control(std::string& out, unsigned char c) {
  const bool after_return = std::exchange(after_return_, c == '\r');
  switch (c) {
    case '\r':
      out.push_back('\n');
      return;
    case '\n':
      if (!after_return) out.push_back('\n');
      return;
    case '\t':
      out.push_back('\t');
      return;
    case kEscape:
      state_ = State::escape;
      return;
    default:
      return;
  }
}

void Sanitizer::malformed(std::string& out) {
  for (std::size_t i = 0; i < partial_.size(); ++i) out.append("\xef\xbf\xbd");
  partial_.clear();
}

std::string sanitized(std::string_view text) {
  Sanitizer sanitizer;
  std::string out = sanitizer.feed(text);
  out += sanitizer.finish();
  return out;
}

std::string one_line(std::string_view text) {
  std::string out = sanitized(text);
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return out;
}

}  // namespace swarm::client
