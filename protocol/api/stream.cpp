#include "protocol/api/stream.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<StreamData>();
template const TypeInfo& type_of<StreamCredit>();
template const TypeInfo& type_of<StreamEnd>();

std::span<const NotificationInfo* const> stream_notifications() {
  static constexpr std::array<const NotificationInfo*, 3> kAll = {&kStreamData, &kStreamCredit, &kStreamEnd};
  return kAll;
}

}  // namespace swarm::api
