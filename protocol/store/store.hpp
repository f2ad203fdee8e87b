#pragma once
// The durable memory of a program: one SQLite file, one writer thread, readers that never wait.
//
//   loop thread                      writer thread                     thread pool
//   write(job) --- bounded queue --> savepoint, job, ... COMMIT
//      ^ outcome, after the commit <--'    (fsync for power)
//   subscribe <--- new events, in order                                read(fn): one snapshot
//   reader():  point reads under 100 us
//
// What it must not know: sandboxes, swarms, tasks. A domain brings its own tables, so:
//
// How to add tables
//   1. Write the list of migrations beside the domain's code (rules in migration.hpp):
//        constexpr std::array kLedgerMigrations = {Migration{1, "ledger", "CREATE TABLE ledger (...) STRICT;"}};
//        extern const Domain kLedgerDomain{"ledger", kLedgerMigrations};
//   2. Add the domain to the list that `main` hands to `Store::open`, behind those whose tables it refers to.
//   3. Name each statement, and bind values:
//        constexpr Sql kInsert{"ledger.insert", "INSERT INTO ledger (id, amount) VALUES (?, ?)"};
//   4. Change state and tell of it in one job. Coroutine, so await in a statement of its own; the function runs on the
//      writer's thread and owns what it captures:
//        Result<std::int64_t> seq = co_await store.write("ledger.add", Durability::power, [entry](Changes& c) ->
//        Result<...> {
//          if (auto done = c.db().run(kInsert, entry.id, entry.amount); !done) return fail(done.error());
//          return c.append({.type = "ledger.added", .data = entry.encoded});
//        });
//
// Which durability: `power` for what another party will act on or what costs money (messages, votes, reviews, merges,
// ledger, the intent to create at a provider); `process` for what can be found out again.

#include <deque>
#include <memory>
#include <string>

#include "protocol/async/blocking.hpp"
#include "protocol/async/loop.hpp"
#include "protocol/async/task.hpp"
#include "protocol/core/unique_fd.hpp"
#include "protocol/store/listeners.hpp"
#include "protocol/store/reader_pool.hpp"
#include "protocol/store/writer.hpp"

namespace swarm::store {

enum class Folding {
  by_writer,
  beside,  ///< most of it by a thread of its own, so that nobody who writes waits for it
};

struct StoreOptions {
  /// The database file. Its directory is created (0700) when its parent exists.
  std::string path;
  Identity identity;
  WriterOptions writer{};
  /// Who folds the log; see `Writer`.
  Folding folding = Folding::by_writer;
  /// Callers that may wait for a place in the writer's queue; more are refused with `resource_exhausted`.
  std::size_t waiting_limit = 65'536;
  /// A file up to this size is checked for damage when opened (about 2 ms a MiB).
  std::int64_t check_up_to_bytes = 16 << 20;
  /// See `DatabaseOptions::vfs`.
  std::string vfs{};
};

/// Something a coroutine waits for: a job and the loop that it reports to.
class AwaitedJob : public WriteJob {
 public:
  AwaitedJob(async::Loop& loop, std::string_view name, Durability durability, Undo undo)
      : WriteJob(name, durability, loop.clock().wall(), undo), loop_(loop) {}

  void finish(Result<void> outcome) final {
    settle(std::move(outcome));
    finished_ = true;
    if (counted_) loop_.work_finished();
    if (waiter_ != nullptr) loop_.make_ready(*waiter_);
  }

  /// The store has taken it: until it finishes, the loop is not idle (tests with a fake clock wait for that).
  void accepted() {
    counted_ = true;
    loop_.work_started();
  }

  /// Awaitable, once. Dropping it skips a job that has not begun; one that has begun is committed all the same.
  auto wait() {
    struct Awaiter {
      AwaitedJob& job;
      async::Waiter waiter;
      explicit Awaiter(AwaitedJob& j) : job(j) {}
      Awaiter(const Awaiter&) = delete;
      Awaiter& operator=(const Awaiter&) = delete;
      ~Awaiter() {
        job.waiter_ = nullptr;
        job.abandon();
      }
      [[nodiscard]] bool await_ready() const { return job.finished_; }
      void await_suspend(std::coroutine_handle<> h) {
        waiter.set_handle(h);
        job.waiter_ = &waiter;
      }
      void await_resume() const noexcept {}
    };
    return Awaiter(*this);
  }

 private:
  virtual void settle(Result<void> outcome) = 0;

  async::Loop& loop_;
  async::Waiter* waiter_ = nullptr;
  bool finished_ = false;
  bool counted_ = false;
};

namespace detail {

template <class F>
class WriteCall final : public AwaitedJob {
 public:
  using R = std::invoke_result_t<F&, Changes&>;
  WriteCall(async::Loop& loop, std::string_view name, Durability durability, Undo undo, F fn)
      : AwaitedJob(loop, name, durability, undo), fn_(std::move(fn)) {}

