#include <fmt/format.h>

#include <csignal>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "protocol/api/e2b.hpp"
#include "protocol/async/signals.hpp"

namespace swarm::client {
namespace {

struct ServeOptions {
  std::string listen;
  std::string domain;
  std::string certificate;
  std::string key;
  bool detach = false;
};

/// What a shell has to be told so that the SDKs come here.
void print_env(Context& context, const api::E2bStatus& status) {
  const std::string url = status.url.value_or("");
  context.printer.line("export E2B_API_KEY=" + status.api_key.value_or(""));
  context.printer.line("export E2B_API_URL=" + url);
  context.printer.line("export E2B_SANDBOX_URL=" + url);
  if (!status.domain) {
    context.printer.line("# getHost() needs a domain that leads here: [e2b_endpoint] domain, or 'e2b serve --domain'.");
    return;
  }
  const std::string name = status.domain->substr(0, status.domain->find(':'));
  context.printer.line("export E2B_DOMAIN=" + *status.domain);
  context.printer.line("# getHost(): names below the domain have to lead to this machine. For dnsmasq:");
  context.printer.line(fmt::format("#   address=/{}/127.0.0.1", name));
  if (url.starts_with("https:")) {
    context.printer.line("# A certificate of your own authority: Node wants NODE_EXTRA_CA_CERTS=/path/to/ca.pem");
  }
}

async::Task<> wait_for_signal(async::Loop& loop, int number, async::Event& done) {
  async::SignalWatcher watcher(loop, number);
  co_await watcher.next();
  done.set();
}

async::Task<Result<int>> serve(Context& context, ServeOptions options) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const api::E2bOpenRequest request{.listen = non_empty(options.listen),
                                    .domain = non_empty(options.domain),
                                    .certificate = non_empty(options.certificate),
                                    .key = non_empty(options.key)};
  const Result<api::E2bStatus> opened = co_await (*client)->call(api::kE2bOpen, request);
  if (!opened) co_return fail(opened.error());
  if (context.printer.json()) {
    context.printer.json_line(api::encode(*opened));
  } else {
    print_env(context, *opened);
  }
  if (options.detach) co_return kExitOk;
  context.printer.note("Ctrl-C closes it");
  async::Event done(context.loop);
  async::TaskSet waiting(context.loop);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) waiting.spawn(wait_for_signal(context.loop, number, done));
  waiting.spawn(set_at_end(**client, done));
  co_await done.wait();
  if ((*client)->end()) {
    co_return fail(Code::unavailable, "the daemon went away; 'swarmctl daemon status' says whether it runs");
  }
  const Result<api::Empty> closed = co_await (*client)->call(api::kE2bClose, {});
  if (!closed) co_return fail(closed.error());
  co_return kExitOk;
}

async::Task<Result<int>> env(Context& context) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::E2bStatus> status = co_await (*client)->call(api::kE2bStatus, {});
  if (!status) co_return fail(status.error());
  if (context.printer.json()) {
    context.printer.document_of(*status);
    co_return kExitOk;
  }
  if (!status->open) {
    co_return fail(Code::failed_precondition,
                   "the E2B endpoint is not open; 'swarmctl e2b serve' opens it, or [e2b_endpoint] enabled = true");
  }
  print_env(context, *status);
  co_return kExitOk;
}

async::Task<Result<int>> stop(Context& context) {
  return call_and_show(context, api::kE2bClose, {}, [](Context& c, const api::Empty&) { c.printer.line("closed"); });
}

}  // namespace

void add_e2b_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "e2b", "E2B's API on this machine's sandboxes");
  CLI::App& serving = add_command(group, selection, "serve", "Open the endpoint until Ctrl-C",
                                  "  swarmctl e2b serve\n"
                                  "  swarmctl e2b serve -d --listen 127.0.0.1:0\n"
                                  "  eval \"$(swarmctl e2b env)\"; node my-e2b-program.js\n");
  auto options = std::make_shared<ServeOptions>();
  serving.add_option("--listen", options->listen, "Address and port (127.0.0.1:3999)")->type_name("ADDRESS");
  serving.add_option("--domain", options->domain, "Ports of sandboxes are at <port>-<sandbox>.DOMAIN")
      ->type_name("DOMAIN");
  serving.add_option("--certificate", options->certificate, "PEM file; then TLS and HTTP/2 are spoken")
      ->type_name("FILE");
  serving.add_option("--key", options->key, "PEM file of its key")->type_name("FILE");
  serving.add_flag("-d,--detach", options->detach, "Leave it open and return");
  serving.callback(
      [&selection, options] { selection.action = [options](Context& context) { return serve(context, *options); }; });
  CLI::App& printing = add_command(group, selection, "env", "Print the variables that lead the E2B SDKs here");
  printing.callback([&selection] { selection.action = [](Context& context) { return env(context); }; });
  CLI::App& stopping = add_command(group, selection, "stop", "Close the endpoint; sandboxes live on");
  stopping.callback([&selection] { selection.action = [](Context& context) { return stop(context); }; });
}

}  // namespace swarm::client
