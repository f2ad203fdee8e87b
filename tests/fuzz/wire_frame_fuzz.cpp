// Feeds bytes to the frame scanner, the envelope reader and the decoder. Promises: the verdict does not depend on how
// the bytes were cut; what the scanner passes, the readers stay within; what decodes is written and read back as the
// same bytes.

#include <cstdio>
#include <cstdlib>

#include "protocol/wire/message.hpp"
#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/reader.hpp"
#include "protocol/wire/scanner.hpp"

namespace {

using swarm::wire::FrameScanner;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

constexpr swarm::wire::Limits kLimits{
    .max_frame_bytes = 4096, .max_depth = 8, .max_items = 500, .max_string_bytes = 2000};

/// By bytes, since NaN is equal to nothing.
bool same(const swarm::Value& a, const swarm::Value& b) { return swarm::wire::encode(a) == swarm::wire::encode(b); }

/// Nested arrays and maps, and no string over its limit on the way.
std::size_t depth_of(const swarm::Value& value) {
  std::size_t deepest = 0;
  if (const auto* array = value.as_array()) {
    for (const swarm::Value& item : *array) deepest = std::max(deepest, depth_of(item));
    return deepest + 1;
  }
  if (const auto* map = value.as_map()) {
    for (const auto& [key, item] : *map) {
      require(key.size() <= kLimits.max_string_bytes, "a key over the limit");
      deepest = std::max(deepest, depth_of(item));
    }
    return deepest + 1;
  }
  if (const auto* text = value.as_string()) require(text->size() <= kLimits.max_string_bytes, "a str over the limit");
  if (const auto* raw = value.as_bytes()) require(raw->data.size() <= kLimits.max_string_bytes, "a bin over the limit");
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace swarm;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  FrameScanner whole(kLimits);
  const Result<FrameScanner::Found> found = whole.scan(bytes);

  FrameScanner slow(kLimits);
  Result<FrameScanner::Found> one_by_one = FrameScanner::Found::more;
  std::size_t at = 0;
  for (; at <= size && one_by_one && *one_by_one == FrameScanner::Found::more; ++at) {
    one_by_one = slow.scan(bytes.first(at));
  }
  require(found.has_value() == one_by_one.has_value(), "cutting changes whether it is refused");
  if (!found) {
    require(found.error() == one_by_one.error(), "cutting changes why it is refused");
    require(at - 1 <= kLimits.max_frame_bytes, "refused only behind the limit");
    return 0;
  }
  require(*found == *one_by_one, "cutting changes whether it is complete");
  if (*found == FrameScanner::Found::more) return 0;
  require(whole.size() == at - 1, "complete before its last byte");
  require(whole.size() <= kLimits.max_frame_bytes && whole.items() <= kLimits.max_items, "over a limit");

  const std::span<const std::byte> frame = bytes.first(whole.size());
  wire::Reader reader(frame);
  const auto skipped = reader.any();
  require(skipped && skipped->size() == frame.size(), "the reader and the scanner disagree on the size");

  const auto message = wire::parse_message(frame);
  const Result<Value> value = wire::decode(frame, kLimits);
  if (message && value) {
    // What the envelope cuts out is what the Value holds.
    const Value::Array& parts = *value->as_array();
    if (message->type != wire::MessageType::response) {
      require(parts.at(message->type == wire::MessageType::request ? 2 : 1) == Value(message->method), "the method");
      if (!message->params.empty()) {
        require(same(wire::decode_scanned(message->params, "params").value(), parts.back()), "the parameters");
      }
    } else {
      require(same(wire::decode_scanned(message->result, "result").value(), parts.back()), "the result");
      if (!message->error.empty()) {
        const Value error = wire::decode_scanned(message->error, "error").value();
        require(same(error, parts.at(2)), "the error");
        require(!wire::error_from(error).to_string().empty(), "an error without words");
      }
    }
  }
  if (!value) {
    require(!value.error().message.empty(), "refused without a reason");
    return 0;
  }
  require(depth_of(*value) <= kLimits.max_depth, "nested over the limit");
  const std::string once = wire::encode(*value);
  const Result<Value> again = wire::decode(std::as_bytes(std::span(once)), wire::Limits{});
  require(again.has_value(), "what we write cannot be read");
  require(same(*again, *value), "what we write reads as something else");
  return 0;
}
