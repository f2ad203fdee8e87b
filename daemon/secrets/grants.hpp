#pragma once

#include <string>
#include <string_view>

#include "daemon/config/config.hpp"
#include "protocol/core/error.hpp"

namespace swarm::secrets {

/// Who wants a secret used, and for what. The names come from the daemon's own records, never from the caller.
struct Use {
  std::string swarm;
  std::string role;
  std::string host;  ///< "api.github.com" or "api.github.com:443"; empty where nothing is sent to a host
};

/// Whether the grants of `[secret.NAME]` allow this use. `permission_denied` names the setting that would have to
/// change.
[[nodiscard]] Result<void> check_grant(std::string_view name, const config::Secret& secret, const Use& use);

/// Whether `text` is `pattern`, in which `*` stands for any characters and `?` for one.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);

/// Whether a host fits "name", "*.name" (any depth below it, not itself) or either with a port. A pattern without a
/// port takes 443 only: a secret does not leave unencrypted because somebody listens on another port.
[[nodiscard]] bool host_matches(std::string_view pattern, std::string_view host);

}  // namespace swarm::secrets
