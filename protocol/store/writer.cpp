#include "protocol/store/writer.hpp"

#include <fmt/format.h>

namespace swarm::store {
namespace {

constexpr Sql kSavepoint{"job.savepoint", "SAVEPOINT job"};
constexpr Sql kRelease{"job.release", "RELEASE job"};
constexpr Sql kRollbackJob{"job.rollback", "ROLLBACK TO job"};
constexpr Sql kProbe{"store.probe",
                     "INSERT INTO store_meta (key, value) VALUES ('probe', 1)"
                     " ON CONFLICT (key) DO UPDATE SET value = value + 1"};
constexpr int kPruneLimit = 2048;

/// What a failed batch tells the callers of its jobs.
Error not_recorded(const Error& cause) {
  return {.code = cause.code, .message = "the change was not recorded: " + cause.message, .retryable = true};
}

/// The frames of a commit whose fsync failed are in the log until something is written over them.
Error outcome_unknown(const Error& cause) {
  return {.code = cause.code,
          .message = "the change is not in effect, but it may be after a restart: " + cause.message +
                     "; repeat it with the same idempotency_key",
          .retryable = true};
}

}  // namespace

Result<std::optional<std::int64_t>> Changes::append(NewEvent event) {
  Result<std::optional<Event>> appended = append_event(db_, self_, now_, std::move(event));
  if (!appended) return fail(appended.error());
  if (!*appended) return std::optional<std::int64_t>();
  events_.push_back(std::move(**appended));
  return std::optional(events_.back().seq);
}

Writer::Writer(Database db, StoreIdentity self, WriterOptions options, WriterEvents events,
               std::unique_ptr<Folder> beside)
    : db_(std::move(db)),
      self_(std::move(self)),
      options_(options),
      to_owner_(std::move(events)),
      beside_(std::move(beside)),
      thread_([this] { main(); }) {}

Writer::~Writer() { close(); }

Result<void> Writer::submit(std::shared_ptr<WriteJob> job) {
  {
    const std::scoped_lock lock(mutex_);
    if (closing_) return fail(Code::unavailable, "the store is closing");
    if (queue_.size() >= options_.queue_limit) {
      return fail(Error{.code = Code::resource_exhausted,
                        .message = fmt::format("the store has {} changes waiting, its limit; try again", queue_.size()),
                        .retryable = true});
    }
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return {};
}

void Writer::close() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Health Writer::health() const {
  const std::scoped_lock lock(mutex_);
  return health_;
}

WriterStats Writer::stats() const {
  const std::scoped_lock lock(mutex_);
  return stats_;
}

void Writer::main() {
  while (true) {
    Jobs jobs = take();
    if (!jobs.empty()) {
      process(std::move(jobs));
      continue;
    }
    const std::unique_lock lock(mutex_);
    if (closing_ && queue_.empty()) break;
  }
  static_cast<void>(db_.checkpoint());
}

/// Waits for work. A degraded store also wakes to try the disk again; then there may be none.
Writer::Jobs Writer::take() {
  std::unique_lock lock(mutex_);
  const auto something = [this] { return closing_ || !queue_.empty(); };
  if (health_.state == Health::State::degraded) {
    if (!wake_.wait_until(lock, next_try_, something)) {
      lock.unlock();
      static_cast<void>(usable());
      return {};
    }
  } else {
    wake_.wait(lock, something);
  }
  const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.batch_limit));
  Jobs jobs(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.begin() + count));
  queue_.erase(queue_.begin(), queue_.begin() + count);
  return jobs;
}

void Writer::process(Jobs jobs) {
  Batch batch{.jobs = std::move(jobs), .outcomes = {}, .events = {}};
  if (!usable()) {
    fail_batch(batch, not_recorded(health().cause));
  } else if (const Result<void> done = run_batch(batch); !done) {
    fail_batch(batch, done.error());
  } else {
    const std::scoped_lock lock(mutex_);
    ++stats_.batches;
    stats_.jobs += batch.jobs.size();
  }
  hand_back(std::move(batch));
  if (usable()) housekeeping();
}

