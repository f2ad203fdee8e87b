#include "agentd/exec/execs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>

#include <array>
#include <filesystem>

#include "agentd/exec/request.hpp"

namespace swarm::agentd {

Execs::Execs(async::Loop& loop, Options options, Random& random)
    : loop_(loop), options_(std::move(options)), random_(random), supervisors_(loop) {}

Result<void> Execs::check_room() const {
  if (stopping_) return fail(Code::unavailable, "agentd is stopping");
  if (running_ >= options_.most_running) {
    return fail(Code::resource_exhausted,
                fmt::format("{} programs run already, which is the most at once; wait for one to end", running_));
  }
  return {};
}

std::uint64_t spool_share(std::uint64_t total, std::size_t nth, std::uint64_t most) {
  constexpr std::uint64_t kPage = 4096;
  // A quarter is left for records, headers and sockets. The sum of 1/n up to 1,000 is 7.5; with 8, and two outputs
  // each, all shares together stay below the rest.
  const std::uint64_t share = total / 4 * 3 / (16 * std::max<std::size_t>(nth, 1));
  return std::max(std::min(most, share / kPage * kPage), std::min(most, kPage));
}

std::uint64_t Execs::spool_room() const {
  const auto running = std::ranges::count_if(
      by_id_, [](const auto& entry) { return entry.second->background() && !entry.second->gone(); });
  struct statvfs space{};
  if (statvfs(options_.directory.c_str(), &space) != 0) return options_.spool_bytes;
  return spool_share(space.f_blocks * space.f_frsize, static_cast<std::size_t>(running) + kept_.size() + 1,
                     options_.spool_bytes);
}

async::Task<Result<void>> Execs::launch(std::shared_ptr<Exec> exec, const ExecSpec& spec, Descriptors fds) {
  Result<UniqueFd> request = make_request(spec);
  if (!request) co_return fail(request.error());
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) co_return fail_errno("socketpair", "");
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  fds.emplace_back(shim::kControlFd, theirs.get());
  fds.emplace_back(shim::kRequestFd, request->get());
  Result<std::unique_ptr<async::Process>> process =
      async::Process::spawn(loop_, {.argv = {options_.shim}, .fds = std::move(fds)});
  if (!process) co_return fail(process.error());
  (*process)->detach();  // it is ended by its socket, never by a kill that would leave its program behind
  theirs.reset();
  request->reset();

  exec->channel_ = std::make_unique<ShimChannel>(loop_, std::move(ours));
  by_id_.emplace(exec->id(), exec);
  ++running_;
  supervisors_.spawn(supervise(exec, std::move(*process)));

  struct EndIfDropped {
    Exec* exec;
    ~EndIfDropped() {
      if (exec != nullptr) exec->kill(std::chrono::milliseconds(0));
    }
  } guard{exec.get()};
  while (!exec->decided()) co_await exec->changed();
  guard.exec = nullptr;
  if (exec->state().phase == shim::Phase::failed) co_return fail(start_failure(exec->state(), spec));
  if (exec->lost()) co_return fail(Code::internal, fmt::format("the supervisor of '{}' died", spec.argv.front()));
  if (on_started) on_started(*exec);
  co_return {};
}

async::Task<> Execs::supervise(std::shared_ptr<Exec> exec, std::unique_ptr<async::Process> shim) {
  bool told = false;
  const auto tell = [&] {
    if (told || !exec->ended() || exec->state().phase == shim::Phase::failed) return;
    told = true;
    if (on_ended) on_ended(*exec);
  };
  for (;;) {
    std::optional<ShimReport> report = co_await exec->channel_->receive();
    if (!report) break;
    exec->take(std::move(*report));
    if (exec->background() || exec->gone()) tell();
  }
  // A shim that ended between our connecting and its first word has left its last one on disk.
  if (exec->background() && !exec->gone()) read_status(*exec);
  exec->finish();
  tell();
  retire(*exec);
  if (shim != nullptr) co_await shim->wait();
}

void Execs::retire(const Exec& exec) {
  --running_;
  if (exec.state().phase == shim::Phase::failed) {  // it never ran, so there is nothing to remember
    by_id_.erase(exec.id());
    return;
  }
  ended_.push_back(exec.id());
  if (exec.background()) kept_.push_back(exec.id());
  while (kept_.size() > options_.kept) {
    const auto old = by_id_.find(kept_.front());
    if (old != by_id_.end()) {
      old->second->out_.reset();
      old->second->err_.reset();
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_of(kept_.front()), ignored);
    kept_.pop_front();
  }
  while (ended_.size() > options_.history) {
    by_id_.erase(ended_.front());
    ended_.pop_front();
  }
}

Result<std::shared_ptr<Exec>> Execs::find(std::string_view id) const {
  std::string prefix(id.starts_with("prc_") ? id : fmt::format("prc_{}", id));
  const auto at = by_id_.lower_bound(prefix);
  if (at == by_id_.end() || !at->first.starts_with(prefix)) {
    return fail(Code::not_found, fmt::format("no program '{}'; 'exec.list' names those that are known", id));
  }
  const auto next = std::next(at);
  if (at->first != prefix && next != by_id_.end() && next->first.starts_with(prefix)) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' stands for several programs: {}, {}", id, at->first, next->first));
  }
  return at->second;
}

std::vector<std::shared_ptr<Exec>> Execs::list() const {
  std::vector<std::shared_ptr<Exec>> all;
  all.reserve(by_id_.size());
  for (auto at = by_id_.rbegin(); at != by_id_.rend(); ++at) all.push_back(at->second);
  return all;
}

async::Task<> Execs::shutdown() {
  stopping_ = true;
  const auto all = list();
  for (const auto& exec : all) {
    if (!exec->background()) exec->kill(std::chrono::milliseconds(0));
  }
  for (const auto& exec : all) {
    if (!exec->background()) co_await exec->wait_gone();
  }
}

}  // namespace swarm::agentd
