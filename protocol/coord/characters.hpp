#pragma once
// Code points of names, and sets of them. For pattern.cpp.

#include <string_view>
#include <vector>

#include "protocol/coord/pattern.hpp"

namespace swarm::coord::detail {

/// A byte that is not UTF-8 counts as this plus the byte, so that every name is a list of characters.
constexpr char32_t kRawByte = 0x110000;
constexpr char32_t kHighest = kRawByte + 0xFF;

/// The character at `at`, which moves behind it.
char32_t next_character(std::string_view text, std::size_t& at);
void append_character(std::string& out, char32_t c);
/// The lower-case form where there is a simple one.
char32_t fold(char32_t c);

/// Sorted and disjoint.
std::vector<CharRange> joined(std::vector<CharRange> ranges);
std::vector<CharRange> inverted(const std::vector<CharRange>& ranges);
/// With each letter's folded form instead of it.
std::vector<CharRange> folded_set(const std::vector<CharRange>& ranges);
bool meet(const std::vector<CharRange>& a, const std::vector<CharRange>& b);

}  // namespace swarm::coord::detail
