#include "daemon/providers/local/disk_watch.hpp"

#include <algorithm>

namespace swarm::local {
namespace {

/// To make room something has to run, and what runs writes a little.
constexpr std::uint64_t kLeastLeeway = 16U << 20;
constexpr std::uint64_t kLeewayShare = 10;

std::uint64_t with_leeway(std::uint64_t used, std::uint64_t limit) {
  return used + std::max(limit / kLeewayShare, kLeastLeeway);
}

}  // namespace

void DiskWatch::add(const std::string& id, std::uint64_t limit_bytes, std::optional<std::uint64_t> free_at_start,
                    MonoTime now) {
  Watched& watched = watched_[id];
  watched.limit = limit_bytes;
  watched.free = free_at_start;
  watched.looked = now;
}

void DiskWatch::set_limit(const std::string& id, std::uint64_t limit_bytes) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  found->second.limit = limit_bytes;
  found->second.allowed.reset();
  found->second.limit_set = true;
}

void DiskWatch::stand(const std::string& id) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  found->second.stands = true;
  found->second.limit_set = false;
}

void DiskWatch::go_on(const std::string& id) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  Watched& watched = found->second;
  watched.stands = false;
  watched.rests_until = {};
  watched.makes_room = !std::exchange(watched.limit_set, false) && !watched.free;
  if (watched.used > watched.limit) watched.allowed = with_leeway(watched.used, watched.limit);
}

std::vector<DiskWatch::Due> DiskWatch::due(MonoTime now, std::optional<std::uint64_t> free_bytes, std::size_t most) {
  std::vector<std::pair<MonoTime, Due>> found;
  for (auto& [id, watched] : watched_) {
    if (watched.counting || watched.stands || now < watched.rests_until) continue;
    const std::uint64_t before = watched.free.value_or(0);
    const std::uint64_t gone = before - std::min(before, free_bytes.value_or(0));
    const bool suspected = !free_bytes || !watched.free || watched.used + gone > watched.most();
    if (!suspected && now - watched.looked < kAtLatest) continue;
    found.emplace_back(watched.looked, Due{.id = id, .suspected = suspected});
  }
  std::ranges::sort(found, {}, [](const auto& each) { return std::pair(each.first, each.second.id); });
  found.resize(std::min(found.size(), most));
  std::vector<Due> now_due;
  for (auto& [looked, each] : found) {
    Watched& watched = watched_.at(each.id);
    watched.counting = true;
    watched.free_now = free_bytes;
    now_due.push_back(std::move(each));
  }
  return now_due;
}

void DiskWatch::passed_by(const std::string& id, MonoTime now) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  found->second.counting = false;
  found->second.looked = now;
}

DiskWatch::Verdict DiskWatch::counted(const std::string& id, const std::optional<Measured>& found, MonoTime begun,
                                      MonoTime now) {
  const auto entry = watched_.find(id);
  if (entry == watched_.end()) return {};
  Watched& watched = entry->second;
  watched.counting = false;
  watched.looked = now;
  // A failed count is tried again soon, not at once.
  watched.rests_until = now + std::max<Duration>((now - begun) * kRests, found ? Duration{0} : 5 * kEvery);
  if (!found) return {};
  watched.used = found->bytes;
  if (watched.free_now) watched.free = watched.free_now;
  if (std::exchange(watched.makes_room, false)) watched.allowed = with_leeway(watched.used, watched.limit);
  Verdict verdict{.bytes = found->bytes, .limit = watched.limit, .whole = found->whole};
  verdict.over = (found->bytes > watched.most() || !found->whole) && !watched.stands;
  if (found->bytes <= watched.limit) watched.allowed.reset();
  return verdict;
}

}  // namespace swarm::local
