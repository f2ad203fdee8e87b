#pragma once
// What the store keeps of a sandbox: the part that everybody may see (api::SandboxInfo) and the part that only the
// daemon needs. Each is one encoded column; what is searched by has columns of its own.

#include <string>
#include <vector>

#include "daemon/providers/provider.hpp"
#include "protocol/store/migration.hpp"
#include "protocol/store/store.hpp"

namespace swarm::sandbox {

/// Kept with the sandbox, never shown.
struct Hidden {
  std::string ref;  ///< the provider's handle, once made
  std::map<std::string, std::string> env;
  api::SandboxLimits limits;  ///< as asked of the provider
  api::NetworkPolicy network;
  std::chrono::milliseconds lease_ms{0};         ///< how long it lives after its last use
  std::chrono::milliseconds max_lifetime_ms{0};  ///< 0: as long as it is used
  std::string pool;                              ///< the pool that made it; empty for one made for its caller
  std::optional<std::int64_t> started_us;        ///< when the provider says that billing began
  std::string held_by;                           ///< the budget that paused it; empty: none did
  bool idle_paused = false;                      ///< paused because nobody used it: the next use lets it go on
  bool at_limit = false;                         ///< paused because it passed a limit: a higher one lets it go on
  bool may_stand = false;                        ///< a pause failed, and may have come about all the same
  Bytes secret;                                  ///< the tunnel's; the store's file is 0600

  void forget_pause() {
    held_by.clear();
    idle_paused = false;
    at_limit = false;
  }

  template <class D>
  static void describe(D& d) {
    d.type("HiddenSandboxRecord", "What the daemon keeps of a sandbox and shows to nobody.");
    d.field("ref", &Hidden::ref, "The provider's handle.");
    d.field("env", &Hidden::env, "Environment of its programs.").secret();
    d.field("limits", &Hidden::limits, "What was asked for.");
    d.field("network", &Hidden::network, "What was asked for.");
    d.field("lease_ms", &Hidden::lease_ms, "Time to live after the last use.");
    d.field("max_lifetime_ms", &Hidden::max_lifetime_ms, "Time to live at all; 0 without end.");
    d.field("pool", &Hidden::pool, "The pool that made it.");
    d.field("started_us", &Hidden::started_us, "When the provider says that billing began.");
    d.field("held_by", &Hidden::held_by, "The budget that paused it.");
    d.field("idle_paused", &Hidden::idle_paused, "Paused because nobody used it.");
    d.field("at_limit", &Hidden::at_limit, "Paused because it passed a limit.");
    d.field("may_stand", &Hidden::may_stand, "A pause failed, and may have come about all the same.");
    d.field("secret", &Hidden::secret, "The tunnel's secret.").secret();
  }
};

struct Record {
  api::SandboxInfo info;
  Hidden hidden;
};

/// The tables of this domain.
extern const store::Domain kSandboxDomain;

/// Adds a new sandbox. `already_exists` when a living one has its name.
Result<void> insert(store::Database& db, const Record& record);

/// `already_exists` when a living sandbox has this name.
Result<void> check_name(store::Database& db, const std::string& name);

/// Replaces what is kept of a known sandbox.
Result<void> update(store::Database& db, const Record& record);

/// Every sandbox that is not gone or failed, oldest first.
Result<std::vector<Record>> load_living(store::Database& db);

/// One, living or not; nothing when there is none of this id.
Result<std::optional<Record>> load(store::Database& db, const std::string& id);

/// Up to `limit` sandboxes that are gone or failed and whose (created_us, id) is below the given one, newest first.
Result<std::vector<Record>> load_ended(store::Database& db, std::int64_t created_before_us,
                                       const std::string& id_before, int limit);

/// Ids that begin with `prefix`, at most `limit`.
Result<std::vector<std::string>> ids_with_prefix(store::Database& db, const std::string& prefix, int limit);

}  // namespace swarm::sandbox
