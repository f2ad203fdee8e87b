#pragma once
// What programs inside a sandbox may ask their agentd, over its inner socket (/run/swarm/agentd.sock). Who asks is the
// uid that the kernel reports.

#include "protocol/api/sandbox_types.hpp"

namespace swarm::api {

struct InnerWhoamiReply {
  std::string sandbox;
  std::uint32_t uid = 0;
  std::uint32_t pid = 0;
  std::string user;
  Identity identity = Identity::unknown;
  std::optional<std::string> agent;
  std::optional<std::string> role;
  std::optional<std::string> swarm;
  std::optional<std::string> swarm_name;
  bool operator==(const InnerWhoamiReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("InnerWhoamiReply", "Who asks, as the kernel says.");
    d.field("uid", &InnerWhoamiReply::uid, "The caller's uid inside.").required();
    d.field("pid", &InnerWhoamiReply::pid, "The caller's process id inside.").required();
    d.field("user", &InnerWhoamiReply::user, "The name of that uid.").required();
    d.field("identity", &InnerWhoamiReply::identity, "How sure that is.").required();
    d.field("sandbox", &InnerWhoamiReply::sandbox, "The sandbox.").required();
    d.field("agent", &InnerWhoamiReply::agent, "The agent of that uid; absent: none.");
    d.field("role", &InnerWhoamiReply::role, "The agent's role, where it has one.");
    d.field("swarm", &InnerWhoamiReply::swarm, "The swarm whose home the sandbox is, by id; absent: none.");
    d.field("swarm_name", &InnerWhoamiReply::swarm_name, "Its name.");
  }
};

struct InnerStatusReply {
  std::string sandbox;
  std::string version;
  std::int64_t started_us = 0;
  std::uint32_t tunnels = 0;
  std::uint32_t running = 0;
  bool operator==(const InnerStatusReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("InnerStatusReply", "How the sandbox's agentd is doing.");
    d.field("version", &InnerStatusReply::version, "Version of agentd.").required();
    d.field("started_us", &InnerStatusReply::started_us, "When agentd started, UTC.").required();
    d.field("tunnels", &InnerStatusReply::tunnels, "Daemons that are connected, or may reconnect.").required();
    d.field("running", &InnerStatusReply::running, "Programs that run in the sandbox.").required();
    d.field("sandbox", &InnerStatusReply::sandbox, "The sandbox.").required();
  }
};

/// The methods as agentd serves them to programs beside it.
namespace inside {

inline constexpr Method<Empty, InnerWhoamiReply> kInnerWhoami{{
    .name = "inner.whoami",
    .doc = "Says who the caller is.",
    .caller = Caller::tunnel,
}};
inline constexpr Method<Empty, InnerStatusReply> kInnerStatus{{
    .name = "inner.status",
    .doc = "Says how the sandbox's agentd is doing.",
    .caller = Caller::tunnel,
}};

}  // namespace inside

/// Every method of the inner socket that no other list has.
std::span<const MethodInfo* const> inner_methods();

}  // namespace swarm::api
