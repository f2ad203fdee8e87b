#pragma once
// The protocol about itself: handshake, discovery, the last error, cancelling.

#include "protocol/api/method.hpp"

namespace swarm {

template <class D>
void describe_enum(D& d, Code*) {
  d.type("ErrorCode", "What kind of failure it was.");
  d.value("invalid_argument", Code::invalid_argument, "The request itself is wrong; repeating it cannot help.");
  d.value("not_found", Code::not_found, "What was named does not exist.");
  d.value("already_exists", Code::already_exists, "What should be made exists already.");
  d.value("failed_precondition", Code::failed_precondition, "The right request in the wrong state.");
  d.value("out_of_range", Code::out_of_range, "A position or number outside what is kept.");
  d.value("permission_denied", Code::permission_denied, "The caller is known and may not.");
  d.value("unauthenticated", Code::unauthenticated, "The caller could not be proven.");
  d.value("resource_exhausted", Code::resource_exhausted, "A limit, quota or budget is used up.");
  d.value("deadline_exceeded", Code::deadline_exceeded, "The time allowed ran out; the outcome may be unknown.");
  d.value("unavailable", Code::unavailable, "The other side cannot be reached now; worth another try.");
  d.value("unimplemented", Code::unimplemented, "No such method, or not on this platform.");
  d.value("cancelled", Code::cancelled, "The caller gave up.");
  d.value("internal", Code::internal, "A bug or a broken environment on our side.");
  d.unknown(Code::internal);
}

}  // namespace swarm

namespace swarm::api {

/// An error as a struct, for clients that asked for it.
struct ErrorInfo {
  Code code = Code::internal;
  std::string message;
  bool retryable = false;
  Value detail;
  bool operator==(const ErrorInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ErrorInfo", "A failure.");
    d.field("code", &ErrorInfo::code, "What kind of failure.").required();
    d.field("message", &ErrorInfo::message, "What was wrong, with which value, and what to do next.").required();
    d.field("retryable", &ErrorInfo::retryable, "The same request may succeed later without any change.");
    d.field("detail", &ErrorInfo::detail, "More about it, where a method documents that.");
  }
};

/// The wire form of an error.
ErrorInfo to_error_info(const Error& error);
/// The error that a wire form stands for.
Error to_error(const ErrorInfo& info);

/// How errors are written to this client.
enum class ErrorShape : std::uint8_t { text, map };

template <class D>
void describe_enum(D& d, ErrorShape*) {
  d.type("ErrorShape", "How errors are written to a client.");
  d.value("text", ErrorShape::text, "`[0, \"<code>: <message>\"]`, which Neovim and other plain clients show.");
  d.value("map", ErrorShape::map, "An ErrorInfo map.");
}

struct RpcHelloRequest {
  std::string client;
  std::string version;
  std::vector<std::string> features;
  ErrorShape errors = ErrorShape::text;
  bool operator==(const RpcHelloRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcHelloRequest", "Who calls.");
    d.field("client", &RpcHelloRequest::client, "Name of the calling program.").max_length(100);
    d.field("version", &RpcHelloRequest::version, "Its version.").max_length(100);
    d.field("features", &RpcHelloRequest::features, "Named features that it knows.").max_length(200);
    d.field("errors", &RpcHelloRequest::errors, "How errors are to be written on this connection from now on.");
  }
};

struct RpcHelloReply {
  std::string server;
  std::string version;
  std::vector<std::string> features;
  std::uint64_t max_frame_bytes = 0;
  std::uint64_t stream_window_bytes = 0;
  bool operator==(const RpcHelloReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcHelloReply", "Who answers.");
    d.field("server", &RpcHelloReply::server, "\"swarmd\" or \"agentd\".").required();
    d.field("version", &RpcHelloReply::version, "Its version.").required();
    d.field("features", &RpcHelloReply::features, "Named features that both sides know.");
    d.field("max_frame_bytes", &RpcHelloReply::max_frame_bytes, "Largest message that is accepted.");
    d.field("stream_window_bytes", &RpcHelloReply::stream_window_bytes, "Initial credit of a stream, each way.");
  }
};

struct RpcPingRequest {
  Value data;
  bool operator==(const RpcPingRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcPingRequest", "Something to send back.");
    d.field("data", &RpcPingRequest::data, "Returned unchanged.");
  }
};

struct RpcPingReply {
  std::int64_t time_us = 0;
  Value data;
  bool operator==(const RpcPingReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcPingReply", "The answer to a ping.");
    d.field("time_us", &RpcPingReply::time_us, "The server's clock, UTC.").required();
    d.field("data", &RpcPingReply::data, "What was sent.");
  }
};

struct RpcLastErrorReply {
  ErrorInfo error;
  std::string method;
  bool operator==(const RpcLastErrorReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcLastErrorReply", "The last failure on this connection.");
    d.field("error", &RpcLastErrorReply::error, "The failure.").required();
    d.field("method", &RpcLastErrorReply::method, "The method that gave it.").required();
  }
};

/// Parameters of `rpc.cancel`.
struct RpcCancel {
  std::uint32_t msgid = 0;
  bool operator==(const RpcCancel&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RpcCancel", "Which call to give up.");
    d.field("msgid", &RpcCancel::msgid, "The message id of the request.").required();
  }
};

inline constexpr Method<RpcHelloRequest, RpcHelloReply> kRpcHello{{
    .name = "rpc.hello",
    .doc = "Says who calls and chooses how errors are written. Optional on the socket.",
    .caller = Caller::both,
}};
inline constexpr Method<RpcPingRequest, RpcPingReply> kRpcPing{{
    .name = "rpc.ping",
    .doc = "Answers at once: to see that the server lives, and how long a round trip takes.",
    .caller = Caller::both,
}};
inline constexpr Method<Empty, RpcLastErrorReply> kRpcLastError{{
    .name = "rpc.last_error",
    .doc = "The last error that a call on this connection was answered with, as a struct. Its own failure is not kept.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no call has failed on this connection"}},
}};

inline constexpr Notification<RpcCancel> kRpcCancel{{
    .name = "rpc.cancel",
    .doc = "Gives up a call of the same sender. The call is still answered, mostly with `cancelled`; what it did until "
           "then "
           "stands. An unknown id is ignored, since the answer may be on its way.",
    .parameters = Parameters::positional,
}};
inline constexpr Notification<ErrorInfo> kRpcError{{
    .name = "rpc.error",
    .doc = "Why the sender is about to close the connection: a message broke the protocol and could not be answered.",
}};

/// Methods, `rpc.discover` included.
std::span<const MethodInfo* const> rpc_methods();
std::span<const NotificationInfo* const> rpc_notifications();

}  // namespace swarm::api
