#include <fmt/format.h>

#include "daemon/providers/local/install.hpp"
#include "daemon/providers/local/template.hpp"
#include "daemon/rpc/services.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "daemon/templates/builds.hpp"
#include "protocol/api/template.hpp"
#include "protocol/async/blocking.hpp"

namespace swarm::rpc {
namespace {

/// What `installed` directories are there: "<name>@<version>". Blocking.
std::vector<api::ToolInfo> installed_tools(const std::filesystem::path& tools) {
  std::vector<api::ToolInfo> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(tools, ignored)) {
    const std::string name = entry.path().filename();
    const std::size_t at = name.find('@');
    if (at == std::string::npos || name.starts_with('.')) continue;
    found.push_back(
        {.name = name.substr(0, at), .version = name.substr(at + 1), .path = api::Path(entry.path().native())});
  }
  std::ranges::sort(found, {}, [](const api::ToolInfo& tool) { return std::tie(tool.name, tool.version); });
  return found;
}

api::TemplateInfo describe(const Services& services, const std::string& name) {
  const config::Config& config = services.loaded.config;
  const auto found = config.templates.find(name);
  const config::Template from = found == config.templates.end() ? config::Template{} : found->second;
  api::TemplateInfo info{
      .name = name,
      .description = from.description,
      .is_default = name == config.sandbox.template_name,
      .providers = from.provider.empty() ? config.sandbox.provider : from.provider,
      .tools = from.tools,
  };
  info.limits = sandbox::limits_of({}, from, config.sandbox);
  info.network = sandbox::network_of(std::nullopt, from, config.sandbox);
  for (const auto& [variable, value] : from.env) info.env.push_back(variable);
  for (const auto& [pool_name, pool] : config.pools) {
    if (pool.template_name != name) continue;
    info.min_ready += pool.min_ready;
    info.max_ready += pool.max_ready;
  }
  return info;
}

async::Task<Result<api::TemplateInstallReply>> install(Services& services, api::TemplateInstallRequest request) {
  if (request.archive) {
    co_return fail(Code::unimplemented, "archive: programs are installed through npm alone; leave it out");
  }
  const std::vector<api::ToolInfo> before =
      co_await async::run_blocking(services.loop, [tools = services.places.tools] { return installed_tools(tools); });
  const Result<std::filesystem::path> path = co_await async::run_blocking(
      services.loop, [tools = services.places.tools, tool = request.tool] { return local::install_tool(tools, tool); });
  if (!path) co_return fail(path.error());
  const std::string name = path->filename();
  api::TemplateInstallReply reply;
  reply.tool = {.name = name.substr(0, name.find('@')),
                .version = name.substr(name.find('@') + 1),
                .path = api::Path(path->native())};
  reply.already_installed = std::ranges::any_of(before, [&](const api::ToolInfo& tool) {
    return tool.name == reply.tool.name && tool.version == reply.tool.version;
  });
  co_return reply;
}

async::Task<Result<api::TemplateListReply>> list(Services& services) {
  api::TemplateListReply reply;
  std::set<std::string> names = {"default"};
  for (const auto& [name, ignored] : services.loaded.config.templates) names.insert(name);
  for (const std::string& name : names) reply.templates.push_back(describe(services, name));
  // The disk is looked at elsewhere: it may be slow, and may be another machine's.
  co_return co_await async::run_blocking(services.loop,
                                         [tools = services.places.tools, found = std::move(reply)]() mutable {
                                           for (api::TemplateInfo& info : found.templates) {
                                             for (const std::string& tool : info.tools) {
                                               if (!local::find_tool(tools, tool)) info.missing_tools.push_back(tool);
                                             }
                                           }
                                           found.tools = installed_tools(tools);
                                           return Result<api::TemplateListReply>(std::move(found));
                                         });
}

}  // namespace

void add_template_methods(wire::Router& router, Services& services, templates::Builds& builds) {
  router.bind(api::kTemplateCheck, [&builds](wire::CallContext&, api::TemplateBuildRequest request) {
    return builds.check(std::move(request));
  });
  router.bind(api::kTemplateBuild, [&builds](wire::CallContext& context, api::TemplateBuildRequest request) {
    // The caller's connection outlives its call.
    return builds.build(std::move(request), [connection = &context.connection](const api::TemplateBuildLine& line) {
      const Result<void> told =
          connection->notify(api::kTemplateBuildLine.name, Value(Value::Array{api::encode(line)}));
      static_cast<void>(told);  // `template.logs` has it
    });
  });
  router.bind(api::kTemplateLogs, [&builds](wire::CallContext&, api::TemplateLogsRequest request) {
    return builds.logs(std::move(request));
  });
  router.bind(api::kTemplateRemove, [&builds](wire::CallContext&, api::TemplateRemoveRequest request) {
    return builds.remove(std::move(request));
  });
  router.bind(api::kTemplateRemote, [&builds](wire::CallContext&, api::Empty) { return builds.remote(); });

  router.bind(api::kTemplateList, [&services](wire::CallContext&, api::Empty) { return list(services); });
  router.bind(api::kTemplateInstall, [&services](wire::CallContext&, api::TemplateInstallRequest request) {
    return install(services, std::move(request));
  });
}

}  // namespace swarm::rpc
