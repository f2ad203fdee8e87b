#include "protocol/api/pane.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<PaneState>();
template const TypeInfo& type_of<PaneDelivery>();
template const TypeInfo& type_of<ViewerMode>();
template const TypeInfo& type_of<PaneRule>();
template const TypeInfo& type_of<PaneProgram>();
template const TypeInfo& type_of<PaneInfo>();
template const TypeInfo& type_of<PaneOpenRequest>();
template const TypeInfo& type_of<PaneListRequest>();
template const TypeInfo& type_of<PaneListReply>();
template const TypeInfo& type_of<PaneKillRequest>();
template const TypeInfo& type_of<PaneRestartRequest>();
template const TypeInfo& type_of<PaneScreenRequest>();
template const TypeInfo& type_of<PaneScreenReply>();
template const TypeInfo& type_of<PaneSendRequest>();
template const TypeInfo& type_of<PaneSendReply>();
template const TypeInfo& type_of<PanePromptRequest>();
template const TypeInfo& type_of<PanePromptReply>();
template const TypeInfo& type_of<PaneWaitRequest>();
template const TypeInfo& type_of<PaneResizeRequest>();
template const TypeInfo& type_of<PaneLogRequest>();
template const TypeInfo& type_of<PaneLogReply>();
template const TypeInfo& type_of<PaneAttachRequest>();
template const TypeInfo& type_of<PaneAttachReply>();
template const TypeInfo& type_of<AtPane<PaneOpenRequest>>();
template const TypeInfo& type_of<AtPane<PaneListRequest>>();
template const TypeInfo& type_of<AtPane<PaneKillRequest>>();
template const TypeInfo& type_of<AtPane<PaneRestartRequest>>();
template const TypeInfo& type_of<AtPane<PaneScreenRequest>>();
template const TypeInfo& type_of<AtPane<PaneSendRequest>>();
template const TypeInfo& type_of<AtPane<PanePromptRequest>>();
template const TypeInfo& type_of<AtPane<PaneWaitRequest>>();
template const TypeInfo& type_of<AtPane<PaneResizeRequest>>();
template const TypeInfo& type_of<AtPane<PaneLogRequest>>();
template const TypeInfo& type_of<AtPane<PaneAttachRequest>>();

std::span<const MethodInfo* const> pane_methods() {
  static constexpr std::array<const MethodInfo*, 11> kAll = {&kPaneOpen,   &kPaneList, &kPaneKill,   &kPaneRestart,
                                                             &kPaneScreen, &kPaneSend, &kPanePrompt, &kPaneWait,
                                                             &kPaneResize, &kPaneLog,  &kPaneAttach};
  return kAll;
}

std::span<const MethodInfo* const> pane_inside_methods() {
  static constexpr std::array<const MethodInfo*, 11> kAll = {
      &inside::kPaneOpen,   &inside::kPaneList, &inside::kPaneKill,   &inside::kPaneRestart,
      &inside::kPaneScreen, &inside::kPaneSend, &inside::kPanePrompt, &inside::kPaneWait,
      &inside::kPaneResize, &inside::kPaneLog,  &inside::kPaneAttach};
  return kAll;
}

}  // namespace swarm::api
