#pragma once
// `rpc.discover`: what this server can do, made from the same tables that decode its requests.

#include "protocol/api/method.hpp"

namespace swarm::api {

struct DiscoverField {
  std::string name;
  std::string type;
  bool required = false;
  Value default_value;
  std::string doc;
  std::optional<double> min;
  std::optional<double> max;
  std::optional<std::uint64_t> max_length;
  bool non_empty = false;
  bool secret = false;
  std::optional<std::string> stream;
  bool operator==(const DiscoverField&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverField", "A parameter, or a member of a type.");
    d.field("name", &DiscoverField::name, "Its name.").required();
    d.field("type", &DiscoverField::type,
            "boolean, integer, number, string, bytes, path, text, any, list<T>, map<T>, or a name listed in `types`.")
        .required();
    d.field("required", &DiscoverField::required, "A request without it is refused.").required();
    d.field("default", &DiscoverField::default_value, "What absence means, where that is a value.");
    d.field("doc", &DiscoverField::doc, "What it is.").required();
    d.field("min", &DiscoverField::min, "Smallest number.");
    d.field("max", &DiscoverField::max, "Largest number.");
    d.field("max_length", &DiscoverField::max_length, "Most bytes of a string, most entries of a list or map.");
    d.field("non_empty", &DiscoverField::non_empty, "May not be empty.");
    d.field("secret", &DiscoverField::secret, "Its value never shows in errors and logs.");
    d.field("stream", &DiscoverField::stream, "A stream id; bytes go from_caller, to_caller or both ways.");
  }
};

struct DiscoverChoice {
  std::vector<std::string> fields;
  bool required = false;
  bool operator==(const DiscoverChoice&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverChoice", "Parameters of which a request may carry only one.");
    d.field("fields", &DiscoverChoice::fields, "Their names.").required();
    d.field("required", &DiscoverChoice::required, "One of them must be there.").required();
  }
};

struct DiscoverError {
  std::string code;
  std::string when;
  bool operator==(const DiscoverError&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverError", "An error that a method may give beyond the usual ones.");
    d.field("code", &DiscoverError::code, "The code.").required();
    d.field("when", &DiscoverError::when, "When.").required();
  }
};

struct DiscoverMethod {
  std::string name;
  std::string doc;
  std::string caller;
  bool mutating = false;
  std::vector<DiscoverField> params;
  std::vector<DiscoverChoice> choices;
  std::string result;
  std::vector<DiscoverError> errors;
  bool operator==(const DiscoverMethod&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverMethod", "A method.");
    d.field("name", &DiscoverMethod::name, "Its name.").required();
    d.field("doc", &DiscoverMethod::doc, "What it does.").required();
    d.field("caller", &DiscoverMethod::caller, "Who may call: host, tunnel, both or daemon.").required();
    d.field("mutating", &DiscoverMethod::mutating, "It changes something and takes `idempotency_key`.").required();
    d.field("params", &DiscoverMethod::params, "Its named parameters.").required();
    d.field("choices", &DiscoverMethod::choices, "Parameters that exclude one another.");
    d.field("result", &DiscoverMethod::result, "The type of its result.").required();
    d.field("errors", &DiscoverMethod::errors, "Errors beyond the usual ones.");
  }
};

struct DiscoverEvent {
  std::string name;
  std::string doc;
  std::vector<DiscoverField> data;
  bool operator==(const DiscoverEvent&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverEvent", "A type of event.");
    d.field("name", &DiscoverEvent::name, "Its `type`.").required();
    d.field("doc", &DiscoverEvent::doc, "What happened.").required();
    d.field("data", &DiscoverEvent::data, "The members of its `data`.").required();
  }
};

struct DiscoverNotification {
  std::string name;
  std::string doc;
  bool positional = false;
  std::vector<DiscoverField> params;
  bool operator==(const DiscoverNotification&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverNotification", "A message without an answer.");
    d.field("name", &DiscoverNotification::name, "Its name.").required();
    d.field("doc", &DiscoverNotification::doc, "What it means.").required();
    d.field("positional", &DiscoverNotification::positional, "Parameters are an array in this order, not one map.");
    d.field("params", &DiscoverNotification::params, "Its parameters.").required();
  }
};

struct DiscoverValue {
  std::string name;
  std::string doc;
  bool operator==(const DiscoverValue&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverValue", "One name of an enumeration.");
    d.field("name", &DiscoverValue::name, "The name, as it travels.").required();
    d.field("doc", &DiscoverValue::doc, "What it means.").required();
  }
};

struct DiscoverType {
  std::string name;
  std::string doc;
  std::vector<DiscoverField> fields;
  std::vector<DiscoverValue> values;
  bool operator==(const DiscoverType&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DiscoverType", "A named type: a map with these members, or one of these strings.");
    d.field("name", &DiscoverType::name, "Its name.").required();
    d.field("doc", &DiscoverType::doc, "What it is.").required();
    d.field("fields", &DiscoverType::fields, "Members, when it is a map.");
    d.field("values", &DiscoverType::values, "Names, when it is an enumeration.");
  }
};

struct RpcDiscoverRequest {
  std::string prefix;
  bool operator==(const RpcDiscoverRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcDiscoverRequest", "What to describe.");
    d.field("prefix", &RpcDiscoverRequest::prefix, "Only methods, events and notifications that begin so: `exec.`.")
        .max_length(100);
  }
};

struct RpcDiscoverReply {
  std::vector<DiscoverMethod> methods;
  std::vector<DiscoverEvent> events;
  std::vector<DiscoverNotification> notifications;
  std::vector<DiscoverType> types;
  std::vector<DiscoverValue> errors;
  bool operator==(const RpcDiscoverReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcDiscoverReply", "Everything that travels.");
    d.field("methods", &RpcDiscoverReply::methods, "Methods, by name.").required();
    d.field("events", &RpcDiscoverReply::events, "Events, by name.").required();
    d.field("notifications", &RpcDiscoverReply::notifications, "Notifications, by name.").required();
    d.field("types", &RpcDiscoverReply::types, "Named types that these use, by name.").required();
    d.field("errors", &RpcDiscoverReply::errors, "Every error code.").required();
  }
};

inline constexpr Method<RpcDiscoverRequest, RpcDiscoverReply> kRpcDiscover{{
    .name = "rpc.discover",
    .doc = "Describes every method, event and notification: parameters with types, defaults and documentation, results "
           "and errors.",
    .caller = Caller::both,
}};

/// The answer to `rpc.discover` for a server that offers these.
RpcDiscoverReply discover(std::span<const MethodInfo* const> methods, std::span<const EventInfo* const> events,
                          std::span<const NotificationInfo* const> notifications, std::string_view prefix = {});

}  // namespace swarm::api
