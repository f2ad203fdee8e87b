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

struct BuildOptions {
  std::string what;
  std::string definition;
  std::string name;
  std::string from_template;
  std::vector<std::string> args;
  bool force = false;
};

/// A directory, or the name of a template that came with swarmd: `base` is `base.toml` of its template directory.
Result<api::TemplateBuildRequest> request_of(const BuildOptions& options) {
  namespace fs = std::filesystem;
  std::error_code error;
  api::TemplateBuildRequest request;
  request.name = non_empty(options.name);
  request.from_template = non_empty(options.from_template);
  request.force = options.force;
  Result<std::map<std::string, std::string>> args = read_pairs("--build-arg", options.args);
  if (!args) return fail(args.error());
  request.args = std::move(*args);
  if (!options.definition.empty()) request.definition = options.definition;
  const fs::path what(options.what);
  if (fs::is_directory(what, error)) {
    request.directory = api::Path(fs::absolute(what).lexically_normal().native());
    return request;
  }
  if (fs::is_regular_file(what, error)) {
    request.directory = api::Path(fs::absolute(what).lexically_normal().parent_path().native());
    request.definition = what.filename();
    return request;
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  for (const fs::path& place : {program.parent_path().parent_path() / "share/swarmd/template",
                                program.parent_path().parent_path() / "template"}) {
    if (!fs::is_regular_file(place / (options.what + ".toml"), error)) continue;
    request.directory = api::Path(fs::canonical(place, error).native());
    request.definition = options.what + ".toml";
    return request;
  }
  return fail(Code::not_found,
              fmt::format("'{}' is no directory, no definition and none of base, data, desktop", options.what));
}

std::string size_of(const api::TemplateStep& step) { return step.size_bytes ? human_size(*step.size_bytes) : "-"; }

void show_check(Context& context, const api::TemplateCheckReply& reply) {
  context.printer.line(fmt::format("{} from {} '{}', {} CPUs, {} MiB", one_line(reply.name),
                                   reply.from_image ? "image" : "template", one_line(reply.from), reply.cpus,
                                   reply.memory_mib));
  Table steps({{"STEP", Align::right}, {"WHAT"}, {"FILES", Align::right}, {"HASH"}, {"", Align::left, Fit::shorten}});
  for (std::size_t i = 0; i < reply.steps.size(); ++i) {
    const api::TemplateStep& step = reply.steps[i];
    steps.add({std::to_string(i + 1), one_line(step.type), size_of(step), step.hash.value_or("-").substr(0, 12),
               one_line(fmt::format("{}", fmt::join(step.args, " ")))});
  }
  context.printer.table(steps);
  if (!reply.start.empty()) context.printer.line("start: " + one_line(reply.start));
  if (!reply.ready.empty()) context.printer.line("ready: " + one_line(reply.ready));
}

void show_line(Context& context, const api::TemplateBuildLine& line) {
  const std::string step = line.step ? fmt::format("[{}] ", *line.step) : "";
  const std::string level = line.level == "error" || line.level == "warn" ? line.level + ": " : "";
  context.printer.line(one_line(step + level + line.message));
}

async::Task<Result<int>> build(Context& context, BuildOptions options) {
  const Result<api::TemplateBuildRequest> request = request_of(options);
  if (!request) co_return fail(request.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  (*client)->on_notification([&](const std::string& method, Value params) {
    if (method != api::kTemplateBuildLine.name) return;
    Result<Value> argument = api::named_arguments(std::move(params));
    if (!argument) return;
    const Result<api::TemplateBuildLine> line = api::decode_reply<api::TemplateBuildLine>(std::move(*argument));
    if (!line) return;
    if (context.printer.json()) {
      context.printer.json_line(api::encode(*line));
    } else {
      show_line(context, *line);
    }
  });
  const Result<api::TemplateBuildReply> reply = co_await (*client)->call_patiently(api::kTemplateBuild, *request);
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.json_line(api::encode(*reply));
  } else {
    context.printer.line(fmt::format("template {} is built (build {}; {} sent, {} were there)",
                                     one_line(reply->template_id), one_line(reply->build),
                                     human_size(reply->uploaded_bytes), human_size(reply->cached_bytes)));
  }
  co_return kExitOk;
}

async::Task<Result<int>> check(Context& context, BuildOptions options) {
  const Result<api::TemplateBuildRequest> request = request_of(options);
  if (!request) co_return fail(request.error());
  Result<int> done = co_await call_and_show(context, api::kTemplateCheck, *request, show_check);
  co_return done;
}

void show_remote(Context& context, const api::TemplateRemoteReply& reply) {
  Table table({{"TEMPLATE"},
               {"NAMES", Align::left, Fit::shorten},
               {"STATUS"},
               {"CPUS", Align::right},
               {"MEMORY", Align::right}});
  for (const api::RemoteTemplate& one : reply.templates) {
    table.add({one_line(one.template_id), one_line(fmt::format("{}", fmt::join(one.names, ", "))), one_line(one.status),
               std::to_string(one.cpus), human_size(std::uint64_t{one.memory_mib} << 20U)});
  }
  context.printer.table(table);
}

void add_build_options(CLI::App& command, BuildOptions& options) {
  command.add_option("TEMPLATE", options.what, "A directory, a definition (.toml), or base, data, desktop")->required();
  command.add_option("-f,--definition", options.definition, "The definition in the directory (e2b.toml)")
      ->type_name("FILE");
  command.add_option("-n,--name", options.name, "Its name at E2B, instead of the definition's")->type_name("NAME");
  command.add_option("--from-template", options.from_template, "Stand on this template instead of the image")
      ->type_name("TEMPLATE");
  command.add_option("--build-arg", options.args, "A value for an ARG of the Dockerfile")->type_name("NAME=VALUE");
}

void add_e2b_builds(CLI::App& group, Selection& selection) {
  CLI::App& building = add_command(group, selection, "build", "Build a template at E2B and follow its log",
                                   "  swarmctl template build data\n"
                                   "  swarmctl template build . --name mine\n"
                                   "  swarmctl template build base --build-arg AGENTS=@openai/codex\n");
  auto options = std::make_shared<BuildOptions>();
  add_build_options(building, *options);
  building.add_flag("--force", options->force, "Build every step anew");
  building.callback(
      [&selection, options] { selection.action = [options](Context& context) { return build(context, *options); }; });
  CLI::App& checking = add_command(group, selection, "check", "Say what a build would do, without a build",
                                   "  swarmctl template check desktop\n");
  auto checked = std::make_shared<BuildOptions>();
  add_build_options(checking, *checked);
  checking.callback(
      [&selection, checked] { selection.action = [checked](Context& context) { return check(context, *checked); }; });
  CLI::App& logging =
      add_command(group, selection, "logs", "Show what a build at E2B said", "  swarmctl template logs mine\n");
  auto asked = std::make_shared<api::TemplateLogsRequest>();
  auto build_id = std::make_shared<std::string>();
  logging.add_option("TEMPLATE", asked->template_id, "The template at E2B, by id or name")->required();
  logging.add_option("BUILD", *build_id, "The build; else the newest");
  logging.callback([&selection, asked, build_id] {
    selection.action = [asked, build_id](Context& context) {
      asked->build = non_empty(*build_id);
      return call_and_show(context, api::kTemplateLogs, *asked, [](Context& c, const api::TemplateLogsReply& reply) {
        for (const api::TemplateBuildLine& line : reply.lines) show_line(c, line);
        c.printer.line("build " + one_line(reply.build) + ": " + one_line(reply.status));
      });
    };
  });
  CLI::App& removing = add_command(group, selection, "rm", "Delete a template at E2B", "  swarmctl template rm mine\n");
  auto removed = std::make_shared<std::string>();
  removing.add_option("TEMPLATE", *removed, "The template at E2B, by id or name")->required();
  removing.callback([&selection, removed] {
    selection.action = [removed](Context& context) {
      return call_and_show(
          context, api::kTemplateRemove, {.template_id = *removed},
          [name = *removed](Context& c, const api::Empty&) { c.printer.line(one_line(name) + " is deleted"); });
    };
  });
}

}  // namespace

void add_template_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "template", "What sandboxes are made from, and programs for them");
  CLI::App& ls = add_command(group, selection, "ls", "List templates and installed programs");
  ls.alias("list");
  auto remote = std::make_shared<bool>(false);
  ls.add_flag("--e2b", *remote, "Those of the account at E2B");
  ls.callback([&selection, remote] {
    selection.action = [remote](Context& context) {
      if (*remote) return call_and_show(context, api::kTemplateRemote, {}, show_remote);
      return call_and_show(context, api::kTemplateList, {}, show_list);
    };
  });
  add_e2b_builds(group, selection);
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
