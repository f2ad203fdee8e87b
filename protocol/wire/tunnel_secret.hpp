#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "protocol/core/error.hpp"
#include "protocol/core/random.hpp"

namespace swarm::wire {

/// The 256 bits that both ends of one sandbox's tunnel know. Move-only; every place that it leaves is wiped. It is
/// never logged and never part of an error.
class TunnelSecret {
 public:
  static constexpr std::size_t kSize = 32;

  /// `invalid_argument` unless there are exactly `kSize` bytes. The caller wipes its own copy.
  static Result<TunnelSecret> from_bytes(std::span<const std::byte> bytes);
  static TunnelSecret make(Random& random);

  TunnelSecret(TunnelSecret&& other) noexcept;
  TunnelSecret& operator=(TunnelSecret&& other) noexcept;
  TunnelSecret(const TunnelSecret&) = delete;
  TunnelSecret& operator=(const TunnelSecret&) = delete;
  ~TunnelSecret();

  [[nodiscard]] TunnelSecret copy() const;
  [[nodiscard]] std::span<const std::byte, kSize> bytes() const { return bytes_; }

 private:
  TunnelSecret() = default;
  std::array<std::byte, kSize> bytes_{};
};

}  // namespace swarm::wire
