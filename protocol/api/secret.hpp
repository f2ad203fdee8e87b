#pragma once
// Secrets by name. A value goes in by `secret.set` and never comes out.

#include "protocol/api/method.hpp"

namespace swarm::api {

struct SecretInfo {
  std::string name;
  std::string origin;
  bool declared = false;
  std::vector<std::string> swarms;
  std::vector<std::string> roles;
  std::vector<std::string> hosts;
  bool operator==(const SecretInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SecretInfo", "A secret, without its value.");
    d.field("name", &SecretInfo::name, "Its name.").required();
    d.field("origin", &SecretInfo::origin, "Where its value comes from.").required();
    d.field("declared", &SecretInfo::declared, "It stands in the configuration.");
    d.field("swarms", &SecretInfo::swarms, "Swarms that may use it; none: only the daemon itself.");
    d.field("roles", &SecretInfo::roles, "Roles in them that may.");
    d.field("hosts", &SecretInfo::hosts, "Hosts that it may be sent to; none: as its user decides.");
  }
};

struct SecretListReply {
  std::vector<SecretInfo> secrets;
  bool operator==(const SecretListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SecretListReply", "All secrets, by name.");
    d.field("secrets", &SecretListReply::secrets, "The secrets.").required();
  }
};

struct SecretName {
  std::string name;
  bool operator==(const SecretName&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SecretName", "Which secret.");
    d.field("name", &SecretName::name, "Its name.").required().non_empty().max_length(63);
  }
};

struct SecretCheckReply {
  bool available = false;
  std::optional<std::string> problem;
  bool operator==(const SecretCheckReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SecretCheckReply", "Whether a secret can be had.");
    d.field("available", &SecretCheckReply::available, "Its value can be read.").required();
    d.field("problem", &SecretCheckReply::problem, "Why not.");
  }
};

struct SecretSetRequest {
  std::string name;
  Bytes value;
  bool operator==(const SecretSetRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SecretSetRequest", "A secret's value.");
    d.field("name", &SecretSetRequest::name, "Its name.").required().non_empty().max_length(63);
    d.field("value", &SecretSetRequest::value, "Its value.").required().secret().non_empty().max_length(65'536);
  }
};

inline constexpr Method<Empty, SecretListReply> kSecretList{{
    .name = "secret.list",
    .doc = "Lists secrets: names, where from, and who may use them. Never values.",
}};
inline constexpr Method<SecretName, SecretCheckReply> kSecretCheck{{
    .name = "secret.check",
    .doc = "Reads a secret where it comes from and says whether that worked.",
    .errors = {{Code::not_found, "no such secret"}},
}};
inline constexpr Method<SecretSetRequest, Empty> kSecretSet{{
    .name = "secret.set",
    .doc = "Stores a value in a file that only the daemon reads. Nothing gives it out again.",
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "the configuration says that it comes from elsewhere"}},
}};
inline constexpr Method<SecretName, Empty> kSecretRemove{{
    .name = "secret.remove",
    .doc = "Removes a stored value.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such stored secret"}},
}};

std::span<const MethodInfo* const> secret_methods();

}  // namespace swarm::api
