#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "protocol/core/random.hpp"

namespace swarm::wire {

/// Names one session: 128 random bits, chosen by the acceptor. All zero stands for "none yet".
struct SessionId {
  std::array<std::byte, 16> bytes{};

  static SessionId make(Random& random) {
    SessionId id;
    while (id.empty()) random.fill(id.bytes);
    return id;
  }
  [[nodiscard]] bool empty() const { return *this == SessionId{}; }
  /// The first 8 hexadecimal digits: for logs. The rest stays with the peers.
  [[nodiscard]] std::string short_name() const;

  auto operator<=>(const SessionId&) const = default;
};

}  // namespace swarm::wire
