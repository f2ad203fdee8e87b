#include <fmt/format.h>

#include <charconv>
#include <csignal>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/forward.hpp"
#include "protocol/async/signals.hpp"

namespace swarm::client {
namespace {

struct ForwardOptions {
  std::string sandbox;
  std::vector<std::string> ports;
  std::string listen_host = "127.0.0.1";
  std::string service;
  bool detach = false;
};

Result<std::uint32_t> read_port(std::string_view text, std::string_view spec) {
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port > 65'535) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no port in '{}'; write PORT, or HOST_PORT:PORT, for example 8080:80", text, spec));
  }
  return port;
}

/// "8080" or "8080:80": the port here and the one in the sandbox.
Result<std::pair<std::uint32_t, std::uint32_t>> read_ports(const std::string& spec) {
  const std::size_t colon = spec.find(':');
  const auto first = read_port(std::string_view(spec).substr(0, colon), spec);
  if (!first) return fail(first.error());
  if (colon == std::string::npos) return std::pair(*first, *first);
  const auto second = read_port(std::string_view(spec).substr(colon + 1), spec);
  if (!second) return fail(second.error());
  return std::pair(*first, *second);
}

std::string endpoint(std::string_view host, std::uint32_t port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

std::string described(const api::ForwardInfo& forward) {
  const std::string listening = endpoint(forward.listen_host, forward.listen_port);
  if (forward.direction == api::ForwardDirection::to_host) {
    return fmt::format("{} in {} leads to the service {}", listening, forward.sandbox,
                       one_line(forward.service.value_or("")));
  }
  return fmt::format("{} leads to {} in {}", listening,
                     endpoint(forward.target_host.value_or("127.0.0.1"), forward.target_port.value_or(0)),
                     forward.sandbox);
}

async::Task<> wait_for_signal(async::Loop& loop, int number, std::optional<int>& got, async::Event& done) {
  async::SignalWatcher watcher(loop, number);
  co_await watcher.next();
  got = number;
  done.set();
}

async::Task<Result<int>> forward(Context& context, ForwardOptions options) {
  std::vector<api::InSandbox<api::ForwardOpenRequest>> requests;
  for (const std::string& spec : options.ports) {
    const auto ports = read_ports(spec);
    if (!ports) co_return fail(ports.error());
    api::ForwardOpenRequest request{.listen_host = options.listen_host, .listen_port = ports->first};
    if (options.service.empty()) {
      request.target_port = ports->second;
    } else {
      request.direction = api::ForwardDirection::to_host;
      request.service = options.service;
    }
    requests.push_back(in_sandbox(options.sandbox, std::move(request)));
  }
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  std::vector<std::string> opened;
  std::optional<Error> refused;
  for (const auto& request : requests) {
    const Result<api::ForwardInfo> forward = co_await (*client)->call(api::kForwardOpen, request);
    if (!forward) {
      refused = forward.error();
      break;
    }
    opened.push_back(forward->forward);
    if (context.printer.json()) {
      context.printer.json_line(api::encode(*forward));
    } else {
      context.printer.line(described(*forward));
    }
  }
  if (!refused && options.detach) co_return kExitOk;
  std::optional<int> signal;
  if (!refused) {
    context.printer.note("Ctrl-C closes it");
    async::Event done(context.loop);
    async::TaskSet waiting(context.loop);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      waiting.spawn(wait_for_signal(context.loop, number, signal, done));
    }
    waiting.spawn(set_at_end(**client, done));
    co_await done.wait();
  }
  for (const std::string& id : opened) {
    const Result<api::Empty> closed = co_await (*client)->call(api::kForwardClose, {.forward = id});
    static_cast<void>(closed);  // with its sandbox, or with the daemon, it has gone by itself
  }
  if (refused) co_return fail(*refused);
  if (!signal) {
    co_return fail(Code::unavailable, "the daemon went away; 'swarmctl daemon status' says whether it runs");
  }
  co_return *signal == SIGINT ? kExitOk : kExitSignal + *signal;
}

async::Task<Result<int>> refuse_without_ports() {
  co_return fail(Code::invalid_argument,
                 "name a sandbox and at least one port, for example 'swarmctl forward web 8080:80'");
}

async::Task<Result<int>> list(Context& context, std::string sandbox) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  api::ForwardListRequest request{.sandbox = non_empty(sandbox)};
  api::ForwardListReply all;
  do {
    Result<api::ForwardListReply> page = co_await (*client)->call(api::kForwardList, request);
    if (!page) co_return fail(page.error());
    std::ranges::move(page->forwards, std::back_inserter(all.forwards));
    request.cursor = page->next_cursor;
  } while (request.cursor);
  if (context.printer.json()) {
    context.printer.document_of(all);
    co_return kExitOk;
  }
  if (all.forwards.empty()) {
    context.printer.note("No ports are forwarded");
    co_return kExitOk;
  }
  Table table({{"ID"},
               {"SANDBOX", Align::left, Fit::shorten},
               {"LISTENS ON", Align::left, Fit::shorten},
               {"LEADS TO", Align::left, Fit::shorten},
               {"OPEN", Align::right},
               {"SENT", Align::right},
               {"RECEIVED", Align::right}});
  for (const api::ForwardInfo& one : all.forwards) {
    const bool inward = one.direction == api::ForwardDirection::to_sandbox;
    table.add({one.forward, one.sandbox, (inward ? "" : "inside ") + endpoint(one.listen_host, one.listen_port),
               inward ? endpoint(one.target_host.value_or("127.0.0.1"), one.target_port.value_or(0))
                      : "service " + one_line(one.service.value_or("")),
               human_count(one.open), human_size(one.sent_bytes), human_size(one.received_bytes)});
  }
  context.printer.table(table);
  co_return kExitOk;
}

