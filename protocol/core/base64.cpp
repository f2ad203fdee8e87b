#include "protocol/core/base64.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace swarm {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xFF;

constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNone);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}();

}  // namespace

std::string base64_encode(std::string_view data) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < data.size(); at += 3) {
    const std::size_t have = std::min<std::size_t>(3, data.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8U | (i < have ? static_cast<unsigned char>(data[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= have ? kAlphabet[bits >> (18U - 6U * i) & 63U] : '=';
    }
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::size_t have = 4;
    if (at + 4 == text.size() && text[at + 3] == '=') have = text[at + 2] == '=' ? 2 : 3;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint8_t digit = i < have ? kDigits[static_cast<unsigned char>(text[at + i])] : std::uint8_t{0};
      if (digit == kNone) return std::nullopt;
      bits = bits << 6U | digit;
    }
    // Bits that no byte uses must be zero, so that one text stands for one value.
    if ((have == 2 && (bits & 0xFFFFU) != 0) || (have == 3 && (bits & 0xFFU) != 0)) return std::nullopt;
    for (std::size_t i = 0; i + 1 < have; ++i) out += static_cast<char>(bits >> (16U - 8U * i) & 0xFFU);
  }
  return out;
}

}  // namespace swarm
