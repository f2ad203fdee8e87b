#include "protocol/api/daemon.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<DaemonMode>();
template const TypeInfo& type_of<Breaker>();
template const TypeInfo& type_of<CheckStatus>();
template const TypeInfo& type_of<SettingSource>();
template const TypeInfo& type_of<ProviderStatus>();
template const TypeInfo& type_of<DaemonInfoReply>();
template const TypeInfo& type_of<DaemonStopRequest>();
template const TypeInfo& type_of<DaemonReloadReply>();
template const TypeInfo& type_of<Check>();
template const TypeInfo& type_of<DaemonHealthReply>();
template const TypeInfo& type_of<DaemonDoctorRequest>();
template const TypeInfo& type_of<ConfigSetting>();
template const TypeInfo& type_of<ConfigShowRequest>();
template const TypeInfo& type_of<ConfigShowReply>();
template const TypeInfo& type_of<DaemonStarted>();
template const TypeInfo& type_of<DaemonStopping>();

std::span<const MethodInfo* const> daemon_methods() {
  static constexpr std::array<const MethodInfo*, 6> kAll = {&kDaemonInfo,   &kDaemonStop,   &kDaemonReload,
                                                            &kDaemonHealth, &kDaemonDoctor, &kConfigShow};
  return kAll;
}

std::span<const EventInfo* const> daemon_events() {
  static constexpr std::array<const EventInfo*, 2> kAll = {&kDaemonStarted, &kDaemonStopping};
  return kAll;
}

}  // namespace swarm::api
