#pragma once
// The daemon's secrets by name: declared in `[secret.NAME]` or stored by `secret set`. A value is registered with the
// redactor before anybody gets it. Names and origins may be shown to people, values never.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/secrets/grants.hpp"
#include "daemon/secrets/redactor.hpp"
#include "daemon/secrets/secret_string.hpp"
#include "protocol/async/task.hpp"

namespace swarm::async {
class Loop;
}

namespace swarm::secrets {

/// One line of `secret ls`.
struct Listed {
  std::string name;
  std::string origin;  ///< "environment variable X", "file /x", "credential x", "command pass", "stored"
  bool declared = false;
  std::vector<std::string> swarms;
  std::vector<std::string> roles;
  std::vector<std::string> hosts;
};

/// Lives on the loop's thread and outlives the tasks that it gives out.
class Vault {
 public:
  struct Places {
    std::filesystem::path stored;       ///< directory of `secret set`, made when needed
    std::filesystem::path credentials;  ///< $CREDENTIALS_DIRECTORY, or empty
  };

  Vault(async::Loop& loop, Redactor& redactor, Places places, std::map<std::string, config::Secret> declared,
        std::map<std::string, SecretString> from_environment);

  /// The value, for the daemon itself. Read on first use and kept. `not_found` with the nearest name; else the source's
  /// error.
  [[nodiscard]] async::Task<Result<SecretString>> get(std::string name);

  /// The value on behalf of a swarm, if the grants allow that.
  [[nodiscard]] async::Task<Result<SecretString>> get_for(std::string name, Use use);

  /// Whether the value can be had, without handing it out: for `secret check`.
  [[nodiscard]] async::Task<Result<void>> check(std::string name);

  /// Stores a value with mode 0600, atomically and before it is acknowledged. `failed_precondition` if the name is
  /// declared with another source; `invalid_argument` for bad names and for values that cannot be redacted.
  [[nodiscard]] async::Task<Result<void>> set(std::string name, SecretString value);

  /// Removes a stored value. It stays redacted.
  [[nodiscard]] Result<void> remove(const std::string& name);

  /// All names with origins and grants, sorted.
  [[nodiscard]] std::vector<Listed> list() const;

  /// Takes changed declarations over (SIGHUP); values are read again at their next use. The environment is not: it was
  /// read once.
  void redeclare(std::map<std::string, config::Secret> declared);

 private:
  [[nodiscard]] std::vector<std::string> stored_names() const;
  [[nodiscard]] Result<config::Secret> find(const std::string& name) const;
  [[nodiscard]] async::Task<Result<SecretString>> read(std::string name, config::Secret secret);

  async::Loop& loop_;
  Redactor& redactor_;
  Places places_;
  std::map<std::string, config::Secret> declared_;
  std::map<std::string, SecretString> from_environment_;
  std::map<std::string, SecretString> values_;
  std::uint64_t generation_ =
      0;  ///< changes with every set, remove and redeclare: a slow read does not overwrite a newer value
};

}  // namespace swarm::secrets
