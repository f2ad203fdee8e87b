#pragma once
// A method, an event type or a notification as a constant: `kExecStart` is the one thing that handler, client,
// discovery and documentation share. Each domain header declares its own and lists them (`exec_methods()`);
// `registry.hpp` collects.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "protocol/api/type.hpp"
#include "protocol/core/error.hpp"

namespace swarm::api {

/// Who may call a method.
enum class Caller : std::uint8_t {
  host,    ///< clients of the daemon on the host
  tunnel,  ///< a sandbox, through its tunnel, within its own swarm
  both,    ///< either
  daemon,  ///< the daemon, on an agentd: no client and no program in a sandbox reaches it
};

/// Whether a call changes something. One that does takes `idempotency_key`.
enum class Effect : std::uint8_t { reads, changes };

/// An error code that a method gives beyond the usual ones, and when.
struct ErrorDoc {
  Code code = Code::internal;
  std::string_view when;
};

/// Up to six of them, in a constant.
class ErrorDocs {
 public:
  constexpr ErrorDocs() = default;
  constexpr ErrorDocs(std::initializer_list<ErrorDoc> docs) {
    for (const ErrorDoc& doc : docs) items_[count_++] = doc;
  }
  [[nodiscard]] constexpr const ErrorDoc* begin() const { return items_.data(); }
  [[nodiscard]] constexpr const ErrorDoc* end() const { return items_.data() + count_; }

 private:
  std::array<ErrorDoc, 6> items_{};
  std::size_t count_ = 0;
};

/// A method without its C++ types.
struct MethodInfo {
  std::string_view name;
  std::string_view doc;
  Caller caller = Caller::host;
  Effect effect = Effect::reads;
  ErrorDocs errors;
  TypeRef request = nullptr;
  TypeRef response = nullptr;
};

/// A method with its C++ types: `constexpr Method<ExecStartRequest, ExecStartReply> kExecStart{{.name = ...}}`.
template <class Req, class Res>
struct Method : MethodInfo {
  using Request = Req;
  using Response = Res;
  constexpr explicit Method(MethodInfo info) : MethodInfo(info) {
    request = &type_of<Req>;
    response = &type_of<Res>;
  }
};

/// A type of event of the durable log; `data` is the event's `data`.
struct EventInfo {
  std::string_view name;
  std::string_view doc;
  TypeRef data = nullptr;
};

template <class Data>
struct EventType : EventInfo {
  using DataType = Data;
  constexpr explicit EventType(EventInfo info) : EventInfo(info) { data = &type_of<Data>; }
};

/// How a notification's parameters are written.
enum class Parameters : std::uint8_t {
  named,       ///< an array of one map, as everywhere
  positional,  ///< the fields in order: `rpc.cancel [msgid]`
};

/// A message without an answer.
struct NotificationInfo {
  std::string_view name;
  std::string_view doc;
  Parameters parameters = Parameters::named;
  TypeRef params = nullptr;
};

template <class Params>
struct Notification : NotificationInfo {
  using ParamsType = Params;
  constexpr explicit Notification(NotificationInfo info) : NotificationInfo(info) { params = &type_of<Params>; }
};

/// No fields: the request or response of a method that needs none.
struct Empty {
  bool operator==(const Empty&) const = default;
  template <class D>
  static void describe(D& d) {
    d.type("Empty", "Nothing.");
  }
};

/// A request of the tunnel together with the sandbox it is for, as clients send it. On the wire the fields stand side
/// by side; the daemon passes the `T` part on unchanged.
template <class T>
struct InSandbox : T {
  std::string sandbox;
  bool operator==(const InSandbox&) const = default;

  template <class D>
  static void describe(D& d) {
    d.field("sandbox", &InSandbox::sandbox, "The sandbox: its id, a unique prefix of it, or its name.")
        .required()
        .non_empty()
        .max_length(100);
    T::describe(d);
  }
};

}  // namespace swarm::api
