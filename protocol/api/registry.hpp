#pragma once
// Everything that travels, in lists: for dispatchers, discovery, documentation and tests. No static constructors: each
// domain's .cpp file holds its list, registry.cpp names the domains.

#include "protocol/api/method.hpp"

namespace swarm::api {

/// Every method that the daemon serves, by name. Which of them a caller reaches is in `caller`.
std::span<const MethodInfo* const> all_methods();

/// Every method that agentd serves to the daemon.
std::span<const MethodInfo* const> agentd_methods();

/// Every event type, by name.
std::span<const EventInfo* const> all_events();

/// Every notification, by name.
std::span<const NotificationInfo* const> all_notifications();

/// The method of that name in a list, or null.
const MethodInfo* find_method(std::span<const MethodInfo* const> methods, std::string_view name);

/// "unknown method 'sandbox.craete'; did you mean 'sandbox.create'?", code unimplemented.
Error unknown_method(std::span<const MethodInfo* const> methods, std::string_view name);

}  // namespace swarm::api
