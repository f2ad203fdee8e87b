#include "protocol/tree/decoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "protocol/core/utf8.hpp"

namespace swarm::tree {
namespace {

template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

constexpr std::int64_t kNanoseconds = 1'000'000'000;
constexpr std::int64_t kMaxSeconds = 9'223'372'035;  // what fits into 63 bits of nanoseconds

/// "1700000000.123456789", also negative; more digits than nanoseconds are cut.
std::optional<std::int64_t> nanoseconds(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t dot = text.find('.');
  const auto seconds = whole_number<std::uint64_t>(text.substr(0, dot));
  if (!seconds || *seconds > static_cast<std::uint64_t>(kMaxSeconds)) return std::nullopt;
  std::int64_t fraction = 0;
  if (dot != std::string_view::npos) {
    std::int64_t unit = kNanoseconds / 10;
    for (const char c : text.substr(dot + 1)) {
      if (c < '0' || c > '9') return std::nullopt;
      fraction += (c - '0') * unit;
      unit /= 10;
    }
  }
  const std::int64_t value = static_cast<std::int64_t>(*seconds) * kNanoseconds + fraction;
  return negative ? -value : value;
}

std::unexpected<Error> malformed(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("the tree is not a tar archive that can be read: {}", what));
}

}  // namespace

Result<void> Decoder::feed(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const Result<void> taken = take(bytes);
    if (!taken) {
      state_ = State::broken;
      return taken;
    }
  }
  return {};
}

Result<void> Decoder::finish() {
  if (state_ == State::ended) return {};
  if (state_ == State::broken) return fail(Code::failed_precondition, "the tree was refused before");
  state_ = State::broken;
  return fail(Code::unavailable, fmt::format("the tree ended early, after {} entries", entries_));
}

Result<void> Decoder::take(std::span<const char>& bytes) {
  const auto next = [&](std::uint64_t want) {
    const auto piece = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(want, bytes.size())));
    bytes = bytes.subspan(piece.size());
    return piece;
  };
  switch (state_) {
    case State::header: {
      const auto piece = next(kBlock - block_used_);
      std::ranges::copy(piece, block_.begin() + static_cast<std::ptrdiff_t>(block_used_));
      block_used_ += piece.size();
      if (block_used_ < kBlock) return {};
      block_used_ = 0;
      return on_header(Header(block_));
    }
    case State::content: {
      const auto piece = next(left_);
      left_ -= piece.size();
      const Result<void> done = receiver_.data(piece);
      if (!done) return done;
      return left_ == 0 ? on_content_end() : Result<void>{};
    }
    case State::extension: {
      const auto piece = next(left_);
      left_ -= piece.size();
      extension_.append(piece.data(), piece.size());
      return left_ == 0 ? on_extension() : Result<void>{};
    }
    case State::padding: {
      left_ -= next(left_).size();
      if (left_ == 0) state_ = State::header;
      return {};
    }
    case State::ended:  // tar fills up its last record
      bytes = {};
      return {};
    case State::broken:
      break;
  }
  return fail(Code::failed_precondition, "the tree was refused before");
}

Result<void> Decoder::on_header(const Header& header) {
  if (header.all_zero()) {
    state_ = State::ended;
    return {};
  }
  if (!header.intact()) return malformed(fmt::format("the checksum of header {} is wrong", entries_ + 1));
  std::optional<std::int64_t> size = header.number(field::size);
  if (!size || *size < 0) return malformed("a size is not a number");
  switch (header.type()) {
    case 'x':
    case 'g':
    case 'L':
    case 'K':
      if (*size == 0) return malformed("an extended header is empty");
      headers_ += static_cast<std::size_t>(std::min<std::int64_t>(*size, std::int64_t{1} << 40U));
      if (headers_ > limits_.max_header_bytes) {
        return fail(Code::resource_exhausted, fmt::format("the tree has extended headers above {} bytes for one entry",
                                                          limits_.max_header_bytes));
      }
      extension_type_ = header.type();
      extension_.clear();
      left_ = static_cast<std::uint64_t>(*size);
      padding_ = padding_after(left_);
      state_ = State::extension;
      return {};
    default:
      return on_entry(header, extended_.size.value_or(static_cast<std::uint64_t>(*size)));
  }
}

