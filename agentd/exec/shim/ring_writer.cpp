#include "agentd/exec/shim/ring_writer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace swarm::agentd::shim {

bool RingWriter::open(int fd) {
  void* memory = mmap(nullptr, kRingHeaderBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;  // NOLINT
  auto* header = static_cast<RingHeader*>(memory);
  if (header->magic != kRingMagic || header->capacity == 0) return false;
  header_ = header;
  fd_ = fd;
  return true;
}

void RingWriter::append(std::span<const std::byte> bytes) {
  if (header_ == nullptr) return;
  const std::uint64_t capacity = header_->capacity;
  std::uint64_t end = header_->end.load();
  while (!bytes.empty()) {
    const std::uint64_t at = end % capacity;
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), capacity - at));
    header_->writing.store(end + part, std::memory_order_seq_cst);
    std::size_t written = 0;
    while (written < part) {
      // pwrite, not a store into a mapping: a full disk is then an error and not a SIGBUS.
      const ssize_t got =
          pwrite(fd_, bytes.data() + written, part - written, kRingHeaderBytes + static_cast<off_t>(at + written));
      if (got <= 0) break;
      written += static_cast<std::size_t>(got);
    }
    end += part;
    if (written < part) header_->floor.store(end, std::memory_order_seq_cst);
    header_->end.store(end, std::memory_order_release);
    bytes = bytes.subspan(part);
  }
}

}  // namespace swarm::agentd::shim
