#pragma once
// Whom a push and a pull request go out as: the token of the service from the daemon's secrets, else what git's own
// credential helper has for that host, as the user has set it up.

#include "daemon/secrets/vault.hpp"
#include "daemon/ship/remote.hpp"

namespace swarm::ship {

struct Credential {
  std::string user;
  secrets::SecretString password;
  std::string origin;  ///< "secret 'github'", for errors
};

/// For whom.
struct Purpose {
  std::string swarm_name;
  Remote remote;
  Service service;
};

class Credentials {
 public:
  Credentials(async::Loop& loop, secrets::Vault& vault, secrets::Redactor& redactor)
      : loop_(loop), vault_(vault), redactor_(redactor) {}

  /// `failed_precondition` says what to set where there is none. Whatever is returned is known to the redactor.
  async::Task<Result<Credential>> find(Purpose purpose);

 private:
  async::Task<Result<Credential>> ask_helper(Remote remote);

  async::Loop& loop_;
  secrets::Vault& vault_;
  secrets::Redactor& redactor_;
};

}  // namespace swarm::ship
