#include "protocol/api/artifact.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<ArtifactInfo>();
template const TypeInfo& type_of<ArtifactListReply>();
template const TypeInfo& type_of<ArtifactAdded>();
template const TypeInfo& type_of<FromAgent<ArtifactPutRequest>>();
template const TypeInfo& type_of<FromAgent<ArtifactListRequest>>();
template const TypeInfo& type_of<FromAgent<ArtifactGetRequest>>();

std::span<const MethodInfo* const> artifact_methods() {
  static constexpr std::array<const MethodInfo*, 3> kAll = {&kArtifactPut, &kArtifactList, &kArtifactGet};
  return kAll;
}

std::span<const EventInfo* const> artifact_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kArtifactAdded};
  return kAll;
}

}  // namespace swarm::api
