#pragma once

#include <sys/stat.h>

#include <string>

#include "protocol/api/files_types.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::agentd::files {

/// `path` as an absolute one, without double slashes and "." on the way; a relative one begins at `workspace`.
/// `invalid_argument` for an empty path or a NUL byte.
Result<std::string> absolute(const std::string& path, const std::string& workspace);

/// `path` (absolute) as what stands before "/name" in paths below it: without "/." and slashes at its end; empty for
/// "/".
std::string as_directory(std::string path);

/// A name in an open directory.
struct Place {
  UniqueFd directory;
  std::string name;
  std::string path;  ///< for messages and answers
};

/// Whether the last name of a path may be a link that is followed.
enum class LastLink : std::uint8_t { follow, keep };

/// Opens the directory that `path` (absolute) is in. With `follow`, links at the last name are resolved first, also
/// ones that lead to nothing yet. `not_found` when the directory is missing, `invalid_argument` when the path ends in
/// "." or ".." or is "/".
Result<Place> locate(const std::string& path, LastLink last);

/// Makes the directories that are missing above the last name of `path`.
Result<void> make_parents(const std::string& path);

/// What stands at a name, with the target of a link. `path` is put into it.
Result<api::FileInfo> describe(int directory, const std::string& name, std::string path, LastLink last);

api::FileInfo info_of(const struct stat& info, std::string path);

/// "is a directory": for messages about what is no regular file.
std::string_view kind_in_words(mode_t mode);

}  // namespace swarm::agentd::files
