#include "protocol/coord/characters.hpp"

#include <algorithm>

#include "protocol/core/utf8.hpp"

namespace swarm::coord::detail {
namespace {

// No simple folding happens above this.
constexpr char32_t kFoldingEnds = 0x530;

std::size_t length_of(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

}  // namespace

char32_t next_character(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = length_of(lead);
  if (length == 1 || !is_utf8(text.substr(at, length))) {
    ++at;
    return lead < 0x80 ? lead : kRawByte + lead;
  }
  char32_t c = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) c = c << 6U | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  at += length;
  return c;
}

void append_character(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c >= kRawByte) {
    put(c - kRawByte);
  } else if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | c >> 6U), put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | c >> 12U), put(0x80U | (c >> 6U & 0x3FU)), put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | c >> 18U), put(0x80U | (c >> 12U & 0x3FU)), put(0x80U | (c >> 6U & 0x3FU)), put(0x80U | (c & 0x3FU));
  }
}

char32_t fold(char32_t c) {
  const auto within = [c](char32_t low, char32_t high) { return c >= low && c <= high; };
  if (within('A', 'Z') || (within(0xC0, 0xDE) && c != 0xD7)) return c + 32;
  if (within(0x100, 0x137) && c != 0x130 && c != 0x131) return c | 1U;
  if (within(0x139, 0x148) || within(0x179, 0x17E)) return c + (c & 1U);
  if (within(0x14A, 0x177)) return c | 1U;
  if (c == 0x178) return 0xFF;
  if (within(0x391, 0x3A9) && c != 0x3A2) return c + 32;
  if (within(0x410, 0x42F)) return c + 32;
  if (within(0x400, 0x40F)) return c + 80;
  return c;
}

std::vector<CharRange> joined(std::vector<CharRange> ranges) {
  std::ranges::sort(ranges, {}, &CharRange::low);
  std::vector<CharRange> out;
  for (const CharRange& range : ranges) {
    if (!out.empty() && range.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, range.high);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::vector<CharRange> inverted(const std::vector<CharRange>& ranges) {
  std::vector<CharRange> out;
  char32_t from = 0;
  for (const CharRange& range : ranges) {
    if (range.low > from) out.push_back({from, range.low - 1});
    from = range.high + 1;
  }
  if (from <= kHighest) out.push_back({from, kHighest});
  return out;
}

std::vector<CharRange> folded_set(const std::vector<CharRange>& ranges) {
  std::vector<CharRange> out = ranges;
  for (const CharRange& range : ranges) {
    for (char32_t c = range.low; c <= std::min(range.high, kFoldingEnds); ++c) {
      if (const char32_t small = fold(c); small != c) out.push_back({small, small});
    }
  }
  return joined(std::move(out));
}

bool meet(const std::vector<CharRange>& a, const std::vector<CharRange>& b) {
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    if (i->low <= j->high && j->low <= i->high) return true;
    if (i->high < j->high) {
      ++i;
    } else {
      ++j;
    }
  }
  return false;
}

}  // namespace swarm::coord::detail
