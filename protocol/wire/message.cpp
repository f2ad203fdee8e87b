#include "protocol/wire/message.hpp"

#include <fmt/format.h>

#include <limits>

#include "protocol/core/utf8.hpp"
#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/reader.hpp"

namespace swarm::wire {
namespace {

std::unexpected<BadMessage> bad(std::string message, std::optional<std::uint32_t> answer_to = std::nullopt) {
  return std::unexpected(
      BadMessage{.error = {.code = Code::invalid_argument, .message = std::move(message)}, .answer_to = answer_to});
}

std::optional<std::uint32_t> message_id(Reader& reader) {
  const std::optional<std::uint64_t> id = reader.unsigned_integer();
  if (!id || *id > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*id);
}

constexpr std::string_view kIdRule = "its second element must be a message id, an integer from 0 to 4294967295";

/// The code at the start of "code: message"; nothing if it is none of ours.
std::optional<Code> leading_code(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(':'));
  const Code code = code_from_name(name);
  if (code_name(code) != name) return std::nullopt;
  return code;
}

Error error_from_text(std::string_view text) {
  const std::optional<Code> code = leading_code(text);
  if (!code) return fail(Code::internal, std::string(text)).error();
  text.remove_prefix(std::min(text.size(), text.find(':')));
  while (text.starts_with(':') || text.starts_with(' ')) text.remove_prefix(1);
  return fail(*code, std::string(text)).error();
}

}  // namespace

std::expected<Message, BadMessage> parse_message(std::span<const std::byte> frame) {
  Reader reader(frame);
  const std::optional<std::size_t> count = reader.array();
  if (!count) return bad("a message must be an array: [0, msgid, method, params], [1, ...] or [2, method, params]");
  const std::optional<std::uint64_t> type = reader.unsigned_integer();
  if (!type || *type > 2) {
    return bad("the first element of a message must be 0 (request), 1 (response) or 2 (notification)" +
               (type ? fmt::format("; got {}", *type) : std::string()));
  }
  Message message{.type = static_cast<MessageType>(*type)};
  if (message.type != MessageType::notification) {
    const std::optional<std::uint32_t> id = message_id(reader);
    if (!id) return bad(fmt::format("message of type {}: {}", *type, kIdRule));
    message.msgid = *id;
  }
  if (message.type == MessageType::response) {
    if (*count != 4) return bad(fmt::format("a response has 4 elements, not {}", *count));
    const std::span<const std::byte> error = reader.any().value_or(std::span<const std::byte>());
    if (!Reader(error).nil()) message.error = error;
    message.result = reader.rest();
    return message;
  }
  const bool request = message.type == MessageType::request;
  const std::optional<std::uint32_t> answer_to = request ? std::optional(message.msgid) : std::nullopt;
  const std::size_t most = request ? 4 : 3;
  if (*count > most || *count + 1 < most) {
    return bad(fmt::format("a {} has {} elements, not {}", request ? "request" : "notification", most, *count),
               answer_to);
  }
  const std::optional<std::string_view> method = reader.string();
  if (!method || !is_utf8(*method)) return bad("the method must be a string in UTF-8", answer_to);
  message.method = *method;
  message.params = reader.rest();
  return message;
}

void append_request(std::string& out, std::uint32_t msgid, std::string_view method, const Value& params) {
  append_array(out, 4);
  append_uint(out, 0);
  append_uint(out, msgid);
  append_str(out, method);
  encode(params, out);
}

void append_notification(std::string& out, std::string_view method, const Value& params) {
  append_array(out, 3);
  append_uint(out, 2);
  append_str(out, method);
  encode(params, out);
}

void append_result(std::string& out, std::uint32_t msgid, const Value& result) {
  append_array(out, 4);
  append_uint(out, 1);
  append_uint(out, msgid);
  append_nil(out);
  encode(result, out);
}

void append_error(std::string& out, std::uint32_t msgid, const Error& error, ErrorShape shape) {
  append_array(out, 4);
  append_uint(out, 1);
  append_uint(out, msgid);
  if (shape == ErrorShape::map) {
    encode(error_map(error), out);
  } else {
    append_array(out, 2);
    append_uint(out, 0);
    encode(Value(error.to_string()), out);
  }
  append_nil(out);
}

Value error_map(const Error& error) {
  Value map;
  map.set("code", code_name(error.code));
  map.set("message", error.message);
  map.set("retryable", error.retryable);
  return map;
}

Error error_from(const Value& value) {
  if (const std::string* text = value.as_string()) return error_from_text(*text);
  if (const Value::Array* pair = value.as_array(); pair != nullptr && pair->size() == 2) {
    if (const std::string* text = pair->back().as_string()) return error_from_text(*text);
  }
  const Value* message = value.find("message");
  if (message != nullptr && message->as_string() != nullptr) {
    const Value* name = value.find("code");
    const Value* retryable = value.find("retryable");
    Error error{.code = Code::internal, .message = *message->as_string()};
    if (name != nullptr && name->as_string() != nullptr) error.code = code_from_name(*name->as_string());
    if (retryable != nullptr && retryable->as_bool() != nullptr) error.retryable = *retryable->as_bool();
    return error;
  }
  return fail(Code::internal, fmt::format("the peer's error is {} in no known form", value.kind_name())).error();
}

}  // namespace swarm::wire
