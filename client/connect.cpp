#include "client/connect.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/start_daemon.hpp"
#include "protocol/api/rpc.hpp"
#include "protocol/core/version.hpp"

namespace swarm::client {

Result<std::vector<std::string>> sockets_to_try(const Context& context) {
  if (!context.globals.socket.empty()) {
    const Result<void> fits = check_socket_path(context.globals.socket);
    if (!fits) return fail(Code::invalid_argument, "--socket: " + fits.error().message);
    return std::vector{context.globals.socket};
  }
  const auto found = client_sockets(context.surroundings);
  if (!found) return fail(found.error());
  std::vector<std::string> paths;
  for (const auto& path : *found) paths.push_back(path.native());
  return paths;
}

async::Task<Result<Reached>> reach(Context& context) {
  const Result<std::vector<std::string>> paths = sockets_to_try(context);
  if (!paths) co_return fail(paths.error());
  for (const std::string& path : *paths) {
    Result<std::unique_ptr<transport::FdStream>> stream = co_await transport::connect_unix(context.loop, path);
    if (stream) co_return Reached{.path = path, .stream = std::move(*stream)};
    if (stream.error().code == Code::permission_denied) {
      co_return fail(Code::permission_denied,
                     fmt::format("the daemon at '{}' belongs to another user; use your own with 'swarmctl daemon "
                                 "start', or ask its owner",
                                 path));
    }
    if (stream.error().code != Code::not_found && stream.error().code != Code::unavailable) {
      co_return fail(stream.error());
    }
  }
  co_return fail(Code::unavailable, fmt::format("no daemon listens at {}; start one with 'swarmctl daemon start'",
                                                fmt::join(*paths, " or ")));
}

async::Task<Result<std::unique_ptr<Client>>> Client::open(Context& context, Start start) {
  Result<Reached> reached = co_await reach(context);
  const bool none = !reached && reached.error().code == Code::unavailable;
  if (none && start == Start::allowed && !context.globals.no_start) {
    const Result<Started> started = co_await start_daemon(context, {});
    if (!started) co_return fail(started.error());
    if (!started->already) {
      context.printer.note(fmt::format("Started the daemon (pid {}); 'swarmctl daemon stop' ends it.", started->pid));
    }
    reached = co_await reach(context);
  }
  if (!reached) co_return fail(reached.error());
  co_return std::make_unique<Client>(context, std::move(*reached));
}

Client::Client(Context& context, Reached reached)
    : context_(context),
      path_(std::move(reached.path)),
      ended_(context.loop),
      connection_(context.loop, std::move(reached.stream), wire::Side::dialer, wire::Limits{}, this),
      tasks_(context.loop) {
  tasks_.spawn(run());
  tasks_.spawn(greet());
}

Client::~Client() = default;

async::Task<> Client::run() {
  end_ = co_await connection_.run();
  ended_.set();
}

// Sent ahead of the first call and not waited for: it costs no round trip. A daemon that does not know it still works.
async::Task<> Client::greet() {
  const api::RpcHelloRequest hello{
      .client = "swarmctl", .version = std::string(kVersion), .errors = api::ErrorShape::map};
  const Result<api::RpcHelloReply> answer = co_await wire::call(connection_, api::kRpcHello, hello);
  static_cast<void>(answer);
}

Error Client::explain(const Error& error, const std::string& method) const {
  if (error.code == Code::unavailable && connection_.closed()) {
    return {.code = Code::unavailable,
            .message = fmt::format("the daemon went away before it answered {}; what was asked may have happened. "
                                   "'swarmctl daemon status' says whether it runs, 'swarmctl daemon logs' why it ended",
                                   method),
            .retryable = true};
  }
  if (error.code == Code::deadline_exceeded && context_.timeout && error.message.starts_with(method)) {
    return {
        .code = Code::deadline_exceeded,
        .message = fmt::format("{}; what was asked may still happen. Give it more time with --timeout", error.message),
        .retryable = true};
  }
  return error;
}

wire::Reply Client::request(wire::Connection& /*connection*/, wire::Incoming incoming) {
  return Result<Value>(fail(Code::unimplemented, "swarmctl serves no methods; '" + incoming.method + "' was asked"));
}

void Client::notification(wire::Connection& /*connection*/, wire::Incoming incoming) {
  if (heard_) heard_(incoming.method, std::move(incoming.params));
}

}  // namespace swarm::client
