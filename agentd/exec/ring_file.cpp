#include "agentd/exec/ring_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace swarm::agentd {

using shim::kRingHeaderBytes;
using shim::RingHeader;

Result<RingFile> RingFile::map(UniqueFd fd, const std::string& path) {
  void* memory = mmap(nullptr, kRingHeaderBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return fail_errno("mmap", path);  // NOLINT
  return RingFile(std::move(fd), static_cast<RingHeader*>(memory));
}

Result<RingFile> RingFile::create(const std::string& path, std::uint64_t capacity) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno("create", path);
  // The header's page is written, not mapped into a hole, so that a full disk is an error here and no SIGBUS later.
  RingHeader header;
  header.capacity = capacity;
  std::string page(kRingHeaderBytes, '\0');
  std::copy_n(reinterpret_cast<const char*>(&header), sizeof header, page.begin());  // NOLINT: its bytes
  if (pwrite(fd.get(), page.data(), page.size(), 0) != kRingHeaderBytes) return fail_errno("write", path);
  if (ftruncate(fd.get(), kRingHeaderBytes + static_cast<off_t>(capacity)) != 0) return fail_errno("ftruncate", path);
  return map(std::move(fd), path);
}

Result<RingFile> RingFile::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_errno("open", path);
  struct stat info{};
  if (fstat(fd.get(), &info) != 0) return fail_errno("stat", path);
  if (info.st_size < kRingHeaderBytes) return fail(Code::internal, fmt::format("'{}' is no output file", path));
  auto ring = map(std::move(fd), path);
  if (!ring) return ring;
  const RingHeader& header = *ring->header_;
  if (header.magic != shim::kRingMagic || header.capacity == 0 ||
      static_cast<std::uint64_t>(info.st_size - kRingHeaderBytes) < header.capacity) {
    return fail(Code::internal, fmt::format("'{}' is no output file", path));
  }
  return ring;
}

RingFile::RingFile(RingFile&& other) noexcept
    : fd_(std::move(other.fd_)), header_(std::exchange(other.header_, nullptr)) {}

RingFile& RingFile::operator=(RingFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(header_, other.header_);
  return *this;
}

RingFile::~RingFile() {
  if (header_ != nullptr) munmap(header_, kRingHeaderBytes);
}

Result<RingChunk> RingFile::read(std::uint64_t from, std::size_t most) const {
  RingChunk chunk{.bytes = {}, .offset = std::max(from, first())};
  const std::uint64_t stop = std::min<std::uint64_t>(end(), chunk.offset + most);
  if (chunk.offset >= stop) return chunk;
  chunk.bytes.resize(static_cast<std::size_t>(stop - chunk.offset));
  std::size_t done = 0;
  while (done < chunk.bytes.size()) {
    const std::uint64_t at = (chunk.offset + done) % header_->capacity;
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk.bytes.size() - done, header_->capacity - at));
    const ssize_t size = pread(fd_.get(), chunk.bytes.data() + done, part, kRingHeaderBytes + static_cast<off_t>(at));
    if (size <= 0) return fail_errno("read", "spooled output", size < 0 ? errno : EIO);
    done += static_cast<std::size_t>(size);
  }
  // What the writer may have overwritten while we read is gone.
  const std::uint64_t intact = first();
  if (intact > chunk.offset) {
    const auto lost = static_cast<std::size_t>(std::min<std::uint64_t>(intact - chunk.offset, chunk.bytes.size()));
    chunk.bytes.erase(0, lost);
    chunk.offset += lost;
  }
  return chunk;
}

}  // namespace swarm::agentd
