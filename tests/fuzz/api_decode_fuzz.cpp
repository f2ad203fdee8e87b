// Feeds text to the JSON reader and what comes out of it to the requests, replies and notifications. Beyond memory
// safety: a refusal has a reason that fits a terminal, and what was accepted is written and read back as the same.
//
// Input: the name of a type, a newline, JSON. The seeds name types that have fields of every kind: the decoder is one
// for all of them, and a search that wanders through all types at once finds less.

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "protocol/api/codec.hpp"
#include "protocol/api/json.hpp"
#include "protocol/api/registry.hpp"
#include "protocol/core/utf8.hpp"

namespace {

using namespace swarm;
using namespace swarm::api;

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what.c_str());
  std::abort();
}

void presentable(const Error& error) {
  require(!error.message.empty(), "an empty message");
  require(error.message.size() < 8192, "a message of " + std::to_string(error.message.size()) + " bytes");
  require(is_utf8(error.message), "a message that is not UTF-8");
  for (const char c : error.message) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "a control character");
}

void read_as(const TypeInfo& type, const Value& value, Unknown unknown) {
  const std::shared_ptr<void> object = type.make();
  const Result<void> read = decode_into(type, value, object.get(), unknown);
  if (!read) return presentable(read.error());
  const Value encoded = encode_from(type, object.get());
  const std::shared_ptr<void> second = type.make();
  const Result<void> again = decode_into(type, encoded, second.get(), unknown);
  require(again.has_value(), type.name + ": what was written is refused: " + (again ? "" : again.error().message));
  require(encode_from(type, second.get()) == encoded, type.name + ": what was written reads as something else");
}

/// What can be read from the outside: a request with its method, or another type.
struct Readable {
  const TypeInfo* type;
  const MethodInfo* method;
  Unknown unknown;
};

const std::vector<Readable>& readables() {
  static const std::vector<Readable> all = [] {
    std::vector<Readable> found;
    for (const auto& methods : {all_methods(), agentd_methods()}) {
      for (const MethodInfo* method : methods) {
        found.push_back({&method->request(), method, Unknown::refuse});
        found.push_back({&method->response(), nullptr, Unknown::ignore});
      }
    }
    for (const NotificationInfo* notification : all_notifications()) {
      found.push_back({&notification->params(), nullptr, Unknown::ignore});
    }
    return found;
  }();
  return all;
}

const Readable* named(std::string_view name) {
  const auto found = std::ranges::find(readables(), name, [](const Readable& one) { return one.type->name; });
  return found == readables().end() ? nullptr : &*found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const Readable* readable = named(text.substr(0, line));
  if (readable == nullptr) return -1;  // not worth keeping
  text.remove_prefix(std::min(line + 1, text.size()));

  const Result<Value> value = value_from_json(text, {.max_bytes = 1 << 20, .max_depth = 32, .max_values = 10'000});
  if (!value) {
    presentable(value.error());
    return 0;
  }
  const Result<Value> same = value_from_json(to_json(*value), {.max_bytes = 1 << 24});
  require(same.has_value() && *same == *value, "JSON that was written reads as something else: " + to_json(*value));
  if (readable->method != nullptr) {
    const std::shared_ptr<void> request = readable->method->request().make();
    const Result<CommonFields> call = decode_call_into(*readable->method, *value, request.get());
    if (!call) presentable(call.error());
  }
  read_as(*readable->type, *value, readable->unknown);
  return 0;
}
