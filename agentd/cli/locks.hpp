#pragma once

#include <string>

namespace swarm::cli {

/// A path as a person types it, made absolute where that can be: agentd does not know where the caller is. With
/// `in_repository` it is one of the repository's root and stays as it is.
std::string placed(const std::string& path, bool in_repository);

}  // namespace swarm::cli
