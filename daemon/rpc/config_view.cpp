#include "daemon/rpc/config_view.hpp"

#include "daemon/config/report.hpp"
#include "daemon/config/schema.hpp"

namespace swarm::rpc {
namespace {

api::SettingSource source_of(const config::Loaded& loaded, const std::string& key) {
  const auto found = loaded.origins.find(key);
  if (found == loaded.origins.end()) return api::SettingSource::built_in;
  switch (found->second.kind) {
    case config::Origin::Kind::file:
      return api::SettingSource::file;
    case config::Origin::Kind::environment:
      return api::SettingSource::environment;
    case config::Origin::Kind::flag:
      break;
  }
  return api::SettingSource::flag;
}

}  // namespace

api::ConfigShowReply config_view(const config::Loaded& loaded, const api::ConfigShowRequest& request) {
  api::ConfigShowReply reply;
  for (const config::Shown& shown : config::describe(loaded, request.prefix)) {
    const api::SettingSource source = source_of(loaded, shown.key);
    if (request.changed_only && source == api::SettingSource::built_in) continue;
    api::ConfigSetting setting{.name = shown.key,
                               .value = shown.value,
                               .source = source,
                               .doc = shown.doc,
                               .reload = std::string(config::reload_name(shown.reload))};
    if (source != api::SettingSource::built_in) setting.origin = shown.origin;
    reply.settings.push_back(std::move(setting));
  }
  if (!loaded.path.empty()) reply.files.emplace_back(loaded.path.native());
  return reply;
}

}  // namespace swarm::rpc
