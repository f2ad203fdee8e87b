#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "protocol/api/codec.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::api {
namespace {

// Where the decoder is, as a list on its own stack: nothing is allocated until a path has to be printed.
struct Place {
  const Place* up = nullptr;
  std::string_view name;  // of a field or key
  std::size_t index = 0;  // in a list, when there is no name
  bool is_index = false;
};

bool plain_key(std::string_view key) {
  return !key.empty() && key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                             std::string_view::npos;
}

std::string path_to(const Place* place) {
  if (place == nullptr) return {};
  std::string path = path_to(place->up);
  if (place->is_index) return path + fmt::format("[{}]", place->index);
  if (!plain_key(place->name)) return path + fmt::format("[\"{}\"]", shown(place->name, 40));
  if (!path.empty()) path += '.';
  return path + shown(place->name, 40);
}

// What came, for people.
std::string came(const Value& value, bool secret) {
  if (secret) return std::string(value.kind_name());
  switch (value.kind()) {
    case Value::Kind::boolean:
      return *value.as_bool() ? "true" : "false";
    case Value::Kind::integer:
      return fmt::format("the integer {}", *value.as_int());
    case Value::Kind::unsigned_integer:
      return fmt::format("the integer {}", *value.as_uint());
    case Value::Kind::number:
      return fmt::format("the number {}", *value.as_double());
    case Value::Kind::string:
      return fmt::format("'{}'", shown(*value.as_string(), 48));
    case Value::Kind::bytes:
      return fmt::format("{} bytes of binary data", value.as_bytes()->data.size());
    case Value::Kind::extension:
      return fmt::format("an extension of type {}", value.as_ext()->type);
    case Value::Kind::array:
      return value.as_array()->empty() ? "an empty array" : fmt::format("an array of {}", value.as_array()->size());
    case Value::Kind::map:
      return fmt::format("a map of {}", value.as_map()->size());
    case Value::Kind::nil:
      break;
  }
  return "nil";
}

bool empty_array(const Value& value) { return value.as_array() != nullptr && value.as_array()->empty(); }

class Decoder {
 public:
  explicit Decoder(Unknown unknown) : unknown_(unknown) {}

  // `field` holds the constraints that apply here, or is null.
  bool read(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place, bool secret);
  bool read_fields(const TypeInfo& type, Value::Map& map, void* out, const Place* place, bool secret);

  Error take_error() { return {.code = Code::invalid_argument, .message = std::move(message_), .retryable = false}; }

 private:
  bool wrong(const Place* place, std::string_view what) {
    message_ = place == nullptr ? fmt::format("parameters: {}", what) : fmt::format("'{}': {}", path_to(place), what);
    return false;
  }
  bool expected(const Place* place, std::string_view what, const Value& value, bool secret) {
    return wrong(place, fmt::format("expected {}, got {}", what, came(value, secret)));
  }
  bool strict() const { return unknown_ == Unknown::refuse; }

  bool read_integer(const TypeInfo& type, const FieldInfo* field, const Value& value, void* out, const Place* place,
                    bool secret);
  bool read_number(const FieldInfo* field, const Value& value, double& out, const Place* place, bool secret);
  bool read_string(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place,
                   bool secret);
  bool read_list(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place,
                 bool secret);
  bool read_dict(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place,
                 bool secret);
  bool read_enum(const TypeInfo& type, const Value& value, void* out, const Place* place, bool secret);
  bool check_length(const FieldInfo* field, std::size_t size, std::string_view unit, const Place* place);
  bool check_any(const Value& value, const Place* place);
  bool check_choices(const TypeInfo& type, const std::vector<bool>& seen, const void* object, const Place* place);
  bool unknown_field(const TypeInfo& type, std::string_view name, const Place* place);

