#pragma once

#include <string>

namespace swarm {

/// One call that carries an idempotency key: how it is recognised when it is made again.
struct CallKey {
  /// Whose key it is ("uid:1000", "swarm:swm_..."): callers cannot see each other's answers.
  std::string scope;
  std::string key;  ///< 1 to 256 bytes, chosen by the caller
  std::string method;
  /// The arguments in one canonical encoding, without the key itself. Only a hash is stored.
  std::string arguments;
};

}  // namespace swarm
