#pragma once

#include <filesystem>

#include "daemon/config/config.hpp"
#include "daemon/providers/e2b/control.hpp"
#include "daemon/providers/e2b/envd.hpp"
#include "daemon/secrets/vault.hpp"

namespace swarm::e2b {

/// How long things take at the service, and how long is waited for it.
struct Pace {
  Duration lists_within = std::chrono::seconds(10);  ///< a create whose answer was lost may be listed this much later
  Duration watch = std::chrono::seconds(10);         ///< how often the list is read while ends are waited for
  Duration watch_takes = std::chrono::seconds(5);    ///< reading it takes no longer than this
  Duration lists_ended = std::chrono::seconds(60);   ///< the list may show one that has ended for this long
  http_client::Patience patience = ControlOptions{}.patience;
  Duration first_pause = ControlOptions{}.first_pause;  ///< before what failed is asked again
};

/// What the provider goes by, out of the configuration.
struct Settings {
  std::string api_url;
  Routing routing;
  std::string ca_file;
  KeySource key;
  std::string user_agent;
  std::string template_id;                       ///< for templates that name none of E2B's
  std::map<std::string, std::string> templates;  ///< ours -> E2B's
  std::filesystem::path bundle;                  ///< agentd with its libraries
  int port = 49900;                              ///< where agentd listens in a sandbox
  int most = 20;                                 ///< sandboxes at once, as the plan has it
  double creates_a_second = 1;
  Duration max_lifetime{0};  ///< session cap of the plan
  bool auto_pause = true;    ///< at its end the provider pauses a sandbox instead of killing it
  Pace pace;
};

/// Out of the configuration, with a key from anywhere.
Result<Settings> settings_from(const config::Config& config, KeySource key);

/// Out of the configuration. The vault outlives what is made of it.
Result<Settings> settings_from(const config::Config& config, secrets::Vault& vault);

/// What E2B's own tools read: with E2B_API_KEY in the environment the provider is on, and its key is the variable's,
/// unless the configuration says where the secret comes from. `before`: a configuration that has been through this,
/// when one is read again (the variable is removed from the environment once it was read).
void adopt_environment(config::Config& config, const config::Config* before = nullptr);

}  // namespace swarm::e2b
