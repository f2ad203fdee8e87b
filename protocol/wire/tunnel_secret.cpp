#include "protocol/wire/tunnel_secret.hpp"

#include <fmt/format.h>
#include <sodium.h>

namespace swarm::wire {

Result<TunnelSecret> TunnelSecret::from_bytes(std::span<const std::byte> bytes) {
  if (bytes.size() != kSize) {
    return fail(Code::invalid_argument,
                fmt::format("a tunnel's secret has {} bytes, and this one {}", kSize, bytes.size()));
  }
  TunnelSecret secret;
  std::ranges::copy(bytes, secret.bytes_.begin());
  return secret;
}

TunnelSecret TunnelSecret::make(Random& random) {
  TunnelSecret secret;
  random.fill(secret.bytes_);
  return secret;
}

TunnelSecret TunnelSecret::copy() const {
  TunnelSecret secret;
  secret.bytes_ = bytes_;
  return secret;
}

TunnelSecret::TunnelSecret(TunnelSecret&& other) noexcept : bytes_(other.bytes_) {
  sodium_memzero(other.bytes_.data(), other.bytes_.size());
}

TunnelSecret& TunnelSecret::operator=(TunnelSecret&& other) noexcept {
  if (this == &other) return *this;
  bytes_ = other.bytes_;
  sodium_memzero(other.bytes_.data(), other.bytes_.size());
  return *this;
}

TunnelSecret::~TunnelSecret() { sodium_memzero(bytes_.data(), bytes_.size()); }

}  // namespace swarm::wire
