#include "daemon/e2b/connect.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include "daemon/e2b/reply.hpp"

namespace swarm::e2b_endpoint {
namespace {

constexpr std::uint8_t kCompressed = 1;
constexpr std::uint8_t kEnd = 2;
constexpr std::size_t kMostMessage = std::size_t{64} << 20U;
// Below this gzip makes a message longer, or saves less than it takes.
constexpr std::size_t kWorthCompressing = 256;

/// Undoes gzip, up to `limit` bytes.
RpcResult<std::string> gunzip(std::string_view bytes, std::size_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return rpc_fail("internal", "zlib cannot be set up");
  const struct End {
    z_stream& of;
    ~End() { inflateEnd(&of); }
  } end{stream};
  std::string input(bytes);
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  std::string out;
  std::string part(65536, '\0');
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.append(part, 0, part.size() - stream.avail_out);
    if (out.size() > limit) return rpc_fail("resource_exhausted", "the message is too large");
    if (status == Z_STREAM_END) return out;
    if (status != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      return rpc_fail("invalid_argument", "the message is not gzip");
    }
  }
}

/// The same as gzip; empty when zlib cannot.
std::string squeeze(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string input(bytes);
  std::string out(deflateBound(&stream, static_cast<uLong>(input.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(status == Z_STREAM_END ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

/// Whether a list of encodings ("br, gzip;q=0.5") has gzip among those that are wanted.
bool takes_gzip(std::string_view field) {
  for (std::string entry : split(field, ',')) {
    std::erase(entry, ' ');
    const std::size_t semicolon = entry.find(';');
    const std::string quality = semicolon == entry.npos ? "" : http::lower(entry.substr(semicolon + 1));
    const bool refused = quality == "q=0" || quality == "q=0.0" || quality == "q=0.00" || quality == "q=0.000";
    if (http::lower(entry.substr(0, semicolon)) == "gzip" && !refused) return true;
  }
  return false;
}

std::optional<RpcError> unknown_encoding(std::string_view encoding) {
  if (encoding.empty() || encoding == "identity" || encoding == "gzip") return std::nullopt;
  return RpcError{"unimplemented", fmt::format("unknown compression \"{}\": supported encodings are gzip", encoding)};
}

RpcResult<Value> parse(std::string_view text) {
  api::JsonLimits limits;
  limits.max_bytes = kMostMessage;
  Result<Value> value = api::value_from_json(text, limits);
  if (!value) return rpc_fail("invalid_argument", "unmarshal message: " + value.error().message);
  if (value->as_map() == nullptr) return rpc_fail("invalid_argument", "unmarshal message: it has to be an object");
  return std::move(*value);
}

Value error_body(const RpcError& error) {
  Value body;
  body.set("code", error.code);
  if (!error.message.empty()) body.set("message", error.message);
  return body;
}

}  // namespace

RpcError rpc_error(const Error& error) {
  std::string code(code_name(error.code));
  if (error.code == Code::cancelled) code = "canceled";
  return {.code = std::move(code), .message = error.message};
}

int status_of_code(std::string_view code) {
  if (code == "canceled") return 499;
  if (code == "invalid_argument" || code == "failed_precondition" || code == "out_of_range") return 400;
  if (code == "deadline_exceeded") return 504;
  if (code == "not_found") return 404;
  if (code == "already_exists" || code == "aborted") return 409;
  if (code == "permission_denied") return 403;
  if (code == "resource_exhausted") return 429;
  if (code == "unimplemented") return 501;
  if (code == "unavailable") return 503;
  if (code == "unauthenticated") return 401;
  return 500;
}

std::string envelope(std::uint8_t flags, std::string_view payload) {
  std::string out(5, '\0');
  out[0] = static_cast<char>(flags);
  for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>((payload.size() >> (24 - 8 * i)) & 0xFFU);
  out += payload;
  return out;
}

std::string end_of_stream(const RpcError* error) {
  Value body(Value::Map{});
  if (error != nullptr) body.set("error", error_body(*error));
  return envelope(kEnd, api::to_json(body));
}

async::Task<std::optional<CallHead>> read_head(http::Exchange& exchange, bool stream) {
  const http::Headers& fields = exchange.request().headers;
  CallHead head{.stream = stream};
  std::string type = http::lower(fields.get("content-type"));
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.pop_back();
  if (type != (stream ? "application/connect+json" : "application/json")) {
    const Result<void> sent = co_await exchange.respond(
        {.status = 415, .headers = {{"accept-post", stream ? "application/connect+json" : "application/json"}}}, "");
    static_cast<void>(sent);
    co_return std::nullopt;
  }
  std::optional<RpcError> wrong;
  if (const std::string_view version = fields.get("connect-protocol-version"); !version.empty() && version != "1") {
    wrong = RpcError{"invalid_argument", fmt::format("connect-protocol-version must be \"1\": got \"{}\"", version)};
  }
  if (const std::string_view timeout = fields.get("connect-timeout-ms"); !timeout.empty()) {
    const auto value = parse_int(timeout);
    if (!value || *value < 0 || timeout.size() > 10) {
      wrong = RpcError{"invalid_argument", "connect-timeout-ms: has to be at most ten digits"};
    } else {
      head.timeout = std::chrono::milliseconds(*value);
    }
  }
  if (const auto ping = parse_int(fields.get("keepalive-ping-interval")); ping && *ping > 0) {
    head.keepalive = std::chrono::seconds(*ping);
  }
  if (auto unknown = unknown_encoding(fields.get(stream ? "connect-content-encoding" : "content-encoding"))) {
    wrong = std::move(unknown);
  }
  if (wrong) {
    if (stream) {
      StreamWriter writer(exchange);
      co_await writer.finish(std::move(wrong));
    } else {
      co_await answer_unary(exchange, std::unexpected(std::move(*wrong)));
    }
    co_return std::nullopt;
  }
  co_return head;
}

async::Task<RpcResult<std::optional<Value>>> EnvelopeReader::next() {
  for (;;) {
    if (buffer_.size() >= 5) {
      const auto flags = static_cast<std::uint8_t>(buffer_[0]);
      std::size_t size = 0;
      for (std::size_t i = 1; i < 5; ++i) size = size << 8U | static_cast<std::uint8_t>(buffer_[i]);
      if (size > kMostMessage) co_return rpc_fail("resource_exhausted", "the message is too large");
      if (buffer_.size() >= 5 + size) {
        std::string payload = buffer_.substr(5, size);
        buffer_.erase(0, 5 + size);
        if ((flags & kEnd) != 0) co_return std::optional<Value>();
        if ((flags & kCompressed) != 0) {
          if (exchange_.request().headers.get("connect-content-encoding") != "gzip") {
            co_return rpc_fail("invalid_argument", "a compressed message without connect-content-encoding: gzip");
          }
          RpcResult<std::string> plain = gunzip(payload, kMostMessage);
          if (!plain) co_return std::unexpected(plain.error());
          payload = std::move(*plain);
        }
        RpcResult<Value> value = parse(payload);
        if (!value) co_return std::unexpected(value.error());
        co_return std::optional<Value>(std::move(*value));
      }
    }
    const Result<std::optional<std::string>> part = co_await exchange_.read();
    if (!part) co_return std::unexpected(rpc_error(part.error()));
    if (!*part) {
      if (!buffer_.empty()) co_return rpc_fail("invalid_argument", "the stream ends in the middle of a message");
      co_return std::optional<Value>();
    }
    buffer_ += **part;
  }
}

async::Task<RpcResult<Value>> read_message(http::Exchange& exchange, bool stream) {
  if (stream) {
    EnvelopeReader reader(exchange);
    RpcResult<std::optional<Value>> message = co_await reader.next();
    if (!message) co_return std::unexpected(message.error());
    if (!*message) co_return rpc_fail("unimplemented", "the request has no message, and one is wanted");
    const RpcResult<std::optional<Value>> second = co_await reader.next();
    if (!second) co_return std::unexpected(second.error());
    if (*second) co_return rpc_fail("unimplemented", "the request has more than one message, and one is wanted");
    co_return std::move(**message);
  }
  Result<std::string> body = co_await exchange.read_all(kMostMessage);
  if (!body) co_return std::unexpected(rpc_error(body.error()));
  if (exchange.request().headers.get("content-encoding") == "gzip") {
    RpcResult<std::string> plain = gunzip(*body, kMostMessage);
    if (!plain) co_return std::unexpected(plain.error());
    *body = std::move(*plain);
  }
  co_return parse(*body);
}

async::Task<> answer_unary(http::Exchange& exchange, RpcResult<Value> result) {
  const int status = result ? 200 : status_of_code(result.error().code);
  if (result && result->is_nil()) *result = Value(Value::Map{});
  std::string body = api::to_json(result ? *result : error_body(result.error()));
  http::Headers fields{{"content-type", "application/json"}};
  if (body.size() >= kWorthCompressing && takes_gzip(exchange.request().headers.get("accept-encoding"))) {
    if (std::string small = squeeze(body); !small.empty()) {
      body = std::move(small);
      fields.add("content-encoding", "gzip");
    }
  }
  const Result<void> sent = co_await exchange.respond({.status = status, .headers = std::move(fields)}, body);
  static_cast<void>(sent);  // it went
}

StreamWriter::StreamWriter(http::Exchange& exchange)
    : exchange_(exchange), compresses_(takes_gzip(exchange.request().headers.get("connect-accept-encoding"))) {}

async::Task<bool> StreamWriter::begin() {
  if (exchange_.begun()) co_return true;
  http::Headers fields{{"content-type", "application/connect+json"}, {"connect-accept-encoding", "gzip"}};
  if (compresses_) fields.add("connect-content-encoding", "gzip");
  const Result<void> sent = co_await exchange_.begin({.status = 200, .headers = std::move(fields)});
  co_return sent.has_value();
}

async::Task<bool> StreamWriter::send(Value message) {
  const bool open = co_await begin();
  if (!open) co_return false;
  std::string text = api::to_json(message);
  std::uint8_t flags = 0;
  if (compresses_ && text.size() >= kWorthCompressing) {
    if (std::string small = squeeze(text); !small.empty()) {
      text = std::move(small);
      flags = kCompressed;
    }
  }
  const Result<void> sent = co_await exchange_.write(envelope(flags, text));
  co_return sent.has_value();
}

async::Task<> StreamWriter::finish(std::optional<RpcError> error) {
  const bool open = co_await begin();
  if (!open) co_return;
  Result<void> sent = co_await exchange_.write(end_of_stream(error ? &*error : nullptr));
  if (sent) sent = co_await exchange_.end();
}

}  // namespace swarm::e2b_endpoint
