#include "protocol/api/discover.hpp"

#include <algorithm>
#include <map>

#include "protocol/api/codec.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/api/rpc.hpp"

namespace swarm::api {

template const TypeInfo& type_of<DiscoverField>();
template const TypeInfo& type_of<DiscoverChoice>();
template const TypeInfo& type_of<DiscoverError>();
template const TypeInfo& type_of<DiscoverMethod>();
template const TypeInfo& type_of<DiscoverEvent>();
template const TypeInfo& type_of<DiscoverNotification>();
template const TypeInfo& type_of<DiscoverValue>();
template const TypeInfo& type_of<DiscoverType>();
template const TypeInfo& type_of<RpcDiscoverRequest>();
template const TypeInfo& type_of<RpcDiscoverReply>();

namespace {

std::string_view caller_name(Caller caller) {
  switch (caller) {
    case Caller::host:
      return "host";
    case Caller::tunnel:
      return "tunnel";
    case Caller::both:
      return "both";
    case Caller::daemon:
      return "daemon";
  }
  return "host";
}

std::optional<std::string> stream_name(StreamUse use) {
  switch (use) {
    case StreamUse::none:
      return std::nullopt;
    case StreamUse::from_caller:
      return "from_caller";
    case StreamUse::to_caller:
      return "to_caller";
    case StreamUse::both:
      return "both";
  }
  return std::nullopt;
}

bool is_text(TypeKind kind) {
  return kind == TypeKind::string || kind == TypeKind::bytes || kind == TypeKind::path || kind == TypeKind::text;
}

// What is left to say about a default: absence of an empty text or list needs no words.
Value shown_default(const TypeInfo& type, const FieldInfo& field, const TypeInfo& field_type) {
  if (field.is_required || field_type.kind == TypeKind::optional || type.defaults == nullptr) return {};
  Value value = encode_from(field_type, static_cast<const char*>(type.defaults) + field.offset);
  const std::string* text = value.as_string();
  const bool empty =
      (text != nullptr && text->empty()) || (value.as_array() != nullptr && value.as_array()->empty()) ||
      (value.as_map() != nullptr && (value.as_map()->empty() || field_type.kind == TypeKind::structure)) ||
      (value.as_bytes() != nullptr && value.as_bytes()->data.empty());
  return empty && !(is_text(field_type.kind) && field.is_non_empty) ? Value() : value;
}

// Collects the named types that fields use, each once.
class Types {
 public:
  void add(const TypeInfo& type) {
    if (type.element != nullptr) return add(type.element());
    if (type.kind != TypeKind::structure && type.kind != TypeKind::enumeration) return;
    if (!seen_.emplace(type.name, &type).second) return;
    for (const FieldInfo& field : type.fields) add(field.type());
  }
  void add_fields(const TypeInfo& type) {
    for (const FieldInfo& field : type.fields) add(field.type());
  }
  [[nodiscard]] std::vector<DiscoverType> list() const;

 private:
  std::map<std::string, const TypeInfo*> seen_;
};

std::vector<DiscoverField> fields_of(const TypeInfo& type) {
  std::vector<DiscoverField> out;
  for (const FieldInfo& field : type.fields) {
    const TypeInfo& field_type = field.type();
    DiscoverField made;
    made.name = field.name;
    made.type = field_type.name;
    made.required = field.is_required;
    made.default_value = shown_default(type, field, field_type);
    made.doc = field.doc;
    made.min = field.minimum;
    made.max = field.maximum;
    if (field.longest != SIZE_MAX) made.max_length = field.longest;
    made.non_empty = field.is_non_empty;
    made.secret = field.is_secret;
    made.stream = stream_name(field.stream);
    out.push_back(std::move(made));
  }
  return out;
}

std::vector<DiscoverValue> values_of(const TypeInfo& type) {
  std::vector<DiscoverValue> out;
  for (const EnumValue& value : type.values)
    out.push_back({.name = std::string(value.name), .doc = std::string(value.doc)});
  return out;
}

std::vector<DiscoverType> Types::list() const {
  std::vector<DiscoverType> out;
  for (const auto& [name, type] : seen_) {
    out.push_back(
        {.name = name, .doc = std::string(type->doc), .fields = fields_of(*type), .values = values_of(*type)});
  }
  return out;
}

DiscoverMethod described(const MethodInfo& method, Types& types) {
  const TypeInfo& request = method.request();
  const TypeInfo& response = method.response();
  types.add_fields(request);
  types.add(response);
  DiscoverMethod made;
  made.name = method.name;
  made.doc = method.doc;
  made.caller = caller_name(method.caller);
  made.mutating = method.effect == Effect::changes;
  made.params = fields_of(request);
  if (made.mutating) made.params.push_back(fields_of(type_of<CommonFields>()).front());
  for (const Choice& choice : request.choices) {
    made.choices.push_back({.fields = {choice.fields.begin(), choice.fields.end()}, .required = choice.one_needed});
  }
  made.result = response.name;
  for (const ErrorDoc& error : method.errors) {
    made.errors.push_back({.code = std::string(code_name(error.code)), .when = std::string(error.when)});
  }
  return made;
}

}  // namespace

RpcDiscoverReply discover(std::span<const MethodInfo* const> methods, std::span<const EventInfo* const> events,
                          std::span<const NotificationInfo* const> notifications, std::string_view prefix) {
  RpcDiscoverReply reply;
  Types types;
  for (const MethodInfo* method : methods) {
    if (method->name.starts_with(prefix)) reply.methods.push_back(described(*method, types));
  }
  for (const EventInfo* event : events) {
    if (!event->name.starts_with(prefix)) continue;
    const TypeInfo& data = event->data();
    types.add_fields(data);
    reply.events.push_back({.name = std::string(event->name), .doc = std::string(event->doc), .data = fields_of(data)});
  }
  for (const NotificationInfo* notification : notifications) {
    if (!notification->name.starts_with(prefix)) continue;
    const TypeInfo& params = notification->params();
    types.add_fields(params);
    reply.notifications.push_back({.name = std::string(notification->name),
                                   .doc = std::string(notification->doc),
                                   .positional = notification->parameters == Parameters::positional,
                                   .params = fields_of(params)});
  }
  reply.types = types.list();
  reply.errors = values_of(type_of<Code>());
  return reply;
}

}  // namespace swarm::api
