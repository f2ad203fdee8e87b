#include "daemon/model/gateway.hpp"

#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/model/usage.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/id.hpp"
#include "protocol/http/url.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::model {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr Duration kLimit = 30s;
constexpr Duration kRest = 200ms;
/// A model may think for long before its first word, and between two.
constexpr http_client::Patience kPatience{.connect = 15s, .answer = 10min, .silence = 10min, .total = Duration{0}};

int status_of(const Error& error) {
  switch (error.code) {
    case Code::not_found:
    case Code::unauthenticated:
      return 401;
    case Code::permission_denied:
      return 403;
    case Code::resource_exhausted:
      return 413;
    case Code::invalid_argument:
      return 400;
    case Code::deadline_exceeded:
      return 504;
    default:
      return 502;
  }
}

}  // namespace

async::Task<Result<Port>> Gateway::open(Tunnel agentd, Caller caller, Port port) {
  std::weak_ptr<wire::Connection>& served = served_[caller.swarm + "/" + caller.agent];
  if (port.number != 0 && served.lock() == agentd) co_return port;
  if (port.number == 0) {
    const api::ForwardListenRequest listen{.host = "127.0.0.1", .port = 0, .user = caller.user};
    const auto listening = co_await wire::call_with_timeout(*agentd, api::inside::kForwardListen, listen, kLimit);
    if (!listening) co_return fail(listening.error(), "a port for the model");
    port = {.forward = listening->forward, .number = listening->port};
  }
  served = agentd;
  tasks_.spawn(accept(this, std::move(agentd), std::move(caller), port));
  co_return port;
}

async::Task<> Gateway::accept(Gateway* self, Tunnel agentd, Caller caller, Port port) {
  while (!agentd->closed()) {
    const std::uint32_t stream = agentd->new_stream_id();
    Result<std::unique_ptr<wire::ByteSource>> source = agentd->open_source(stream);
    Result<std::unique_ptr<wire::ByteSink>> sink = agentd->open_sink(stream);
    if (!source || !sink) {
      co_await async::sleep_for(self->with_.loop, kRest);
      continue;
    }
    const api::ForwardAcceptRequest request{.forward = port.forward, .stream = stream};
    const auto accepted = co_await wire::call(*agentd, api::inside::kForwardAccept, request);
    if (accepted) {
      self->tasks_.spawn(serve(self, agentd, caller, std::move(*source), std::move(*sink)));
      continue;
    }
    if (agentd->closed()) co_return;
    if (accepted.error().code == Code::not_found) {
      // agentd was restarted and knows nothing of the port: it listens again, at the same number.
      const api::ForwardListenRequest again{.host = "127.0.0.1", .port = port.number, .user = caller.user};
      const auto listening = co_await wire::call_with_timeout(*agentd, api::inside::kForwardListen, again, kLimit);
      if (listening) {
        port.forward = listening->forward;
        continue;
      }
      log::logger<"model">().warn("an agent cannot reach its model",
                                  {{"agent", caller.agent}, {"error", listening.error()}});
    }
    co_await async::sleep_for(self->with_.loop, kRest);
  }
}

async::Task<> Gateway::serve(Gateway* self, Tunnel agentd, Caller caller, std::unique_ptr<wire::ByteSource> source,
                             std::unique_ptr<wire::ByteSink> sink) {
  const Tunnel kept = std::move(agentd);  // its streams are used to the end
  const auto connection = std::make_shared<ServerConnection>(std::move(source), std::move(sink));
  for (;;) {
    Result<std::optional<Request>> request = co_await connection->next();
    if (!request) {
      const Error& error = request.error();
      const bool theirs = error.code == Code::invalid_argument || error.code == Code::resource_exhausted;
      if (theirs) {
        const int status = status_of(error);
        const Result<void> told =
            co_await connection->reply(status, "application/json", error_body("", status, error.message));
        static_cast<void>(told);  // the connection ends either way
      }
      break;
    }
    if (!*request) break;
    const bool more = (*request)->keep_alive;
    const Result<void> passed = co_await self->pass(connection, caller, std::move(**request));
    if (!passed) {
      log::logger<"model">().debug("an answer of a model broke off",
                                   {{"agent", caller.agent}, {"error", passed.error()}});
      connection->break_off(passed.error());
      co_return;
    }
    if (!more) break;
  }
  connection->end();
}

async::Task<Result<secrets::SecretString>> Gateway::key_of(Upstream upstream, std::string swarm_name,
                                                           std::string role) {
  const Result<http_client::Url> url = http_client::parse_url(upstream.url);
  if (!url) co_return fail(url.error());
  auto looking =
      upstream.granted
          ? with_.vault.get_for(upstream.secret,
                                {.swarm = std::move(swarm_name), .role = std::move(role), .host = url->authority()})
          : with_.vault.get(upstream.secret);
  Result<secrets::SecretString> key = co_await std::move(looking);
  co_return key;
}

