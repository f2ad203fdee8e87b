#include "protocol/core/id.hpp"

#include <algorithm>
#include <array>

namespace swarm {
namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";     // RFC 4648 section 6, lower case
constexpr std::string_view kCrockford = "0123456789abcdefghjkmnpqrstvwxyz";  // ULID specification, lower case
constexpr std::size_t kSandboxChars = 20;
constexpr std::size_t kUlidTimeChars = 10;
constexpr std::size_t kUlidRandomChars = 16;

bool all_in(std::string_view text, std::string_view alphabet) {
  return text.find_first_not_of(alphabet) == std::string_view::npos;
}

void append_random(std::string& out, std::size_t count, std::string_view alphabet, Random& random) {
  std::array<std::byte, kSandboxChars> bytes{};
  const auto used = std::span(bytes).first(count);
  random.fill(used);
  for (const std::byte b : used) out += alphabet[std::to_integer<std::size_t>(b) % alphabet.size()];
}

}  // namespace

std::string new_sandbox_id(Random& random) {
  std::string id = "s";
  append_random(id, kSandboxChars, kBase32, random);
  return id;
}

bool is_sandbox_id(std::string_view text) {
  return text.size() == 1 + kSandboxChars && text.front() == 's' && all_in(text.substr(1), kBase32);
}

std::string new_id(std::string_view prefix, const Clock& clock, Random& random) {
  std::string id(prefix);
  id += '_';
  auto ms = static_cast<std::uint64_t>(clock.wall().us / 1000);
  std::array<char, kUlidTimeChars> time{};
  for (auto it = time.rbegin(); it != time.rend(); ++it, ms >>= 5U) *it = kCrockford[ms & 31U];
  id.append(time.data(), time.size());
  append_random(id, kUlidRandomChars, kCrockford, random);
  return id;
}

bool is_id(std::string_view prefix, std::string_view text) {
  return text.size() == prefix.size() + 1 + kUlidTimeChars + kUlidRandomChars && text.starts_with(prefix) &&
         text[prefix.size()] == '_' && all_in(text.substr(prefix.size() + 1), kCrockford);
}

}  // namespace swarm
