#pragma once
// Finds leases without looking at all of them: by owner, by key, by when they run out, and those that may meet a path.
//
// A pattern begins with literal names ("src/net" of "src/net/**.cpp"), and two patterns can only meet where the names
// of one begin those of the other. So a lease lies at its names; a request looks on the way from the root to its own,
// and also at everything below where it has wildcards itself:
//
//   src            below(src)  <- in the way of src/net/a.cpp
//   src/net        *.hpp       <- looked at, does not meet
//   src/net/a.cpp  the file    <- in the way
//   src/net/b.cpp  the file    <- never looked at

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/coord/moment.hpp"
#include "protocol/coord/path.hpp"

namespace swarm::coord {

struct Lease;

/// By id, which is the order in which they were asked for.
struct LeaseOrder {
  bool operator()(const Lease* a, const Lease* b) const;
};
using LeaseSet = std::set<const Lease*, LeaseOrder>;

/// Owns nothing: what is in it must stay where it is, and as it is in owner, key, id and end.
class LeaseIndex {
 public:
  void add(const Lease& lease);
  void remove(const Lease& lease);

  [[nodiscard]] const LeaseSet& of_owner(std::string_view agent) const;
  /// Those with the very same key; of others that may meet it see `near`.
  [[nodiscard]] const LeaseSet& with_key(const LockKey& key) const;

  enum class Reach {
    up,   ///< only what may hold all of the key
    all,  ///< what may meet it
  };
  /// All whose paths may meet the key's, and perhaps some that do not.
  [[nodiscard]] LeaseSet near(const LockKey& key, Reach reach) const;

  /// When the first one runs out.
  [[nodiscard]] std::optional<Moment> first_end() const;
  /// Those that ran out by now.
  [[nodiscard]] std::vector<const Lease*> over(Moment now) const;

 private:
  /// What lies at some names.
  struct Shelf {
    LeaseSet whole;  ///< the names are all of it
    LeaseSet more;   ///< wildcards follow
  };

  std::map<std::string, LeaseSet, std::less<>> by_owner_;
  std::map<std::string, LeaseSet> by_key_;
  std::map<std::string, Shelf> by_names_;
  std::map<Moment, LeaseSet> by_end_;
};

}  // namespace swarm::coord
