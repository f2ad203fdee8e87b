#include "protocol/api/run.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<RunState>();
template const TypeInfo& type_of<PhaseState>();
template const TypeInfo& type_of<MergeOrder>();
template const TypeInfo& type_of<RunAgent>();
template const TypeInfo& type_of<PhaseInfo>();
template const TypeInfo& type_of<StepInfo>();
template const TypeInfo& type_of<RunInfo>();
template const TypeInfo& type_of<RunStartRequest>();
template const TypeInfo& type_of<RunRef>();
template const TypeInfo& type_of<RunListRequest>();
template const TypeInfo& type_of<RunListReply>();
template const TypeInfo& type_of<RunStepsRequest>();
template const TypeInfo& type_of<RunStepsReply>();
template const TypeInfo& type_of<RunReasonRequest>();
template const TypeInfo& type_of<RunChangeRequest>();
template const TypeInfo& type_of<WorkflowPhase>();
template const TypeInfo& type_of<WorkflowInfo>();
template const TypeInfo& type_of<WorkflowListReply>();
template const TypeInfo& type_of<WorkflowRef>();
template const TypeInfo& type_of<WorkflowCheckRequest>();
template const TypeInfo& type_of<WorkflowCheckReply>();
template const TypeInfo& type_of<RunChanged>();
template const TypeInfo& type_of<RunStepEnded>();
template const TypeInfo& type_of<InSwarm<RunChangeRequest>>();
template const TypeInfo& type_of<InSwarm<RunListRequest>>();
template const TypeInfo& type_of<InSwarm<RunReasonRequest>>();
template const TypeInfo& type_of<InSwarm<RunRef>>();
template const TypeInfo& type_of<InSwarm<RunStartRequest>>();
template const TypeInfo& type_of<InSwarm<RunStepsRequest>>();

std::span<const MethodInfo* const> run_methods() {
  static constexpr std::array<const MethodInfo*, 12> kAll = {
      &kRunStart,  &kRunList,  &kRunShow,   &kRunSteps,     &kRunPause,     &kRunResume,
      &kRunCancel, &kRunRetry, &kRunChange, &kWorkflowList, &kWorkflowShow, &kWorkflowCheck};
  return kAll;
}

std::span<const EventInfo* const> run_events() {
  static constexpr std::array<const EventInfo*, 2> kAll = {&kRunChanged, &kRunStepEnded};
  return kAll;
}

}  // namespace swarm::api
