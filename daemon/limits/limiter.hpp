#pragma once
// One thing that may be done only so fast, and the line of those who wait for it.
//
//   acquire ---- free and nobody waits ------------------------------> Permit
//      |                                                                  |
//      +--> line: by priority, then fair among swarms, then in order -----+    throttled() <- 429/503: stands still as
//           bounded; each has a deadline                                       long as told, halves its rate, recovers
//
// Fairness is start-time fair queueing: an ask of weight w is stamped S = max(V, F of its swarm), its swarm's F becomes
// S + w, and the smallest S goes first; V is the S of whoever went last. So swarms that wait share by weight, whatever
// the length of their lines, and within one swarm and priority the order is first come, first served. The first in line
// is never overtaken by a lighter one behind it.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "daemon/limits/bucket.hpp"
#include "daemon/limits/window.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/async/waiter.hpp"

namespace swarm::limits {

/// Who goes first. Strict: a lower one waits while a higher one does.
enum class Priority : std::uint8_t {
  background,  ///< refill of a pool, retries, clean-up
  normal,
  urgent,  ///< somebody waits at a terminal
};
inline constexpr int kPriorities = 3;

/// What a limiter allows.
struct Spec {
  std::optional<Rate> rate;    ///< nothing: as fast as one likes, until the other side says 429
  std::uint32_t burst = 1;     ///< what may be taken at once after a rest
  Duration guard{0};           ///< jitter on the way: no window at the far end sees more than the rate allows
  std::uint32_t queue = 1000;  ///< at most so many wait
  /// The far end allows this much more than `rate` says: for the time after a restart, when nobody knows what was sent
  /// before it and all of `rate` counts as spent. It is lent in parts: see Limiter::lend.
  std::uint64_t reserve = 0;
  bool operator==(const Spec&) const = default;
};

/// One request for leave.
struct Ask {
  std::uint64_t weight = 1;
  Priority priority = Priority::normal;
  std::string swarm;                 ///< whose line; empty is the daemon's own
  std::optional<MonoTime> deadline;  ///< given up then, if still waiting
};

/// Counters since the start.
struct Counters {
  std::uint64_t admitted = 0;
  std::uint64_t admitted_weight = 0;
  std::uint64_t waited = 0;  ///< of those admitted, the ones that stood in line
  std::uint64_t refused = 0;
  std::uint64_t expired = 0;
  std::uint64_t throttled = 0;
};

/// Something that somebody may want to know: becomes an event.
struct Notice {
  enum class Kind {
    waiting,    ///< a line has formed
    refused,    ///< the line is full
    throttled,  ///< the other side said 429 or 503
    recovered,  ///< back at the full rate
    changed,    ///< the limit was set
  };
  Kind kind = Kind::waiting;
  std::string key;
  std::string message;
  std::optional<std::string> swarm;
  std::optional<Duration> pause;  ///< throttled: how long it stands still
};

class Limiter {
 public:
  using Tell = std::function<void(Notice)>;

  /// `speed`: how many times faster than real time everything goes, for tests; 1 in earnest.
  Limiter(async::Loop& loop, std::string key, Spec spec, std::uint32_t speed, Tell tell);
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;
  ~Limiter();

  /// Which admission this was, for `throttled`. `resource_exhausted` when the line is full, `deadline_exceeded` when
  /// the deadline came first, `invalid_argument` for a weight that can never pass. Dropping the task leaves the line.
  async::Task<Result<std::uint64_t>> acquire(Ask ask);

  /// The request of that admission was answered with 429 or 503. Stands still for `retry_after`, or for a time that
  /// doubles with each such answer, and goes at half the rate. Answers to requests that went out before the last
  /// slowdown do not slow it down again.
  void throttled(std::uint64_t admission, std::optional<Duration> retry_after);
  /// It was answered otherwise. An answer of either kind also proves that the request has arrived: see window.hpp.
  void succeeded(std::uint64_t admission);

  void set(Spec spec);

  /// To keep over a restart, and back. `level`: see Bucket.
  struct Memory {
    std::uint64_t level_millionths = 0;
    std::uint32_t thousandths = 1000;
    Duration blocked_for{0};
    bool operator==(const Memory&) const = default;
  };
  [[nodiscard]] Memory remember() const;
  /// nullopt for the level: not known, so the bucket starts as if all had just been taken.
  void recall(const Memory& memory, bool level_is_known);

