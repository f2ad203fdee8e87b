#pragma once

#include <optional>

#include "protocol/core/unique_fd.hpp"
#include "protocol/tree/atomic_file.hpp"
#include "protocol/tree/decoder.hpp"
#include "protocol/tree/directory.hpp"
#include "protocol/tree/transfer.hpp"

namespace swarm::tree {

/// Links that point out of the tree. They are never followed while unpacking; this is about what is left behind.
enum class OutsideLinks : std::uint8_t { keep, refuse };

/// Set-uid, set-gid and sticky bits.
enum class SpecialBits : std::uint8_t { keep, drop };

/// Whether the entry "." changes mode and time of the directory unpacked into.
enum class RootEntry : std::uint8_t { apply, ignore };

struct UnpackOptions {
  Limits limits;
  Existing existing = Existing::replace;
  OutsideLinks outside_links = OutsideLinks::keep;
  SpecialBits special_bits = SpecialBits::drop;
  RootEntry root = RootEntry::ignore;
};

/// Unpacks an archive below a directory. Names are walked one at a time without following links, so neither the archive
/// nor somebody who swaps directories meanwhile leads out of it. A file gets its name when it is complete; a failure
/// keeps what is complete and leaves no half file. Directories get mode and time when the archive has left them.
class Unpacker final : public Consumer, private Receiver {
 public:
  Unpacker(UniqueFd root, UnpackOptions options);

  Result<void> take(std::span<const char> bytes) override { return decoder_.feed(bytes); }
  Result<void> finish() override;

  [[nodiscard]] const Summary& summary() const { return summary_; }

 private:
  /// A directory on the way to the current entry.
  struct Level {
    std::string name;
    UniqueFd fd;
    std::optional<Entry> pending;  // mode and time to give it on leaving
  };

  Result<void> begin(const Entry& entry) override;
  Result<void> data(std::span<const char> bytes) override;
  Result<void> end() override;

  Result<void> enter(std::span<const std::string_view> names);
  Result<void> leave();
  Result<UniqueFd> make_directory(const std::string& name, bool& made);
  Result<void> begin_directory(const Entry& entry, std::span<const std::string_view> names);
  Result<void> make_symlink(const Entry& entry, const std::string& name, std::size_t depth);
  Result<void> copy_hard_link(const Entry& entry);
  [[nodiscard]] mode_t mode_of(const Entry& entry) const;
  [[nodiscard]] int here() const { return levels_.empty() ? root_.get() : levels_.back().fd.get(); }

  UniqueFd root_;
  UnpackOptions options_;
  std::optional<Entry> root_entry_;
  std::vector<Level> levels_;
  std::optional<AtomicFile> file_;  // after levels_: it must go first
  Entry entry_;
  std::string name_;
  Summary summary_;
  Decoder decoder_;
};

}  // namespace swarm::tree