async::Task<Result<int>> close(Context& context, std::vector<std::string> ids) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  int worst = kExitOk;
  for (const std::string& id : ids) {
    const Result<api::Empty> closed = co_await (*client)->call(api::kForwardClose, {.forward = id});
    if (closed) {
      if (!context.printer.json()) context.printer.line(id);
    } else {
      context.printer.error(closed.error());
      worst = exit_of(closed.error());
    }
  }
  co_return worst;
}

}  // namespace

void add_forward_commands(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "forward", "Forward ports of this machine into a sandbox, or back",
                                  "  swarmctl forward web 8080          port 8080 here leads to 8080 inside\n"
                                  "  swarmctl forward web 8080:80 5432\n"
                                  "  swarmctl forward web 5432 --service db   inside to a configured service here\n"
                                  "  swarmctl forward ls\n");
  command.require_subcommand(0, 1);
  auto options = std::make_shared<ForwardOptions>();
  command.add_option("SANDBOX", options->sandbox, "Its id, a unique beginning of it, or its name");
  command.add_option("PORTS", options->ports, "PORT or HOST_PORT:PORT; HOST_PORT 0 takes a free one");
  command.add_option("--listen", options->listen_host, "Address to listen on (127.0.0.1)")->type_name("ADDRESS");
  command.add_option("--service", options->service, "Lead from PORT inside to this service of the configuration")
      ->type_name("NAME");
  command.add_flag("-d,--detach", options->detach, "Leave it open and return");
  command.callback([&selection, &command, options] {
    if (!command.get_subcommands().empty()) return;
    selection.action = [options](Context& context) -> async::Task<Result<int>> {
      if (options->ports.empty()) return refuse_without_ports();
      return forward(context, *options);
    };
  });

  CLI::App& ls = add_command(command, selection, "ls", "List forwarded ports");
  auto sandbox = std::make_shared<std::string>();
  ls.add_option("SANDBOX", *sandbox, "Only those of this sandbox");
  ls.callback(
      [&selection, sandbox] { selection.action = [sandbox](Context& context) { return list(context, *sandbox); }; });

  CLI::App& closing = add_command(command, selection, "close", "Close forwarded ports");
  auto ids = std::make_shared<std::vector<std::string>>();
  closing.add_option("ID", *ids, "Their ids")->required();
  closing.callback([&selection, ids] { selection.action = [ids](Context& context) { return close(context, *ids); }; });
}

}  // namespace swarm::client
