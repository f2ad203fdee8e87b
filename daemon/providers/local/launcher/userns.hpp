#pragma once
// The user namespace of a sandbox, made in place: the launcher itself steps into it, while a forked half that stayed
// outside writes the id maps. bwrap is then started as root of that namespace and makes the other namespaces.
//
//   launcher --fork--> mapper      waits for "unshared"
//      | unshare(user, mount)        |
//      | "unshared" ---------------> | writes uid_map and gid_map, or runs newuidmap and newgidmap; exits
//      | waitpid <------------------ |
//      | opens the staged paths      still with the daemon's rights over files: they may lie below a 0700 home
//      | setresuid(0)                from here on an unprivileged uid of the host
//
// bwrap could make the namespace itself (--userns-block-fd), but then it refuses --disable-userns, and could not reach
// directories of the daemon that the unprivileged uid may not enter.

#include <string>

#include "daemon/providers/local/launcher/spec.hpp"

namespace swarm::local {

/// Enters a new user and mount namespace with the ids of `spec`. The process keeps its host uid, which is not mapped,
/// and has every capability over the new namespaces alone. Empty on success, else a sentence.
std::string enter_user_namespace(const LaunchSpec& spec);

/// Becomes uid 0 and gid 0 of the namespace, without supplementary groups. Empty on success, else a sentence.
std::string become_namespace_root();

}  // namespace swarm::local
