#pragma once
// The durable log of what happened, and how clients are told.

#include "protocol/api/method.hpp"

namespace swarm::api {

struct EventOrigin {
  std::string store;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  bool operator==(const EventOrigin&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("EventOrigin", "Where an event was first recorded.");
    d.field("store", &EventOrigin::store, "Which log.").required();
    d.field("epoch", &EventOrigin::epoch, "Which life of it.").required();
    d.field("seq", &EventOrigin::seq, "Its number there.").required();
  }
};

struct Event {
  std::uint64_t seq = 0;
  std::int64_t time_us = 0;
  std::string type;
  std::optional<std::string> swarm;
  std::optional<std::string> sandbox;
  std::optional<std::string> agent;
  std::optional<std::string> run;
  std::optional<std::string> task;
  std::optional<EventOrigin> origin;
  Value data;
  bool operator==(const Event&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("Event", "Something that happened. Output of programs is never an event.");
    d.field("seq", &Event::seq, "Its number in the daemon's log; each is larger than the one before.").required();
    d.field("time_us", &Event::time_us, "When, UTC.").required();
    d.field("type", &Event::type, "What: `sandbox.state`.").required();
    d.field("swarm", &Event::swarm, "The swarm that it belongs to.");
    d.field("sandbox", &Event::sandbox, "The sandbox that it belongs to.");
    d.field("agent", &Event::agent, "The agent that it belongs to.");
    d.field("run", &Event::run, "The run that it belongs to.");
    d.field("task", &Event::task, "The task that it belongs to.");
    d.field("origin", &Event::origin, "Where it was first recorded.");
    d.field("data", &Event::data, "More about it, as its type says.");
  }
};

struct NotifyTarget {
  std::string method = "event";
  std::optional<std::vector<Value>> args;
  bool operator==(const NotifyTarget&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NotifyTarget", "What is called on the client for each event.");
    d.field("method", &NotifyTarget::method, "The notification's method: `nvim_exec_lua` for Neovim.")
        .non_empty()
        .max_length(200);
    d.field(
         "args", &NotifyTarget::args,
         "Its parameters; the string `$event` in them, at any depth, stands for the event. Without `args` the event is "
         "the only parameter. Neovim: `[\"require'x'.on(...)\", [\"$event\"]]`.")
        .max_length(100);
  }
};

/// The parameters of the notification that carries `event` to a client.
Value notify_params(const NotifyTarget& target, const Value& event);

struct EventsSubscribeRequest {
  std::vector<std::string> types;
  std::optional<std::string> sandbox;
  std::optional<std::uint64_t> from;
  NotifyTarget notify;
  bool operator==(const EventsSubscribeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("EventsSubscribeRequest", "Which events, from where on, and how.");
    d.field("types", &EventsSubscribeRequest::types,
            "Only these types; `sandbox.*` stands for all that begin so. None: all.")
        .max_length(100);
    d.field("sandbox", &EventsSubscribeRequest::sandbox, "Only those of this sandbox.").non_empty().max_length(100);
    d.field("from", &EventsSubscribeRequest::from,
            "First the recorded ones from this number on, then new ones; else only new ones.");
    d.field("notify", &EventsSubscribeRequest::notify, "What is called on the client.");
  }
};

struct EventsSubscribeReply {
  std::string subscription;
  std::uint64_t next_seq = 0;
  std::uint64_t oldest_seq = 0;
  bool operator==(const EventsSubscribeReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("EventsSubscribeReply", "A subscription, to the end of the connection.");
    d.field("subscription", &EventsSubscribeReply::subscription, "Its id, unique on the connection.").required();
    d.field("next_seq", &EventsSubscribeReply::next_seq, "Every event from this number on is sent, if it matches.")
        .required();
    d.field("oldest_seq", &EventsSubscribeReply::oldest_seq, "The oldest event that is kept.").required();
  }
};

struct EventsUnsubscribeRequest {
  std::string subscription;
  bool operator==(const EventsUnsubscribeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("EventsUnsubscribeRequest", "Which subscription to end.");
    d.field("subscription", &EventsUnsubscribeRequest::subscription, "Its id.").required().non_empty().max_length(100);
  }
};

struct EventsListRequest {
  std::vector<std::string> types;
  std::optional<std::string> sandbox;
  std::optional<std::uint64_t> from;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const EventsListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("EventsListRequest", "Which events.");
    d.field("types", &EventsListRequest::types,
            "Only these types; `sandbox.*` stands for all that begin so. None: all.")
        .max_length(100);
    d.field("sandbox", &EventsListRequest::sandbox, "Only those of this sandbox.").non_empty().max_length(100);
    d.field("from", &EventsListRequest::from, "From this number on; else the newest `limit` events.");
    d.field("limit", &EventsListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &EventsListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
    d.at_most_one({"from", "cursor"});
  }
};

struct EventsListReply {
  std::vector<Event> events;
  std::uint64_t next_seq = 0;
  std::uint64_t oldest_seq = 0;
  std::optional<std::string> next_cursor;
  bool operator==(const EventsListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("EventsListReply", "Events, oldest first.");
    d.field("events", &EventsListReply::events, "The events.").required();
    d.field("next_seq", &EventsListReply::next_seq, "The number that the next new event will have.").required();
    d.field("oldest_seq", &EventsListReply::oldest_seq, "The oldest event that is kept.").required();
    d.field("next_cursor", &EventsListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

inline constexpr Method<EventsSubscribeRequest, EventsSubscribeReply> kEventsSubscribe{{
    .name = "events.subscribe",
    .doc =
        "Sends events as they happen. A client that reads too slowly is held back, not skipped; one that stays behind "
        "until its events are no longer kept gets the notification with an `events.gap` event and goes on after it.",
    .errors = {{Code::out_of_range, "`from` is older than what is kept; the message says the oldest"},
               {Code::not_found, "no such sandbox"},
               {Code::resource_exhausted, "too many subscriptions on this connection"}},
}};
inline constexpr Method<EventsUnsubscribeRequest, Empty> kEventsUnsubscribe{{
    .name = "events.unsubscribe",
    .doc = "Ends a subscription. Nothing of it is sent after the answer.",
    .errors = {{Code::not_found, "no such subscription on this connection"}},
}};
inline constexpr Method<EventsListRequest, EventsListReply> kEventsList{{
    .name = "events.list",
    .doc = "Reads recorded events.",
    .errors = {{Code::out_of_range, "`from` is older than what is kept; the message says the oldest"},
               {Code::not_found, "no such sandbox"}},
}};

/// The notification of a subscription that names no other.
inline constexpr Notification<Event> kEvent{{
    .name = "event",
    .doc = "An event of a subscription that names no other notification; its parameters are the event alone.",
}};

/// Data of `events.gap`.
struct EventsGap {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool operator==(const EventsGap&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("EventsGap", "Events that are no longer kept were not sent.");
    d.field("first", &EventsGap::first, "The first of them.").required();
    d.field("last", &EventsGap::last, "The last of them.").required();
  }
};

inline constexpr EventType<EventsGap> kEventsGap{
    {.name = "events.gap", .doc = "Told to one subscription alone, never recorded: what it missed."}};

std::span<const MethodInfo* const> events_methods();
std::span<const EventInfo* const> events_events();
std::span<const NotificationInfo* const> events_notifications();

}  // namespace swarm::api
