#pragma once
// What several operations do with commits and names. Blocking; with agentd's own rights.

#include "agentd/git/layout.hpp"
#include "protocol/git/history.hpp"
#include "protocol/git/library.hpp"

namespace swarm::agentd::git {

using swarm::git::Oid;

/// A commit by id, by full name (`refs/...`), or by the name of a branch. `not_found`.
Result<Oid> resolve(git_repository* repository, const std::string& text);

/// The commit of a full name; nothing when there is no such name.
Result<std::optional<Oid>> find_ref(git_repository* repository, const std::string& name);

/// Sets a name if it is where the caller thinks it is (nothing: not there). `failed_precondition` when it moved.
Result<void> set_ref(git_repository* repository, const std::string& name, const Oid& to,
                     const std::optional<Oid>& from);

Result<Oid> tree_of(git_repository* repository, const Oid& commit);

/// Where work on a branch is based: the integration branch, or the import's head before there is one.
Result<Oid> integration_or_base(git_repository* repository, const std::string& swarm);

/// Commits whose parents are not there.
Result<std::vector<Oid>> shallow_commits(const std::string& git_dir);

/// A commit beside where work is based (see integration_or_base).
struct Divergence {
  Oid base;
  std::vector<Oid> shallow;
  swarm::git::History::Compared compared;  ///< `ours`: the commit's
};
Result<Divergence> divergence(git_repository* repository, const std::string& git_dir, const std::string& swarm,
                              const Oid& commit);

/// With the letters of ASCII made small.
std::string lower(std::string_view text);

struct Author {
  std::string name;
  std::string email;
};
/// The agent as author of what it commits.
Author author_of(const std::string& agent, const std::string& swarm);

/// Makes a commit object; no name moves.
Result<Oid> make_commit(git_repository* repository, const Oid& tree, const std::vector<Oid>& parents,
                        const Author& author, const std::string& message);

/// `message` with trailers at its end. Lines that only we may write (`Swarm-...:`, `Reviewed-by:`) are taken out of it
/// first: nobody signs for others.
std::string with_trailers(std::string_view message, const std::map<std::string, std::string>& trailers);

/// The last paragraph's `Name: value` lines, if it consists of such lines; of several with one name the last.
std::map<std::string, std::string> trailers_of(std::string_view message);

/// `invalid_argument` for a trailer that would be more than one line.
Result<void> check_trailers(const std::map<std::string, std::string>& trailers);

}  // namespace swarm::agentd::git