  Result<void> run(Changes& changes) override {
    result_.emplace(fn_(changes));
    if (!*result_) return fail(result_->error());
    return {};
  }
  R take() { return std::move(*result_); }

 private:
  void settle(Result<void> outcome) override {
    if (!outcome) result_.emplace(fail(std::move(outcome.error())));
  }

  F fn_;
  std::optional<R> result_;
};

}  // namespace detail

/// An open store. Belongs to the loop's thread.
class Store {
 public:
  /// Takes the store's lock, opens or creates the file, applies `domains` behind `core`. Blocks: for start-up. Errors
  /// are sentences for the person who starts the program. `loop` must outlive the store.
  static Result<std::unique_ptr<Store>> open(async::Loop& loop, StoreOptions options, std::span<const Domain> domains,
                                             Random& random);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  /// Finishes the jobs that wait in the writer's queue, then closes. Waiting callers beyond the queue get
  /// `unavailable`.
  ~Store();

  /// Runs `fn(Changes&) -> Result<T>` in the writer's transaction and completes, after the commit, with what it gave.
  /// Jobs run in the order of these calls being awaited. Storage trouble is `resource_exhausted` or `unavailable`
  /// (retryable). Dropping the task: see `AwaitedJob::wait`. `name` is static text; the store must live when the task
  /// starts.
  template <class F>
  async::Task<std::invoke_result_t<F&, Changes&>> write(std::string_view name, Durability durability, F fn,
                                                        Undo undo = Undo::alone) {
    const auto call = std::make_shared<detail::WriteCall<F>>(loop_, name, durability, undo, std::move(fn));
    // Only queued here, so that a task that is never awaited does nothing.
    if (Result<void> queued = enqueue(call); !queued) co_return fail(queued.error());
    call->accepted();
    co_await call->wait();
    co_return call->take();
  }

  /// Runs `fn(Database&) -> Result<T>` on the thread pool, on one snapshot. `fn` owns what it captures.
  template <class F>
  async::Task<std::invoke_result_t<F&, Database&>> read(F fn) {
    return async::run_blocking(
        loop_, [readers = readers_, fn = std::move(fn)]() mutable { return readers->with_snapshot(fn); });
  }

  /// For point reads under 100 us, on the loop's thread. Each statement sees what is committed then.
  [[nodiscard]] Database& reader() { return *point_reader_; }

  /// Completes when all that was queued before has been committed or has failed.
  async::Task<Result<void>> drain();

  /// Up to `limit` events from the log; see `read_events`. A subscriber that wants the past too subscribes first, then
  /// reads up to the first number that it was called with.
  async::Task<Result<std::vector<Event>>> events(std::optional<std::int64_t> from, int limit);

  /// Calls `function` on the loop with the events of each commit, in order, before the callers of their jobs go on.
  Subscription subscribe(std::function<void(const std::vector<Event>&)> function) {
    return event_listeners_.add(std::move(function));
  }

  /// Calls `function` when the store becomes degraded, damaged, or well again.
  Subscription on_health(std::function<void(const Health&)> function) {
    return health_listeners_.add(std::move(function));
  }

  /// Writes a copy while everything goes on; see `store::backup`.
  async::Task<Result<void>> backup_to(std::string target);

  /// integrity_check and foreign_key_check on a snapshot; problems, or none.
  async::Task<Result<std::vector<std::string>>> check_integrity();

  [[nodiscard]] const StoreIdentity& identity() const { return self_; }
  /// The database file.
  [[nodiscard]] const std::string& path() const { return options_.path; }
  /// What opening did to the schema.
  [[nodiscard]] const MigrationOutcome& migrated() const { return migrated_; }
  [[nodiscard]] Health health() const { return writer_->health(); }
  [[nodiscard]] WriterStats stats() const { return writer_->stats(); }

 private:
  /// Shared with calls that are on their way from the writer when the store goes.
  struct Link {
    Store* store = nullptr;
  };

  Store(async::Loop& loop, StoreOptions options, UniqueFd lock, StoreIdentity self, MigrationOutcome migrated,
        Database point_reader);
  void start_writer(Database db);
  Result<void> enqueue(std::shared_ptr<WriteJob> job);
  void move_waiting();

  async::Loop& loop_;
  const StoreOptions options_;
  UniqueFd lock_;
  const StoreIdentity self_;
  const MigrationOutcome migrated_;
  std::shared_ptr<Link> link_;
  // Shared with jobs on the thread pool, which may outlive the store.
  std::shared_ptr<ReaderPool> readers_;
  std::optional<Database> point_reader_;
  Listeners<std::vector<Event>> event_listeners_;
  Listeners<Health> health_listeners_;
  std::deque<std::shared_ptr<WriteJob>> waiting_;
  std::unique_ptr<Writer> writer_;
};

}  // namespace swarm::store