async::Task<Result<void>> Gateway::has_key(std::string provider, std::string swarm_name, std::string role) {
  const Upstream upstream = with_.upstream(provider);
  const Result<secrets::SecretString> key = co_await key_of(upstream, std::move(swarm_name), std::move(role));
  if (key) co_return {};
  co_return fail(key.error(), "a key for the models of " + provider);
}

async::Task<Result<void>> Gateway::pass(std::shared_ptr<ServerConnection> connection, Caller caller, Request request) {
  if (request.method == "HEAD" || (request.method == "GET" && request.target == "/")) {
    // Clients look so whether anybody is there.
    Result<void> sent = co_await connection->begin(200, {{.name = "content-length", .value = "0"}}, false);
    co_return sent;
  }
  const std::optional<std::string> provider = provider_of(request);
  if (!provider) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    Result<void> sent = co_await connection->reply(
        404, "application/json",
        error_body("", 404, fmt::format("'{}' is no request to a model; nothing else passes", path)));
    co_return sent;
  }
  const Upstream upstream = with_.upstream(*provider);
  const auto refuse = [&connection, &provider](const Error& error) {
    const int status = status_of(error);
    return connection->reply(status, "application/json", error_body(*provider, status, error.message));
  };
  const Result<secrets::SecretString> key = co_await key_of(upstream, caller.swarm_name, caller.role);
  if (!key) {
    log::logger<"model">().warn("an agent has no key for its model", {{"agent", caller.agent}, {"error", key.error()}});
    Result<void> sent = co_await refuse(key.error());
    co_return sent;
  }
  http_client::Request out{.method = request.method,
                           .url = upstream.url + target_of(request),
                           .headers = headers_of(request),
                           .body = std::move(request.body),
                           .upload = nullptr,
                           .upload_bytes = {},
                           .patience = kPatience};
  out.headers.push_back(key_header(*provider, key->reveal()));
  auto sending = client_.send(std::move(out));
  Result<std::unique_ptr<http_client::Response>> response = co_await std::move(sending);
  if (!response) {
    log::logger<"model">().warn("a model cannot be reached", {{"agent", caller.agent}, {"error", response.error()}});
    Error error = response.error();
    if (error.code != Code::deadline_exceeded) error.code = Code::unavailable;
    Result<void> sent = co_await refuse(error);
    co_return sent;
  }
  const std::string type = (*response)->header("content-type").value_or("");
  const Result<void> begun =
      co_await connection->begin((*response)->status(), answer_headers((*response)->headers()), true);
  if (!begun) co_return begun;
  UsageReader usage(type.find("event-stream") != std::string::npos ? UsageReader::Shape::events
                                                                   : UsageReader::Shape::document);
  Result<void> sent;
  for (;;) {
    Result<std::optional<std::string>> piece = co_await (*response)->read();
    if (!piece) {
      sent = fail(piece.error());
      break;
    }
    if (!*piece) break;
    usage.take(**piece);
    sent = co_await connection->part(std::move(**piece));
    if (!sent) break;
  }
  // What came before a break was used, too.
  const Used used = usage.finish();
  if (used.any()) tasks_.spawn(book(std::move(caller), *provider, used));
  if (!sent) co_return sent;
  sent = co_await connection->finish();
  co_return sent;
}

async::Task<> Gateway::book(Caller caller, std::string provider, Used used) {
  if (with_.meter == nullptr) co_return;
  const costs::Usage usage{.kind = costs::Kind::model,
                           .source = new_id("req", with_.loop.clock(), with_.random),
                           .at = with_.loop.clock().wall(),
                           .owner = {.swarm = caller.swarm,
                                     .agent = caller.agent,
                                     .role = caller.role,
                                     .task = {},
                                     .label = {},
                                     .sandbox = caller.sandbox,
                                     .provider = provider,
                                     .item = used.model},
                           .input = used.input,
                           .output = used.output,
                           .cache_read = used.cache_read,
                           .cache_write = used.cache_write,
                           .calls = 1};
  const Result<void> booked = co_await with_.store.write(
      "model.usage", store::Durability::process,
      [usage, meter = with_.meter](store::Changes& changes) { return meter->record(changes, usage); });
  if (!booked)
    log::logger<"model">().error("what a model used is not booked",
                                 {{"agent", caller.agent}, {"error", booked.error()}});
}

}  // namespace swarm::model
