#include "protocol/wire/msgpack.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include <limits>

#include "protocol/core/utf8.hpp"
#include "tests/fixtures/wire_values.hpp"

namespace swarm::tests {
namespace {

using namespace std::string_literals;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

Result<Value> decode(const std::string& text, const wire::Limits& limits = {}) {
  return wire::decode(bytes(text), limits);
}

std::string message_of(const std::string& text) {
  const Result<Value> got = decode(text);
  return got ? "accepted" : got.error().to_string();
}

struct Golden {
  const char* name;
  Value value;
  std::string bytes;
};

// From the MessagePack specification: the shortest form of each.
std::vector<Golden> goldens() {
  return {
      {"nil", Value(), "\xc0"s},
      {"false", false, "\xc2"s},
      {"true", true, "\xc3"s},
      {"0", 0, "\x00"s},
      {"127", 127, "\x7f"s},
      {"128", 128, "\xcc\x80"s},
      {"256", 256, "\xcd\x01\x00"s},
      {"65536", 65536, "\xce\x00\x01\x00\x00"s},
      {"2^32", Value(std::int64_t{1} << 32), "\xcf\x00\x00\x00\x01\x00\x00\x00\x00"s},
      {"2^64-1", Value(std::numeric_limits<std::uint64_t>::max()), "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"s},
      {"-1", -1, "\xff"s},
      {"-32", -32, "\xe0"s},
      {"-33", -33, "\xd0\xdf"s},
      {"-129", -129, "\xd1\xff\x7f"s},
      {"-32769", -32769, "\xd2\xff\xff\x7f\xff"s},
      {"-2^63", Value(std::numeric_limits<std::int64_t>::min()), "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"s},
      {"1.5", 1.5, "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"s},
      {"1.0 stays a float", 1.0, "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"s},
      {"empty str", "", "\xa0"s},
      {"str", "h\xc3\xa9", "\xa3h\xc3\xa9"s},
      {"str 8", Value(std::string(32, 'x')), "\xd9\x20"s + std::string(32, 'x')},
      {"bin", Value(Bytes{"\xff\x00"s}), "\xc4\x02\xff\x00"s},
      {"ext", Value(Ext{.type = -1, .data = "abcd"}), "\xd6\xff\x61\x62\x63\x64"s},
      {"ext 8", Value(Ext{.type = 5, .data = "abc"}), "\xc7\x03\x05\x61\x62\x63"s},
      {"array", Value(Value::Array{1, "a", Value()}), "\x93\x01\xa1\x61\xc0"s},
      {"array 16", Value(Value::Array(16, Value(1))), "\xdc\x00\x10"s + std::string(16, '\x01')},
      {"map", Value(Value::Map{{"b", 1}, {"a", Value(Value::Map{})}}), "\x82\xa1\x62\x01\xa1\x61\x80"s},
  };
}

TEST_CASE("golden bytes, both ways") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    CHECK(wire::encode(golden.value) == golden.bytes);
    const Result<Value> decoded = decode(golden.bytes);
    REQUIRE(decoded);
    CHECK(*decoded == golden.value);
  }
}

TEST_CASE("longer forms than needed are read too") {
  CHECK(*decode("\xcd\x00\x07"s) == Value(7));
  CHECK(*decode("\xd3\x00\x00\x00\x00\x00\x00\x00\x07"s) == Value(7));
  CHECK(*decode("\xca\x3f\xc0\x00\x00"s) == Value(1.5));
  CHECK(*decode("\xdb\x00\x00\x00\x01\x61"s) == Value("a"));
  CHECK(*decode("\xdf\x00\x00\x00\x01\xa1\x61\x01"s) == Value(Value::Map{{"a", 1}}));
}

TEST_CASE("what is refused says where") {
  CHECK(message_of("\x92\x01\xa2\xff\xfe"s) ==
        "invalid_argument: value[1]: a string that is not UTF-8 (send bytes as bin)");
  CHECK(message_of("\x81\xa1\x61\x92\x01\xa1\xff"s) ==
        "invalid_argument: value.a[1]: a string that is not UTF-8 (send bytes as bin)");
  CHECK(message_of("\x91\x81\x01\x02"s) ==
        "invalid_argument: value[0]: a map key that is an integer; keys must be strings");
  CHECK(message_of("\x81\xa1\x61\x81\xc0\x02"s) ==
        "invalid_argument: value.a: a map key that is nil; keys must be strings");
  CHECK(message_of("\x81\x90\x02"s) == "invalid_argument: value: a map key that is an array; keys must be strings");
  CHECK(message_of("\x81\xa1\xff\x02"s) == "invalid_argument: value: a string that is not UTF-8 (send bytes as bin)");
  CHECK(message_of("\x91\xc1"s) == "invalid_argument: message refused at byte 1: 0xc1 is not MessagePack");
  CHECK(message_of("\x92\x01"s) == "invalid_argument: the value ends early: 2 bytes are not all of it");
  CHECK(message_of(""s) == "invalid_argument: the value ends early: 0 bytes are not all of it");
  CHECK(message_of("\x01\x02"s) == "invalid_argument: 1 bytes follow the value, which ends at byte 1");
}

TEST_CASE("malformed text leaves as U+FFFD") { CHECK(wire::encode(Value("a\xff")) == "\xa4\x61\xef\xbf\xbd"s); }

TEST_CASE("any value comes back as it was") {
  rc::prop("decode(encode(v)) == v", [] {
    const Value value = ValueMaker(*rc::gen::arbitrary<std::uint64_t>()).value(4);
    const std::string encoded = wire::encode(value);
    const Result<Value> decoded = decode(encoded);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(*decoded == value);
  });
}

TEST_CASE("any bytes are refused or come back the same from what they decode to") {
  rc::prop("decode(encode(decode(b))) == decode(b)", [](const std::string& input) {
    const Result<Value> value = decode(input);
    if (!value) return;
    RC_ASSERT(*decode(wire::encode(*value)) == *value);
  });
}

}  // namespace
}  // namespace swarm::tests
