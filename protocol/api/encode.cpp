#include <algorithm>
#include <cmath>

#include "protocol/api/codec.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::api {
namespace {

Value text_or_bytes(const std::string& data) {
  if (is_utf8(data)) return data;
  return Bytes{data};
}

Value encode_fields(const TypeInfo& type, const void* object) {
  Value::Map map;
  map.reserve(type.fields.size());
  for (const FieldInfo& field : type.fields) {
    const void* member = static_cast<const char*>(object) + field.offset;
    const TypeInfo& member_type = field.type();
    if (member_type.kind == TypeKind::optional && member_type.size(member) == 0) continue;
    if (member_type.kind == TypeKind::any && static_cast<const Value*>(member)->is_nil()) continue;
    map.emplace_back(std::string(field.name), encode_from(member_type, member));
  }
  return map;
}

Value encode_dict(const TypeInfo& type, const void* object) {
  struct Context {
    Value::Map map;
    const TypeInfo& element;
  } context{.map = {}, .element = type.element()};
  type.each(object, &context, [](void* into, const std::string& key, const void* value) {
    auto& made = *static_cast<Context*>(into);
    made.map.emplace_back(is_utf8(key) ? key : to_utf8(key), encode_from(made.element, value));
  });
  return std::move(context.map);
}

}  // namespace

Value encode_from(const TypeInfo& type, const void* object) {
  switch (type.kind) {
    case TypeKind::boolean:
      return *static_cast<const bool*>(object);
    case TypeKind::integer:
      return std::clamp(type.load(object), -kMaxInteger, kMaxInteger);
    case TypeKind::number: {
      const double number = *static_cast<const double*>(object);
      return std::isfinite(number) ? Value(number) : Value();
    }
    case TypeKind::string: {
      const auto& text = *static_cast<const std::string*>(object);
      return is_utf8(text) ? text : to_utf8(text);
    }
    case TypeKind::bytes:
      return *static_cast<const Bytes*>(object);
    case TypeKind::path:
      return text_or_bytes(static_cast<const Path*>(object)->bytes);
    case TypeKind::text:
      return text_or_bytes(static_cast<const Text*>(object)->bytes);
    case TypeKind::any:
      return *static_cast<const Value*>(object);
    case TypeKind::optional:
      return type.size(object) == 0 ? Value() : encode_from(type.element(), type.at(object, 0));
    case TypeKind::list: {
      Value::Array array;
      const std::size_t size = type.size(object);
      array.reserve(size);
      const TypeInfo& element = type.element();
      for (std::size_t i = 0; i < size; ++i) array.push_back(encode_from(element, type.at(object, i)));
      return array;
    }
    case TypeKind::dict:
      return encode_dict(type, object);
    case TypeKind::enumeration: {
      const std::int64_t value = type.load(object);
      const auto known = std::ranges::find(type.values, value, &EnumValue::value);
      return known == type.values.end() ? Value() : Value(known->name);
    }
    case TypeKind::structure:
      return encode_fields(type, object);
  }
  return {};
}

Value encode_call_from(const MethodInfo& method, const void* request, const CommonFields& common) {
  Value arguments = encode_from(method.request(), request);
  if (common.idempotency_key) arguments.set("idempotency_key", *common.idempotency_key);
  return Value::Array{std::move(arguments)};
}

}  // namespace swarm::api
