#include "protocol/api/events.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<EventOrigin>();
template const TypeInfo& type_of<Event>();
template const TypeInfo& type_of<NotifyTarget>();
template const TypeInfo& type_of<EventsSubscribeRequest>();
template const TypeInfo& type_of<EventsSubscribeReply>();
template const TypeInfo& type_of<EventsUnsubscribeRequest>();
template const TypeInfo& type_of<EventsListRequest>();
template const TypeInfo& type_of<EventsListReply>();
template const TypeInfo& type_of<EventsGap>();

std::span<const MethodInfo* const> events_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&kEventsSubscribe, &kEventsUnsubscribe, &kEventsList};
  return kAll;
}

std::span<const EventInfo* const> events_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kEventsGap};
  return kAll;
}

std::span<const NotificationInfo* const> events_notifications() {
  static constexpr std::array<const NotificationInfo*, 1> kAll = {&kEvent};
  return kAll;
}

namespace {

Value filled(const Value& pattern, const Value& event) {
  if (const std::string* text = pattern.as_string(); text != nullptr && *text == "$event") return event;
  if (const Value::Array* array = pattern.as_array()) {
    Value::Array out;
    out.reserve(array->size());
    for (const Value& item : *array) out.push_back(filled(item, event));
    return out;
  }
  if (const Value::Map* map = pattern.as_map()) {
    Value::Map out;
    out.reserve(map->size());
    for (const auto& [key, item] : *map) out.emplace_back(key, filled(item, event));
    return out;
  }
  return pattern;
}

}  // namespace

Value notify_params(const NotifyTarget& target, const Value& event) {
  if (!target.args) return Value::Array{event};
  return filled(*target.args, event);
}

}  // namespace swarm::api
