#include "protocol/core/value.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace swarm {

Value::Value(std::uint64_t v) {
  if (v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    data_ = static_cast<std::int64_t>(v);
  } else {
    data_ = v;
  }
}

std::string_view Value::kind_name() const {
  constexpr std::array<std::string_view, 10> kNames = {"nil",      "a boolean", "an integer", "an integer",
                                                       "a number", "a string",  "bytes",      "an extension",
                                                       "an array", "a map"};
  return kNames.at(data_.index());
}

const Value* Value::find(std::string_view key) const {
  const Map* map = as_map();
  if (map == nullptr) return nullptr;
  const auto found = std::ranges::find(*map, key, &Member::first);
  return found == map->end() ? nullptr : &found->second;
}

Value* Value::find(std::string_view key) {
  Map* map = as_map();
  if (map == nullptr) return nullptr;
  const auto found = std::ranges::find(*map, key, &Member::first);
  return found == map->end() ? nullptr : &found->second;
}

Value& Value::set(std::string_view key, Value value) {
  if (is_nil()) data_ = Map{};
  if (Value* present = find(key)) {
    *present = std::move(value);
  } else {
    std::get<Map>(data_).emplace_back(std::string(key), std::move(value));
  }
  return *this;
}

}  // namespace swarm
