#include "protocol/tree/encoder.hpp"

#include <fmt/format.h>

#include "protocol/core/utf8.hpp"
#include "protocol/tree/header.hpp"

namespace swarm::tree {
namespace {

constexpr std::int64_t kNanosecondsASecond = 1'000'000'000;

/// "<length> <key>=<value>\n", where the length counts itself.
void append_record(std::string& out, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // space, '=', newline
  std::size_t length = rest + 1;
  while (rest + std::to_string(length).size() != length) ++length;
  fmt::format_to(std::back_inserter(out), "{} {}={}\n", length, key, value);
}

std::string decimal_seconds(std::int64_t ns) {
  const bool negative = ns < 0;
  const std::uint64_t magnitude = negative ? ~static_cast<std::uint64_t>(ns) + 1 : static_cast<std::uint64_t>(ns);
  return fmt::format("{}{}.{:09}", negative ? "-" : "", magnitude / kNanosecondsASecond,
                     magnitude % kNanosecondsASecond);
}

char type_of(Kind kind) {
  switch (kind) {
    case Kind::directory:
      return '5';
    case Kind::symlink:
      return '2';
    case Kind::hard_link:
      return '1';
    case Kind::file:
      break;
  }
  return '0';
}

void append_block(std::string& out, Header& header) {
  header.seal();
  out += header.bytes();
}

}  // namespace

void append_entry(std::string& out, const Entry& entry) {
  std::string path = entry.path;
  if (entry.kind == Kind::directory && !path.ends_with('/')) path += '/';
  const bool whole_seconds = entry.mtime_ns >= 0 && entry.mtime_ns % kNanosecondsASecond == 0 &&
                             static_cast<std::uint64_t>(entry.mtime_ns / kNanosecondsASecond) <= kMaxOctal;

  std::string records;
  if (path.size() > field::name.size) append_record(records, "path", path);
  if (entry.target.size() > field::link.size) append_record(records, "linkpath", entry.target);
  // Names are bytes here; without this mark a reader may take them for UTF-8.
  if (!records.empty() && (!is_utf8(path) || !is_utf8(entry.target))) {
    std::string mark;
    append_record(mark, "hdrcharset", "BINARY");
    records.insert(0, mark);
  }
  if (entry.size_bytes > kMaxOctal) append_record(records, "size", std::to_string(entry.size_bytes));
  if (!whole_seconds) append_record(records, "mtime", decimal_seconds(entry.mtime_ns));
  if (!records.empty()) {
    Header extended;
    extended.set_text(field::name, "PaxHeaders/entry");
    extended.set_number(field::mode, 0644);
    extended.set_number(field::uid, 0);
    extended.set_number(field::gid, 0);
    extended.set_number(field::size, records.size());
    extended.set_number(field::mtime, 0);
    extended.set_type('x');
    append_block(out, extended);
    out += records;
    append_padding(out, records.size());
  }

  Header header;
  header.set_text(field::name, path);
  header.set_number(field::mode, entry.mode & 07777U);
  header.set_number(field::uid, 0);
  header.set_number(field::gid, 0);
  header.set_number(field::size, entry.size_bytes > kMaxOctal ? 0 : entry.size_bytes);
  header.set_number(field::mtime, whole_seconds ? static_cast<std::uint64_t>(entry.mtime_ns / kNanosecondsASecond) : 0);
  header.set_type(type_of(entry.kind));
  header.set_text(field::link, entry.target);
  append_block(out, header);
}

void append_padding(std::string& out, std::uint64_t size) { out.append(padding_after(size), '\0'); }

void append_end(std::string& out) { out.append(2 * kBlock, '\0'); }

}  // namespace swarm::tree