/// Runs and commits the jobs; their outcomes are in the batch. A failure is that of the whole batch.
Result<void> Writer::run_batch(Batch& batch) {
  const bool power = std::ranges::any_of(
      batch.jobs, [](const auto& job) { return job->durability() == Durability::power && !job->abandoned(); });
  Result<void> ready = db_.set_sync(power ? Sync::full : Sync::normal);
  if (!ready) return storage_trouble(ready.error(), Stage::before_commit);
  Result<Transaction> transaction = Transaction::begin(db_, Transaction::Mode::immediate);
  if (!transaction) return storage_trouble(transaction.error(), Stage::before_commit);
  bool changed = false;
  for (const auto& job : batch.jobs) {
    // A job that is alone in its transaction needs no savepoint: it is rolled back with it.
    const bool saved = batch.jobs.size() > 1 && job->undo() == Undo::alone;
    const std::int64_t changes_before = db_.total_changes();
    batch.outcomes.push_back(run_job(*job, batch.events, saved ? Savepoint::yes : Savepoint::no));
    const bool done = batch.outcomes.back().has_value();
    changed = changed || done;
    if (const Fault fault = db_.take_fault(); fault != Fault::none || !db_.in_transaction()) {
      const std::string_view bug =
          fault == Fault::none ? "it ended the writer's transaction" : "it hid a storage fault";
      const Error cause = batch.outcomes.back()
                              ? Error{.code = Code::internal, .message = fmt::format("{}: {}", job->name(), bug)}
                              : batch.outcomes.back().error();
      transaction->rollback();
      if (fault == Fault::none) return fail(not_recorded(cause));
      set_health({.state = fault == Fault::corrupt ? Health::State::damaged : Health::State::degraded, .cause = cause});
      static_cast<void>(recover());
      return fail(not_recorded(cause));
    }
    if (!done && !saved && batch.jobs.size() > 1 && db_.total_changes() != changes_before) {
      const Error cause = batch.outcomes.back().error();
      transaction->rollback();
      return fail(not_recorded(cause));
    }
    last_now_ = job->now();
  }
  if (!changed) {
    transaction->rollback();
    return {};
  }
  if (Result<void> committed = transaction->commit(); !committed)
    return storage_trouble(committed.error(), Stage::commit);
  unpruned_ += static_cast<std::int64_t>(batch.jobs.size() + batch.events.size());
  if (power) {
    const std::scoped_lock lock(mutex_);
    ++stats_.power_batches;
  }
  return {};
}

Result<void> Writer::run_job(WriteJob& job, std::vector<Event>& events, Savepoint savepoint) {
  if (job.abandoned()) return fail(Code::cancelled, fmt::format("{}: the caller gave up", job.name()));
  const bool saves = savepoint == Savepoint::yes;
  if (saves) {
    if (Result<void> saved = db_.run(kSavepoint); !saved) return saved;
  }
  const std::size_t events_before = events.size();
  Changes changes(db_, self_, job.now(), events);
  Result<void> outcome;
  try {
    outcome = job.run(changes);
  } catch (const std::exception& e) {
    outcome = fail(Code::internal, fmt::format("{}: {}", job.name(), e.what()));
  }
  if (!outcome) {
    events.resize(std::min(events.size(), events_before));
    // Where SQLite has rolled back the whole transaction by itself there is no savepoint any more.
    if (saves && db_.in_transaction()) {
      if (Result<void> undone = db_.run(kRollbackJob); !undone) return undone;
    }
  }
  if (saves && db_.in_transaction()) {
    if (Result<void> released = db_.run(kRelease); !released) return released;
  }
  return outcome;
}

/// The batch could not begin or commit. Busy is nobody's fault; everything else makes the store degraded or damaged
/// unless the disk takes a write right now.
Result<void> Writer::storage_trouble(const Error& error, Stage stage) {
  const Fault fault = db_.take_fault();
  if (fault == Fault::none) return fail(not_recorded(error));
  set_health({.state = fault == Fault::corrupt ? Health::State::damaged : Health::State::degraded, .cause = error});
  const bool recovered = recover().has_value();
  // Only a commit whose fsync failed has left all of its frames in the log.
  const bool unknown = stage == Stage::commit && fault == Fault::io && !recovered;
  return fail(unknown ? outcome_unknown(error) : not_recorded(error));
}

