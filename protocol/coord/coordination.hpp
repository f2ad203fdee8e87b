#pragma once
// One swarm's locks, messages, registry and notes, as whoever is its authority hosts them (agentd for a swarm in one
// sandbox, the daemon for one in several). Runs where the store's writer runs: decision and record are one transaction.
//
// Tables are the truth. Only the lock table is kept in memory, with the line of those who wait (a caller whose
// connection broke with its host asks again). A revision in the tables tells when a step was undone: then the copy is
// read anew, and everybody in line is to be told.

#include "protocol/coord/lock_table.hpp"
#include "protocol/coord/messages.hpp"
#include "protocol/coord/notes.hpp"
#include "protocol/coord/registry.hpp"

namespace swarm::coord {

struct CoordOptions {
  MessageOptions messages{};
  RegistryOptions registry{};
  NoteOptions notes{};
  PathRules paths{};  ///< how keys of recorded locks are read again
  /// Another authority has taken over with this epoch; 0: the recorded one goes on.
  std::int64_t epoch = 0;
};

/// What a step works with.
struct Step {
  const Turn& turn;
  LockTable& locks;
  Messages& messages;
  const Registry& registry;
  const Notes& notes;
};

/// When a step happens.
struct StepTime {
  Moment now{};
  Span paused{0};
};

/// What came of a step besides its result.
struct StepReport {
  std::vector<LockNotice> notices;
  std::vector<Happening> happenings;
  std::optional<Moment> next;  ///< when `advance` has something to do
  /// The copy was read anew: who stood in line before does not any more.
  bool line_lost = false;
};

class Coordination {
 public:
  Coordination(std::string swarm, CoordOptions options, Random& random)
      : swarm_(std::move(swarm)),
        options_(std::move(options)),
        random_(random),
        registry_(options_.registry),
        notes_(options_.notes) {}
  Coordination(const Coordination&) = delete;
  Coordination& operator=(const Coordination&) = delete;

  /// The recorded lease time, before the first step.
  static Result<TimeRecord> recorded_time(store::Database& db, const std::string& swarm);

  /// A step that may touch the locks: `f(Step&) -> Result<T>`. The outer result is the transaction's; a refusal of `f`
  /// is the inner one and undoes nothing (leases that ran out stay ended), so `f` writes no tables before it may
  /// refuse.
  template <class F>
  Result<std::invoke_result_t<F&, Step&>> with_locks(store::Database& db, StepTime time, StepReport& report, F f) {
    Result<void> loaded = load(db, time, report);
    if (!loaded) return fail(loaded.error());
    const Turn turn = turn_of(db, time, report);
    Step step{turn, locks_, *messages_, registry_, notes_};
    auto result = f(step);
    Result<void> saved = save(turn, report, Wrote::perhaps);
    if (!saved) {
      revision_ = -1;
      return fail(saved.error());
    }
    return result;
  }

  /// A step that leaves the locks alone; when it fails, its transaction is to be undone.
  template <class F>
  std::invoke_result_t<F&, Step&> in_tables(store::Database& db, StepTime time, StepReport& report, F f) {
    Result<void> loaded = load(db, time, report);
    if (!loaded) return fail(loaded.error());
    const Turn turn = turn_of(db, time, report);
    Step step{turn, locks_, *messages_, registry_, notes_};
    auto result = f(step);
    Result<void> saved;
    if (result) saved = save(turn, report, Wrote::yes);
    if (result && saved) return result;
    // What was counted for a step that is undone must not stay counted.
    messages_->forget();
    if (result && !saved) return fail(saved.error());
    return result;
  }

  /// Serves all timers: locks, messages, registry.
  Result<void> advance(store::Database& db, StepTime time, StepReport& report);

  [[nodiscard]] const std::string& swarm() const { return swarm_; }

 private:
  Result<void> load(store::Database& db, StepTime time, StepReport& report);
  Result<void> create(store::Database& db, StepTime time);
  Result<void> load_leases(store::Database& db);
  enum class Wrote { yes, perhaps };
  Result<void> save(const Turn& turn, StepReport& report, Wrote wrote);
  [[nodiscard]] Turn turn_of(store::Database& db, StepTime time, StepReport& report) {
    return {.db = db,
            .swarm = swarm_,
            .now = time.now,
            .paused = time.paused,
            .random = random_,
            .happenings = report.happenings};
  }

  const std::string swarm_;
  const CoordOptions options_;
  Random& random_;
  std::int64_t revision_ = -1;
  LockTable locks_;
  std::optional<Messages> messages_;
  Registry registry_;
  Notes notes_;
};

/// What a lock notice is in the event log, or nothing where it is between the caller and us alone.
std::optional<Happening> happening_of(const LockNotice& notice, Span paused);

}  // namespace swarm::coord
