#include "daemon/e2b/ports.hpp"

#include <fmt/format.h>

#include "daemon/http/http1_parser.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/relay/relay.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::e2b_endpoint {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDialPatience = 10s;
constexpr std::size_t kMostAnswerHeader = std::size_t{64} * 1024;

/// Fields that are of one connection only, and those that a client could pretend to be a proxy with.
bool stays_behind(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" || name == "transfer-encoding" ||
         name == "upgrade" || name == "te" || name == "host" || name == "expect" || name.starts_with("x-forwarded-") ||
         name == "e2b-sandbox-id" || name == "e2b-sandbox-port";
}

enum class BodyShape : std::uint8_t { none, sized, chunked };

std::string request_head(const http::Request& request, BodyShape shape, bool upgrade, const std::string& host) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.target, host);
  for (const auto& [name, value] : request.headers) {
    if (!stays_behind(name) && http::is_field_value(value)) head += fmt::format("{}: {}\r\n", name, value);
  }
  if (shape == BodyShape::chunked) head += "transfer-encoding: chunked\r\n";
  if (upgrade) {
    head += fmt::format("connection: upgrade\r\nupgrade: {}\r\n", request.headers.get("upgrade"));
  } else {
    head += "connection: close\r\n";
  }
  return head + "\r\n";
}

async::Task<Result<void>> write(wire::ByteSink& sink, std::string bytes) {
  Result<void> sent = co_await sink.write(std::as_bytes(std::span(bytes)));
  co_return sent;
}

async::Task<> send_body(http::Exchange& exchange, wire::ByteSink& sink, BodyShape shape, std::string first) {
  std::optional<std::string> part = std::move(first);
  while (part) {
    if (!part->empty()) {
      std::string bytes = std::move(*part);
      if (shape == BodyShape::chunked) bytes = fmt::format("{:x}\r\n", bytes.size()) + bytes + "\r\n";
      const Result<void> sent = co_await write(sink, std::move(bytes));
      if (!sent) co_return;  // it has answered, and does not want the rest
    }
    Result<std::optional<std::string>> next = co_await exchange.read();
    if (!next) co_return;
    part = std::move(*next);
  }
  if (shape == BodyShape::chunked) {
    const Result<void> sent = co_await write(sink, "0\r\n\r\n");
    static_cast<void>(sent);  // likewise
  }
}

}  // namespace

async::Task<> send_proxy_error(http::Exchange& exchange, int status, std::string sandbox, std::string message,
                               std::optional<std::uint32_t> port) {
  Value body;
  body.set("sandboxId", std::move(sandbox));
  body.set("message", std::move(message));
  if (port) body.set("port", *port);
  body.set("code", status);
  co_await send_json(exchange, status, std::move(body));
}

