#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>

#include "protocol/api/codec.hpp"
#include "protocol/api/json.hpp"
#include "wire_types.hpp"

using namespace swarm;
using namespace swarm::api;
using namespace swarm::api::tests;

namespace {

Choose random_choices() {
  auto state = *rc::gen::arbitrary<std::uint64_t>();
  return [state](std::uint64_t below) mutable {
    state += 0x9E37'79B9'7F4A'7C15U;
    std::uint64_t mixed = (state ^ state >> 30U) * 0xBF58'476D'1CE4'E5B9U;
    mixed = (mixed ^ mixed >> 27U) * 0x94D0'49BB'1331'11EBU;
    mixed ^= mixed >> 31U;
    return below == 0 ? mixed : mixed % below;
  };
}

// Everything that `part` says, `whole` says too; `whole` may have defaults besides.
bool says(const Value& whole, const Value& part) {
  if (const Value::Map* map = part.as_map()) {
    for (const auto& [key, value] : *map) {
      const Value* found = whole.find(key);
      if (found == nullptr || !says(*found, value)) return false;
    }
    return true;
  }
  if (const Value::Array* array = part.as_array()) {
    const Value::Array* other = whole.as_array();
    if (other == nullptr || other->size() != array->size()) return false;
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (!says((*other)[i], (*array)[i])) return false;
    }
    return true;
  }
  return whole == part;
}

// Any value that JSON can carry exactly.
Value any_value(const Choose& choose, int depth) {
  switch (choose(depth > 3 ? 7 : 9)) {
    case 0:
      return nullptr;
    case 1:
      return choose(2) == 0;
    case 2:
      return static_cast<std::int64_t>(choose(0));
    case 3:
      return choose(0);
    case 4:
      return static_cast<double>(static_cast<std::int64_t>(choose(0))) / 1048576.0;
    case 5:
      return *rc::gen::map(rc::gen::arbitrary<std::string>(), [](const std::string& text) {
        std::string ascii;
        for (const char c : text) ascii += static_cast<char>(c & 0x7F);
        return ascii + "\xC3\xA4\xF0\x9F\x98\x80";
      });
    case 6:
      return Bytes{*rc::gen::arbitrary<std::string>()};
    case 7: {
      Value::Array array;
      for (std::uint64_t i = choose(4); i > 0; --i) array.push_back(any_value(choose, depth + 1));
      return array;
    }
    default: {
      Value::Map map;
      for (std::uint64_t i = choose(4); i > 0; --i)
        map.emplace_back("k\n" + std::to_string(i), any_value(choose, depth + 1));
      return map;
    }
  }
}

}  // namespace

TEST_CASE("what is decoded and encoded again says the same") {
  rc::prop("every wire struct", [] {
    const Choose choose = random_choices();
    for (const auto& [name, type] : wire_structs()) {
      const Value sent = sample(*type, nullptr, Fill::some, choose);
      const std::shared_ptr<void> first = type->make();
      const Result<void> read = decode_into(*type, sent, first.get(), Unknown::refuse);
      if (!read) RC_FAIL(name + ": " + read.error().message + " in " + to_json(sent));
      const Value encoded = encode_from(*type, first.get());
      if (!says(encoded, sent)) RC_FAIL(name + ": " + to_json(encoded) + " misses something of " + to_json(sent));
      const std::shared_ptr<void> second = type->make();
      RC_ASSERT(decode_into(*type, encoded, second.get(), Unknown::ignore).has_value());
      RC_ASSERT(encode_from(*type, second.get()) == encoded);
    }
  });
}

TEST_CASE("JSON gives every value back") {
  rc::prop("value_from_json(to_json(x)) == x", [] {
    const Choose choose = random_choices();
    const Value value = any_value(choose, 0);
    for (const JsonStyle style : {JsonStyle::compact, JsonStyle::indented}) {
      const Result<Value> back = value_from_json(to_json(value, style));
      if (!back) RC_FAIL(back.error().message + " in " + to_json(value, style));
      RC_ASSERT(*back == value);
    }
  });
}
