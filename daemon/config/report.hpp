#pragma once
// What people and other parts of the daemon see of a configuration: each value with its origin, what changed between
// two, and the reference page.

#include <string>
#include <vector>

#include "daemon/config/load.hpp"
#include "daemon/config/schema.hpp"

namespace swarm::config {

/// One line of `config show`.
struct Shown {
  std::string key;
  std::string value;   ///< as TOML; empty where it is not set
  std::string origin;  ///< "default", or the file with line, variable or flag
  std::string expected;
  std::string doc;
  Reload reload = Reload::restart;
};

/// All settings whose key starts with `prefix` at a dot ("" for all, "log", "pool.fast").
[[nodiscard]] std::vector<Shown> describe(const Loaded& loaded, std::string_view prefix = {});

/// One changed setting. An instance that came or went is listed with each of its settings that are not the default.
struct Change {
  std::string key;
  std::string before;  ///< as TOML; empty where it was not set or did not exist
  std::string after;
  Reload reload = Reload::restart;
  bool operator==(const Change&) const = default;
};

/// What differs, in the order of the schema.
[[nodiscard]] std::vector<Change> diff(const Config& before, const Config& after);

/// `running` with every change from `wanted` that can act without a restart.
[[nodiscard]] Config reloaded(const Config& running, const Config& wanted);

/// The text of docs/configuration.md.
[[nodiscard]] std::string reference_page();

}  // namespace swarm::config