  /// After `recall` all of the rate counts as spent for a while. What the far end allows beyond it (`reserve`) is lent
  /// in parts by the owner, who first writes down each, since another restart may follow before the far end has
  /// forgotten. How much is wanted now; 0: enough is there, or nothing is needed.
  [[nodiscard]] std::uint64_t wants() const;
  /// Gives a part; 0: there is no more.
  void lend(std::uint64_t weight);
  /// Called when a part is nearly used up, in the middle of letting somebody pass: it may only arrange for a `lend`.
  void when_scarce(std::function<void()> scarce) { scarce_ = std::move(scarce); }
  /// So long the far end may count what is sent now.
  [[nodiscard]] Duration span() const {
    return scaled(spec_.rate ? spec_.rate->per : Duration{0}) + scaled(spec_.guard);
  }

  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const Spec& spec() const { return spec_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::size_t waiting() const { return line_.size(); }
  [[nodiscard]] std::map<std::string, std::size_t> waiting_by_swarm() const;
  [[nodiscard]] std::uint32_t thousandths() const { return thousandths_; }
  /// How long it still stands still because it was told to.
  [[nodiscard]] Duration blocked_for() const;
  /// When an ask of weight 1 that came now, with the line empty, would pass: from now.
  [[nodiscard]] Duration next_in() const;
  /// Nobody waits and it is as good as new.
  [[nodiscard]] bool idle() const;

 private:
  struct Place;
  struct Before {
    bool operator()(const Place* a, const Place* b) const;
  };
  struct Share {
    std::uint64_t finish = 0;  // F
    std::size_t waiting = 0;
  };
  struct Level {            // of one priority
    std::uint64_t now = 0;  // V
    std::map<std::string, Share> swarms;
  };

  [[nodiscard]] Rate effective(const Spec& spec) const;
  void set_window();
  void answered(std::uint64_t admission);
  [[nodiscard]] Duration scaled(Duration d) const { return d / static_cast<Duration::rep>(speed_); }
  /// Nothing holds it to a rate now.
  [[nodiscard]] bool is_free() const { return !spec_.rate && thousandths_ == 1000; }
  [[nodiscard]] std::uint64_t charge(std::uint64_t weight) const;
  [[nodiscard]] bool never_passes(std::uint64_t weight) const;
  [[nodiscard]] MonoTime passes_at(const Place& place, MonoTime now) const;
  /// Which admission this is; nothing: not now.
  std::optional<std::uint64_t> admit(std::uint64_t weight, MonoTime now);
  Result<void> join(Place& place);
  bool make_room(const Place& newcomer);
  void leave(Place& place);
  void settle(Place& place, std::optional<Error> error);
  void expire(MonoTime now, bool also_now);
  void pump();
  void arm(MonoTime now);
  void recover(MonoTime now);
  void arm_recovery();
  void slow_to(std::uint32_t thousandths, MonoTime now);
  void tell(Notice::Kind kind, std::string message, std::optional<std::string> swarm = {},
            std::optional<Duration> pause = {});

  async::Loop& loop_;
  const std::string key_;
  Spec spec_;
  const std::uint32_t speed_;
  Tell tell_;
  Bucket bucket_;
  Window window_;  ///< where there is a guard
  std::function<void()> scarce_;
  std::uint64_t owed_ = 0;  // of the reserve, not lent yet
  std::uint64_t lent_ = 0;  // and not used yet
  std::array<Level, kPriorities> levels_;
  std::set<Place*, Before> line_;
  std::multimap<MonoTime, Place*> deadlines_;
  async::Timer timer_;
  async::Timer recovery_;
  Counters counters_;
  std::size_t places_ = 0;        // asks that have not gone on yet
  std::uint64_t asked_ = 0;       // numbers asks
  std::uint64_t admissions_ = 0;  // numbers admissions
  std::uint32_t thousandths_ = 1000;
  std::uint64_t slowed_at_ = 0;  // admissions up to this one do not slow down again
  std::uint32_t in_a_row_ = 0;   // slowdowns without a success between
  MonoTime blocked_until_;
  MonoTime recovers_from_;
  std::optional<MonoTime> told_waiting_;
  std::optional<MonoTime> told_refused_;
};

}  // namespace swarm::limits
