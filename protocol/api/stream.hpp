#pragma once
// Streams: bytes that belong to a call but do not fit into one message. The caller of a method picks stream ids (unique
// on the connection while open; odd where the caller dialled the connection, even where it accepted it) and passes them
// as parameters, for example `stdin: 1, stdout: 3`. Bytes then travel as notifications, either way, until both ends of
// the stream are closed. Each side may send 262,144 bytes on a stream before it needs credit. A call that is refused
// opens no stream.

#include "protocol/api/rpc.hpp"

namespace swarm::api {

/// What either side may send on a fresh stream before it is given credit.
constexpr std::uint32_t kStreamWindowBytes = 262'144;

struct StreamData {
  std::uint32_t stream = 0;
  Bytes data;
  bool operator==(const StreamData&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("StreamData", "Bytes of a stream.");
    d.field("stream", &StreamData::stream, "The stream.").required();
    d.field("data", &StreamData::data, "The next bytes.").required();
  }
};

struct StreamCredit {
  std::uint32_t stream = 0;
  std::uint64_t bytes = 0;
  bool operator==(const StreamCredit&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("StreamCredit", "Leave to send more.");
    d.field("stream", &StreamCredit::stream, "The stream.").required();
    d.field("bytes", &StreamCredit::bytes, "How many bytes more the other side may send.").required().min(1);
  }
};

struct StreamEnd {
  std::uint32_t stream = 0;
  std::optional<ErrorInfo> error;
  bool operator==(const StreamEnd&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("StreamEnd", "The end of one direction of a stream.");
    d.field("stream", &StreamEnd::stream, "The stream.").required();
    d.field("error", &StreamEnd::error, "Why it ended early; absent at an ordinary end.");
  }
};

inline constexpr Notification<StreamData> kStreamData{{
    .name = "stream.data",
    .doc = "The next bytes of a stream. Sending more than the credit breaks the stream.",
}};
inline constexpr Notification<StreamCredit> kStreamCredit{{
    .name = "stream.credit",
    .doc = "Lets the other side send that many bytes more on the stream.",
}};
inline constexpr Notification<StreamEnd> kStreamEnd{{
    .name = "stream.end",
    .doc = "The sender has no more bytes. Without `error` the other direction stays open; with one the whole stream is "
           "over, and a receiver that was still sending answers with its own `stream.end`.",
}};

std::span<const NotificationInfo* const> stream_notifications();

}  // namespace swarm::api
