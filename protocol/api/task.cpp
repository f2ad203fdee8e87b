#include "protocol/api/task.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<TaskState>();
template const TypeInfo& type_of<TaskKind>();
template const TypeInfo& type_of<TaskAttempt>();
template const TypeInfo& type_of<TaskInfo>();
template const TypeInfo& type_of<TaskAddRequest>();
template const TypeInfo& type_of<TaskListRequest>();
template const TypeInfo& type_of<TaskListReply>();
template const TypeInfo& type_of<TaskRef>();
template const TypeInfo& type_of<TaskShowReply>();
template const TypeInfo& type_of<Turn>();
template const TypeInfo& type_of<TaskNextRequest>();
template const TypeInfo& type_of<TaskNextReply>();
template const TypeInfo& type_of<TaskProgressRequest>();
template const TypeInfo& type_of<TaskDoneRequest>();
template const TypeInfo& type_of<TaskReasonRequest>();
template const TypeInfo& type_of<TaskChanged>();
template const TypeInfo& type_of<FromAgent<TaskAddRequest>>();
template const TypeInfo& type_of<FromAgent<TaskDoneRequest>>();
template const TypeInfo& type_of<FromAgent<TaskListRequest>>();
template const TypeInfo& type_of<FromAgent<TaskNextRequest>>();
template const TypeInfo& type_of<FromAgent<TaskProgressRequest>>();
template const TypeInfo& type_of<FromAgent<TaskReasonRequest>>();
template const TypeInfo& type_of<FromAgent<TaskRef>>();

std::span<const MethodInfo* const> task_methods() {
  static constexpr std::array<const MethodInfo*, 11> kAll = {&kTaskAdd,   &kTaskList,     &kTaskShow, &kTaskNext,
                                                             &kTaskClaim, &kTaskProgress, &kTaskDone, &kTaskFail,
                                                             &kTaskBlock, &kTaskRelease,  &kTaskDrop};
  return kAll;
}

std::span<const EventInfo* const> task_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kTaskChanged};
  return kAll;
}

}  // namespace swarm::api
