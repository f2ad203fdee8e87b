#pragma once
// Puts the configuration together: defaults < file < environment < flags. Every mistake of every layer is reported, not
// only the first, each with its place and the name that was probably meant.
//
// An environment variable is SWARMD_ and the key in upper case, dots and dashes as underscores: `log.max_size` is
// SWARMD_LOG_MAX_SIZE, `pool.fast.min_ready` is SWARMD_POOL_FAST_MIN_READY. Lists are separated by commas, tables are
// `key=value` separated by commas.

#include <expected>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/config.hpp"

namespace swarm::config {

/// Where a value came from.
struct Origin {
  enum class Kind { file, environment, flag };
  Kind kind = Kind::file;
  std::string where;  ///< "/etc/swarmd/config.toml:3:9", "SWARMD_LOG_LEVEL", "--log-level"
};

/// One mistake.
struct Problem {
  std::string where;    ///< as in `Origin`; only the file's name where no line is to blame
  std::string message;  ///< "log.level: expected ...; got ..."
  /// "<where>: <message>".
  [[nodiscard]] std::string to_string() const;
  bool operator==(const Problem&) const = default;
};

/// All mistakes, one a line.
[[nodiscard]] std::string to_string(const std::vector<Problem>& problems);

/// One setting given on the command line.
struct Flag {
  std::string spelling;  ///< as typed, for errors: "--log-level"
  std::string key;       ///< "log.level"
  std::string value;
};

/// What to read.
struct Sources {
  enum class File {
    may_be_missing,  ///< the default place
    must_exist,      ///< named by the user
    none,
  };
  std::filesystem::path path;
  File file = File::may_be_missing;
  /// Names and values; only SWARMD_... and the aliases of settings are looked at.
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<Flag> flags;
};

/// A checked configuration.
struct Loaded {
  Config config;
  std::filesystem::path path;             ///< the file that was read; empty if there was none
  std::map<std::string, Origin> origins;  ///< by full key; what is not listed is the default
  std::vector<Problem> warnings;          ///< unknown SWARMD_ variables: odd, but not ours to refuse
};

/// Reads and checks all layers.
[[nodiscard]] std::expected<Loaded, std::vector<Problem>> load(const Sources& sources);

/// The same with the file's text at hand; `path` is only its name in messages.
[[nodiscard]] std::expected<Loaded, std::vector<Problem>> load_text(std::string_view text, const Sources& sources);

/// The names and values of this process's environment.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> process_environment();

/// The environment variable of a full key.
[[nodiscard]] std::string environment_name(std::string_view key);

/// The flag of a full key: "--log-max-size".
[[nodiscard]] std::string flag_name(std::string_view key);

/// The setting that a flag's name (without the dashes) stands for, or an empty string.
[[nodiscard]] std::string key_of_flag(std::string_view name);

}  // namespace swarm::config
