#include "protocol/websocket/handshake.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>

#include "protocol/core/base64.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::websocket {
namespace {

constexpr std::size_t kHeadMost = std::size_t{16} << 10U;
constexpr std::size_t kBodyMost = std::size_t{4} << 10U;

/// FIPS 180-4. No secret depends on it: the standard wants it as a check that the other side read the request.
std::array<std::uint8_t, 20> sha1(std::string text) {
  std::array<std::uint32_t, 5> h{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  const std::uint64_t bits = std::uint64_t{text.size()} * 8;
  text += '\x80';
  text.append((120 - text.size() % 64) % 64, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>((bits >> shift) & 0xFFU);
  for (std::size_t block = 0; block < text.size(); block += 64) {
    std::array<std::uint32_t, 80> w{};
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < 4; ++j) w[i] = (w[i] << 8U) | static_cast<std::uint8_t>(text[block + i * 4 + j]);
    }
    for (std::size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = h;
    for (std::size_t i = 0; i < 80; ++i) {
      const std::uint32_t f = i < 20              ? ((b & c) | (~b & d))
                              : i < 40 || i >= 60 ? b ^ c ^ d
                                                  : (b & c) | (b & d) | (c & d);
      const std::uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
      const std::uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
  }
  std::array<std::uint8_t, 20> out{};
  for (std::size_t i = 0; i < 20; ++i) out[i] = static_cast<std::uint8_t>(h[i / 4] >> (24 - 8 * (i % 4)));
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// The start line and headers of a message, names in lower case.
struct Head {
  std::string start;
  std::vector<std::pair<std::string, std::string>> headers;

  [[nodiscard]] std::string header(std::string_view name) const {
    std::string all;
    for (const auto& [key, value] : headers) {
      if (key == name) all += (all.empty() ? "" : ", ") + value;
    }
    return all;
  }
  /// Whether a comma-separated header has this word.
  [[nodiscard]] bool lists(std::string_view name, std::string_view word) const {
    const std::string all = ", " + lower(header(name)) + ",";
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = all.find(',', at);
      std::string_view item = std::string_view(all).substr(at, end == std::string::npos ? end : end - at);
      while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
      while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
      if (item == word) return true;
      if (end == std::string::npos) break;
      at = end + 1;
    }
    return false;
  }
};

Head parse(std::string_view text) {
  Head head;
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    if (std::exchange(first, false)) {
      head.start = line;
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    head.headers.emplace_back(lower(line.substr(0, colon)), value);
  }
  return head;
}

/// Reads up to the empty line; what came behind it stays in `input`.
async::Task<Result<Head>> read_head(transport::Stream& stream, std::string& input) {
  std::array<std::byte, 4096> buffer;
  for (;;) {
    if (const std::size_t end = input.find("\r\n\r\n"); end != std::string::npos) {
      Head head = parse(std::string_view(input).substr(0, end));
      input.erase(0, end + 4);
      co_return head;
    }
    if (input.size() > kHeadMost) co_return fail(Code::invalid_argument, "the WebSocket handshake is too long");
    const Result<std::size_t> got = co_await stream.read(buffer);
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return fail(Code::unavailable, "the connection ended within the WebSocket handshake");
    input.append(reinterpret_cast<const char*>(buffer.data()), *got);  // NOLINT: bytes as characters
  }
}

async::Task<Result<void>> write_text(transport::Stream& stream, std::string text) {
  Result<void> written = co_await transport::write_all(stream, std::as_bytes(std::span(text)));
  co_return written;
}

/// The body of a refusal, as far as it comes and is of interest.
async::Task<> read_body(transport::Stream& stream, const Head& head, std::string& input) {
  std::size_t length = kBodyMost;
  if (const std::string told = head.header("content-length"); !told.empty()) {
    std::from_chars(told.data(), told.data() + told.size(), length);
  }
  length = std::min(length, kBodyMost);
  std::array<std::byte, 1024> buffer;
  while (input.size() < length) {
    const Result<std::size_t> got = co_await stream.read(buffer);
    if (!got || *got == 0) co_return;
    input.append(reinterpret_cast<const char*>(buffer.data()), *got);  // NOLINT: bytes as characters
  }
  input.resize(length);
}

}  // namespace

std::string accept_of(std::string_view key) {
  const auto digest = sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});  // NOLINT: bytes as characters
}

