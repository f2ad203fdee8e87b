#pragma once
// Who may change which paths: leases, and the line of those who wait for one. A pure state machine: time comes in with
// each call, what has to be recorded and who has to be told comes out, nothing is done on its own.
//
//   acquire -> granted at once, or in line -> granted | timed out | withdrawn
//   lease   -> released | expired | broken by a person | gone with its owner
//
// Line: a request is granted when it conflicts with no lease and with nobody who asked before it, so that readers never
// starve a writer. It may jump the line only inside what its owner holds already.
// Deadlock: an agent waits for the owners of the leases, and of the earlier requests, that stand in its way. Such a
// circle can only be closed by a new request; that request is refused and told the circle.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/coord/lease_index.hpp"
#include "protocol/coord/moment.hpp"
#include "protocol/coord/path.hpp"
#include "protocol/core/error.hpp"

namespace swarm::coord {

/// A number that only grows, for those who guard a resource: what carries a smaller one than was seen is stale.
struct Fence {
  std::int64_t epoch = 0;    ///< grows when another authority takes over
  std::int64_t counter = 0;  ///< grows with each grant; never reset
  auto operator<=>(const Fence&) const = default;
};

enum class LockMode {
  shared,     ///< together with other shared ones
  exclusive,  ///< alone
};

/// "shared", "exclusive".
std::string_view mode_name(LockMode mode);

/// Who holds or wants a lock.
struct LockOwner {
  std::string agent;
  bool proven = true;  ///< the kernel said so; false where all agents share one uid
  bool operator==(const LockOwner&) const = default;
};

/// What a lock is for, where that decides how it ends. The numbers are recorded.
enum class LockPurpose : std::uint8_t {
  asked = 0,  ///< somebody asked for it, and gives it back
  edit = 1,   ///< an edit took it: it goes with the change, once that is merged or dropped
};

/// What is asked for.
struct LockRequest {
  std::string id;  ///< of the lease to be; unique
  LockOwner owner;
  LockKey key;
  LockMode mode = LockMode::exclusive;
  std::string reason;
  LockPurpose purpose = LockPurpose::asked;
  /// How long it holds unless renewed; nothing: until it is released or its owner is gone.
  std::optional<Span> ttl;
  /// Until when to stand in line; nothing: granted at once or refused.
  std::optional<Moment> wait_until;
};

/// A lock that is held.
struct Lease {
  std::string id;
  LockOwner owner;
  LockKey key;
  LockMode mode = LockMode::exclusive;
  std::string reason;
  LockPurpose purpose = LockPurpose::asked;
  Moment granted{};
  std::optional<Moment> expires;
  Fence fence{};
};

/// A request in line.
struct Waiter {
  LockRequest request;
  Moment since{};
};

/// The answer to a request that was not refused.
struct Acquired {
  std::optional<Lease> lease;  ///< nothing: in line under the request's id
  bool renewed = false;        ///< the owner held it already
};

/// Why a lease ended, or what became of a request in line.
enum class LockEnd { released, expired, broken, owner_gone, timed_out, withdrawn };

std::string_view end_name(LockEnd end);

/// What others have to be told.
struct LockNotice {
  enum class Kind {
    granted,  ///< `lease`; `waited` when it stood in line
    ended,    ///< `lease`, `end`, `by`, `note`
    dropped,  ///< a request left the line without a grant: `waiter`, `end`, `error`
    deadlock  ///< a request was refused: `waiter`, `note` tells the circle
  };
  Kind kind = Kind::granted;
  Lease lease{};
  Waiter waiter{};
  bool waited = false;
  LockEnd end = LockEnd::released;
  std::string by{};
  std::string note{};
  Error error{};
};

/// What has to be recorded: a lease as it is now, or that it is no more.
struct LockChange {
  std::string id;
  std::optional<Lease> lease;
};

/// A step of a deadlock: `agent` waits for `path`, in whose way stands `holder`.
struct DeadlockStep {
  std::string agent;
  std::string path;
  std::string holder;
  bool operator==(const DeadlockStep&) const = default;
};

class LockTable {
 public:
  explicit LockTable(Fence last = {}) : fence_(last) {}
  // The index points to the leases, which a move leaves where they are.
  LockTable(LockTable&&) = default;
  LockTable& operator=(LockTable&&) = default;
  LockTable(const LockTable&) = delete;
  LockTable& operator=(const LockTable&) = delete;
  ~LockTable() = default;

