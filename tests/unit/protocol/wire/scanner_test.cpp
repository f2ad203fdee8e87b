#include "protocol/wire/scanner.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "protocol/wire/msgpack.hpp"
#include "tests/fixtures/wire_values.hpp"

namespace swarm::tests {
namespace {

using namespace std::string_literals;
using wire::FrameScanner;
using Found = FrameScanner::Found;

std::span<const std::byte> first(const std::string& text, std::size_t size) {
  return std::as_bytes(std::span(text)).first(size);
}

/// Bytes after which the scanner refused when they came one by one, and why.
struct Refusal {
  std::size_t at = 0;
  Error error;
};

std::optional<Refusal> feed(const std::string& text, const wire::Limits& limits = {}) {
  FrameScanner scanner(limits);
  for (std::size_t size = 1; size <= text.size(); ++size) {
    const Result<Found> found = scanner.scan(first(text, size));
    if (!found) return Refusal{.at = size, .error = found.error()};
  }
  return std::nullopt;
}

TEST_CASE("a message is found at its last byte and not before, however it is cut") {
  rc::prop("byte by byte, in two pieces, and at once", [] {
    ValueMaker maker(*rc::gen::arbitrary<std::uint64_t>());
    const std::string one = wire::encode(maker.value(2));
    const std::string two = one + wire::encode(maker.value(2));
    FrameScanner scanner{wire::Limits{}};
    for (std::size_t size = 0; size < one.size(); ++size) {
      RC_ASSERT(scanner.scan(first(one, size)).value() == Found::more);
    }
    RC_ASSERT(scanner.scan(first(one, one.size())).value() == Found::frame);
    RC_ASSERT(scanner.size() == one.size());
    // With the start of the next message behind it.
    scanner.next();
    const auto cut = *rc::gen::inRange<std::size_t>(0, one.size());
    RC_ASSERT(scanner.scan(first(two, cut)).value() == Found::more);
    RC_ASSERT(scanner.scan(first(two, two.size())).value() == Found::frame);
    RC_ASSERT(scanner.size() == one.size());
  });
}

TEST_CASE("every truncation of a message is short of it") {
  const std::string text =
      wire::encode(Value(Value::Array{0, 1, "method", Value(Value::Array{Value(Value::Map{{"k", Bytes{"v"}}})})}));
  for (std::size_t size = 0; size < text.size(); ++size) {
    FrameScanner scanner{wire::Limits{}};
    CHECK(scanner.scan(first(text, size)).value() == Found::more);
    CHECK(!wire::decode(first(text, size), {}));
  }
}

TEST_CASE("a claim over a limit is refused at its header") {
  // Every long form: str, bin and ext 32 at the fifth byte, arrays and maps too.
  for (const char tag : {'\xdb', '\xc6', '\xc9', '\xdd', '\xdf'}) {
    const auto refusal = feed(std::string(1, tag) + "\xff\xff\xff\xff" + std::string(10, '\0'));
    REQUIRE(refusal);
    CHECK(refusal->at == 5);
    CHECK(refusal->error.code == Code::resource_exhausted);
  }
  CHECK(feed("\xdb\xff\xff\xff\xff"s)->error.message ==
        "message refused at byte 0: a string of 4294967295 bytes; at most 16777216 are taken");
  CHECK(feed("\x92\xc0\xdd\xff\xff\xff\xff"s)->error.message ==
        "message refused at byte 2: 4294967298 elements; at most 200000 are taken");
  // The 16-bit forms against smaller limits.
  const wire::Limits small{.max_frame_bytes = 1000, .max_depth = 4, .max_items = 100, .max_string_bytes = 500};
  CHECK(feed("\xda\x01\xf5"s, small)->at == 3);
  CHECK(feed("\xdc\x00\x65"s, small)->at == 3);
  CHECK(feed("\xde\x00\x33"s, small)->at == 3);
  CHECK_FALSE(feed("\xda\x01\xf4"s, small));
}

TEST_CASE("the parts of a message add up") {
  const wire::Limits small{.max_frame_bytes = 1000, .max_depth = 4, .max_items = 100, .max_string_bytes = 500};
  // Three strings of 400 bytes: the third one's header is one too many.
  const std::string part = "\xda\x01\x90"s + std::string(400, 'x');
  const auto refusal = feed("\x93"s + part + part + part, small);
  REQUIRE(refusal);
  CHECK(refusal->at == 1 + 2 * part.size() + 3);
  CHECK(refusal->error.message == "message refused at byte 807: it has at least 1210 bytes; at most 1000 are taken");
  // 40 + 40 + 40 elements.
  const std::string list = "\xdc\x00\x28"s + std::string(40, '\x01');
  CHECK(feed("\x93"s + list + list + list, small)->at == 1 + 2 * list.size() + 3);
}

TEST_CASE("nesting is counted as it opens") {
  const wire::Limits limits{.max_depth = 4};
  CHECK_FALSE(feed("\x91\x91\x91\x91\x01"s, limits));
  CHECK(feed("\x91\x91\x91\x91\x91\x01"s, limits)->at == 5);
  CHECK(feed("\x91\x81\x90\x91\x91\x91\x91"s, limits)->error.code == Code::resource_exhausted);
  CHECK_FALSE(feed("\x92\x91\x91\x91\x01\x91\x91\x91\x01"s, limits));  // side by side is not deep
  // A megabyte of open brackets goes at the limit, not at the end.
  CHECK(feed(std::string(1 << 20, '\x91'))->at == wire::Limits{}.max_depth + 1);
}

TEST_CASE("0xc1 is refused where it stands") { CHECK(feed("\x93\x01\x02\xc1"s)->at == 4); }

TEST_CASE("any bytes: the same verdict at once and one by one") {
  rc::prop("scan does not depend on the cut", [](const std::string& text) {
    FrameScanner whole{wire::Limits{}};
    const Result<Found> at_once = whole.scan(first(text, text.size()));
    FrameScanner slow{wire::Limits{}};
    Result<Found> one_by_one = Found::more;
    for (std::size_t size = 0; size <= text.size() && one_by_one && *one_by_one == Found::more; ++size) {
      one_by_one = slow.scan(first(text, size));
    }
    RC_ASSERT(at_once.has_value() == one_by_one.has_value());
    if (at_once) RC_ASSERT(*at_once == *one_by_one);
    if (at_once && *at_once == Found::frame) RC_ASSERT(whole.size() == slow.size());
  });
}

}  // namespace
}  // namespace swarm::tests
