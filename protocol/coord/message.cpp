#include "protocol/coord/message.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

constexpr std::array<std::string_view, 7> kMessageKinds = {
    "INFO", "QUESTION", "REVIEW-REQUEST", "BLOCKED", "COMPLETED", "CHALLENGE", "ACK"};
constexpr std::array<std::string_view, 4> kPriorities = {"low", "normal", "high", "urgent"};
constexpr std::array<std::string_view, 6> kDeliveryStates = {"queued",       "delivered", "seen",
                                                             "acknowledged", "expired",   "dead"};

}  // namespace

std::string_view kind_name(MessageKind kind) { return kMessageKinds.at(static_cast<std::size_t>(kind)); }
std::string_view priority_name(Priority priority) { return kPriorities.at(static_cast<std::size_t>(priority)); }
std::string_view state_name(DeliveryState state) { return kDeliveryStates.at(static_cast<std::size_t>(state)); }

Result<MessageKind> parse_message_kind(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '_') c = '-';
  }
  const auto found = std::ranges::find(kMessageKinds, upper);
  if (found == kMessageKinds.end()) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no type of message; there are {}", shown(text), fmt::join(kMessageKinds, ", ")));
  }
  return static_cast<MessageKind>(found - kMessageKinds.begin());
}

}  // namespace swarm::coord
