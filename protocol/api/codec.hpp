#pragma once
// Value -> struct with errors that name the field, and struct -> Value.
//
// Requests are read strictly: an unknown field is refused with the nearest known name. Replies and events are read
// leniently: unknown fields are ignored, since the other side may be newer. In both, nil counts as absent, `[]` counts
// as an empty map (Vim's and Lua's empty dictionary), a key that occurs twice is refused, a whole number may come as a
// float, and no value of a secret field is ever quoted.

#include <optional>
#include <string>
#include <utility>

#include "protocol/api/method.hpp"
#include "protocol/api/type.hpp"
#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"

namespace swarm::api {

/// What to do with a field that the struct does not have.
enum class Unknown { refuse, ignore };

/// Reads `value` into the object at `out`, which is a default-constructed object of that type. On failure the object is
/// half-written. Code: invalid_argument. Strings are moved out of `value`.
Result<void> decode_into(const TypeInfo& type, Value value, void* out, Unknown unknown);

/// The object at `object` as a Value. Never fails: malformed UTF-8 in a string becomes U+FFFD, an integer above 2^53
/// becomes 2^53, a number that is not finite becomes nil; empty optionals are left out.
Value encode_from(const TypeInfo& type, const void* object);

/// Fields that every method of a kind takes without declaring them.
struct CommonFields {
  /// Mutating methods only: the same key with the same arguments gives the first answer again.
  std::optional<std::string> idempotency_key;
  bool operator==(const CommonFields&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CommonFields", "Fields that every mutating method takes.");
    d.field("idempotency_key", &CommonFields::idempotency_key,
            "The same key with the same arguments gives the first answer again, also after a crash; with other "
            "arguments it is refused.")
        .non_empty()
        .max_length(200);
  }
};

/// The parameters of a call as they arrived, decoded.
template <class Request>
struct Call {
  Request request;
  CommonFields common;
};

/// The map of named arguments in MessagePack-RPC's `params`: an array of one map. Absent (`[]`), nil, `[nil]` and
/// `[[]]` mean an empty map; a map by itself is taken too (JSON faces).
Result<Value> named_arguments(Value params);

/// Decodes `params` for `method` into the default-constructed request at `request`.
Result<CommonFields> decode_call_into(const MethodInfo& method, Value params, void* request);

/// The parameters of a call: `[{...}]`.
Value encode_call_from(const MethodInfo& method, const void* request, const CommonFields& common);

/// Strict: for what a caller sends.
template <class T>
Result<T> decode_request(Value value) {
  T out{};
  const Result<void> done = decode_into(type_of<T>(), std::move(value), &out, Unknown::refuse);
  if (!done) return fail(done.error());
  return out;
}

/// Lenient: for replies, events and notifications.
template <class T>
Result<T> decode_reply(Value value) {
  T out{};
  const Result<void> done = decode_into(type_of<T>(), std::move(value), &out, Unknown::ignore);
  if (!done) return fail(done.error());
  return out;
}

template <class T>
Value encode(const T& object) {
  return encode_from(type_of<T>(), &object);
}

template <class Request, class Response>
Result<Call<Request>> decode_call(const Method<Request, Response>& method, Value params) {
  Call<Request> call;
  Result<CommonFields> common = decode_call_into(method, std::move(params), &call.request);
  if (!common) return fail(std::move(common).error());
  call.common = std::move(*common);
  return call;
}

template <class Request, class Response>
Value encode_call(const Method<Request, Response>& method, const Request& request, const CommonFields& common = {}) {
  return encode_call_from(method, &request, common);
}

}  // namespace swarm::api
