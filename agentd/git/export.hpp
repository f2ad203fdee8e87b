#pragma once
// What a receiver lacks, as a pack. Blocking.

#include "agentd/git/objects.hpp"
#include "protocol/api/git.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::agentd::git {

struct Export {
  api::GitExportReply reply;
  UniqueFd pack;  ///< without a name, at its beginning; none when nothing is missing
};

/// The pack is made whole before any byte is sent, so that the names belong to what is in it.
Result<Export> make_export(const Layout& layout, const api::GitExportRequest& request);

}  // namespace swarm::agentd::git