  Unknown unknown_;
  std::string message_;
};

bool Decoder::check_length(const FieldInfo* field, std::size_t size, std::string_view unit, const Place* place) {
  if (field == nullptr) return true;
  if (field->is_non_empty && size == 0) return wrong(place, "must not be empty");
  if (size > field->longest) {
    return wrong(place, fmt::format("must have at most {} {}, has {}", field->longest, unit, size));
  }
  return true;
}

bool Decoder::read_integer(const TypeInfo& type, const FieldInfo* field, const Value& value, void* out,
                           const Place* place, bool secret) {
  std::int64_t lowest = type.lowest;
  std::int64_t highest = type.highest;
  if (field != nullptr && field->minimum) lowest = std::max(lowest, static_cast<std::int64_t>(*field->minimum));
  if (field != nullptr && field->maximum) highest = std::min(highest, static_cast<std::int64_t>(*field->maximum));

  std::int64_t number = 0;
  bool fits = true;
  if (const std::int64_t* integer = value.as_int()) {
    number = *integer;
  } else if (value.as_uint() != nullptr) {
    fits = false;
  } else if (const double* real = value.as_double();
             real != nullptr && std::trunc(*real) == *real && std::abs(*real) <= static_cast<double>(kMaxInteger)) {
    number = static_cast<std::int64_t>(*real);  // JavaScript and Lua clients may write whole numbers as floats
  } else {
    return expected(place, "an integer", value, secret);
  }
  if (!fits || number < lowest || number > highest) {
    std::string range = highest == kMaxInteger && lowest > -kMaxInteger
                            ? fmt::format("an integer of at least {}", lowest)
                            : fmt::format("an integer from {} to {}", lowest, highest);
    if (!fits || number > kMaxInteger) range += " (no integer above 2^53 travels)";
    return expected(place, range, value, secret);
  }
  type.store(out, number);
  return true;
}

bool Decoder::read_number(const FieldInfo* field, const Value& value, double& out, const Place* place, bool secret) {
  double number = 0;
  if (const double* real = value.as_double()) {
    number = *real;
  } else if (const std::int64_t* integer = value.as_int();
             integer != nullptr && *integer >= -kMaxInteger && *integer <= kMaxInteger) {
    number = static_cast<double>(*integer);
  } else {
    return expected(place, "a number", value, secret);
  }
  if (!std::isfinite(number)) return expected(place, "a finite number", value, secret);
  if (field != nullptr && field->minimum && number < *field->minimum) {
    return expected(place, fmt::format("a number of at least {}", *field->minimum), value, secret);
  }
  if (field != nullptr && field->maximum && number > *field->maximum) {
    return expected(place, fmt::format("a number of at most {}", *field->maximum), value, secret);
  }
  out = number;
  return true;
}

bool Decoder::read_string(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place,
                          bool secret) {
  std::string* text = value.as_string();
  Bytes* bytes = value.as_bytes();
  if (type.kind == TypeKind::string) {
    if (text == nullptr) return expected(place, "a string", value, secret);
    if (!is_utf8(*text)) return wrong(place, "expected a string in UTF-8, got one with malformed bytes");
  } else if (text == nullptr && bytes == nullptr) {
    return expected(place, type.kind == TypeKind::bytes ? "bytes or a string" : "a string or bytes", value, secret);
  }
  std::string& data = text != nullptr ? *text : bytes->data;
  if (!check_length(field, data.size(), "bytes", place)) return false;
  // A NUL would cut an argument, a name or a path short on its way into the kernel: refuse it where it comes in.
  if ((type.kind == TypeKind::string || type.kind == TypeKind::path) && strict() &&
      data.find('\0') != std::string::npos) {
    return wrong(place, "must not contain a NUL character");
  }
  switch (type.kind) {
    case TypeKind::bytes:
      static_cast<Bytes*>(out)->data = std::move(data);
      break;
    case TypeKind::path:
      static_cast<Path*>(out)->bytes = std::move(data);
      break;
    case TypeKind::text:
      static_cast<Text*>(out)->bytes = std::move(data);
      break;
    default:
      *static_cast<std::string*>(out) = std::move(data);
  }
  return true;
}

bool Decoder::read_list(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place,
                        bool secret) {
  Value::Array* array = value.as_array();
  if (array == nullptr) return expected(place, "an array", value, secret);
  if (!check_length(field, array->size(), "entries", place)) return false;
  type.clear(out);
  const TypeInfo& element = type.element();
  for (std::size_t i = 0; i < array->size(); ++i) {
    const Place here{.up = place, .name = {}, .index = i, .is_index = true};
    if (!read(element, nullptr, (*array)[i], type.append(out), &here, secret)) return false;
  }
  return true;
}

bool Decoder::read_dict(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place,
                        bool secret) {
  Value::Map empty;
  Value::Map* map = empty_array(value) ? &empty : value.as_map();
  if (map == nullptr) return expected(place, "a map", value, secret);
  if (!check_length(field, map->size(), "entries", place)) return false;
  type.clear(out);
  const TypeInfo& element = type.element();
  for (auto& [key, member] : *map) {
    const Place here{.up = place, .name = key};
    if (!is_utf8(key)) return wrong(&here, "a key must be valid UTF-8");
    if (strict() && key.find('\0') != std::string::npos) return wrong(&here, "a key must not contain a NUL character");
    void* slot = type.insert(out, std::string(key));
    if (slot == nullptr) return wrong(&here, "occurs twice");
    if (!read(element, nullptr, member, slot, &here, secret)) return false;
  }
  return true;
}

bool Decoder::read_enum(const TypeInfo& type, const Value& value, void* out, const Place* place, bool secret) {
  const std::string* name = value.as_string();
  if (name != nullptr) {
    for (const EnumValue& known : type.values) {
      if (known.name == *name) return type.store(out, known.value), true;
    }
    if (!strict() && type.unknown_value) return type.store(out, *type.unknown_value), true;
  }
  std::vector<std::string> names;
  std::string list;
  for (const EnumValue& known : type.values) {
    names.emplace_back(known.name);
    list += fmt::format("{}'{}'", list.empty() ? "" : ", ", known.name);
  }
  const std::string hint = name != nullptr && !secret ? did_you_mean(*name, names) : std::string();
  return wrong(place, fmt::format("expected one of {}; got {}{}", list, came(value, secret), hint));
}

bool Decoder::check_any(const Value& value, const Place* place) {
  if (const Value::Array* array = value.as_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      const Place here{.up = place, .name = {}, .index = i, .is_index = true};
      if (!check_any((*array)[i], &here)) return false;
    }
  } else if (const Value::Map* map = value.as_map()) {
    constexpr std::size_t kFew = 16;  // up to here comparing all is cheaper than remembering
    const bool few = map->size() <= kFew;
    std::set<std::string_view> keys;
    for (auto member = map->begin(); member != map->end(); ++member) {
      const Place here{.up = place, .name = member->first};
      const bool again =
          few ? std::find_if(map->begin(), member, [&](const auto& m) { return m.first == member->first; }) != member
              : !keys.insert(member->first).second;
      if (again) return wrong(&here, "occurs twice");
      if (!check_any(member->second, &here)) return false;
    }
  }
  return true;
}

