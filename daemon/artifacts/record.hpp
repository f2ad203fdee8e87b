#pragma once
// What the store keeps of artifacts.

#include <set>

#include "protocol/api/artifact.hpp"
#include "protocol/store/migration.hpp"
#include "protocol/store/store.hpp"

namespace swarm::artifacts {

/// The tables of this domain; behind those of swarms, whose end decides how long artifacts are kept.
extern const store::Domain kArtifactDomain;

/// Adds one; gives the one that is there where the same was attached before. `resource_exhausted` when the swarm has
/// `most` already.
Result<api::ArtifactInfo> insert(store::Database& db, const api::ArtifactInfo& info, std::uint64_t most);
/// Those of a swarm, oldest first, behind the id `after`. `task` and `review` are prefixes; empty: any.
Result<std::vector<api::ArtifactInfo>> load_of(store::Database& db, const std::string& swarm, const std::string& task,
                                               const std::string& review, const std::string& after, int limit);
/// Those of a swarm whose id begins so; at most two.
Result<std::vector<api::ArtifactInfo>> find(store::Database& db, const std::string& swarm, const std::string& prefix);
/// What all content takes, each once.
Result<std::uint64_t> stored_bytes(store::Database& db);
Result<std::uint64_t> count_of(store::Database& db, const std::string& swarm);
/// What those of a swarm take, each counted.
Result<std::uint64_t> bytes_of(store::Database& db, const std::string& swarm);
/// Notes which swarms are over by now, and removes what belongs to those that were discarded, or were seen to be over
/// before `over_before_us`. How many went.
Result<std::int64_t> forget(store::Database& db, std::int64_t now_us, std::int64_t over_before_us);
/// Every content that is referred to.
Result<std::set<std::string>> contents(store::Database& db);

}  // namespace swarm::artifacts
