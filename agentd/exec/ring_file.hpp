#pragma once

#include <cstdint>
#include <string>

#include "agentd/exec/shim/ring.hpp"
#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::agentd {

/// A piece of spooled output.
struct RingChunk {
  std::string bytes;
  std::uint64_t offset = 0;  ///< of the first byte; above what was asked for when older bytes are gone
};

/// The reading side of a ring file (see shim/ring.hpp); also makes them.
class RingFile {
 public:
  /// Makes an empty one with room for `capacity` bytes; they are taken from the disk as they are used.
  static Result<RingFile> create(const std::string& path, std::uint64_t capacity);
  static Result<RingFile> open(const std::string& path);

  RingFile(RingFile&& other) noexcept;
  RingFile& operator=(RingFile&& other) noexcept;
  RingFile(const RingFile&) = delete;
  RingFile& operator=(const RingFile&) = delete;
  ~RingFile();

  [[nodiscard]] std::uint64_t first() const { return header_->first(); }
  [[nodiscard]] std::uint64_t end() const { return header_->end.load(std::memory_order_acquire); }
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// At most `most` bytes from offset `from` on; empty when there are none yet.
  [[nodiscard]] Result<RingChunk> read(std::uint64_t from, std::size_t most) const;

 private:
  RingFile(UniqueFd fd, shim::RingHeader* header) : fd_(std::move(fd)), header_(header) {}
  static Result<RingFile> map(UniqueFd fd, const std::string& path);

  UniqueFd fd_;
  shim::RingHeader* header_;
};

}  // namespace swarm::agentd