bool Decoder::read(const TypeInfo& type, const FieldInfo* field, Value& value, void* out, const Place* place,
                   bool secret) {
  switch (type.kind) {
    case TypeKind::boolean:
      if (value.as_bool() == nullptr) return expected(place, "true or false", value, secret);
      *static_cast<bool*>(out) = *value.as_bool();
      return true;
    case TypeKind::integer:
      return read_integer(type, field, value, out, place, secret);
    case TypeKind::number:
      return read_number(field, value, *static_cast<double*>(out), place, secret);
    case TypeKind::string:
    case TypeKind::bytes:
    case TypeKind::path:
    case TypeKind::text:
      return read_string(type, field, value, out, place, secret);
    case TypeKind::any:
      if (!check_any(value, place)) return false;
      *static_cast<Value*>(out) = std::move(value);
      return true;
    case TypeKind::optional:
      type.clear(out);
      return value.is_nil() || read(type.element(), field, value, type.append(out), place, secret);
    case TypeKind::list:
      return read_list(type, field, value, out, place, secret);
    case TypeKind::dict:
      return read_dict(type, field, value, out, place, secret);
    case TypeKind::enumeration:
      return read_enum(type, value, out, place, secret);
    case TypeKind::structure: {
      Value::Map empty;
      Value::Map* map = value.is_nil() || empty_array(value) ? &empty : value.as_map();
      if (map == nullptr) return expected(place, "a map", value, secret);
      return read_fields(type, *map, out, place, secret);
    }
  }
  return wrong(place, "has a type that this version cannot read");
}

bool Decoder::read_fields(const TypeInfo& type, Value::Map& map, void* out, const Place* place, bool secret) {
  std::vector<bool> seen(type.fields.size(), false);
  std::vector<bool> met(type.fields.size(), false);
  for (auto& [key, member] : map) {
    const auto known = std::ranges::find(type.fields, key, &FieldInfo::name);
    if (known == type.fields.end()) {
      if (strict()) return unknown_field(type, key, place);
      continue;
    }
    const auto index = static_cast<std::size_t>(known - type.fields.begin());
    const Place here{.up = place, .name = known->name};
    if (met[index]) return wrong(&here, "occurs twice");
    met[index] = true;
    // nil means absent, except where nil is a value like any other.
    const TypeInfo& member_type = known->type();
    if (member.is_nil() && member_type.kind != TypeKind::any) continue;
    seen[index] = true;
    void* slot = static_cast<char*>(out) + known->offset;
    if (!read(member_type, &*known, member, slot, &here, secret || known->is_secret)) return false;
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i] || !type.fields[i].is_required) continue;
    const Place here{.up = place, .name = type.fields[i].name};
    message_ = fmt::format("missing required field '{}': {}", path_to(&here), type.fields[i].doc);
    return false;
  }
  return !strict() || check_choices(type, seen, out, place);
}

