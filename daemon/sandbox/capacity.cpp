#include "daemon/sandbox/capacity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace swarm::sandbox {

/// One in line. Takes itself out when its frame goes.
struct Capacity::Waiting {
  Waiting(Capacity& of, Claimant who) : capacity(of), claimant(std::move(who)), called(of.loop_) {
    const auto behind = std::ranges::find_if(
        capacity.line_, [&](const Waiting* other) { return other->claimant.priority < claimant.priority; });
    capacity.line_.insert(behind, this);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    capacity.line_.remove(this);
    reservation.release();
    // Whoever stood behind it may go on now.
    capacity.serve_line();
  }

  Capacity& capacity;
  Claimant claimant;
  async::Event called;
  Reservation reservation;
};

Reservation::Reservation(Reservation&& other) noexcept
    : capacity_(std::exchange(other.capacity_, nullptr)), claimant_(std::move(other.claimant_)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    release();
    capacity_ = std::exchange(other.capacity_, nullptr);
    claimant_ = std::move(other.claimant_);
  }
  return *this;
}

void Reservation::release() {
  if (capacity_ != nullptr) std::exchange(capacity_, nullptr)->give_back(claimant_);
}

Capacity::Capacity(async::Loop& loop, Limits limits) : loop_(loop), limits_(std::move(limits)) {}

Capacity::~Capacity() = default;

std::string Capacity::scarce(const Claimant& claimant) const {
  if (total_ >= limits_.total)
    return fmt::format("{} of {} sandboxes in all (limits.sandboxes)", total_, limits_.total);
  const auto full = [](const Counts& used, const Counts& limits, const std::string& key,
                       std::string_view what) -> std::string {
    const auto limit = limits.find(key);
    const auto count = used.find(key);
    if (limit == limits.end() || count == used.end() || count->second < limit->second) return {};
    return fmt::format("{} of {} sandboxes of {} '{}'", count->second, limit->second, what, key);
  };
  if (std::string why = full(providers_, limits_.providers, claimant.provider, "provider"); !why.empty()) return why;
  if (std::string why = full(templates_, limits_.templates, claimant.template_name, "template"); !why.empty())
    return why;
  if (claimant.swarm.empty()) return {};
  return full(swarms_, limits_.swarms, claimant.swarm, "swarm");
}

void Capacity::count(const Claimant& claimant, int change) {
  const auto add = [change](Counts& counts, const std::string& key) {
    auto& count = counts[key];
    count = change > 0 ? count + 1 : count - 1;
    if (count == 0) counts.erase(key);
  };
  total_ = change > 0 ? total_ + 1 : total_ - 1;
  add(providers_, claimant.provider);
  add(templates_, claimant.template_name);
  if (!claimant.swarm.empty()) add(swarms_, claimant.swarm);
}

Result<Reservation> Capacity::try_acquire(const Claimant& claimant) {
  if (std::string why = scarce(claimant); !why.empty()) {
    return fail(Code::resource_exhausted,
                fmt::format("there are {}; end one ('swarmctl sandbox ls'), wait for a place (queue_ms), or raise the "
                            "limit",
                            why));
  }
  const auto ahead = std::ranges::count_if(line_, [&](const Waiting* other) {
    return other->claimant.provider == claimant.provider && other->claimant.priority >= claimant.priority;
  });
  if (ahead > 0) {
    return fail(Code::resource_exhausted, fmt::format("{} wait for a place at provider '{}' already; wait in line "
                                                      "(queue_ms), or try again",
                                                      ahead, claimant.provider));
  }
  return take_existing(claimant);
}

Reservation Capacity::take_existing(const Claimant& claimant) {
  count(claimant, +1);
  return Reservation(*this, claimant);
}

async::Task<Result<Reservation>> Capacity::acquire(Claimant claimant, Duration patience) {
  Result<Reservation> now = try_acquire(claimant);
  if (now || patience <= Duration{0}) co_return now;
  if (line_.size() >= limits_.max_waiting) {
    co_return fail(Code::resource_exhausted, fmt::format("{} wait for a place already, the limit", line_.size()));
  }
  Waiting waiting(*this, std::move(claimant));
  async::Timer deadline(loop_);
  deadline.start_after(patience, [&waiting] { waiting.called.set(); });
  co_await waiting.called.wait();
  if (waiting.reservation.held()) co_return std::move(waiting.reservation);
  const auto place = std::distance(line_.begin(), std::ranges::find(line_, &waiting)) + 1;
  co_return fail(Code::deadline_exceeded,
                 fmt::format("no place within {}: {}, and it was number {} in line", async::format_duration(patience),
                             scarce(waiting.claimant), place));
}

void Capacity::give_back(const Claimant& claimant) {
  count(claimant, -1);
  serve_line();
}

void Capacity::serve_line() {
  // Whoever cannot go on blocks those behind for the same provider: later ones with a smaller need (another template)
  // would otherwise take every place that becomes free.
  std::set<std::string> blocked;
  for (Waiting* waiting : line_) {
    if (waiting->reservation.held() || blocked.contains(waiting->claimant.provider)) continue;
    if (!scarce(waiting->claimant).empty()) {
      blocked.insert(waiting->claimant.provider);
      continue;
    }
    waiting->reservation = take_existing(waiting->claimant);
    waiting->called.set();
  }
}

void Capacity::set_limits(Limits limits) {
  limits_ = std::move(limits);
  serve_line();
}

std::uint64_t Capacity::used(const std::string& provider) const {
  const auto found = providers_.find(provider);
  return found == providers_.end() ? 0 : found->second;
}

std::size_t Capacity::waiting(const std::string& provider) const {
  return static_cast<std::size_t>(std::ranges::count_if(line_, [&](const Waiting* waiting) {
    return waiting->claimant.provider == provider && !waiting->reservation.held();
  }));
}

}  // namespace swarm::sandbox