async::Task<std::expected<Opened, Refusal>> ask(std::unique_ptr<transport::Stream> stream, Request request,
                                                Random& random) {
  std::string nonce(16, '\0');
  random.fill(std::as_writable_bytes(std::span(nonce)));
  const std::string key = base64_encode(nonce);
  std::string text = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: {}\r\n",
      request.path, request.host, key);
  for (const auto& [name, value] : request.headers) text += fmt::format("{}: {}\r\n", name, value);
  text += "\r\n";
  const Result<void> sent = co_await write_text(*stream, std::move(text));
  if (!sent) co_return std::unexpected(Refusal{.error = sent.error()});
  std::string input;
  const Result<Head> head = co_await read_head(*stream, input);
  if (!head) co_return std::unexpected(Refusal{.error = head.error()});
  int status = 0;
  if (head->start.starts_with("HTTP/1.") && head->start.size() >= 12) {
    std::from_chars(head->start.data() + 9, head->start.data() + 12, status);
  }
  if (status != 101) {
    co_await read_body(*stream, *head, input);
    co_return std::unexpected(
        Refusal{.error = {.code = Code::unavailable,
                          .message = fmt::format("no WebSocket at {}{}: status {}", request.host, request.path, status),
                          .retryable = true},
                .status = status,
                .body = std::move(input)});
  }
  if (!head->lists("upgrade", "websocket") || !head->lists("connection", "upgrade") ||
      head->header("sec-websocket-accept") != accept_of(key) || !head->header("sec-websocket-extensions").empty()) {
    co_return std::unexpected(
        Refusal{.error = {.code = Code::unavailable,
                          .message = fmt::format("{} answers a WebSocket handshake wrongly", request.host)},
                .status = status});
  }
  co_return Opened{.stream = std::move(stream), .rest = std::move(input)};
}

async::Task<Result<Opened>> answer(std::unique_ptr<transport::Stream> stream, std::string path) {
  std::string input;
  const Result<Head> head = co_await read_head(*stream, input);
  if (!head) co_return fail(head.error());
  const std::string key = head->header("sec-websocket-key");
  const std::string_view start = head->start;
  std::string target(start.substr(std::min(start.size(), start.find(' ') + 1)));
  target = target.substr(0, target.find(' '));
  target = target.substr(0, target.find('?'));
  std::string_view wrong;
  if (!start.starts_with("GET ") || !start.ends_with(" HTTP/1.1"))
    wrong = "400 Bad Request";
  else if (target != path)
    wrong = "404 Not Found";
  else if (!head->lists("upgrade", "websocket") || !head->lists("connection", "upgrade"))
    wrong = "426 Upgrade Required";
  else if (head->header("sec-websocket-version") != "13")
    wrong = "426 Upgrade Required";
  else if (const auto nonce = base64_decode(key); !nonce || nonce->size() != 16)
    wrong = "400 Bad Request";
  if (!wrong.empty()) {
    const Result<void> told = co_await write_text(
        *stream,
        fmt::format("HTTP/1.1 {}\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    wrong));
    static_cast<void>(told);
    stream->shutdown_write();
    co_return fail(Code::invalid_argument,
                   fmt::format("a request that is no WebSocket for {}: '{}'", path, shown(start)));
  }
  const Result<void> agreed = co_await write_text(
      *stream, fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: {}\r\n\r\n",
                           accept_of(key)));
  if (!agreed) co_return fail(agreed.error());
  co_return Opened{.stream = std::move(stream), .rest = std::move(input)};
}

}  // namespace swarm::websocket
