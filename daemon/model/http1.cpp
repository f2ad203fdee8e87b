#include "daemon/model/http1.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace swarm::model {

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
  Request request;
  bool known = false;
  while (!parser_.complete()) {
    if (read_.empty()) {
      const Result<bool> more = co_await fill();
      if (!more) co_return fail(more.error());
      if (!*more && !parser_.begun()) co_return std::optional<Request>();
      if (!*more) {
        co_return fail(Code::invalid_argument,
                       known ? "the request ended in its body" : "the request ended in its headers");
      }
    }
    const Result<std::size_t> taken = parser_.feed(read_);
    if (!taken) {
      const bool long_head = taken.error().code == Code::out_of_range;
      co_return fail(long_head ? Code::resource_exhausted : Code::invalid_argument, taken.error().message);
    }
    read_.erase(0, *taken);
    if (parser_.has_head() && !known) {
      known = true;
      Result<void> good = take_head(request);
      if (!good) co_return fail(good.error());
      if (same_name(request.header("expect"), "100-continue")) {
        const Result<void> sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
        if (!sent) co_return fail(sent.error());
      }
    }
    request.body += parser_.take_body();
    if (request.body.size() > bounds_.body_bytes) co_return fail(Code::resource_exhausted, "the body is too long");
  }
  parser_.next();
  co_return std::optional(std::move(request));
}

Result<void> ServerConnection::take_head(Request& request) {
  request.method = parser_.method();
  request.target = parser_.target();
  request.keep_alive = parser_.keep_alive();
  for (const auto& [name, value] : parser_.headers()) request.headers.push_back({.name = name, .value = value});
  if (!request.target.starts_with('/')) return fail(Code::invalid_argument, "the target of the request is no path");
  const std::string_view coding = request.header("transfer-encoding");
  if (!coding.empty() && !same_name(coding, "chunked")) {
    return fail(Code::invalid_argument, "the length of the body is not clear");
  }
  const std::string_view length = request.header("content-length");
  std::uint64_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);  // the parser has seen that it is a number
  if (size > bounds_.body_bytes) return fail(Code::resource_exhausted, "the body is too long");
  return {};
}

async::Task<Result<void>> ServerConnection::send(std::string bytes) {
  Result<void> sent = co_await sink_->write(std::as_bytes(std::span(bytes)));
  co_return sent;
}

async::Task<Result<void>> ServerConnection::begin(int status, std::vector<http_client::Header> headers, bool has_body) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, http::reason_phrase(status));
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
                                                status, http::reason_phrase(status), content_type, body.size(), body));
  co_return sent;
}

}  // namespace swarm::model
