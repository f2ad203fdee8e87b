#pragma once
// The one thread that writes. Everybody hands it jobs; it takes all that wait, runs them in one transaction (each under
// a savepoint of its own), commits once, and hands the outcomes back in the same order:
//
//    jobs ->  [ a b c d ]  ->  BEGIN  a b (c fails: rolled back alone) d  COMMIT (+ fsync)  ->  outcomes a b c d,
//    events
//
// While one commit waits for the disk the next batch gathers, so the number of fsyncs follows the speed of the disk and
// not the number of writers.
//
// Storage trouble (no space, I/O errors) fails the jobs of the batch with the reason, and the store is `degraded`:
// later jobs fail at once, reads go on, and the writer tries again on its own until a write reaches the disk. Damage
// (SQLITE_CORRUPT) stops writing until a person restores a copy.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "protocol/store/answers.hpp"
#include "protocol/store/events.hpp"
#include "protocol/store/folder.hpp"

namespace swarm::store {

/// What an acknowledged change survives.
enum class Durability {
  process,  ///< a crash of the program (WAL, synchronous=NORMAL)
  power,    ///< also a loss of power: the WAL is fsynced before the acknowledgement
};

/// What becomes of a change that fails.
enum class Undo {
  alone,  ///< it is undone alone: it runs under a savepoint of its own
  /// It looks before it changes anything, so there is nothing to undo when it refuses; then it needs no savepoint, for
  /// which SQLite copies every page that it touches. When it fails in the middle all the same, which takes trouble with
  /// the storage or a mistake, the whole batch is undone, and fails as one that was not recorded.
  with_batch,
};

/// What a job works with, on the writer's thread. Valid while the job runs.
class Changes {
 public:
  Changes(Database& db, const StoreIdentity& self, WallTime now, std::vector<Event>& events)
      : db_(db), self_(self), now_(now), events_(events) {}

  [[nodiscard]] Database& db() { return db_; }
  /// When the job was submitted.
  [[nodiscard]] WallTime now() const { return now_; }
  [[nodiscard]] const StoreIdentity& self() const { return self_; }

  /// Appends an event to this change; gives its number. nullopt: a foreign event that was known already.
  Result<std::optional<std::int64_t>> append(NewEvent event);

  /// Runs `effect` unless the call was answered before; see answers.hpp.
  Result<std::string> answer_once(const CallKey& call, const std::function<Result<std::string>()>& effect) {
    return store::answer_once(db_, call, now_, effect);
  }

 private:
  Database& db_;
  const StoreIdentity& self_;
  WallTime now_;
  std::vector<Event>& events_;
};

/// One change. It owns all that it touches: it runs on the writer's thread, at most once.
class WriteJob {
 public:
  WriteJob(std::string_view name, Durability durability, WallTime now, Undo undo = Undo::alone)
      : name_(name), durability_(durability), undo_(undo), now_(now) {}
  WriteJob(const WriteJob&) = delete;
  WriteJob& operator=(const WriteJob&) = delete;
  virtual ~WriteJob() = default;

  /// The change itself. A failure, or an exception, rolls back this job alone.
  virtual Result<void> run(Changes& changes) = 0;
  /// The outcome, through the writer's `deliver`: what `run` gave, or why the batch was not committed.
  virtual void finish(Result<void> outcome) = 0;

