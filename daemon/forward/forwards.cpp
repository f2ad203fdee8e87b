#include "daemon/forward/forwards.hpp"

#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/core/id.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::forward {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDialPatience = 10s;

// Out of descriptors or with a tunnel that is down: how long an accepting side rests.
constexpr Duration kRest = 100ms;

/// True for the event that a sandbox is gone or failed.
bool tells_of_an_end(const store::Event& event) {
  if (event.type != api::kSandboxState.name || !event.sandbox) return false;
  const Result<Value> data = wire::decode(std::as_bytes(std::span(event.data)), wire::Limits{});
  if (!data) return false;
  const Value* to = data->find("to");
  return to != nullptr && to->as_string() != nullptr && (*to->as_string() == "gone" || *to->as_string() == "failed");
}

}  // namespace

struct Forwards::Forward {
  explicit Forward(async::Loop& loop) : tasks(loop) {}

  std::string id;
  std::string sandbox;
  api::ForwardOpenRequest request;
  std::uint32_t port = 0;
  std::string inner;  ///< agentd's id of it, for a port inside
  std::unique_ptr<transport::TcpListener> listener;
  std::uint64_t connections = 0;
  std::uint64_t open = 0;
  relay::Traffic ended;                ///< of connections that have ended
  std::list<relay::Traffic*> running;  ///< of those that are open
  async::TaskSet tasks;                // last: its tasks use everything above

