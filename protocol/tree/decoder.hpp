#pragma once

#include <array>
#include <optional>
#include <span>

#include "protocol/tree/entry.hpp"
#include "protocol/tree/header.hpp"

namespace swarm::tree {

/// What a decoder tells: `begin`, for a file its bytes in pieces, `end`; once for every entry. A failure stops the
/// decoder.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual Result<void> begin(const Entry& entry) = 0;
  virtual Result<void> data(std::span<const char> bytes) = 0;
  virtual Result<void> end() = 0;
};

/// Takes a tar archive apart as its bytes come: ustar, pax extended headers, GNU's long names and large numbers. It
/// holds at most one header and `Limits::max_header_bytes`. The paths that it gives out passed `components()`. Refuses
/// devices, pipes, sparse members and whatever does not parse with `invalid_argument`, and what exceeds a limit with
/// `resource_exhausted`.
class Decoder {
 public:
  /// `receiver` must outlive this.
  Decoder(Receiver& receiver, const Limits& limits) : receiver_(receiver), limits_(limits) {}

  /// The next bytes. After a failure every further call fails.
  Result<void> feed(std::span<const char> bytes);

  /// There are no more bytes: `unavailable` when the archive had not ended.
  Result<void> finish();

  [[nodiscard]] std::uint64_t entries() const { return entries_; }

 private:
  enum class State : std::uint8_t { header, content, extension, padding, ended, broken };

  /// What extended headers said about the next entry.
  struct Extended {
    std::optional<std::string> path;
    std::optional<std::string> target;
    std::optional<std::uint64_t> size;
    std::optional<std::int64_t> mtime_ns;
  };

  Result<void> take(std::span<const char>& bytes);
  Result<void> on_header(const Header& header);
  Result<void> on_entry(const Header& header, std::uint64_t size);
  Result<void> on_content_end();
  Result<void> on_extension();
  Result<void> on_record(std::string_view key, std::string_view value);

  Receiver& receiver_;
  Limits limits_;
  State state_ = State::header;
  std::array<char, kBlock> block_{};
  std::size_t block_used_ = 0;
  char extension_type_ = 0;
  std::string extension_;
  Extended extended_;
  std::uint64_t left_ = 0;   // of the content or padding
  std::size_t padding_ = 0;  // after the content
  std::size_t headers_ = 0;  // bytes of extended headers since the last entry
  std::uint64_t entries_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace swarm::tree
