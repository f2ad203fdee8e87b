#include "daemon/secrets/forms.hpp"

#include <set>

namespace swarm::secrets {
namespace {

/// A line of its own is registered from this length: shorter ones ("-----", "{") are no secret.
constexpr std::size_t kShortestLine = 16;

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

unsigned byte_of(char c) { return static_cast<unsigned char>(c); }

std::string hex(std::string_view bytes, std::string_view digits, std::string_view before = "") {
  std::string out;
  for (const char c : bytes) {
    out += before;
    out += digits[byte_of(c) >> 4U];
    out += digits[byte_of(c) & 15U];
  }
  return out;
}

/// The characters that are the same whatever stands before (`shift` bytes of it in the first group) and after the
/// secret.
std::string base64_core(std::string_view bytes, std::size_t shift, std::string_view alphabet) {
  std::string out;
  std::size_t bit = 0;
  while ((bit + shift * 8) % 6 != 0) ++bit;
  for (; bit + 6 <= bytes.size() * 8; bit += 6) {
    unsigned value = 0;
    for (std::size_t i = bit; i < bit + 6; ++i) value = (value << 1U) | ((byte_of(bytes[i / 8]) >> (7 - i % 8)) & 1U);
    out += alphabet[value];
  }
  return out;
}

std::string percent(std::string_view bytes, std::string_view digits, std::string_view kept, std::string_view space) {
  std::string out;
  for (const char c : bytes) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kept.contains(c);
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += space;
    } else {
      out += hex({&c, 1}, digits, "%");
    }
  }
  return out;
}

/// The code point that starts at `at` in valid UTF-8; moves `at` behind it. A stray byte counts as itself.
char32_t take_code_point(std::string_view text, std::size_t& at) {
  const unsigned lead = byte_of(text[at++]);
  const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  char32_t point = more == 0 ? lead : lead & (0x3FU >> more);
  for (std::size_t i = 0; i < more && at < text.size(); ++i) point = (point << 6U) | (byte_of(text[at++]) & 0x3FU);
  return point;
}

std::string unicode_escape(char32_t point, std::string_view digits) {
  const auto unit = [&](unsigned value) {
    std::string out = "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += digits[(value >> static_cast<unsigned>(shift)) & 15U];
    return out;
  };
  if (point < 0x10000) return unit(static_cast<unsigned>(point));
  const unsigned rest = static_cast<unsigned>(point) - 0x10000U;
  return unit(0xD800U + (rest >> 10U)) + unit(0xDC00U + (rest & 0x3FFU));
}

enum class Beyond { kept, escaped };

std::string json(std::string_view text, std::string_view digits, Beyond ascii, bool escape_slash) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t named = std::string_view("\"\\\n\r\t\b\f").find(c);
    if (named != std::string_view::npos) {
      out += '\\';
      out += "\"\\nrtbf"[named];
      ++at;
    } else if (c == '/' && escape_slash) {
      out += "\\/";
      ++at;
    } else if (byte_of(c) < 0x20 || (byte_of(c) >= 0x80 && ascii == Beyond::escaped)) {
      out += unicode_escape(take_code_point(text, at), digits);
    } else {
      out += c;
      ++at;
    }
  }
  return out;
}

constexpr std::string_view kLower = "0123456789abcdef";
constexpr std::string_view kUpper = "0123456789ABCDEF";

void add_encodings(std::string_view secret, std::set<std::string>& forms) {
  forms.emplace(secret);
  for (const std::string_view digits : {kLower, kUpper}) {
    forms.insert(hex(secret, digits));
    forms.insert(hex(secret, digits, "%"));
    // RFC 3986, encodeURIComponent, encodeURI, and forms.
    forms.insert(percent(secret, digits, "-_.~", "%20"));
    forms.insert(percent(secret, digits, "-_.!~*'()", "%20"));
    forms.insert(percent(secret, digits, "-_.!~*'();/?:@&=+$,#", "%20"));
    forms.insert(percent(secret, digits, "-_.~", "+"));
    forms.insert(percent(secret, digits, "-_.*", "+"));
    for (const Beyond beyond : {Beyond::kept, Beyond::escaped}) {
      forms.insert(json(secret, digits, beyond, false));
      forms.insert(json(secret, digits, beyond, true));
    }
  }
  for (std::size_t shift = 0; shift < 3; ++shift) {
    forms.insert(base64_core(secret, shift, kStandard));
    forms.insert(base64_core(secret, shift, kUrlSafe));
  }
}

}  // namespace

std::vector<SecretString> forms_of(std::string_view secret) {
  std::set<std::string> texts;
  add_encodings(secret, texts);
  // Logs and terminals show one line at a time.
  for (std::size_t at = 0; secret.contains('\n') && at < secret.size();) {
    const std::size_t end = std::min(secret.find('\n', at), secret.size());
    std::string_view line = secret.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() >= kShortestLine && !line.starts_with("-----")) add_encodings(line, texts);
    at = end + 1;
  }
  std::vector<SecretString> forms;
  while (!texts.empty()) {
    std::string text = std::move(texts.extract(texts.begin()).value());
    if (text.size() >= kShortestSecret) forms.emplace_back(text);
    wipe(text);
  }
  return forms;
}

}  // namespace swarm::secrets