  /// One open connection: counted while it lives, its traffic added up when it ends.
  struct Counted {
    explicit Counted(Forward& of) : forward(of) {
      ++forward.connections;
      ++forward.open;
      forward.running.push_back(&traffic);
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() {
      --forward.open;
      forward.running.remove(&traffic);
      forward.ended.to_stream_bytes += traffic.to_stream_bytes;
      forward.ended.from_stream_bytes += traffic.from_stream_bytes;
    }
    Forward& forward;
    relay::Traffic traffic;
  };
};

Forwards::Forwards(async::Loop& loop, store::Store& store, sandbox::Sandboxes& sandboxes, const config::Config& config,
                   Random& random)
    : loop_(loop),
      sandboxes_(sandboxes),
      config_(config),
      random_(random),
      ends_(store.subscribe([this](const std::vector<store::Event>& events) {
        for (const store::Event& event : events) {
          if (tells_of_an_end(event)) drop_those_of(*event.sandbox);
        }
      })) {}

Forwards::~Forwards() = default;

void Forwards::drop_those_of(const std::string& sandbox) {
  std::erase_if(forwards_, [&](const auto& entry) { return entry.second->sandbox == sandbox; });
}

async::Task<Result<api::ForwardInfo>> Forwards::open(std::string sandbox, api::ForwardOpenRequest request) {
  const Result<api::SandboxInfo> info = co_await sandboxes_.info(std::move(sandbox));
  if (!info) co_return fail(info.error());
  auto forward = std::make_shared<Forward>(loop_);
  forward->id = new_id("fwd", loop_.clock(), random_);
  forward->sandbox = info->id;
  forward->request = std::move(request);
  const bool inward = forward->request.direction == api::ForwardDirection::to_sandbox;
  if (inward != forward->request.target_port.has_value()) {
    co_return fail(Code::invalid_argument, inward ? "target_port: needed where a port of the host leads into a sandbox"
                                                  : "service: needed where a port inside leads to the host");
  }
  Result<std::shared_ptr<Forward>> opened = inward ? co_await open_to_sandbox(forward) : co_await open_to_host(forward);
  if (!opened) co_return fail(opened.error());
  forwards_.emplace(forward->id, forward);
  log::logger<"forward">().info("port forwarded",
                                {{"forward", forward->id}, {"sandbox", forward->sandbox}, {"port", forward->port}});
  co_return info_of(*forward);
}

async::Task<Result<std::shared_ptr<Forwards::Forward>>> Forwards::open_to_sandbox(std::shared_ptr<Forward> forward) {
  auto listener = transport::TcpListener::listen(
      loop_, {.host = forward->request.listen_host, .port = static_cast<std::uint16_t>(forward->request.listen_port)});
  if (!listener) co_return fail(listener.error());
  forward->listener = std::move(*listener);
  forward->port = forward->listener->address().port;
  forward->tasks.spawn(accept_on_host(*forward));
  co_return forward;
}

async::Task<> Forwards::accept_on_host(Forward& forward) {
  for (;;) {
    auto accepted = co_await forward.listener->accept();
    if (!accepted) {
      log::logger<"forward">().warn("a connection could not be accepted",
                                    {{"forward", forward.id}, {"error", accepted.error()}});
      co_await async::sleep_for(loop_, kRest);
      continue;
    }
    forward.tasks.spawn(into_sandbox(forward, std::move(accepted->stream)));
  }
}

async::Task<> Forwards::into_sandbox(Forward& forward, std::unique_ptr<transport::FdStream> connection) {
  Forward::Counted counted(forward);
  auto use = co_await sandboxes_.use(forward.sandbox);
  if (!use) co_return;  // dropping the connection tells the caller
  wire::Connection& agent = use->agent();
  const std::uint32_t stream = agent.new_stream_id();
  Result<std::unique_ptr<wire::ByteSource>> source = agent.open_source(stream);
  Result<std::unique_ptr<wire::ByteSink>> sink = agent.open_sink(stream);
  if (!source || !sink) co_return;
  const api::ForwardDialRequest dial{.host = forward.request.target_host.value_or("127.0.0.1"),
                                     .port = *forward.request.target_port,
                                     .stream = stream};
  const auto dialled = co_await wire::call_with_timeout(agent, api::inside::kForwardDial, dial, kDialPatience);
  if (!dialled) {
    log::logger<"forward">().debug("nobody answers inside", {{"forward", forward.id}, {"error", dialled.error()}});
    co_return;
  }
  const Result<void> ended = co_await relay::run(loop_, *connection, **source, **sink, &counted.traffic);
  if (!ended) log::logger<"forward">().debug("a connection broke", {{"forward", forward.id}, {"error", ended.error()}});
}

async::Task<Result<std::shared_ptr<Forwards::Forward>>> Forwards::open_to_host(std::shared_ptr<Forward> forward) {
  const std::string& service = *forward->request.service;
  if (!config_.services.contains(service)) {
    std::vector<std::string> names;
    for (const auto& [name, ignored] : config_.services) names.push_back(name);
    co_return fail(Code::not_found,
                   fmt::format("no service '{}' is opened to sandboxes{}; add [service.{}] with its port to the "
                               "configuration",
                               service, did_you_mean(service, names), service));
  }
  auto use = co_await sandboxes_.use(forward->sandbox);
  if (!use) co_return fail(use.error());
  const api::ForwardListenRequest request{.host = forward->request.listen_host, .port = forward->request.listen_port};
  const auto listening =
      co_await wire::call_with_timeout(use->agent(), api::inside::kForwardListen, request, kDialPatience);
  if (!listening) co_return fail(listening.error());
  forward->inner = listening->forward;
  forward->port = listening->port;
  forward->tasks.spawn(accept_inside(*forward));
  co_return forward;
}

async::Task<> Forwards::accept_inside(Forward& forward) {
  for (;;) {
    auto use = co_await sandboxes_.use(forward.sandbox);
    if (!use) {
      co_await async::sleep_for(loop_, kRest);
      continue;
    }
    const std::shared_ptr<wire::Connection> agent = use->connection();
    const std::uint32_t stream = agent->new_stream_id();
    Result<std::unique_ptr<wire::ByteSource>> source = agent->open_source(stream);
    Result<std::unique_ptr<wire::ByteSink>> sink = agent->open_sink(stream);
    if (!source || !sink) {
      co_await async::sleep_for(loop_, kRest);
      continue;
    }
    const api::ForwardAcceptRequest request{.forward = forward.inner, .stream = stream};
    const auto accepted = co_await wire::call(*agent, api::inside::kForwardAccept, request);
    if (!accepted) {
      if (accepted.error().code == Code::not_found) {
        // agentd was restarted and knows nothing of the port: it listens again, at the same number.
        const api::ForwardListenRequest again{.host = forward.request.listen_host, .port = forward.port};
        const auto listening =
            co_await wire::call_with_timeout(*agent, api::inside::kForwardListen, again, kDialPatience);
        if (listening) forward.inner = listening->forward;
      }
      co_await async::sleep_for(loop_, kRest);
      continue;
    }
    forward.tasks.spawn(to_service(forward, agent, std::move(*source), std::move(*sink)));
  }
}

async::Task<> Forwards::to_service(Forward& forward, std::shared_ptr<wire::Connection> agent,
                                   std::unique_ptr<wire::ByteSource> source, std::unique_ptr<wire::ByteSink> sink) {
  const std::shared_ptr<wire::Connection> kept = std::move(agent);  // its streams are used to the end
  Forward::Counted counted(forward);
  const auto service = config_.services.find(*forward.request.service);
  if (service == config_.services.end()) {
    sink->fail({.code = Code::not_found, .message = "the service is no longer opened to sandboxes"});
    co_return;
  }
  auto connection = co_await async::with_timeout(
      loop_,
      transport::connect_tcp(loop_,
                             {.host = service->second.host, .port = static_cast<std::uint16_t>(service->second.port)},
                             transport::Reach::anywhere),
      kDialPatience, "service");
  if (!connection) {
    sink->fail(connection.error());
    co_return;
  }
  const Result<void> ended = co_await relay::run(loop_, **connection, *source, *sink, &counted.traffic);
  if (!ended) log::logger<"forward">().debug("a connection broke", {{"forward", forward.id}, {"error", ended.error()}});
}

api::ForwardInfo Forwards::info_of(const Forward& forward) const {
  api::ForwardInfo info{
      .forward = forward.id,
      .sandbox = forward.sandbox,
      .direction = forward.request.direction,
      .listen_host = forward.request.listen_host,
      .listen_port = forward.port,
      .target_host = forward.request.target_host,
      .target_port = forward.request.target_port,
      .service = forward.request.service,
      .connections = forward.connections,
      .open = forward.open,
  };
  std::uint64_t to_stream = forward.ended.to_stream_bytes;
  std::uint64_t from_stream = forward.ended.from_stream_bytes;
  for (const relay::Traffic* traffic : forward.running) {
    to_stream += traffic->to_stream_bytes;
    from_stream += traffic->from_stream_bytes;
  }
  // "Sent" is what went to the target, whichever side that is on.
  const bool inward = forward.request.direction == api::ForwardDirection::to_sandbox;
  info.sent_bytes = inward ? from_stream : to_stream;
  info.received_bytes = inward ? to_stream : from_stream;
  return info;
}

Result<api::ForwardListReply> Forwards::list(const api::ForwardListRequest& request) const {
  api::ForwardListReply reply;
  for (auto it = request.cursor ? forwards_.upper_bound(*request.cursor) : forwards_.begin(); it != forwards_.end();
       ++it) {
    const Forward& forward = *it->second;
    if (request.sandbox && !forward.sandbox.starts_with(*request.sandbox)) continue;
    if (reply.forwards.size() == request.limit) {
      reply.next_cursor = reply.forwards.back().forward;
      break;
    }
    reply.forwards.push_back(info_of(forward));
  }
  return reply;
}

async::Task<Result<api::Empty>> Forwards::close(std::string id) {
  const auto found = forwards_.lower_bound(id);
  if (id.empty() || found == forwards_.end() || !found->first.starts_with(id)) {
    co_return fail(Code::not_found,
                   fmt::format("there is no forwarded port '{}'; 'swarmctl forward ls' lists them", id));
  }
  if (std::next(found) != forwards_.end() && std::next(found)->first.starts_with(id) && found->first != id) {
    co_return fail(Code::invalid_argument,
                   fmt::format("'{}' could be several forwarded ports; give more of the id", id));
  }
  const std::shared_ptr<Forward> forward = found->second;
  forwards_.erase(found);
  forward->tasks.cancel_all();
  if (!forward->inner.empty()) {
    auto use = co_await sandboxes_.use(forward->sandbox);
    if (use) {
      const api::ForwardCloseRequest request{.forward = forward->inner};
      const auto closed =
          co_await wire::call_with_timeout(use->agent(), api::inside::kForwardClose, request, kDialPatience);
      if (!closed) log::logger<"forward">().debug("the port inside could not be closed", {{"error", closed.error()}});
    }
  }
  co_return api::Empty{};
}

}  // namespace swarm::forward
