#include "protocol/api/template.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<ToolInfo>();
template const TypeInfo& type_of<TemplateInfo>();
template const TypeInfo& type_of<TemplateListReply>();
template const TypeInfo& type_of<TemplateInstallRequest>();
template const TypeInfo& type_of<TemplateInstallReply>();
template const TypeInfo& type_of<TemplateProgress>();

std::span<const MethodInfo* const> template_methods() {
  static constexpr std::array<const MethodInfo*, 2> kAll = {&kTemplateList, &kTemplateInstall};
  return kAll;
}

std::span<const NotificationInfo* const> template_notifications() {
  static constexpr std::array<const NotificationInfo*, 1> kAll = {&kTemplateProgress};
  return kAll;
}

}  // namespace swarm::api
