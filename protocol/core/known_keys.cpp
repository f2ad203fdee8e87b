#include "protocol/core/known_keys.hpp"

namespace swarm::secrets {
namespace {

using enum KnownKey::Kind;
using enum KnownKey::Characters;

constexpr std::array kKeys = {
    KnownKey{"anthropic-key", "sk-ant-", token, word, 16},
    KnownKey{"openai-key", "sk-proj-", token, word, 20},
    KnownKey{"openai-key", "sk-svcacct-", token, word, 20},
    KnownKey{"openai-key", "sk-", token, alphanumeric, 32},
    KnownKey{"openrouter-key", "sk-or-v1-", token, hexadecimal, 32},
    KnownKey{"github-token", "ghp_", token, alphanumeric, 30},
    KnownKey{"github-token", "gho_", token, alphanumeric, 30},
    KnownKey{"github-token", "ghu_", token, alphanumeric, 30},
    KnownKey{"github-token", "ghs_", token, alphanumeric, 30},
    KnownKey{"github-token", "ghr_", token, alphanumeric, 30},
    KnownKey{"github-token", "github_pat_", token, word, 22},
    KnownKey{"gitlab-token", "glpat-", token, word, 20},
    KnownKey{"e2b-key", "e2b_", token, hexadecimal, 40},
    KnownKey{"aws-key", "AKIA", token, upper, 16},
    KnownKey{"aws-key", "ASIA", token, upper, 16},
    KnownKey{"google-key", "AIza", token, word, 35},
    KnownKey{"slack-token", "xoxb-", token, word, 20},
    KnownKey{"slack-token", "xoxp-", token, word, 20},
    KnownKey{"npm-token", "npm_", token, alphanumeric, 36},
    KnownKey{"huggingface-token", "hf_", token, alphanumeric, 30},
    KnownKey{"authorization", "authorization", header, word, 1},
    KnownKey{"api-key", "x-api-key", header, word, 1},
    KnownKey{"private-key", "-----BEGIN ", block, word, 0},
};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr Sighting kNo{Sighting::Verdict::no, 0, 0};
constexpr Sighting kMore{Sighting::Verdict::more_needed, 0, 0};

/// yes: the whole prefix stands there.
Sighting::Verdict prefix_at(std::string_view prefix, std::string_view text, bool any_case) {
  const std::size_t n = std::min(prefix.size(), text.size());
  for (std::size_t i = 0; i < n; ++i) {
    if ((any_case ? lower(text[i]) : text[i]) != prefix[i]) return Sighting::Verdict::no;
  }
  return n == prefix.size() ? Sighting::Verdict::yes : Sighting::Verdict::more_needed;
}

Sighting sight_token(const KnownKey& key, std::string_view text, char before) {
  // A dash or underscore may join: "KEY_sk-ant-..." is one, "task-list" is none.
  if (is_word(before) && before != '_' && before != '-') return kNo;
  const auto prefix = prefix_at(key.prefix, text, false);
  if (prefix != Sighting::Verdict::yes) return {prefix, 0, 0};
  std::size_t end = key.prefix.size();
  while (end < text.size() && is_of(key.characters, text[end])) ++end;
  if (end - key.prefix.size() >= key.least) return {Sighting::Verdict::yes, 0, end};
  return end == text.size() ? kMore : kNo;
}

/// `Authorization: Bearer x`, `"authorization":"x"`, `authorization=x`, `-H 'Authorization: x'`, also with the quotes
/// escaped.
Sighting sight_header(const KnownKey& key, std::string_view text) {
  const auto prefix = prefix_at(key.prefix, text, true);
  if (prefix != Sighting::Verdict::yes) return {prefix, 0, 0};
  constexpr std::size_t kFurthest = 64;
  std::size_t at = key.prefix.size();
  const auto skip = [&](std::string_view set) {
    while (at < text.size() && at < kFurthest && set.contains(text[at])) ++at;
  };
  skip("\"'\\ \t");
  if (at == text.size()) return kMore;
  if (text[at] != ':' && text[at] != '=') return kNo;
  ++at;
  skip("\"'\\ \t[");
  if (at == text.size()) return kMore;
  if (text[at] == '\r' || text[at] == '\n') return kNo;
  return {Sighting::Verdict::yes, at, 1};
}

Sighting sight_block(const KnownKey& key, std::string_view text) {
  const auto prefix = prefix_at(key.prefix, text, false);
  if (prefix != Sighting::Verdict::yes) return {prefix, 0, 0};
  // "RSA ", "OPENSSH ", "ENCRYPTED " or nothing, then the words.
  constexpr std::string_view kWords = "PRIVATE KEY";
  constexpr std::size_t kFurthest = 64;
  const std::string_view line = text.substr(0, kFurthest);
  const std::size_t words = line.find(kWords);
  if (words != std::string_view::npos) return {Sighting::Verdict::yes, 0, words + kWords.size()};
  const std::size_t end = line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -");
  return end == std::string_view::npos && text.size() < kFurthest ? kMore : kNo;
}

}  // namespace

std::span<const KnownKey> known_keys() { return kKeys; }

bool is_of(KnownKey::Characters characters, char c) {
  const bool digit = c >= '0' && c <= '9';
  const bool large = c >= 'A' && c <= 'Z';
  const bool small = c >= 'a' && c <= 'z';
  switch (characters) {
    case alphanumeric:
      return digit || large || small;
    case upper:
      return digit || large;
    case hexadecimal:
      return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    case word:
      return is_word(c);
  }
  return false;
}

Sighting sight(const KnownKey& key, std::string_view text, char before) {
  switch (key.kind) {
    case token:
      return sight_token(key, text, before);
    case header:
      return sight_header(key, text);
    case block:
      return sight_block(key, text);
  }
  return kNo;
}

}  // namespace swarm::secrets
