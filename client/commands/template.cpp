#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/output/human.hpp"
#include "client/output/progress.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/template.hpp"

namespace swarm::client {
namespace {

void show_list(Context& context, const api::TemplateListReply& reply) {
  Table templates({{"TEMPLATE"},
                   {"PROVIDERS", Align::left, Fit::shorten},
                   {"TOOLS", Align::left, Fit::shorten},
                   {"POOL", Align::right},
                   {"DESCRIPTION", Align::left, Fit::shorten}});
  for (const api::TemplateInfo& one : reply.templates) {
    std::string tools = fmt::format("{}", fmt::join(one.tools, ", "));
    if (!one.missing_tools.empty()) tools += fmt::format(" (missing: {})", fmt::join(one.missing_tools, ", "));
    templates.add({one_line(one.name) + (one.is_default ? " *" : ""),
                   one_line(fmt::format("{}", fmt::join(one.providers, ", "))),
                   {one_line(tools), one.missing_tools.empty() ? Style::plain : Style::warning},
                   one.max_ready == 0 ? std::string("-") : fmt::format("{}-{}", one.min_ready, one.max_ready),
                   one_line(one.description)});
  }
  context.printer.table(templates);
  if (reply.tools.empty()) return;
  context.printer.line("");
  Table tools({{"TOOL"}, {"VERSION"}, {"SIZE", Align::right}, {"INSTALLED", Align::right}});
  for (const api::ToolInfo& tool : reply.tools) {
    tools.add({one_line(tool.name), one_line(tool.version), human_size(tool.size_bytes),
               human_age(context.now(), tool.installed_us)});
  }
  context.printer.table(tools);
}

async::Task<Result<int>> install(Context& context, std::string tool, std::string archive) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  Progress progress(context, "Installing " + tool);
  (*client)->on_notification([&](const std::string& method, Value params) {
    if (method != api::kTemplateProgress.name) return;
    Result<Value> argument = api::named_arguments(std::move(params));
    if (!argument) return;
    const Result<api::TemplateProgress> step = api::decode_reply<api::TemplateProgress>(std::move(*argument));
    if (!step) return;
    progress.say(one_line(step->tool + ": " + step->step));
    if (step->done_bytes) progress.bytes(*step->done_bytes, step->total_bytes);
  });
  api::TemplateInstallRequest request{.tool = tool};
  // The daemon reads it, from a working directory of its own.
  if (!archive.empty()) request.archive = api::Path(std::filesystem::absolute(archive).native());
  const Result<api::TemplateInstallReply> reply = co_await (*client)->call(api::kTemplateInstall, request);
  progress.finish();
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    context.printer.line(fmt::format("{}@{} {} ({})", one_line(reply->tool.name), one_line(reply->tool.version),
                                     reply->already_installed ? "was installed already" : "is installed",
                                     human_size(reply->tool.size_bytes)));
  }
  co_return kExitOk;
}

}  // namespace

void add_template_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "template", "What sandboxes are made from, and programs for them");
  CLI::App& ls = add_command(group, selection, "ls", "List templates and installed programs");
  ls.alias("list");
  ls.callback([&selection] {
    selection.action = [](Context& context) { return call_and_show(context, api::kTemplateList, {}, show_list); };
  });
  CLI::App& installing = add_command(group, selection, "install", "Install an agent's program for all sandboxes",
                                     "  swarmctl template install claude@2.0.14\n"
                                     "  swarmctl template install codex\n");
  auto tool = std::make_shared<std::string>();
  auto archive = std::make_shared<std::string>();
  installing.add_option("TOOL", *tool, "NAME@VERSION; without a version, the newest")->required();
  installing.add_option("--archive", *archive, "Take it from this archive instead of the registry")->type_name("FILE");
  installing.callback([&selection, tool, archive] {
    selection.action = [tool, archive](Context& context) { return install(context, *tool, *archive); };
  });
}

}  // namespace swarm::client
