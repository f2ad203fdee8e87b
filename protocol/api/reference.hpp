#pragma once

#include <string>

namespace swarm::api {

/// The reference page of the API in Markdown (`docs/api.md`), made from the same tables as `rpc.discover`.
std::string reference_markdown();

}  // namespace swarm::api
