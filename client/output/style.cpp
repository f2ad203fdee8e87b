#include "client/output/style.hpp"

namespace swarm::client {
namespace {

// Only the eight named colours and attributes: they follow the user's own scheme, light or dark.
std::string_view begin_of(Style style) {
  switch (style) {
    case Style::plain:
      return "";
    case Style::heading:
    case Style::strong:
      return "\x1b[1m";
    case Style::good:
      return "\x1b[32m";
    case Style::warning:
      return "\x1b[33m";
    case Style::bad:
      return "\x1b[31m";
    case Style::faint:
      return "\x1b[2m";
  }
  return "";
}

}  // namespace

std::string painted(std::string_view text, Style style, Paint paint) {
  const std::string_view begin = begin_of(style);
  if (paint == Paint::no || begin.empty() || text.empty()) return std::string(text);
  return std::string(begin) + std::string(text) + "\x1b[0m";
}

}  // namespace swarm::client