void Writer::fail_batch(Batch& batch, const Error& error) {
  batch.events.clear();
  batch.outcomes.assign(batch.jobs.size(), Result<void>(fail(error)));
}

void Writer::hand_back(Batch batch) {
  // Shared because std::function wants copies; there is one call.
  auto shared = std::make_shared<Batch>(std::move(batch));
  // Moved, so that jobs end on the owner's thread, and not here.
  to_owner_.deliver([shared = std::move(shared), appended = to_owner_.appended, done = to_owner_.batch_done] {
    if (!shared->events.empty() && appended) appended(shared->events);
    for (std::size_t i = 0; i < shared->jobs.size(); ++i) shared->jobs[i]->finish(std::move(shared->outcomes[i]));
    if (done) done();
  });
}

/// True when a batch may be tried; a degraded store tries its disk when the time has come.
bool Writer::usable() {
  switch (health_.state) {  // only this thread writes it
    case Health::State::ok:
      return true;
    case Health::State::damaged:
      return false;
    case Health::State::degraded:
      break;
  }
  if (std::chrono::steady_clock::now() < next_try_) return false;
  return recover().has_value();
}

/// One fsynced write. It also covers the frames that a failed commit has left in the log.
Result<void> Writer::recover() {
  if (health_.state == Health::State::damaged) return fail(health_.cause);
  next_try_ = std::chrono::steady_clock::now() + options_.retry_interval;
  const auto attempt = [this]() -> Result<void> {
    if (Result<void> set = db_.set_sync(Sync::full); !set) return set;
    Result<Transaction> transaction = Transaction::begin(db_, Transaction::Mode::immediate);
    if (!transaction) return fail(transaction.error());
    if (Result<void> written = db_.run(kProbe); !written) return written;
    return transaction->commit();
  };
  Result<void> done = attempt();
  const Fault fault = db_.take_fault();
  if (done) {
    set_health({});
  } else if (fault == Fault::corrupt) {
    set_health({.state = Health::State::damaged, .cause = done.error()});
  }
  return done;
}

void Writer::set_health(Health health) {
  bool changed = false;
  {
    const std::scoped_lock lock(mutex_);
    changed = health_.state != health.state;
    health_ = health;
  }
  if (changed && to_owner_.health_changed) {
    to_owner_.deliver([call = to_owner_.health_changed, health] { call(health); });
  }
}

void Writer::housekeeping() {
  bool waiting = false;
  {
    const std::scoped_lock lock(mutex_);
    waiting = !queue_.empty();
  }
  if (unpruned_ >= options_.prune_every && !waiting) {
    unpruned_ = 0;
    if (Result<void> pruned = prune(); !pruned)
      static_cast<void>(storage_trouble(pruned.error(), Stage::before_commit));
  }
  if (!time_to_fold(waiting)) return;
  frames_folded_ = db_.wal_frames();
  const Result<int> left = db_.checkpoint();
  if (!left) {
    static_cast<void>(storage_trouble(left.error(), Stage::before_commit));
    return;
  }
  const std::scoped_lock lock(mutex_);
  ++stats_.checkpoints;
}

bool Writer::time_to_fold(bool waiting) {
  const int frames = db_.wal_frames();
  if (frames < frames_folded_) frames_folded_ = 0;  // the log began anew
  // What a long reader keeps in the log is not folded again and again.
  const int grown = frames - frames_folded_;
  if (grown < options_.checkpoint_frames) return false;
  if (grown >= 4 * options_.checkpoint_frames) return true;
  if (beside_ == nullptr) return !waiting;
  if (!beside_->idle()) return false;
  folding_beside_ = !folding_beside_;
  if (folding_beside_) beside_->fold();
  return !folding_beside_;
}

Result<void> Writer::prune() {
  if (Result<void> set = db_.set_sync(Sync::normal); !set) return set;
  Result<Transaction> transaction = Transaction::begin(db_, Transaction::Mode::immediate);
  if (!transaction) return fail(transaction.error());
  const auto events = prune_events(db_, options_.events, last_now_, kPruneLimit);
  if (!events) return fail(events.error());
  const auto answers = prune_answers(db_, options_.answers, last_now_, kPruneLimit);
  if (!answers) return fail(answers.error());
  return transaction->commit();
}

}  // namespace swarm::store
