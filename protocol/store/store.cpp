#include "protocol/store/store.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "protocol/store/files.hpp"
#include "protocol/store/maintenance.hpp"

namespace swarm::store {
namespace {

constexpr Sql kQuickCheck{"store.quick_check", "SELECT quick_check FROM pragma_quick_check(1)"};

Result<void> make_directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string directory = path.substr(0, slash);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", directory);
  return {};
}

/// Damage that is found now is better than damage that is found in the middle of a change.
Result<void> quick_check(Database& db, std::int64_t up_to_bytes) {
  struct stat info{};
  if (::stat(db.path().c_str(), &info) != 0) return fail_errno("stat", db.path());
  if (info.st_size > up_to_bytes) return {};
  const auto line = db.one<std::string>(kQuickCheck);
  std::string problem;
  if (line && *line) {
    problem = std::get<0>(**line);
  } else if (!line) {
    if (db.take_fault() != Fault::corrupt) return fail(line.error());
    problem = line.error().message;
  }
  if (problem == "ok") return {};
  return fail(
      Code::failed_precondition,
      fmt::format("the store '{}' is damaged ({}). Go back to a copy: swarmctl db restore FILE; the damaged file is "
                  "kept beside it",
                  db.path(), problem));
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(async::Loop& loop, StoreOptions options, std::span<const Domain> domains,
                                           Random& random) {
  if (Result<void> made = make_directory_of(options.path); !made) return fail(made.error());
  Result<UniqueFd> lock = lock_file(options.path + ".lock");
  if (!lock) return fail(lock.error());
  Result<Database> db = open_or_create(options.path, options.identity, {.access = Access::create, .vfs = options.vfs});
  if (!db) return fail(db.error());
  if (Result<void> sound = quick_check(*db, options.check_up_to_bytes); !sound) return fail(sound.error());
  std::vector<Domain> all = {kCoreDomain};
  all.insert(all.end(), domains.begin(), domains.end());
  Result<MigrationOutcome> migrated = migrate(*db, all, options.identity);
  if (!migrated) return fail(migrated.error());
  Result<StoreIdentity> self = ensure_identity(*db, random);
  if (!self) return fail(self.error());
  Result<Database> reader = Database::open(options.path, {.access = Access::read_only, .vfs = options.vfs});
  if (!reader) return fail(reader.error());
  std::unique_ptr<Store> store(new Store(loop, std::move(options), std::move(*lock), std::move(*self),
                                         std::move(*migrated), std::move(*reader)));
  store->start_writer(std::move(*db));
  return store;
}

Store::Store(async::Loop& loop, StoreOptions options, UniqueFd lock, StoreIdentity self, MigrationOutcome migrated,
             Database point_reader)
    : loop_(loop),
      options_(std::move(options)),
      lock_(std::move(lock)),
      self_(std::move(self)),
      migrated_(std::move(migrated)),
      link_(std::make_shared<Link>(Link{this})),
      readers_(std::make_shared<ReaderPool>(options_.path, options_.vfs)),
      point_reader_(std::move(point_reader)) {}

Store::~Store() {
  link_->store = nullptr;
  readers_->close();
  point_reader_.reset();
  writer_.reset();  // the last connection folds the log into the file
  for (const auto& job : waiting_) job->finish(fail(Code::unavailable, "the store is closed"));
}

void Store::start_writer(Database db) {
  async::Loop* const loop = &loop_;
  const std::shared_ptr<Link> link = link_;
  writer_ = std::make_unique<Writer>(
      std::move(db), self_, options_.writer,
      WriterEvents{.deliver = [loop](std::function<void()> call) { loop->post_from_thread(std::move(call)); },
                   .appended =
                       [link](const std::vector<Event>& events) {
                         if (link->store != nullptr) link->store->event_listeners_.call(events);
                       },
                   .health_changed =
                       [link](const Health& health) {
                         if (link->store != nullptr) link->store->health_listeners_.call(health);
                       },
                   .batch_done =
                       [link] {
                         if (link->store != nullptr) link->store->move_waiting();
                       }},
      options_.folding == Folding::beside
          ? std::make_unique<Folder>(options_.path, options_.vfs, Folder::Pace::ordinary)
          : nullptr);
}

Result<void> Store::enqueue(std::shared_ptr<WriteJob> job) {
  if (waiting_.empty()) {
    Result<void> queued = writer_->submit(job);
    if (queued || queued.error().code != Code::resource_exhausted) return queued;
  }
  if (waiting_.size() >= options_.waiting_limit) {
    return fail(
        Error{.code = Code::resource_exhausted,
              .message = fmt::format("{} callers wait for the store, its limit; try again later", waiting_.size()),
              .retryable = true});
  }
  waiting_.push_back(std::move(job));
  return {};
}

/// A batch has made room in the writer's queue.
void Store::move_waiting() {
  while (!waiting_.empty()) {
    const std::shared_ptr<WriteJob> job = waiting_.front();
    if (job->abandoned()) {
      job->finish(fail(Code::cancelled, "nobody waits for this change any more"));
    } else {
      Result<void> queued = writer_->submit(job);
      if (!queued && queued.error().code == Code::resource_exhausted) return;
      if (!queued) job->finish(std::move(queued));
    }
    waiting_.pop_front();
  }
}

async::Task<Result<void>> Store::drain() {
  return write("store.drain", Durability::process, [](Changes&) { return Result<void>(); });
}

async::Task<Result<std::vector<Event>>> Store::events(std::optional<std::int64_t> from, int limit) {
  return read([self = self_, from, limit](Database& db) { return read_events(db, self, from, limit); });
}

async::Task<Result<void>> Store::backup_to(std::string target) {
  // Not `read`: the copy takes its own snapshot, on a connection of its own.
  return async::run_blocking(loop_, [path = options_.path, vfs = options_.vfs, target = std::move(target)] {
    Result<Database> db = Database::open(path, {.access = Access::read_only, .vfs = vfs});
    if (!db) return Result<void>(fail(db.error()));
    return backup(*db, target, Overwrite::no);
  });
}

async::Task<Result<std::vector<std::string>>> Store::check_integrity() {
  return read([](Database& db) -> Result<std::vector<std::string>> {
    Result<CheckReport> report = check(db);
    if (!report) return fail(report.error());
    return std::move(report->problems);
  });
}

}  // namespace swarm::store
