#pragma once
// Where the values of secrets come from. Errors name the place and the reason, never any of the content.

#include <filesystem>
#include <map>
#include <string>

#include "daemon/config/config.hpp"
#include "daemon/secrets/redactor.hpp"
#include "daemon/secrets/secret_string.hpp"
#include "protocol/async/task.hpp"
#include "protocol/core/error.hpp"

namespace swarm::async {
class Loop;
}

namespace swarm::secrets {

/// Who may read the file besides its owner.
enum class FileTrust {
  private_to_owner,  ///< owned by us or root, and closed to group and others
  managed,           ///< in a directory that only we can read (systemd's credentials)
};

/// The file's content without its last newline.
[[nodiscard]] Result<SecretString> read_secret_file(const std::filesystem::path& path, FileTrust trust);

/// Takes the variables that secrets name out of the environment: their values are returned by secret, overwritten where
/// the kernel shows them (/proc/PID/environ), and unset, so that no child inherits them. Call once, in `main`, before
/// any thread.
[[nodiscard]] std::map<std::string, SecretString> take_from_environment(
    const std::map<std::string, config::Secret>& secrets);

/// Runs the program without a shell and takes what it prints, without the last newline. What it says on stderr is part
/// of the error, redacted and cut; what it prints on stdout never is.
[[nodiscard]] async::Task<Result<SecretString>> read_from_command(async::Loop& loop, const Redactor& redactor,
                                                                  config::Secret secret);

}  // namespace swarm::secrets
