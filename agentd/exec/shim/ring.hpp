#pragma once
// A capped file of output: a ring in which the offset of a byte in the whole output says where it lies, so that offsets
// are sequence numbers that hold for ever. One process writes, any number read.
//
//   [page 0: RingHeader, shared by mmap] [capacity bytes: the byte with offset n at n % capacity]
//
// The writer says up to where it is about to write, writes, then says that it has. A reader reads, then looks what the
// writer may have overwritten meanwhile.

#include <atomic>
#include <cstdint>

namespace swarm::agentd::shim {

inline constexpr std::uint64_t kRingMagic = 0x31676e6972727773;  // "swrring1"
inline constexpr std::int64_t kRingHeaderBytes = 4096;

struct RingHeader {
  std::uint64_t magic = kRingMagic;
  std::uint64_t capacity = 0;
  std::atomic<std::uint64_t> writing{0};  ///< bytes below `writing - capacity` may be overwritten already
  std::atomic<std::uint64_t> end{0};      ///< bytes below are written
  std::atomic<std::uint64_t> floor{0};    ///< bytes below could not be kept (the disk was full)

  /// The oldest offset that is certainly intact.
  [[nodiscard]] std::uint64_t first() const {
    const std::uint64_t reserved = writing.load(std::memory_order_seq_cst);
    const std::uint64_t lowest = reserved > capacity ? reserved - capacity : 0;
    const std::uint64_t lost = floor.load(std::memory_order_seq_cst);
    return lowest > lost ? lowest : lost;
  }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace swarm::agentd::shim
