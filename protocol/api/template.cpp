#include "protocol/api/template.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<ToolInfo>();
template const TypeInfo& type_of<TemplateInfo>();
template const TypeInfo& type_of<TemplateListReply>();
template const TypeInfo& type_of<TemplateInstallRequest>();
template const TypeInfo& type_of<TemplateInstallReply>();
template const TypeInfo& type_of<TemplateProgress>();
template const TypeInfo& type_of<TemplateBuildRequest>();
template const TypeInfo& type_of<TemplateStep>();
template const TypeInfo& type_of<TemplateCheckReply>();
template const TypeInfo& type_of<TemplateBuildReply>();
template const TypeInfo& type_of<TemplateBuildLine>();
template const TypeInfo& type_of<TemplateLogsRequest>();
template const TypeInfo& type_of<TemplateLogsReply>();
template const TypeInfo& type_of<TemplateRemoveRequest>();
template const TypeInfo& type_of<RemoteTemplate>();
template const TypeInfo& type_of<TemplateRemoteReply>();

std::span<const MethodInfo* const> template_methods() {
  static constexpr std::array<const MethodInfo*, 7> kAll = {&kTemplateList,  &kTemplateInstall, &kTemplateCheck,
                                                            &kTemplateBuild, &kTemplateLogs,    &kTemplateRemove,
                                                            &kTemplateRemote};
  return kAll;
}

std::span<const NotificationInfo* const> template_notifications() {
  static constexpr std::array<const NotificationInfo*, 2> kAll = {&kTemplateProgress, &kTemplateBuildLine};
  return kAll;
}

}  // namespace swarm::api
