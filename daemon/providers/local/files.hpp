#pragma once
// Small reads and writes of kernel files and records, with errors that name the file.

#include <string>
#include <string_view>

#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::local {

/// The whole content of a small file.
Result<std::string> read_file(const std::string& path);

/// One write(2) to an existing file, as control files want it.
Result<void> write_control(const std::string& path, std::string_view text);

/// Replaces a file atomically, mode 0600. Not synced: what is written by this survives a crash of ours, and after one
/// of the machine no sandbox is left that it could speak of.
Result<void> replace_file(const std::string& path, std::string_view text);

/// A memory file with this content, positioned at its start. Sealed against any change.
Result<UniqueFd> memory_file(const char* name, std::string_view content);

/// A decimal number at the start of `text`; nullopt for none ("max" and the like).
std::optional<std::uint64_t> parse_number(std::string_view text);

/// The number behind `key` in "key value" lines.
std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key);

}  // namespace swarm::local