  /// Puts back a recorded lease; for loading.
  void restore(Lease lease);

  /// Asks for a lock. The same owner with the same key renews what it holds; a shared one is raised to exclusive.
  /// `failed_precondition`: held by another or wanted by others before (retryable), or waiting would close a circle.
  Result<Acquired> acquire(LockRequest request, Moment now);

  /// Extends a lease of `owner` to at least `ttl` from now. `not_found` when it is no more, `permission_denied` when it
  /// is another's.
  Result<Lease> renew(const std::string& id, std::string_view owner, Span ttl, Moment now);

  /// Gives a lease back. What is not held any more is no error (false); `permission_denied` when it is another's.
  Result<bool> release(const std::string& id, std::string_view owner, Moment now);
  /// Gives back all of `owner`'s leases with this key; how many. `permission_denied` when only others hold it.
  Result<int> release_key(const LockKey& key, std::string_view owner, Moment now);

  /// Leaves the line; false when it does not stand there.
  bool withdraw(const std::string& id, Moment now);

  /// Ends a lease by the decision of a person.
  Result<Lease> break_lease(const std::string& id, std::string_view person, std::string_view reason, Moment now);

  /// Ends all leases and requests of an agent that is gone; how many leases.
  int owner_gone(std::string_view agent, Moment now);

  /// Ends what ran out by now.
  void advance(Moment now);
  [[nodiscard]] std::optional<Moment> next_deadline() const;

  /// Another authority goes on: the epoch must be larger than before. `invalid_argument` otherwise.
  Result<void> begin_epoch(std::int64_t epoch);

  [[nodiscard]] Fence fence() const { return fence_; }
  [[nodiscard]] const std::map<std::string, Lease>& leases() const { return leases_; }
  [[nodiscard]] const LeaseSet& leases_of(std::string_view agent) const { return index_.of_owner(agent); }
  [[nodiscard]] const std::vector<Waiter>& waiters() const { return waiters_; }
  /// Holders of overlapping paths that would stand in the way of `owner`.
  [[nodiscard]] std::vector<Lease> conflicts(const LockKey& key, LockMode mode, std::string_view owner) const;

  /// What happened since the last call, in order.
  std::vector<LockNotice> take_notices() { return std::exchange(notices_, {}); }
  std::vector<LockChange> take_changes() { return std::exchange(changes_, {}); }

 private:
  struct Obstacle {
    std::string owner;
    const LockKey* key;
  };
  [[nodiscard]] std::vector<Obstacle> obstacles(const LockRequest& request, std::size_t ahead) const;
  [[nodiscard]] std::vector<DeadlockStep> circle(const LockRequest& request) const;
  [[nodiscard]] bool covered(const LockRequest& request) const;
  [[nodiscard]] std::string why_not(const LockRequest& request, std::size_t ahead, Moment now) const;
  Lease grant(const LockRequest& request, Moment now, bool waited);
  [[nodiscard]] const Lease* held(const LockRequest& request) const;
  const Lease& put(Lease lease);
  void end(std::map<std::string, Lease>::iterator lease, LockEnd how, std::string by, std::string note);
  void drop(std::size_t index, LockEnd how, Error error);
  void serve(Moment now);

  Fence fence_;
  std::map<std::string, Lease> leases_;
  LeaseIndex index_;             // of leases_
  std::vector<Waiter> waiters_;  // in the order in which they came
  std::vector<LockNotice> notices_;
  std::vector<LockChange> changes_;
};

/// "deadlock: agent-1 waits for src/a (agent-2 is in the way), agent-2 waits for ...".
std::string deadlock_text(const std::vector<DeadlockStep>& circle);

}  // namespace swarm::coord