  /// The caller has gone: a job that has not begun is skipped (and finishes as `cancelled`). Any thread.
  void abandon() { abandoned_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool abandoned() const { return abandoned_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] Durability durability() const { return durability_; }
  [[nodiscard]] Undo undo() const { return undo_; }
  [[nodiscard]] WallTime now() const { return now_; }

 private:
  std::string_view name_;  // static text
  Durability durability_;
  Undo undo_;
  WallTime now_;
  std::atomic<bool> abandoned_ = false;
};

/// Whether the store can be written.
struct Health {
  enum class State {
    ok,
    degraded,  ///< writes fail for now, reads work; tried again by itself
    damaged,   ///< writes are refused until a copy is restored
  };
  State state = State::ok;
  /// The reason when not ok.
  Error cause{};
};

struct WriterOptions {
  /// Jobs that may wait; more are refused with `resource_exhausted`.
  std::size_t queue_limit = 4096;
  /// Jobs of one transaction.
  std::size_t batch_limit = 256;
  /// WAL frames (of 4 KiB) after which the log is folded into the database when nothing waits, or at four times as
  /// many in any case. With a folder beside it (see `Writer`) the writer folds what that has left.
  int checkpoint_frames = 1000;
  /// How long a degraded store waits before it tries the disk again.
  std::chrono::milliseconds retry_interval{1000};
  EventRetention events{};
  AnswerRetention answers{};
  /// Retention runs after so many new events and answers.
  std::int64_t prune_every = 1024;
};

/// Counters since the start.
struct WriterStats {
  std::uint64_t jobs = 0;
  std::uint64_t batches = 0;
  /// Batches whose commit was fsynced.
  std::uint64_t power_batches = 0;
  std::uint64_t checkpoints = 0;
};

/// How the writer speaks to its owner. The calls are made on the writer's thread and must not block.
struct WriterEvents {
  /// Carries a call to the thread of the owner, keeping the order; `Loop::post_from_thread`.
  std::function<void(std::function<void()>)> deliver;
  /// The following are called through `deliver`. New events, in order, after their commit and before the outcomes.
  std::function<void(const std::vector<Event>&)> appended;
  std::function<void(const Health&)> health_changed;
  /// After the outcomes of a batch.
  std::function<void()> batch_done;
};

class Writer {
 public:
  /// Starts the thread. `db` is migrated and in WAL mode. `beside` folds most of a log that has grown, so that those
  /// who wait for the writer do not wait for that too; the writer folds the little that was written meanwhile, and the
  /// log begins anew. It stays short that way, also under a writer that never rests. Without `beside`, or where that
  /// does not come round, the writer folds all of it.
  Writer(Database db, StoreIdentity self, WriterOptions options, WriterEvents events,
         std::unique_ptr<Folder> beside = nullptr);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  /// As `close`.
  ~Writer();

  /// Queues a job, in order. `resource_exhausted` (retryable) when the queue is full, `unavailable` when closed; then
  /// the job is not finished. Any thread.
  Result<void> submit(std::shared_ptr<WriteJob> job);

  /// Refuses new jobs, finishes those that wait, folds the WAL and ends the thread. From the owner's thread.
  void close();

  [[nodiscard]] Health health() const;
  [[nodiscard]] WriterStats stats() const;

 private:
  using Jobs = std::vector<std::shared_ptr<WriteJob>>;
  struct Batch {
    Jobs jobs;
    std::vector<Result<void>> outcomes;
    std::vector<Event> events;
  };

  void main();
  Jobs take();
  void process(Jobs jobs);
  Result<void> run_batch(Batch& batch);
  enum class Savepoint { yes, no };
  Result<void> run_job(WriteJob& job, std::vector<Event>& events, Savepoint savepoint);
  enum class Stage { before_commit, commit };
  Result<void> storage_trouble(const Error& error, Stage stage);
  void fail_batch(Batch& batch, const Error& error);
  void hand_back(Batch batch);
  bool usable();
  Result<void> recover();
  void set_health(Health health);
  void housekeeping();
  bool time_to_fold(bool waiting);
  Result<void> prune();

  Database db_;
  const StoreIdentity self_;
  const WriterOptions options_;
  const WriterEvents to_owner_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<WriteJob>> queue_;  // guarded by mutex_
  bool closing_ = false;                         // guarded by mutex_
  Health health_;                                // guarded by mutex_, written by the thread alone
  WriterStats stats_;                            // guarded by mutex_
  std::chrono::steady_clock::time_point next_try_{};
  std::int64_t unpruned_ = 0;
  int frames_folded_ = 0;
  std::unique_ptr<Folder> beside_;
  bool folding_beside_ = false;
  WallTime last_now_{};
  std::thread thread_;
};

}  // namespace swarm::store
