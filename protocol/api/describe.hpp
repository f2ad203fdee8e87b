#pragma once
// Turns a struct's `describe` into its table (`TypeInfo`). Only the .cpp file that instantiates `type_of<T>()` for the
// types of a domain includes this; everybody else gets by with `type.hpp`.

#include <initializer_list>
#include <type_traits>

#include "protocol/api/type.hpp"

namespace swarm::api {

/// What `d.field(...)` gives, to say more about the field. Valid within the statement only.
class FieldSpec {
 public:
  explicit FieldSpec(FieldInfo& field) : field_(field) {}
  /// A request without it is refused.
  FieldSpec& required() { return field_.is_required = true, *this; }
  /// Its value never shows in errors.
  FieldSpec& secret() { return field_.is_secret = true, *this; }
  FieldSpec& non_empty() { return field_.is_non_empty = true, *this; }
  /// Smallest number, inclusive.
  FieldSpec& min(double value) { return field_.minimum = value, *this; }
  /// Largest number, inclusive.
  FieldSpec& max(double value) { return field_.maximum = value, *this; }
  /// Most bytes of a string, most entries of a list or map.
  FieldSpec& max_length(std::size_t value) { return field_.longest = value, *this; }
  /// The integer is a stream id; bytes go this way.
  FieldSpec& stream(StreamUse use) { return field_.stream = use, *this; }

 private:
  FieldInfo& field_;
};

namespace detail {

template <class T>
struct Shape {
  static constexpr TypeKind kind = std::is_enum_v<T> ? TypeKind::enumeration : TypeKind::structure;
};
template <class T>
struct Shape<std::optional<T>> {
  static constexpr TypeKind kind = TypeKind::optional;
};
template <class T>
struct Shape<std::vector<T>> {
  static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no addressable elements");
  static constexpr TypeKind kind = TypeKind::list;
};
template <class T>
struct Shape<std::map<std::string, T>> {
  static constexpr TypeKind kind = TypeKind::dict;
};

FieldInfo& add_field(TypeInfo& info, std::string_view name, std::size_t offset, TypeRef type, std::string_view doc);

template <class T>
class StructDescriber {
 public:
  StructDescriber(TypeInfo& info, const T& probe) : info_(info), probe_(probe) {}

  void type(std::string_view name, std::string_view doc) {
    info_.name = name;
    info_.doc = doc;
  }
  template <class C, class M>
  FieldSpec field(std::string_view name, M C::* member, std::string_view doc) {
    const auto offset = reinterpret_cast<const char*>(&(probe_.*member)) - reinterpret_cast<const char*>(&probe_);
    return FieldSpec(add_field(info_, name, static_cast<std::size_t>(offset), &type_of<M>, doc));
  }
  /// A request carries exactly one of these.
  void exactly_one(std::initializer_list<std::string_view> names) { info_.choices.push_back({names, true}); }
  /// A request carries one of these or none.
  void at_most_one(std::initializer_list<std::string_view> names) { info_.choices.push_back({names, false}); }

 private:
  TypeInfo& info_;
  const T& probe_;
};

template <class T>
class EnumDescriber {
 public:
  explicit EnumDescriber(TypeInfo& info) : info_(info) {}
  void type(std::string_view name, std::string_view doc) {
    info_.name = name;
    info_.doc = doc;
  }
  void value(std::string_view name, T value, std::string_view doc) {
    info_.values.push_back({.name = name, .doc = doc, .value = static_cast<std::int64_t>(value)});
  }
  /// What a name from a newer version is read as in a reply; without it such a reply is an error.
  void unknown(T value) { info_.unknown_value = static_cast<std::int64_t>(value); }

