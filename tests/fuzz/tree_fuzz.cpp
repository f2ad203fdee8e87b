// Feeds bytes to the tree decoder. Beyond memory safety it holds the decoder to its promises: the paths it gives out
// stay inside, the limits hold, begin, data and end come in step, the size of the pieces does not matter, and what was
// accepted can be encoded and read back as the same.

#include <cstdio>
#include <cstdlib>

#include "protocol/tree/decoder.hpp"
#include "protocol/tree/encoder.hpp"

namespace {

using namespace swarm;
using namespace swarm::tree;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

constexpr Limits kLimits{.max_entries = 64, .max_total_bytes = 1 << 20, .max_header_bytes = 16384};

struct Record final : Receiver {
  std::vector<std::pair<Entry, std::string>> entries;
  bool open = false;

  Result<void> begin(const Entry& entry) override {
    require(!open, "an entry begins inside another");
    open = true;
    const auto names = components(entry.path, kLimits);
    require(names.has_value(), "a path that leaves the tree");
    require(!names->empty() || entry.kind == Kind::directory, "the root is no directory");
    require(entry.kind == Kind::file || entry.size_bytes == 0, "content of something that is no file");
    entries.emplace_back(entry, "");
    require(entries.size() <= kLimits.max_entries, "too many entries");
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    require(open && !bytes.empty(), "data between entries");
    entries.back().second.append(bytes.data(), bytes.size());
    return {};
  }
  Result<void> end() override {
    require(open, "an end without a beginning");
    require(entries.back().second.size() == entries.back().first.size_bytes, "content of the wrong size");
    open = false;
    return {};
  }
};

bool decode(std::string_view bytes, std::size_t step, Record& record) {
  Decoder decoder(record, kLimits);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    if (!decoder.feed(bytes.substr(0, step))) return false;
  }
  return decoder.finish().has_value();
}

/// The checksum would keep nearly every input out at the first header; put a true one wherever a header may stand.
std::string with_true_checksums(std::string bytes) {
  for (std::size_t at = 0; at + kBlock <= bytes.size(); at += kBlock) {
    if (static_cast<unsigned char>(bytes[at + field::checksum.offset]) < 0x80) continue;
    std::uint64_t sum = 8 * ' ';
    for (std::size_t i = 0; i < kBlock; ++i) {
      if (i < field::checksum.offset || i >= field::checksum.offset + 8)
        sum += static_cast<unsigned char>(bytes[at + i]);
    }
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", static_cast<unsigned>(sum));
    bytes.replace(at + field::checksum.offset, 8, std::string(digits, 7) + ' ');
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(*-reinterpret-cast): libFuzzer's type
  const std::string bytes = with_true_checksums(std::string(reinterpret_cast<const char*>(data), size));
  Record whole;
  const bool accepted = decode(bytes, bytes.size() + 1, whole);
  Record pieces;
  require(decode(bytes, 1 + size % 37, pieces) == accepted, "the size of the pieces decides");
  if (!accepted) return 0;
  require(pieces.entries == whole.entries, "the size of the pieces changes the entries");
  std::string again;
  for (const auto& [entry, content] : whole.entries) {
    append_entry(again, entry);
    again += content;
    append_padding(again, content.size());
  }
  append_end(again);
  Record second;
  require(decode(again, 4096, second), "what was accepted is refused when it comes back");
  require(second.entries == whole.entries, "what comes back is something else");
  return 0;
}
