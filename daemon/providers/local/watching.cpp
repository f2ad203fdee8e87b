// What sandboxes write to the host's disk, held to their limits: counted when it may be too much, and stopped when it
// is. See disk_watch.hpp for when.

#include <fmt/format.h>

#include "daemon/providers/local/launcher/spec.hpp"
#include "daemon/providers/local/limits.hpp"
#include "daemon/providers/local/live.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::local {

using namespace std::chrono_literals;
using async::Task;

namespace {

/// Counts at once: they are mostly the disk's work, and there may be many sandboxes.
constexpr std::size_t kAtOnce = 4;

/// Who has run for less since it was counted has written nothing that matters.
constexpr std::uint64_t kRestedNs = 10'000'000;

std::string about(std::uint64_t bytes) {
  constexpr double kMiB = 1 << 20;
  const double mib = static_cast<double>(bytes) / kMiB;
  return mib < 1024 ? fmt::format("{:.0f} MiB", mib) : fmt::format("{:.1f} GiB", mib / 1024);
}

std::string explain(const DiskWatch::Verdict& verdict) {
  if (!verdict.whole)
    return fmt::format("its files are too many or too deep to be counted within {} s; {} were found",
                       kMeasureFor.count(), about(verdict.bytes));
  return fmt::format("its files hold {} of the host's disk, and {} is its limit", about(verdict.bytes),
                     about(verdict.limit));
}

}  // namespace

void LocalProvider::watch_disk(const Sandbox& sandbox) {
  const Record& record = sandbox.running.record;
  if (!record.disk || record.disk_limit_bytes == 0) return;
  disk_.add(record.id, record.disk_limit_bytes, sandbox.running.free_at_start, loop_.clock().now());
  if (record.paused) disk_.stand(record.id);
  if (std::exchange(watching_disks_, true)) return;
  watchers_.spawn(watch_disks());
}

Task<> LocalProvider::watch_disks() {
  while (!disk_.empty()) {
    co_await async::sleep_for(loop_, DiskWatch::kEvery);
    const auto free =
        co_await async::run_blocking(loop_, [directory = settings_.sandboxes] { return free_bytes(directory); });
    for (auto& due : disk_.due(loop_.clock().now(), free, kAtOnce - counting_)) {
      ++counting_;
      watchers_.spawn(count_disk(std::move(due)));
    }
  }
  watching_disks_ = false;
}

Task<> LocalProvider::count_disk(DiskWatch::Due due) {
  struct Slot {
    std::size_t& of;
    explicit Slot(std::size_t& slots) : of(slots) {}
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { --of; }
  } const slot(counting_);
  const auto known = sandboxes_.find(due.id);
  if (known == sandboxes_.end()) {
    disk_.remove(due.id);
    co_return;
  }
  const std::shared_ptr<Sandbox> sandbox = known->second;
  const MonoTime begun = loop_.clock().now();
  const auto facts = co_await host();
  const auto usage =
      co_await async::run_blocking(loop_, [set = sandbox->running.record.cgroups] { return read_usage(set); });
  const bool rested =
      usage.cpu_ns && sandbox->counted_ns && *usage.cpu_ns - std::min(*usage.cpu_ns, *sandbox->counted_ns) < kRestedNs;
  if (rested && !due.suspected) {
    disk_.passed_by(due.id, loop_.clock().now());
    co_return;
  }
  auto counting = co_await async::run_blocking(loop_, [facts, id = due.id, init = sandbox->running.record.init.pid] {
    return Measuring::begin(facts->settings.programs.launcher, files_of(*facts, id), init);
  });
  std::optional<Measured> found;
  if (counting) {
    async::FdWatcher done(loop_, counting->pidfd());
    co_await done.readable();
    if (const auto result = counting->finish()) found = *result;
  }
  if (found) sandbox->counted_ns = usage.cpu_ns;
  const DiskWatch::Verdict verdict = disk_.counted(due.id, found, begun, loop_.clock().now());
  if (verdict.over) co_await halt(sandbox, verdict);
}

Task<> LocalProvider::halt(std::shared_ptr<Sandbox> sandbox, DiskWatch::Verdict verdict) {
  const auto facts = co_await host();
  const auto turn = co_await sandbox->turn.take();
  if (sandbox->removed.is_set() || has_ended(sandbox->running.init_pidfd.get())) co_return;
  if (sandbox->running.record.paused) co_return;
  Record record = sandbox->running.record;
  record.over = explain(verdict);
  const auto done =
      co_await async::run_blocking(loop_, [facts, record]() mutable { return halt_sandbox(*facts, record); });
  if (!done) co_return;  // it is still over, and counted again in a moment
  sandbox->running.record.paused = true;
  sandbox->running.record.over = record.over;
  disk_.stand(record.id);
  sandbox->over.notify_all();
}

Task<std::optional<providers::Overrun>> LocalProvider::overrun(std::string ref) {
  const auto sandbox = co_await find(std::move(ref));
  if (!sandbox) co_return std::nullopt;
  const Record& record = (*sandbox)->running.record;
  while (record.over.empty() && !(*sandbox)->removed.is_set()) co_await (*sandbox)->over.wait();
  if (record.over.empty()) co_return std::nullopt;
  co_return providers::Overrun{
      .resource = api::Resource::disk, .limit = record.disk_limit_bytes, .message = record.over};
}

Task<Result<std::vector<api::LimitStatus>>> LocalProvider::limit_disk(std::string ref, std::uint64_t bytes) {
  auto sandbox = co_await find(ref);
  if (!sandbox) co_return fail(sandbox.error());
  const auto turn = co_await (*sandbox)->turn.take();
  Record& record = (*sandbox)->running.record;
  if (!record.disk)
    co_return fail(Code::unimplemented,
                   fmt::format("sandbox '{}' has its files in memory, and how much that may be is fixed", ref));
  Record next = record;
  next.disk_limit_bytes = bytes;
  for (api::LimitStatus& limit : next.limits)
    if (limit.resource == api::Resource::disk) limit = watched_disk(bytes);
  const auto facts = co_await host();
  const auto saved = co_await async::run_blocking(loop_, [facts, next] { return save_sandbox(*facts, next); });
  if (!saved) co_return fail(saved.error());
  record.disk_limit_bytes = bytes;
  record.limits = next.limits;
  if (disk_.has(record.id)) {
    disk_.set_limit(record.id, bytes);
  } else {
    watch_disk(**sandbox);
  }
  co_return record.limits;
}

Task<std::vector<std::string>> LocalProvider::remarks() {
  co_return std::vector<std::string>{
      "What sandboxes write to the disk is watched every second: one above its limit is frozen, by as much too late as "
      "it writes meanwhile. storage = \"memory\" in a template has the kernel hold it."};
}

}  // namespace swarm::local
