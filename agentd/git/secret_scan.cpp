#include "agentd/git/secret_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "agentd/git/objects.hpp"
#include "protocol/core/known_keys.hpp"

namespace swarm::agentd::git {
namespace {

constexpr std::size_t kLongestLine = 16384;  // beyond it is generated, and searching it costs
constexpr std::size_t kShortestValue = 20;
constexpr std::array<std::string_view, 12> kNames = {"secret",     "token",       "password",    "passwd",
                                                     "api_key",    "apikey",      "api-key",     "access_key",
                                                     "access-key", "private_key", "private-key", "credential"};
constexpr std::array<std::string_view, 10> kPlaceholders = {"example", "changeme", "placeholder", "your",  "xxxx",
                                                            "dummy",   "sample",   "redacted",    "00000", "12345"};

bool is_value_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' || c == '/' ||
         c == '=' || c == '_' || c == '-' || c == '.';
}

/// A run of characters that nobody typed: long, of several kinds, without a pattern, no word of a program.
bool is_random(std::string_view value) {
  if (value.size() < kShortestValue || value.size() > 512) return false;
  const std::string low = lower(value);
  for (const std::string_view word : kPlaceholders) {
    if (low.contains(word)) return false;
  }
  const auto count = [&value](char from, char to) {
    return std::ranges::count_if(value, [from, to](char c) { return c >= from && c <= to; });
  };
  const auto digits = count('0', '9');
  const auto letters = count('a', 'z') + count('A', 'Z');
  if (digits < 3 || letters < 3 || std::ranges::count(value, '.') > 3 || std::ranges::count(value, '/') > 6)
    return false;
  const bool hexadecimal = low.find_first_not_of("0123456789abcdef-") == std::string::npos;
  return entropy(value) >= (hexadecimal ? 3.0 : 3.6);
}

/// The value behind `=` or `:` after a telling name, if it is written out there.
std::string_view assigned(std::string_view line, std::size_t from) {
  std::size_t at = from;
  while (at < line.size() && (is_value_character(line[at]) || line[at] == '"' || line[at] == '\'' || line[at] == ']') &&
         line[at] != '=') {
    ++at;  // the rest of the name, its closing quote
  }
  while (at < line.size() && line[at] == ' ') ++at;
  if (at == line.size() || (line[at] != '=' && line[at] != ':')) return {};
  while (at < line.size() && (line[at] == '=' || line[at] == ':' || line[at] == '>' || line[at] == ' ')) ++at;
  if (at < line.size() && (line[at] == '"' || line[at] == '\'' || line[at] == '`')) ++at;
  std::size_t end = at;
  while (end < line.size() && is_value_character(line[end])) ++end;
  if (end < line.size() && (line[end] == '(' || line[end] == '[' || line[end] == '{' || line[end] == '$')) return {};
  return line.substr(at, end - at);
}

}  // namespace

double entropy(std::string_view text) {
  if (text.empty()) return 0;
  std::array<std::size_t, 256> counts{};
  for (const char c : text) ++counts.at(static_cast<unsigned char>(c));
  double bits = 0;
  for (const std::size_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(text.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

std::optional<std::string> secret_in(std::string_view line) {
  line = line.substr(0, kLongestLine);
  for (const secrets::KnownKey& key : secrets::known_keys()) {
    // Headers are what every program that speaks HTTP writes; their values are judged below.
    if (key.kind == secrets::KnownKey::Kind::header) continue;
    for (std::size_t at = line.find(key.prefix); at != std::string_view::npos; at = line.find(key.prefix, at + 1)) {
      const char before = at == 0 ? ' ' : line[at - 1];
      const secrets::Sighting seen = secrets::sight(key, line.substr(at), before);
      const std::string found = lower(line.substr(at, key.prefix.size() + 40));
      const bool placeholder =
          std::ranges::any_of(kPlaceholders, [&](std::string_view word) { return found.contains(word); });
      if (seen.verdict == secrets::Sighting::Verdict::yes && !placeholder) return std::string(key.name);
    }
  }
  const std::string low = lower(line);
  for (const std::string_view name : kNames) {
    for (std::size_t at = low.find(name); at != std::string::npos; at = low.find(name, at + 1)) {
      if (is_random(assigned(line, at + name.size()))) return fmt::format("high-entropy value of '{}'", name);
    }
  }
  return std::nullopt;
}

}  // namespace swarm::agentd::git
