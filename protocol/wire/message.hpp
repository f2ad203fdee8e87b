#pragma once
// The three kinds of MessagePack-RPC messages, as bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"

namespace swarm::wire {

/// How failures look on the wire (`rpc.hello {errors}`).
enum class ErrorShape : std::uint8_t {
  pair,  ///< [0, "<code>: <message>"], the default and the only shape that Neovim shows
  map,   ///< {code, message, retryable}
};

enum class MessageType : std::uint8_t { request = 0, response = 1, notification = 2 };

/// One message, cut into its parts; they point into the frame.
struct Message {
  MessageType type = MessageType::notification;
  std::uint32_t msgid = 0;
  std::string_view method;
  std::span<const std::byte> params;  ///< empty when absent
  std::span<const std::byte> error;   ///< of a response; empty when it is nil
  std::span<const std::byte> result;
};

/// Why a frame is no message. Where it was a request whose id could be read, it can be answered and the connection goes
/// on; all else ends the connection.
struct BadMessage {
  Error error;
  std::optional<std::uint32_t> answer_to;
};

/// Cuts a frame that a FrameScanner has passed.
std::expected<Message, BadMessage> parse_message(std::span<const std::byte> frame);

/// Append whole messages.
void append_request(std::string& out, std::uint32_t msgid, std::string_view method, const Value& params);
void append_notification(std::string& out, std::string_view method, const Value& params);
void append_result(std::string& out, std::uint32_t msgid, const Value& result);
void append_error(std::string& out, std::uint32_t msgid, const Error& error, ErrorShape shape);

/// The map form of a failure: {code, message, retryable}.
Value error_map(const Error& error);

/// The failure that a peer sent: a map, [number, "code: message"], or text; anything else becomes `internal` with what
/// it was.
Error error_from(const Value& value);

}  // namespace swarm::wire
