#pragma once
// Where a push goes: the URL of a remote as people have it, and what it means for us. Everything goes over HTTP, with a
// token: an address of SSH at a known service is the same repository there.

#include <filesystem>
#include <string>

#include "daemon/config/config.hpp"
#include "protocol/core/error.hpp"

namespace swarm::ship {

struct Remote {
  std::string url;    ///< http or https, without user or password
  std::string host;   ///< "github.com", or with its port where that is not the usual one
  std::string owner;  ///< everything between the host and the repository's name
  std::string name;   ///< without ".git"
};

/// Reads "https://host/owner/name.git", "git@host:owner/name.git" and "ssh://git@host/owner/name". A user or password
/// in it is left out. `failed_precondition` for what nothing can be pushed to from here: other protocols, paths, and
/// plain HTTP to anywhere but this machine.
Result<Remote> read_remote(const std::string& url);

/// How the service at a remote's host is used.
struct Service {
  std::string api_url;  ///< without a slash at its end
  std::string secret;   ///< name of its token; empty: no secret is for that host
  std::string user;     ///< that goes with the token
  std::filesystem::path ca_file;
};

/// As `[forge.NAME]` says. The token of github.com goes to no other host unless that is configured.
Service service_of(const config::Config& config, const Remote& remote);

/// GITHUB_TOKEN of the environment is the secret `github` where nothing else is. `before`: the configuration that ran
/// until now, whose variables were taken out of the environment.
void adopt_environment(config::Config& config, const config::Config* before = nullptr);

}  // namespace swarm::ship
