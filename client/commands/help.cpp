#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/daemon.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/version.hpp"

namespace swarm::client {
namespace {

async::Task<Result<int>> version(Context& context) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context, Start::forbidden);
  std::optional<std::string> daemon;
  if (client) {
    const Result<api::DaemonInfoReply> info = co_await (*client)->call(api::kDaemonInfo, {});
    if (info) daemon = info->version;
  }
  if (context.printer.json()) {
    Value document;
    document.set("client", kVersion);
    if (daemon) document.set("daemon", *daemon);
    context.printer.document(document);
  } else {
    context.printer.line(fmt::format("swarmctl {}", kVersion));
    context.printer.line(daemon ? "swarmd " + one_line(*daemon) : "swarmd: not running");
  }
  co_return kExitOk;
}

async::Task<Result<int>> topic(Context& context, std::string page) {
  context.printer.text(page);
  co_return kExitOk;
}

}  // namespace

void add_help_commands(CLI::App& root, Selection& selection) {
  add_command(root, selection, "version", "Print the versions of client and daemon").callback([&selection] {
    selection.action = [](Context& context) { return version(context); };
  });
  CLI::App& help = add_command(root, selection, "help", "Explain a command, or 'exit-codes'");
  auto words = std::make_shared<std::vector<std::string>>();
  help.add_option("TOPIC", *words, "A command, or exit-codes");
  help.callback([&selection, &root, words] {
    std::string page;
    if (*words == std::vector<std::string>{"exit-codes"}) {
      page = exit_codes_page();
    } else {
      const CLI::App* app = &root;
      for (const std::string& word : *words) {
        const auto found =
            app->get_subcommands([&](const CLI::App* c) { return !c->get_name().empty() && c->check_name(word); });
        if (found.empty()) {
          std::vector<std::string> known{"exit-codes"};
          for (const CLI::App* one : app->get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); })) {
            known.push_back(one->get_name());
          }
          throw CLI::ValidationError(fmt::format("there is no help on '{}'{}", word, did_you_mean(word, known)),
                                     CLI::ExitCodes::ValidationError);
        }
        app = found.front();
      }
      page = app->help();
    }
    selection.action = [page](Context& context) { return topic(context, page); };
  });
}

}  // namespace swarm::client
