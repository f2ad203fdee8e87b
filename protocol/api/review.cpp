#include "protocol/api/review.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<Verdict>();
template const TypeInfo& type_of<Severity>();
template const TypeInfo& type_of<Finding>();
template const TypeInfo& type_of<ReviewState>();
template const TypeInfo& type_of<ReviewerInfo>();
template const TypeInfo& type_of<ReviewInfo>();
template const TypeInfo& type_of<ReviewRef>();
template const TypeInfo& type_of<ReviewListRequest>();
template const TypeInfo& type_of<ReviewListReply>();
template const TypeInfo& type_of<ReviewNextRequest>();
template const TypeInfo& type_of<ReviewNextReply>();
template const TypeInfo& type_of<ReviewSubmitRequest>();
template const TypeInfo& type_of<ReviewAnswerRequest>();
template const TypeInfo& type_of<ReviewChanged>();
template const TypeInfo& type_of<FromAgent<ReviewAnswerRequest>>();
template const TypeInfo& type_of<FromAgent<ReviewListRequest>>();
template const TypeInfo& type_of<FromAgent<ReviewNextRequest>>();
template const TypeInfo& type_of<FromAgent<ReviewRef>>();
template const TypeInfo& type_of<FromAgent<ReviewSubmitRequest>>();

std::span<const MethodInfo* const> review_methods() {
  static constexpr std::array<const MethodInfo*, 5> kAll = {&kReviewNext, &kReviewList, &kReviewShow, &kReviewSubmit,
                                                            &kReviewAnswer};
  return kAll;
}

std::span<const EventInfo* const> review_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kReviewChanged};
  return kAll;
}

}  // namespace swarm::api