async::Task<> Ports::serve(http::Exchange& exchange, BoxPtr box, std::uint32_t port) {
  const http::Request& request = exchange.request();
  if (!box->record.public_traffic) {
    const std::string* given = request.headers.find("e2b-traffic-access-token");
    if (given == nullptr || !same_secret(*given, traffic_token(identity_, *box))) {
      co_await send_proxy_error(exchange, 403, box->record.id,
                                fmt::format("Sandbox is secured with traffic access token. Token header "
                                            "'e2b-traffic-access-token' is {}",
                                            given == nullptr ? "missing" : "invalid"));
      co_return;
    }
  }
  auto use = co_await boxes_.use(box);
  if (!use) {
    co_await send_proxy_error(exchange, 502, box->record.id, "The sandbox was not found");
    co_return;
  }
  wire::Connection& agent = use->agent();
  const std::uint32_t stream = agent.new_stream_id();
  auto source = agent.open_source(stream);
  auto sink = agent.open_sink(stream);
  if (!source || !sink) {
    co_await send_refusal(exchange, refusal_of(source ? sink.error() : source.error()));
    co_return;
  }
  const api::ForwardDialRequest dial{.host = "localhost", .port = port, .stream = stream};
  const auto dialled = co_await wire::call_with_timeout(agent, api::inside::kForwardDial, dial, kDialPatience);
  if (!dialled) {
    co_await send_proxy_error(exchange, 502, box->record.id, "The sandbox is running but port is not open", port);
    co_return;
  }

  const bool upgrade = request.headers.has_word("connection", "upgrade") && request.headers.find("upgrade") != nullptr;
  BodyShape shape = request.headers.find("content-length") != nullptr ? BodyShape::sized : BodyShape::none;
  std::string first;
  if (shape == BodyShape::none && !upgrade) {
    Result<std::optional<std::string>> part = co_await exchange.read();
    if (!part) co_return;
    if (*part) {
      first = std::move(**part);
      shape = BodyShape::chunked;
    }
  }
  // The guest sees the name of its port, also where the request came by routing fields.
  std::string host = request.authority;
  if (request.headers.find("e2b-sandbox-id") != nullptr) {
    host = fmt::format("{}-{}.{}", port, box->record.id, identity_.domain.empty() ? "localhost" : identity_.domain);
  }
  Result<void> sent = co_await write(**sink, request_head(request, shape, upgrade, host));
  if (!sent) {
    co_await send_proxy_error(exchange, 502, box->record.id, "The server in the sandbox went", port);
    co_return;
  }
  async::TaskSet sending(agent.loop());
  if (shape != BodyShape::none) sending.spawn(send_body(exchange, **sink, shape, std::move(first)));

  http::Http1Parser parser(http::Http1Parser::Kind::response, kMostAnswerHeader);
  if (request.method == "HEAD") parser.expect_no_body();
  std::string pending;
  bool over = false;
  // Informational answers (100) come before the one that counts.
  for (bool final_answer = false; !final_answer;) {
    while (!parser.has_head()) {
      if (pending.empty() && !over) {
        Result<std::optional<std::string>> part = co_await (*source)->read();
        over = !part || !*part;
        if (!over) pending = std::move(**part);
      }
      Result<std::size_t> taken = over ? Result<std::size_t>(fail(Code::unavailable, "it went")) : parser.feed(pending);
      if (!taken) {
        co_await send_proxy_error(exchange, 502, box->record.id,
                                  "The server in the sandbox gave no HTTP answer: " + taken.error().message, port);
        co_return;
      }
      pending.erase(0, *taken);
    }
    final_answer = parser.status() >= 200 || parser.status() == 101;
    if (!final_answer) {
      const Result<std::size_t> rest = parser.feed(pending);
      if (!rest) co_return;
      pending.erase(0, *rest);
      parser.next();
    }
  }
  if (parser.status() == 101 && upgrade) {
    http::Headers fields;
    for (const auto& [name, value] : parser.headers()) fields.add(name, value);
    const Result<transport::Stream*> through = co_await exchange.upgrade(std::move(fields));
    if (!through) co_return;
    if (!pending.empty()) {
      // The end of the header's last line is still there: the parser stops in front of it.
      const Result<std::size_t> rest = parser.feed(pending);
      if (rest) pending.erase(0, *rest);
      const Result<void> early = co_await transport::write_all(**through, std::as_bytes(std::span(pending)));
      if (!early) co_return;
    }
    const Result<void> done = co_await relay::run(agent.loop(), **through, **source, **sink);
    static_cast<void>(done);  // both sides were told
    co_return;
  }
  http::Answer answer{.status = parser.status(), .headers = {}};
  for (const auto& [name, value] : parser.headers()) {
    if (!stays_behind(name)) answer.headers.add(name, value);
  }
  sent = co_await exchange.begin(std::move(answer));
  while (sent && !parser.complete()) {
    if (pending.empty()) {
      Result<std::optional<std::string>> part = co_await (*source)->read();
      if (!part) co_return;
      if (!*part) {
        if (!parser.finish()) co_return;  // cut: the answer breaks off
        break;
      }
      pending = std::move(**part);
    }
    const Result<std::size_t> taken = parser.feed(pending);
    if (!taken) co_return;
    pending.erase(0, *taken);
    if (std::string body = parser.take_body(); !body.empty()) sent = co_await exchange.write(std::move(body));
  }
  if (std::string body = parser.take_body(); sent && !body.empty()) sent = co_await exchange.write(std::move(body));
  if (sent) sent = co_await exchange.end();
}

}  // namespace swarm::e2b_endpoint
