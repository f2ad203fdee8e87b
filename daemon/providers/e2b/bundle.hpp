#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "daemon/providers/e2b/envd.hpp"
#include "protocol/async/loop.hpp"

namespace swarm::e2b {

/// agentd with all that it needs, as files of the host.
struct Bundle {
  struct File {
    std::filesystem::path path;
    std::string name;  ///< "bin/agentd"
    std::uint64_t size = 0;
  };
  std::string id;  ///< of its content, as its file `id` has it
  std::vector<File> files;
};

/// Reads what a bundle has; blocking. `failed_precondition` when it is not one.
Result<Bundle> read_bundle(const std::filesystem::path& directory);

/// Its files for an upload below `directory`. Read as they are sent.
std::vector<Envd::File> upload_of(async::Loop& loop, const Bundle& bundle, const std::string& directory);

}  // namespace swarm::e2b