 private:
  TypeInfo& info_;
};

template <class E, class T>
void fill_element(TypeInfo& info) {
  info.element = &type_of<E>;
  info.clear = [](void* object) { *static_cast<T*>(object) = T(); };
}

template <class E>
void fill(TypeInfo& info, const std::optional<E>&) {
  using T = std::optional<E>;
  fill_element<E, T>(info);
  info.size = [](const void* object) -> std::size_t { return static_cast<const T*>(object)->has_value() ? 1 : 0; };
  info.append = [](void* object) -> void* { return &static_cast<T*>(object)->emplace(); };
  info.at = [](const void* object, std::size_t) -> const void* { return &**static_cast<const T*>(object); };
}

template <class E>
void fill(TypeInfo& info, const std::vector<E>&) {
  using T = std::vector<E>;
  fill_element<E, T>(info);
  info.size = [](const void* object) { return static_cast<const T*>(object)->size(); };
  info.append = [](void* object) -> void* { return &static_cast<T*>(object)->emplace_back(); };
  info.at = [](const void* object, std::size_t i) -> const void* { return &(*static_cast<const T*>(object))[i]; };
}

template <class E>
void fill(TypeInfo& info, const std::map<std::string, E>&) {
  using T = std::map<std::string, E>;
  fill_element<E, T>(info);
  info.size = [](const void* object) { return static_cast<const T*>(object)->size(); };
  info.insert = [](void* object, std::string&& key) -> void* {
    const auto [place, added] = static_cast<T*>(object)->try_emplace(std::move(key));
    return added ? &place->second : nullptr;
  };
  info.each = [](const void* object, void* context, void (*visit)(void*, const std::string&, const void*)) {
    for (const auto& [key, value] : *static_cast<const T*>(object)) visit(context, key, &value);
  };
}

template <class T>
void fill(TypeInfo& info, const T& probe) {
  if constexpr (std::is_enum_v<T>) {
    info.load = [](const void* object) { return static_cast<std::int64_t>(*static_cast<const T*>(object)); };
    info.store = [](void* object, std::int64_t value) { *static_cast<T*>(object) = static_cast<T>(value); };
    EnumDescriber<T> describer(info);
    describe_enum(describer, static_cast<T*>(nullptr));
  } else {
    info.defaults = &probe;
    info.make = []() -> std::shared_ptr<void> { return std::make_shared<T>(); };
    StructDescriber<T> describer(info, probe);
    T::describe(describer);
  }
}

/// Checks a finished table (names, `_ms`, duplicates) and gives containers their name. A mistake in a description is a
/// bug: it aborts with the reason, and the test that walks all tables meets it first.
void finish(TypeInfo& info);

}  // namespace detail

template <class T>
const TypeInfo& type_of() {
  static const T probe{};
  static const TypeInfo info = [] {
    TypeInfo made;
    made.kind = detail::Shape<T>::kind;
    detail::fill(made, probe);
    detail::finish(made);
    return made;
  }();
  return info;
}

// The simple types live in describe.cpp.
template <>
const TypeInfo& type_of<bool>();
template <>
const TypeInfo& type_of<int>();
template <>
const TypeInfo& type_of<std::int64_t>();
template <>
const TypeInfo& type_of<std::uint32_t>();
template <>
const TypeInfo& type_of<std::uint64_t>();
template <>
const TypeInfo& type_of<double>();
template <>
const TypeInfo& type_of<std::string>();
template <>
const TypeInfo& type_of<Bytes>();
template <>
const TypeInfo& type_of<Path>();
template <>
const TypeInfo& type_of<Text>();
template <>
const TypeInfo& type_of<Value>();
template <>
const TypeInfo& type_of<std::chrono::milliseconds>();

extern template const TypeInfo& type_of<std::optional<std::string>>();
extern template const TypeInfo& type_of<std::optional<std::int64_t>>();
extern template const TypeInfo& type_of<std::optional<std::uint32_t>>();
extern template const TypeInfo& type_of<std::optional<std::uint64_t>>();
extern template const TypeInfo& type_of<std::optional<std::chrono::milliseconds>>();
extern template const TypeInfo& type_of<std::vector<std::string>>();
extern template const TypeInfo& type_of<std::map<std::string, std::string>>();

}  // namespace swarm::api
