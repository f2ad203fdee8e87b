#pragma once

#include <optional>

#include "protocol/core/unique_fd.hpp"
#include "protocol/tree/atomic_file.hpp"
#include "protocol/tree/transfer.hpp"

namespace swarm::tree {

/// One file as a stream: from where its descriptor stands to its end.
class FileProducer final : public Producer {
 public:
  explicit FileProducer(UniqueFd file) : file_(std::move(file)) {}
  Result<void> fill(std::string& out) override;

 private:
  UniqueFd file_;
};

/// How a stream becomes a file.
struct FileTarget {
  std::string name;  ///< in the directory
  mode_t mode = 0644;
  std::optional<std::int64_t> mtime_ns;          ///< else now
  std::optional<std::uint64_t> size_bytes;       ///< a stream of another length is `invalid_argument`
  std::optional<std::pair<uid_t, gid_t>> owner;  ///< of the file that is replaced; tried, never required
  Existing existing = Existing::replace;
  Durability durability = Durability::process;
};

/// A stream as one file, that has its name when all of it has come and leaves nothing otherwise.
class FileConsumer final : public Consumer {
 public:
  /// Takes the directory.
  static Result<std::shared_ptr<FileConsumer>> in(UniqueFd directory, FileTarget target);
  Result<void> take(std::span<const char> bytes) override;
  Result<void> finish() override;

 private:
  FileConsumer(UniqueFd directory, AtomicFile file, FileTarget target)
      : directory_(std::move(directory)), file_(std::move(file)), target_(std::move(target)) {}

  UniqueFd directory_;
  AtomicFile file_;  // after directory_: it must go first
  FileTarget target_;
  std::uint64_t size_ = 0;
};

/// A stream that is written straight into an open file; what has come is there even when the rest never does.
class InPlaceConsumer final : public Consumer {
 public:
  InPlaceConsumer(UniqueFd file, FileTarget target) : file_(std::move(file)), target_(std::move(target)) {}
  Result<void> take(std::span<const char> bytes) override;
  Result<void> finish() override;

 private:
  UniqueFd file_;
  FileTarget target_;
  std::uint64_t size_ = 0;
};

/// Appends what comes from `fd`, at most `size` bytes; fewer only at its end.
Result<std::size_t> append_from(int fd, std::string& out, std::size_t size);

}  // namespace swarm::tree
