#pragma once
// The /etc of sandboxes: made, never the host's own. The host's holds host names, users, keys and settings that are
// nobody's business inside; what programs below /usr need of it (certificates, alternatives, the linker's cache) is
// copied.
//
// One directory serves every sandbox of a template and identity. It is built beside the old one and renamed into place,
// so that a sandbox that starts meanwhile sees either.

#include <string>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::local {

/// What an /etc is made from.
struct EtcRequest {
  std::string cache_dir;      ///< where made directories are kept
  std::string base = "/etc";  ///< the host's, or that of a template's root directory
  bool whole_base = false;    ///< copy everything readable of `base`: a template's own root directory
  bool isolated = true;       ///< list root and the agents as users; else `user` alone
  std::string hostname = "sandbox";
};

/// Text of /etc/passwd.
std::string passwd_text(bool isolated);
/// Text of /etc/group.
std::string group_text(bool isolated);

/// The path of an /etc for this request, made when there is none yet or when what it was made from changed. Blocking.
Result<std::string> make_etc(const EtcRequest& request);

}  // namespace swarm::local
