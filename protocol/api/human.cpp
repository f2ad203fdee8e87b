#include "protocol/api/human.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<QuestionKind>();
template const TypeInfo& type_of<QuestionState>();
template const TypeInfo& type_of<QuestionInfo>();
template const TypeInfo& type_of<HumanAskRequest>();
template const TypeInfo& type_of<QuestionRef>();
template const TypeInfo& type_of<HumanListRequest>();
template const TypeInfo& type_of<HumanListReply>();
template const TypeInfo& type_of<HumanAnswerRequest>();
template const TypeInfo& type_of<HumanDecideRequest>();
template const TypeInfo& type_of<HumanChanged>();
template const TypeInfo& type_of<NoticeKind>();
template const TypeInfo& type_of<HumanNotice>();
template const TypeInfo& type_of<FromAgent<HumanAskRequest>>();
template const TypeInfo& type_of<FromAgent<QuestionRef>>();
template const TypeInfo& type_of<InSwarm<HumanAnswerRequest>>();
template const TypeInfo& type_of<InSwarm<HumanDecideRequest>>();
template const TypeInfo& type_of<InSwarm<HumanListRequest>>();

std::span<const MethodInfo* const> human_methods() {
  static constexpr std::array<const MethodInfo*, 6> kAll = {&kHumanAsk,    &kHumanShow,    &kHumanList,
                                                            &kHumanAnswer, &kHumanApprove, &kHumanReject};
  return kAll;
}

std::span<const EventInfo* const> human_events() {
  static constexpr std::array<const EventInfo*, 2> kAll = {&kHumanChanged, &kHumanNotice};
  return kAll;
}

}  // namespace swarm::api
