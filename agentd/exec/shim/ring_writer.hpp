#pragma once

#include <cstddef>
#include <span>

#include "agentd/exec/shim/ring.hpp"

namespace swarm::agentd::shim {

/// Writes a ring file that agentd has made.
class RingWriter {
 public:
  /// False when `fd` is not a ring file. Takes the descriptor.
  bool open(int fd);

  /// Appends. Never fails for the writer: what the disk has no room for is counted as output and marked as lost.
  void append(std::span<const std::byte> bytes);

  [[nodiscard]] std::uint64_t end() const { return header_ == nullptr ? 0 : header_->end.load(); }

 private:
  RingHeader* header_ = nullptr;
  int fd_ = -1;
};

}  // namespace swarm::agentd::shim
