#include "daemon/model/http1.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace swarm::model {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 502:
      return "Bad Gateway";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string::npos;
  });
}

Result<Request> parse_head(std::string_view head) {
  const auto malformed = [](std::string_view what) { return fail(Code::invalid_argument, fmt::format("{}", what)); };
  Request request;
  std::size_t end = std::min(head.find("\r\n"), head.size());
  const std::string_view line = head.substr(0, end);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return malformed("the first line is no request");
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return malformed("only HTTP/1.0 and HTTP/1.1 are spoken here");
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const bool odd = std::ranges::any_of(request.target, [](unsigned char c) { return c <= ' ' || c >= 0x7f; });
  if (!is_token(request.method) || !request.target.starts_with('/') || odd) {
    return malformed("the first line is no request");
  }
  request.keep_alive = version == "HTTP/1.1";
  while (end < head.size()) {
    head.remove_prefix(end + 2);
    end = std::min(head.find("\r\n"), head.size());
    const std::string_view field = head.substr(0, end);
    if (field.empty()) break;
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || !is_token(field.substr(0, colon))) return malformed("a header is malformed");
    const std::string_view value = trimmed(field.substr(colon + 1));
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return malformed("a header is malformed");
    }
    request.headers.push_back({.name = std::string(field.substr(0, colon)), .value = std::string(value)});
  }
  const std::string_view connection = request.header("connection");
  if (same_name(connection, "close")) request.keep_alive = false;
  if (same_name(connection, "keep-alive")) request.keep_alive = true;
  return request;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view Request::header(std::string_view name) const {
  const auto found = std::find_if(headers.rbegin(), headers.rend(),
                                  [&](const http_client::Header& header) { return same_name(header.name, name); });
  return found == headers.rend() ? std::string_view() : std::string_view(found->value);
}

async::Task<Result<bool>> ServerConnection::fill() {
  Result<std::optional<std::string>> chunk = co_await source_->read();
  if (!chunk) co_return fail(chunk.error());
  if (!*chunk) co_return false;
  read_ += **chunk;
  co_return true;
}

async::Task<Result<std::optional<Request>>> ServerConnection::next() {
  std::size_t end = read_.find("\r\n\r\n");
  while (end == std::string::npos) {
    if (read_.size() > bounds_.head_bytes) co_return fail(Code::resource_exhausted, "the headers are too long");
    const Result<bool> more = co_await fill();
    if (!more) co_return fail(more.error());
    if (!*more) {
      if (read_.empty()) co_return std::optional<Request>();
      co_return fail(Code::invalid_argument, "the request ended in its headers");
    }
    end = read_.find("\r\n\r\n");
  }
  Result<Request> request = parse_head(std::string_view(read_).substr(0, end + 2));
  if (!request) co_return fail(request.error());
  read_.erase(0, end + 4);
  const std::string_view coding = request->header("transfer-encoding");
  const std::string_view length = request->header("content-length");
  // Both at once is how one hides a request from who looks at it.
  if (!coding.empty() && (!length.empty() || !same_name(coding, "chunked"))) {
    co_return fail(Code::invalid_argument, "the length of the body is not clear");
  }
  std::uint64_t size = 0;
  if (!length.empty()) {
    const auto [stop, error] = std::from_chars(length.data(), length.data() + length.size(), size);
    if (error != std::errc() || stop != length.data() + length.size()) {
      co_return fail(Code::invalid_argument, "the length of the body is no number");
    }
  }
  if (size > bounds_.body_bytes) co_return fail(Code::resource_exhausted, "the body is too long");
  if (same_name(request->header("expect"), "100-continue")) {
    const Result<void> sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return fail(sent.error());
  }
  if (!coding.empty()) {
    Result<std::string> body = co_await chunked_body();
    if (!body) co_return fail(body.error());
    request->body = std::move(*body);
    co_return std::optional(std::move(*request));
  }
  while (read_.size() < size) {
    const Result<bool> more = co_await fill();
    if (!more) co_return fail(more.error());
    if (!*more) co_return fail(Code::invalid_argument, "the request ended in its body");
  }
  request->body = read_.substr(0, size);
  read_.erase(0, size);
  co_return std::optional(std::move(*request));
}

async::Task<Result<std::string>> ServerConnection::chunked_body() {
  std::string body;
  for (;;) {
    std::size_t end = read_.find("\r\n");
    while (end == std::string::npos) {
      if (read_.size() > bounds_.head_bytes) co_return fail(Code::invalid_argument, "a chunk has no length");
      const Result<bool> more = co_await fill();
      if (!more) co_return fail(more.error());
      if (!*more) co_return fail(Code::invalid_argument, "the request ended in its body");
      end = read_.find("\r\n");
    }
    std::uint64_t size = 0;
    const auto [stop, error] = std::from_chars(read_.data(), read_.data() + end, size, 16);
    if (error != std::errc() || (stop != read_.data() + end && *stop != ';' && *stop != ' ')) {
      co_return fail(Code::invalid_argument, "a chunk has no length");
    }
    if (size > bounds_.body_bytes - body.size()) co_return fail(Code::resource_exhausted, "the body is too long");
    read_.erase(0, end + 2);
    while (read_.size() < size + 2) {
      const Result<bool> more = co_await fill();
      if (!more) co_return fail(more.error());
      if (!*more) co_return fail(Code::invalid_argument, "the request ended in its body");
    }
    if (read_.compare(size, 2, "\r\n") != 0) {
      // Behind the last chunk there may be trailers; nobody needs them.
      if (size != 0) co_return fail(Code::invalid_argument, "a chunk is longer than it says");
      const std::size_t trailers = read_.find("\r\n\r\n");
      if (trailers == std::string::npos) co_return fail(Code::invalid_argument, "trailers are not understood");
      read_.erase(0, trailers + 4);
      co_return body;
    }
    body.append(read_, 0, size);
    read_.erase(0, size + 2);
    if (size == 0) co_return body;
  }
}

async::Task<Result<void>> ServerConnection::send(std::string bytes) {
  Result<void> sent = co_await sink_->write(std::as_bytes(std::span(bytes)));
  co_return sent;
}

async::Task<Result<void>> ServerConnection::begin(int status, std::vector<http_client::Header> headers, bool has_body) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_of(status));
  for (const http_client::Header& header : headers) head += fmt::format("{}: {}\r\n", header.name, header.value);
  head += has_body ? "transfer-encoding: chunked\r\n\r\n" : "\r\n";
  Result<void> sent = co_await send(std::move(head));
  co_return sent;
}

async::Task<Result<void>> ServerConnection::part(std::string bytes) {
  if (bytes.empty()) co_return {};
  Result<void> sent = co_await send(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
  co_return sent;
}

async::Task<Result<void>> ServerConnection::finish() {
  Result<void> sent = co_await send("0\r\n\r\n");
  co_return sent;
}

async::Task<Result<void>> ServerConnection::reply(int status, std::string content_type, std::string body) {
  Result<void> sent = co_await send(fmt::format("HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n{}",
                                                status, reason_of(status), content_type, body.size(), body));
  co_return sent;
}

}  // namespace swarm::model
