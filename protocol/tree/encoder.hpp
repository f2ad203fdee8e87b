#pragma once

#include "protocol/tree/entry.hpp"

namespace swarm::tree {

/// Appends what stands before an entry's content. A file's `size_bytes` bytes follow, then `append_padding`.
void append_entry(std::string& out, const Entry& entry);

/// Appends the zeros between `size` bytes of content and the next entry.
void append_padding(std::string& out, std::uint64_t size);

/// Appends the end of the archive.
void append_end(std::string& out);

}  // namespace swarm::tree
