#pragma once
// `template install claude@VERSION`: agent CLIs are unpacked once on the host and bound read-only into sandboxes.
//
//   <tools>/claude@2.1.0/
//     bin/claude         what PATH finds inside
//     package/           the npm package as it is
//     installed.json     name, version, package, the registry's integrity hash
//
// The package is fetched by the npm client (`npm pack`, which runs no script of the package), so that the user's own
// registry, proxy and credentials apply; the archive is checked against the hash that the registry published, unpacked
// without trusting a name in it, and renamed into place.

#include <filesystem>
#include <string>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::local {

/// An agent CLI that can be installed.
struct Tool {
  std::string name;     ///< "claude"
  std::string program;  ///< name of the command
  /// What npm is asked for, with {version} and {platform} to be filled in. Where a package exists for each platform it
  /// is named directly: the general one would fetch it in an install script, and none is run here.
  std::string spec;
};

/// All that we know.
const std::vector<Tool>& known_tools();

/// "claude@2.1.0" in its parts. `invalid_argument` for an unknown tool (with the nearest name) or a version that is not
/// exact: what is bound into sandboxes must not depend on the day.
struct ToolVersion {
  const Tool* tool = nullptr;
  std::string version;
};
Result<ToolVersion> parse_tool(const std::string& text);

/// "linux-x64" or "linux-arm64".
std::string npm_platform();

/// Refuses an archive listing (`tar -tvf`) with absolute names, "..", links or devices. Returns the number of entries.
Result<std::size_t> check_listing(const std::string& listing);

/// Installs and returns the directory; one that is complete already is kept. Blocking: runs npm and tar, minutes on a
/// slow network. Errors: `failed_precondition` without npm, `not_found` for a version that the registry does not have.
Result<std::filesystem::path> install_tool(const std::filesystem::path& tools, const std::string& text,
                                           const std::string& npm = "npm");

}  // namespace swarm::local