Result<void> Decoder::on_entry(const Header& header, std::uint64_t size) {
  Entry entry;
  if (extended_.path) {
    entry.path = std::move(*extended_.path);
  } else {
    const std::string_view prefix = header.has_prefix() ? header.text(field::prefix) : std::string_view();
    if (!prefix.empty()) entry.path = fmt::format("{}/", prefix);
    entry.path += header.text(field::name);
  }
  switch (header.type()) {
    case '0':
    case '\0':
    case '7':  // "contiguous": a file to everybody
      // Before POSIX a directory was a file whose name ends with a slash.
      entry.kind = entry.path.ends_with('/') ? Kind::directory : Kind::file;
      break;
    case '1':
      entry.kind = Kind::hard_link;
      break;
    case '2':
      entry.kind = Kind::symlink;
      break;
    case '5':
      entry.kind = Kind::directory;
      break;
    case '3':
    case '4':
    case '6':
      return fail(Code::invalid_argument,
                  fmt::format("the tree holds a device or pipe, '{}'; only files, directories and links are taken",
                              shown(entry.path)));
    default:
      return malformed(fmt::format("'{}' is of the unknown type '{}'", shown(entry.path),
                                   shown({block_.data() + field::type.offset, 1})));
  }
  const Result<std::vector<std::string_view>> names = components(entry.path, limits_);
  if (!names) return fail(names.error());
  if (names->empty() && entry.kind != Kind::directory)
    return malformed("something other than a directory is named '.'");

  const std::optional<std::int64_t> mode = header.number(field::mode);
  const std::optional<std::int64_t> mtime = header.number(field::mtime);
  if (!mode || !mtime || *mtime > kMaxSeconds || *mtime < -kMaxSeconds) {
    return malformed(fmt::format("mode or time of '{}' is not a number", shown(entry.path)));
  }
  entry.mode = static_cast<std::uint32_t>(*mode) & 07777U;
  entry.mtime_ns = extended_.mtime_ns.value_or(*mtime * kNanoseconds);
  if (entry.kind == Kind::symlink || entry.kind == Kind::hard_link) {
    entry.target = extended_.target ? std::move(*extended_.target) : std::string(header.text(field::link));
    if (entry.target.empty() || entry.target.size() > limits_.max_path_bytes || entry.target.contains('\0')) {
      return malformed(fmt::format("the link '{}' has no usable target", shown(entry.path)));
    }
    if (entry.kind == Kind::hard_link) {
      const Result<std::vector<std::string_view>> target = components(entry.target, limits_);
      if (!target) return fail(target.error(), "target of a hard link");
    }
  }
  // Only files have content; some writers put a size on the others all the same.
  entry.size_bytes = entry.kind == Kind::file ? size : 0;
  if (++entries_ > limits_.max_entries) {
    return fail(Code::resource_exhausted, fmt::format("the tree has more than {} entries", limits_.max_entries));
  }
  if (entry.size_bytes > limits_.max_total_bytes - total_) {
    return fail(Code::resource_exhausted, fmt::format("the tree has more than {} bytes", limits_.max_total_bytes));
  }
  total_ += entry.size_bytes;
  extended_ = {};
  headers_ = 0;
  while (entry.path.ends_with('/') && entry.path.size() > 1) entry.path.pop_back();
  const Result<void> begun = receiver_.begin(entry);
  if (!begun) return begun;
  left_ = entry.size_bytes;
  padding_ = padding_after(left_);
  state_ = State::content;
  return left_ == 0 ? on_content_end() : Result<void>{};
}

Result<void> Decoder::on_content_end() {
  left_ = padding_;
  state_ = left_ == 0 ? State::header : State::padding;
  return receiver_.end();
}

Result<void> Decoder::on_extension() {
  left_ = padding_;
  state_ = left_ == 0 ? State::header : State::padding;
  std::string_view text = extension_;
  if (extension_type_ == 'L' || extension_type_ == 'K') {
    const std::string value(text.substr(0, text.find('\0')));
    (extension_type_ == 'L' ? extended_.path : extended_.target) = value;
    return {};
  }
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return malformed("an extended header has no length");
    const auto length = whole_number<std::size_t>(text.substr(0, space));
    if (!length || *length > text.size() || *length < space + 3 || text[*length - 1] != '\n') {
      return malformed("an extended header has a wrong length");
    }
    const std::string_view record = text.substr(space + 1, *length - space - 2);
    text.remove_prefix(*length);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) return malformed("an extended header has no key");
    // A global header may set defaults for all that follows; nothing that concerns us is written there in practice.
    if (extension_type_ == 'g') continue;
    const Result<void> known = on_record(record.substr(0, equals), record.substr(equals + 1));
    if (!known) return known;
  }
  return {};
}

Result<void> Decoder::on_record(std::string_view key, std::string_view value) {
  if (key == "path") {
    extended_.path = value;
  } else if (key == "linkpath") {
    extended_.target = value;
  } else if (key == "size") {
    extended_.size = whole_number<std::uint64_t>(value);
    if (!extended_.size) return malformed(fmt::format("'{}' is not a size", shown(value)));
  } else if (key == "mtime") {
    extended_.mtime_ns = nanoseconds(value);
    if (!extended_.mtime_ns) return malformed(fmt::format("'{}' is not a time", shown(value)));
  } else if (key.starts_with("GNU.sparse.")) {
    return fail(Code::invalid_argument, "the tree holds a sparse member, which is not taken; pack it without --sparse");
  }
  return {};  // owners, access times, extended attributes
}

}  // namespace swarm::tree
