#pragma once
// When to look at what sandboxes have written to the host's disk, and what to make of it.
//
// Nobody tells how much a directory holds, and counting costs. What can be had for nothing is how much of the whole
// file system is free: since it was counted last, a sandbox has written at most as much as has gone from there,
// unless others made room meanwhile. So a sandbox is counted when that bound passes its limit, and now and then for the
// sake of the "unless". On a quiet machine that is nearly never; a large tree is counted for a tenth of the time at
// most.
//
// Knows no files and no processes: numbers in, ids out. Time is its caller's.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/providers/local/measuring.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/core/units.hpp"

namespace swarm::local {

class DiskWatch {
 public:
  /// How often free space is looked at: so long a sandbox may write unseen.
  static constexpr Duration kEvery = std::chrono::seconds(1);
  /// A sandbox is counted again after so long, whatever the bound says.
  static constexpr Duration kAtLatest = std::chrono::seconds(60);
  /// After a count it rests for so many times as long as that took.
  static constexpr int kRests = 9;

  /// A sandbox that was just made, with nothing in it, when so much was free; nothing: what it holds is not known, and
  /// it is counted first.
  void add(const std::string& id, std::uint64_t limit_bytes, std::optional<std::uint64_t> free_at_start, MonoTime now);
  void remove(const std::string& id) { watched_.erase(id); }
  [[nodiscard]] bool empty() const { return watched_.empty(); }
  [[nodiscard]] bool has(const std::string& id) const { return watched_.contains(id); }

  /// A new limit, which holds at once: what was allowed on top of the old one is not any more.
  void set_limit(const std::string& id, std::uint64_t limit_bytes);

  /// It stands still: it is not counted until `go_on`.
  void stand(const std::string& id);
  /// It runs again. One that was over its limit may write a tenth of that more, so that somebody can make room in it;
  /// once it is below, the limit holds as before.
  void go_on(const std::string& id);

  /// One to be counted now.
  struct Due {
    std::string id;
    bool suspected = false;  ///< false: only because it was long ago
  };
  /// Whom to count, `most` of them, longest uncounted first; all are suspected where it cannot be told what is free.
  /// Each is due again only after `counted` or `passed_by`.
  std::vector<Due> due(MonoTime now, std::optional<std::uint64_t> free_bytes, std::size_t most);
  /// It was not counted after all: it has not run since the last time.
  void passed_by(const std::string& id, MonoTime now);

  /// What came of it.
  struct Verdict {
    bool over = false;
    std::uint64_t bytes = 0;
    std::uint64_t limit = 0;  ///< as it was set
    bool whole = true;        ///< false: it holds more than can be counted, which counts as over
  };
  /// A count began at `begun` and has ended; nothing when it failed or could not be made. A sandbox that is gone, or
  /// stands still by now, is not over.
  Verdict counted(const std::string& id, const std::optional<Measured>& found, MonoTime begun, MonoTime now);

 private:
  struct Watched {
    std::uint64_t limit = 0;
    std::uint64_t used = 0;                 ///< when it was counted last
    std::optional<std::uint64_t> free;      ///< just before that; nothing: never counted
    std::optional<std::uint64_t> allowed;   ///< in place of the limit, for making room
    std::optional<std::uint64_t> free_now;  ///< when the count under way began
    MonoTime looked;
    MonoTime rests_until;
    bool counting = false;
    bool makes_room = false;  ///< resumed before it was counted: what it is found to hold is allowed, and a little more
    bool stands = false;
    bool limit_set = false;  ///< since it stands: whoever lets it go on means that limit

    [[nodiscard]] std::uint64_t most() const { return allowed.value_or(limit); }
  };

  std::map<std::string, Watched> watched_;
};

}  // namespace swarm::local