bool Decoder::check_choices(const TypeInfo& type, const std::vector<bool>& seen, const void* object,
                            const Place* place) {
  // An empty list or map says nothing: our own encoder writes `argv: []` beside `command`.
  const auto is_given = [&](std::string_view name) {
    const auto field = std::ranges::find(type.fields, name, &FieldInfo::name);
    if (!seen[static_cast<std::size_t>(field - type.fields.begin())]) return false;
    const TypeInfo& field_type = field->type();
    return field_type.size == nullptr || field_type.size(static_cast<const char*>(object) + field->offset) != 0;
  };
  for (const Choice& choice : type.choices) {
    std::string given;
    std::string all;
    std::size_t count = 0;
    for (const std::string_view name : choice.fields) {
      all += fmt::format("{}'{}'", all.empty() ? "" : ", ", name);
      if (!is_given(name)) continue;
      given += fmt::format("{}'{}'", count == 0 ? "" : " and ", name);
      ++count;
    }
    if (count > 1) return wrong(place, fmt::format("expected only one of {}; got {}", all, given));
    if (count == 0 && choice.one_needed) return wrong(place, fmt::format("expected one of {}; got none", all));
  }
  return true;
}

bool Decoder::unknown_field(const TypeInfo& type, std::string_view name, const Place* place) {
  std::vector<std::string> known;
  std::string list;
  for (const FieldInfo& field : type.fields) {
    known.emplace_back(field.name);
    list += fmt::format("{}'{}'", list.empty() ? "" : ", ", field.name);
  }
  std::string hint = did_you_mean(name, known);
  if (hint.empty()) hint = known.empty() ? "; no fields are taken here" : fmt::format("; the fields are {}", list);
  const Place here{.up = place, .name = name};
  message_ = fmt::format("unknown field '{}'{}", path_to(&here), hint);
  return false;
}

}  // namespace

Result<void> decode_into(const TypeInfo& type, Value value, void* out, Unknown unknown) {
  Decoder decoder(unknown);
  if (!decoder.read(type, nullptr, value, out, nullptr, false)) return fail(decoder.take_error());
  return {};
}

Result<Value> named_arguments(Value params) {
  if (params.is_nil()) return Value(Value::Map{});
  if (params.as_map() != nullptr) return params;
  Value::Array* array = params.as_array();
  if (array == nullptr) {
    return fail(Code::invalid_argument,
                fmt::format("parameters: expected an array of one map of named arguments, got {}", came(params, true)));
  }
  if (array->empty()) return Value(Value::Map{});
  if (array->size() > 1) {
    return fail(Code::invalid_argument, fmt::format("parameters: expected an array of one map of named arguments, got "
                                                    "an array of {}",
                                                    array->size()));
  }
  Value& only = array->front();
  if (only.is_nil() || empty_array(only)) return Value(Value::Map{});
  if (only.as_map() == nullptr) {
    return fail(Code::invalid_argument,
                fmt::format("parameters: expected one map of named arguments, got {}", came(only, true)));
  }
  return std::move(only);
}

Result<CommonFields> decode_call_into(const MethodInfo& method, Value params, void* request) {
  Result<Value> arguments = named_arguments(std::move(params));
  if (!arguments) return fail(std::move(arguments).error());
  CommonFields common;
  Value::Map& map = *arguments->as_map();
  if (method.effect == Effect::changes && arguments->find("idempotency_key") != nullptr) {
    Value::Map own;
    Value::Map rest;
    for (Value::Member& member : map) {
      Value::Map& into = member.first == "idempotency_key" ? own : rest;
      into.push_back(std::move(member));
    }
    map = std::move(rest);
    const Result<void> read = decode_into(type_of<CommonFields>(), Value(std::move(own)), &common, Unknown::refuse);
    if (!read) return fail(read.error());
  }
  const Result<void> read = decode_into(method.request(), std::move(*arguments), request, Unknown::refuse);
  if (!read) return fail(read.error());
  return common;
}

}  // namespace swarm::api
