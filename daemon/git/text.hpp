#pragma once
// Small things about what git(1) prints.

#include <string>
#include <string_view>
#include <vector>

#include "daemon/git/source.hpp"

namespace swarm::git {

/// Pieces between separators; what follows the last one only if it is not empty.
std::vector<std::string> split(std::string_view text, char separator);

/// Without line ends behind it.
std::string trimmed(std::string text);

/// 40 hexadecimal digits in lower case.
bool is_object_id(std::string_view text);

/// Lines of "<id> <name>".
std::vector<Ref> parse_refs(std::string_view text);

/// `invalid_argument` naming the first of `ids` that is none.
Result<void> check_ids(const std::vector<std::string>& ids);

/// Those of `ids` that `git cat-file --batch-check` knows as a commit or tag.
async::Task<Result<std::vector<std::string>>> known_ids(const Program& program, GitCall base,
                                                        std::vector<std::string> ids);

/// `git pack-objects` from `want` without `have` (already known there), or nothing if `have` has all that is wanted.
Result<std::unique_ptr<wire::ByteSource>> pack_objects(const Program& program, GitCall base,
                                                       const std::vector<std::string>& want,
                                                       const std::vector<std::string>& have);

/// The ids in a `shallow` file; none when there is no such file.
Result<std::vector<std::string>> read_shallow(const std::string& path);

}  // namespace swarm::git
