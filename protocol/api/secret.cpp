#include "protocol/api/secret.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<SecretInfo>();
template const TypeInfo& type_of<SecretListReply>();
template const TypeInfo& type_of<SecretName>();
template const TypeInfo& type_of<SecretCheckReply>();
template const TypeInfo& type_of<SecretSetRequest>();

std::span<const MethodInfo* const> secret_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kSecretList, &kSecretCheck, &kSecretSet, &kSecretRemove};
  return kAll;
}

}  // namespace swarm::api
