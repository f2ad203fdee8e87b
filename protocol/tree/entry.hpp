#pragma once
// Whole trees of files as one stream of bytes. The format is POSIX pax tar: every tool reads it, and what we need of it
// (files, directories, symbolic links, modes, times to the nanosecond, names of any bytes) is a few hundred lines, so
// that the sandbox side carries no archive library and its dozen compressors.
//
//   Walker -> Packer -> Encoder ==== bytes ==== Decoder -> Unpacker
//
// The codec (encoder, decoder) touches no file and the decoder believes nothing; packer and unpacker do blocking file
// work in slices, so that a thread pool can run them; transfer.hpp joins them to streams.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::tree {

enum class Kind : std::uint8_t { file, directory, symlink, hard_link };

/// One thing in a tree.
struct Entry {
  Kind kind = Kind::file;
  std::string path;              ///< relative to the tree's root, any bytes but NUL; "." is the root itself
  std::uint32_t mode = 0;        ///< permission bits, 07777
  std::int64_t mtime_ns = 0;     ///< since the Unix epoch
  std::uint64_t size_bytes = 0;  ///< of a file's content
  std::string target;            ///< of a link: what it says (symlink), or a path in the tree (hard_link)
  bool operator==(const Entry&) const = default;
};

/// What a stream may make the receiver hold or do.
struct Limits {
  std::uint64_t max_entries = 1'000'000;
  std::uint64_t max_total_bytes = std::uint64_t{1} << 46U;  ///< content of all files together
  std::size_t max_path_bytes = 4096;
  std::size_t max_depth = 200;                             ///< nested directories
  std::size_t max_header_bytes = std::size_t{256} << 10U;  ///< extended headers of one entry
};

/// What went through.
struct Summary {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t size_bytes = 0;      ///< content of the files
  std::vector<std::string> skipped;  ///< the first paths that were left out: sockets, pipes, devices, vanished files
};

/// At most so many paths are named in `Summary::skipped`.
inline constexpr std::size_t kMaxSkipped = 100;

/// The names that lead to `path`; none for the root. Refuses (`invalid_argument`) what is absolute, climbs with "..",
/// has a NUL or a name above 255 bytes, or is longer or deeper than `limits` allows. The views point into `path`.
Result<std::vector<std::string_view>> components(std::string_view path, const Limits& limits);

}  // namespace swarm::tree
