#pragma once
// Templates of this provider, with everything that can be looked up on the host looked up.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "daemon/providers/local/rootfs.hpp"

namespace swarm::local {

/// One template as it is configured.
struct Template {
  std::string root;                ///< a root file system; empty: the host's /usr
  std::vector<std::string> binds;  ///< "/host/path" or "/host/path:/inside", read-only
  std::vector<std::string> tools;  ///< "claude" or "claude@2.1.0"
  std::map<std::string, std::string> env;
  Userns userns = Userns::forbidden;
  Storage storage = Storage::disk;
};

/// The parts of a RootfsRequest that a template decides.
struct ResolvedTemplate {
  std::vector<RootEntry> root;
  std::string etc_base = "/etc";
  bool own_etc = false;  ///< the template's root has an /etc of its own
  std::vector<Bind> binds;
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::string> path;  ///< directories in front of PATH
};

/// Looks everything up. `not_found` for a root, bind or tool that is not there, with what to do. Blocking.
Result<ResolvedTemplate> resolve_template(const Template& definition, const std::filesystem::path& tools);

/// The directory of an installed tool: of exactly this version, or of the newest. `not_found` when there is none.
Result<std::filesystem::path> find_tool(const std::filesystem::path& tools, const std::string& name);

}  // namespace swarm::local
