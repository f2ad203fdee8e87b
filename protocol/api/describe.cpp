#include "protocol/api/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace swarm::api {
namespace {

[[noreturn]] void wrong(const TypeInfo& info, std::string_view what) {
  const std::string text = fmt::format("protocol/api: description of {}: {}\n", info.name, what);
  std::fputs(text.c_str(), stderr);
  std::abort();
}

TypeInfo simple(TypeKind kind, std::string_view name) {
  TypeInfo info;
  info.kind = kind;
  info.name = name;
  return info;
}

template <class T>
TypeInfo integer() {
  TypeInfo info = simple(TypeKind::integer, "integer");
  info.load = [](const void* object) -> std::int64_t {
    const T value = *static_cast<const T*>(object);
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      if (value > static_cast<std::uint64_t>(kMaxInteger)) return kMaxInteger;
    }
    return static_cast<std::int64_t>(value);
  };
  info.store = [](void* object, std::int64_t value) { *static_cast<T*>(object) = static_cast<T>(value); };
  info.lowest = -kMaxInteger;
  info.highest = kMaxInteger;
  if constexpr (sizeof(T) < sizeof(std::int64_t)) {
    info.lowest = std::numeric_limits<T>::min();
    info.highest = std::numeric_limits<T>::max();
  } else if constexpr (std::is_unsigned_v<T>) {
    info.lowest = 0;
  }
  return info;
}

bool wire_name(std::string_view name) {
  if (name.empty() || name.front() < 'a' || name.front() > 'z') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

}  // namespace

namespace detail {

FieldInfo& add_field(TypeInfo& info, std::string_view name, std::size_t offset, TypeRef type, std::string_view doc) {
  FieldInfo field;
  field.name = name;
  field.doc = doc;
  field.offset = offset;
  field.type = type;
  return info.fields.emplace_back(field);
}

void finish(TypeInfo& info) {
  switch (info.kind) {
    case TypeKind::optional:
      info.name = info.element().name;
      return;
    case TypeKind::list:
      info.name = fmt::format("list<{}>", info.element().name);
      return;
    case TypeKind::dict:
      info.name = fmt::format("map<{}>", info.element().name);
      return;
    case TypeKind::enumeration:
    case TypeKind::structure:
      break;
    default:
      return;
  }
  if (info.name.empty()) wrong(info, "has no name; call d.type()");
  for (std::size_t i = 0; i < info.fields.size(); ++i) {
    const FieldInfo& field = info.fields[i];
    if (!wire_name(field.name)) wrong(info, fmt::format("field name '{}' is not snake_case", field.name));
    for (std::size_t j = 0; j < i; ++j) {
      if (info.fields[j].name == field.name) wrong(info, fmt::format("two fields '{}'", field.name));
      if (info.fields[j].offset == field.offset) {
        wrong(info, fmt::format("'{}' and '{}' are the same member", info.fields[j].name, field.name));
      }
    }
  }
  for (const Choice& choice : info.choices) {
    for (const std::string_view name : choice.fields) {
      const auto known = std::ranges::find(info.fields, name, &FieldInfo::name);
      if (known == info.fields.end()) wrong(info, fmt::format("a choice names '{}', which is no field", name));
      if (known->is_required) wrong(info, fmt::format("'{}' is required, yet one of a choice", name));
    }
  }
}

}  // namespace detail

template <>
const TypeInfo& type_of<bool>() {
  static const TypeInfo info = simple(TypeKind::boolean, "boolean");
  return info;
}
template <>
const TypeInfo& type_of<int>() {
  static const TypeInfo info = integer<int>();
  return info;
}
template <>
const TypeInfo& type_of<std::int64_t>() {
  static const TypeInfo info = integer<std::int64_t>();
  return info;
}
template <>
const TypeInfo& type_of<std::uint32_t>() {
  static const TypeInfo info = integer<std::uint32_t>();
  return info;
}
template <>
const TypeInfo& type_of<std::uint64_t>() {
  static const TypeInfo info = integer<std::uint64_t>();
  return info;
}
template <>
const TypeInfo& type_of<double>() {
  static const TypeInfo info = simple(TypeKind::number, "number");
  return info;
}
template <>
const TypeInfo& type_of<std::string>() {
  static const TypeInfo info = simple(TypeKind::string, "string");
  return info;
}
template <>
const TypeInfo& type_of<Bytes>() {
  static const TypeInfo info = simple(TypeKind::bytes, "bytes");
  return info;
}
template <>
const TypeInfo& type_of<Path>() {
  static const TypeInfo info = simple(TypeKind::path, "path");
  return info;
}
template <>
const TypeInfo& type_of<Text>() {
  static const TypeInfo info = simple(TypeKind::text, "text");
  return info;
}
template <>
const TypeInfo& type_of<Value>() {
  static const TypeInfo info = simple(TypeKind::any, "any");
  return info;
}
template <>
const TypeInfo& type_of<std::chrono::milliseconds>() {
  static const TypeInfo info = [] {
    TypeInfo made = simple(TypeKind::integer, "integer");
    made.load = [](const void* object) -> std::int64_t {
      return static_cast<const std::chrono::milliseconds*>(object)->count();
    };
    made.store = [](void* object, std::int64_t value) {
      *static_cast<std::chrono::milliseconds*>(object) = std::chrono::milliseconds(value);
    };
    made.lowest = 0;
    made.highest = kMaxInteger;
    made.is_duration = true;
    return made;
  }();
  return info;
}

template const TypeInfo& type_of<std::optional<std::string>>();
template const TypeInfo& type_of<std::optional<std::int64_t>>();
template const TypeInfo& type_of<std::optional<std::uint32_t>>();
template const TypeInfo& type_of<std::optional<std::uint64_t>>();
template const TypeInfo& type_of<std::optional<std::chrono::milliseconds>>();
template const TypeInfo& type_of<std::vector<std::string>>();
template const TypeInfo& type_of<std::map<std::string, std::string>>();

}  // namespace swarm::api
