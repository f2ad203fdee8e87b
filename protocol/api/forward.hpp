#pragma once
// Ports: a host port that leads into a sandbox, or a port inside that leads to a host service named in the
// configuration. On the tunnel the daemon alone calls: it dials into the sandbox (`forward.dial`), or asks for the next
// connection that a listener inside has taken (`forward.accept`).

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class ForwardDirection : std::uint8_t { to_sandbox, to_host };

template <class D>
void describe_enum(D& d, ForwardDirection*) {
  d.type("ForwardDirection", "Which way connections are made.");
  d.value("to_sandbox", ForwardDirection::to_sandbox, "A port of the host leads to one in the sandbox.");
  d.value("to_host", ForwardDirection::to_host, "A loopback port in the sandbox leads to a named service of the host.");
}

struct ForwardOpenRequest {
  ForwardDirection direction = ForwardDirection::to_sandbox;
  std::string listen_host = "127.0.0.1";
  std::uint32_t listen_port = 0;
  std::optional<std::string> target_host;
  std::optional<std::uint32_t> target_port;
  std::optional<std::string> service;
  bool operator==(const ForwardOpenRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardOpenRequest", "From where to where.");
    d.field("direction", &ForwardOpenRequest::direction, "Which way connections are made.");
    d.field("listen_host", &ForwardOpenRequest::listen_host, "Address to listen on; inside a sandbox loopback only.")
        .non_empty()
        .max_length(255);
    d.field("listen_port", &ForwardOpenRequest::listen_port, "Port to listen on; 0 takes a free one.").max(65'535);
    d.field("target_host", &ForwardOpenRequest::target_host, "Inside the sandbox, for `to_sandbox`; else its loopback.")
        .non_empty()
        .max_length(255);
    d.field("target_port", &ForwardOpenRequest::target_port, "Port inside the sandbox, for `to_sandbox`.")
        .min(1)
        .max(65'535);
    d.field("service", &ForwardOpenRequest::service,
            "For `to_host`: a service that the configuration opens to sandboxes.")
        .non_empty()
        .max_length(100);
    d.exactly_one({"target_port", "service"});
    d.at_most_one({"target_host", "service"});
  }
};

struct ForwardInfo {
  std::string forward;
  std::string sandbox;
  ForwardDirection direction = ForwardDirection::to_sandbox;
  std::string listen_host;
  std::uint32_t listen_port = 0;
  std::optional<std::string> target_host;
  std::optional<std::uint32_t> target_port;
  std::optional<std::string> service;
  std::uint64_t connections = 0;
  std::uint64_t open = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  bool operator==(const ForwardInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardInfo", "A forwarded port.");
    d.field("forward", &ForwardInfo::forward, "Its id.").required();
    d.field("sandbox", &ForwardInfo::sandbox, "Its sandbox.").required();
    d.field("direction", &ForwardInfo::direction, "Which way connections are made.").required();
    d.field("listen_host", &ForwardInfo::listen_host, "Address that it listens on.").required();
    d.field("listen_port", &ForwardInfo::listen_port, "Port that it listens on.").required();
    d.field("target_host", &ForwardInfo::target_host, "Host inside the sandbox.");
    d.field("target_port", &ForwardInfo::target_port, "Port inside the sandbox.");
    d.field("service", &ForwardInfo::service, "Service of the host.");
    d.field("connections", &ForwardInfo::connections, "Connections so far.");
    d.field("open", &ForwardInfo::open, "Connections that are open.");
    d.field("sent_bytes", &ForwardInfo::sent_bytes, "Bytes sent to the target.");
    d.field("received_bytes", &ForwardInfo::received_bytes, "Bytes that came from the target.");
  }
};

struct ForwardListRequest {
  std::optional<std::string> sandbox;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const ForwardListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardListRequest", "Which forwarded ports.");
    d.field("sandbox", &ForwardListRequest::sandbox, "Only those of this sandbox.").non_empty().max_length(100);
    d.field("limit", &ForwardListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &ForwardListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct ForwardListReply {
  std::vector<ForwardInfo> forwards;
  std::optional<std::string> next_cursor;
  bool operator==(const ForwardListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardListReply", "Forwarded ports.");
    d.field("forwards", &ForwardListReply::forwards, "The ports.").required();
    d.field("next_cursor", &ForwardListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct ForwardCloseRequest {
  std::string forward;
  bool operator==(const ForwardCloseRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardCloseRequest", "Which forwarded port to close.");
    d.field("forward", &ForwardCloseRequest::forward, "Its id.").required().non_empty().max_length(100);
  }
};

struct ForwardDialRequest {
  std::string host = "127.0.0.1";
  std::uint32_t port = 0;
  std::uint32_t stream = 0;
  bool operator==(const ForwardDialRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardDialRequest", "A connection to make inside.");
    d.field("host", &ForwardDialRequest::host, "Host as seen from inside.").non_empty().max_length(255);
    d.field("port", &ForwardDialRequest::port, "Its port.").required().min(1).max(65'535);
    d.field("stream", &ForwardDialRequest::stream, "Stream that becomes the connection.")
        .required()
        .min(1)
        .stream(StreamUse::both);
  }
};

struct ForwardListenRequest {
  std::string host = "127.0.0.1";
  std::uint32_t port = 0;
  std::string user;
  bool operator==(const ForwardListenRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardListenRequest", "A port to listen on inside.");
    d.field("host", &ForwardListenRequest::host, "A loopback address.").non_empty().max_length(255);
    d.field("port", &ForwardListenRequest::port, "Its port; 0 takes a free one.").max(65'535);
    d.field("user", &ForwardListenRequest::user, "Whose programs alone may connect, by name or uid; empty: anybody's.")
        .max_length(255);
  }
};

struct ForwardListenReply {
  std::string forward;
  std::uint32_t port = 0;
  bool operator==(const ForwardListenReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardListenReply", "A port that is listened on inside.");
    d.field("forward", &ForwardListenReply::forward, "Its id.").required();
    d.field("port", &ForwardListenReply::port, "The port.").required();
  }
};

struct ForwardAcceptRequest {
  std::string forward;
  std::uint32_t stream = 0;
  bool operator==(const ForwardAcceptRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardAcceptRequest", "Where the next connection goes.");
    d.field("forward", &ForwardAcceptRequest::forward, "The listening port.").required().non_empty().max_length(100);
    d.field("stream", &ForwardAcceptRequest::stream, "Stream that becomes the connection.")
        .required()
        .min(1)
        .stream(StreamUse::both);
  }
};

struct ForwardAcceptReply {
  std::string peer;
  bool operator==(const ForwardAcceptReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ForwardAcceptReply", "A connection from inside.");
    d.field("peer", &ForwardAcceptReply::peer, "Who connected: address and port.").required();
  }
};

inline constexpr Method<InSandbox<ForwardOpenRequest>, ForwardInfo> kForwardOpen{{
    .name = "forward.open",
    .doc = "Forwards a port until it is closed or the sandbox ends.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox, or no such service in the configuration"},
               {Code::already_exists, "the port is taken"},
               {Code::failed_precondition, "the sandbox is not ready"},
               {Code::permission_denied, "the port needs rights that the daemon does not have"}},
}};
inline constexpr Method<ForwardListRequest, ForwardListReply> kForwardList{{
    .name = "forward.list",
    .doc = "Lists forwarded ports.",
    .errors = {{Code::not_found, "no such sandbox"}},
}};
inline constexpr Method<ForwardCloseRequest, Empty> kForwardClose{{
    .name = "forward.close",
    .doc = "Closes a forwarded port and its connections.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such forwarded port"}},
}};

std::span<const MethodInfo* const> forward_methods();

}  // namespace swarm::api
