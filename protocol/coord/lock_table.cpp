#include "protocol/coord/lock_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "protocol/core/units.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

bool excludes(LockMode a, LockMode b) { return a == LockMode::exclusive || b == LockMode::exclusive; }

std::string shown_path(const LockKey& key) {
  const std::string path = key.path.empty() ? "." : shown(key.path, 200);
  return key.repository.empty() ? path : key.repository + ":" + path;
}

std::string left(std::optional<Moment> expires, Moment now) {
  if (!expires) return "until released";
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*expires - now);
  return "for another " + format_duration(std::max(seconds, std::chrono::seconds(1)));
}

std::optional<Moment> later(std::optional<Moment> a, std::optional<Moment> b) {
  if (!a || !b) return std::nullopt;
  return std::max(*a, *b);
}

}  // namespace

std::string_view mode_name(LockMode mode) { return mode == LockMode::shared ? "shared" : "exclusive"; }

std::string_view end_name(LockEnd end) {
  switch (end) {
    case LockEnd::released:
      return "released";
    case LockEnd::expired:
      return "expired";
    case LockEnd::broken:
      return "broken";
    case LockEnd::owner_gone:
      return "owner_gone";
    case LockEnd::timed_out:
      return "timed_out";
    case LockEnd::withdrawn:
      return "withdrawn";
  }
  return "unknown";
}

std::string deadlock_text(const std::vector<DeadlockStep>& circle) {
  std::string out = "deadlock: ";
  for (const DeadlockStep& step : circle) {
    if (&step != circle.data()) out += ", ";
    out += fmt::format("{} waits for {} ({} is in the way)", step.agent, step.path, step.holder);
  }
  return out;
}

const Lease& LockTable::put(Lease lease) {
  std::string id = lease.id;
  if (const auto before = leases_.find(id); before != leases_.end()) index_.remove(before->second);
  const Lease& placed = leases_.insert_or_assign(std::move(id), std::move(lease)).first->second;
  index_.add(placed);
  return placed;
}

void LockTable::restore(Lease lease) { put(std::move(lease)); }

/// Everybody in the way of a request: holders, and the first `ahead` of the line.
std::vector<LockTable::Obstacle> LockTable::obstacles(const LockRequest& request, std::size_t ahead) const {
  std::vector<Obstacle> out;
  const auto in_the_way = [&](const LockOwner& owner, LockMode mode, const LockKey& key) {
    return owner.agent != request.owner.agent && excludes(mode, request.mode) && key.overlaps(request.key);
  };
  for (const Lease* lease : index_.near(request.key, LeaseIndex::Reach::all)) {
    if (in_the_way(lease->owner, lease->mode, lease->key)) out.push_back({lease->owner.agent, &lease->key});
  }
  for (std::size_t i = 0; i < ahead; ++i) {
    const LockRequest& other = waiters_[i].request;
    if (in_the_way(other.owner, other.mode, other.key)) out.push_back({other.owner.agent, &other.key});
  }
  return out;
}

/// Inside what the owner holds at least as strongly, nobody else can be.
bool LockTable::covered(const LockRequest& request) const {
  return std::ranges::any_of(index_.near(request.key, LeaseIndex::Reach::up), [&](const Lease* lease) {
    return lease->owner.agent == request.owner.agent && lease->key.repository == request.key.repository &&
           (lease->mode == LockMode::exclusive || request.mode == LockMode::shared) &&
           lease->key.pattern.covers(request.key.pattern);
  });
}

/// The way from the request's owner over those it would wait for back to itself; empty when there is none.
std::vector<DeadlockStep> LockTable::circle(const LockRequest& request) const {
  struct Open {
    std::string owner;
    std::vector<DeadlockStep> path;
  };
  std::vector<Open> open;
  std::set<std::string> seen;
  const auto extend = [&](const LockRequest& from, std::size_t ahead, const std::vector<DeadlockStep>& path) {
    for (const Obstacle& obstacle : obstacles(from, ahead)) {
      Open next{obstacle.owner, path};
      next.path.push_back({from.owner.agent, shown_path(from.key), obstacle.owner});
      open.push_back(std::move(next));
    }
  };
  extend(request, waiters_.size(), {});
  while (!open.empty()) {
    const Open now = std::move(open.back());
    open.pop_back();
    if (now.owner == request.owner.agent) return now.path;
    if (!seen.insert(now.owner).second) continue;
    for (std::size_t i = 0; i < waiters_.size(); ++i) {
      if (waiters_[i].request.owner.agent == now.owner) extend(waiters_[i].request, i, now.path);
    }
  }
  return {};
}

std::string LockTable::why_not(const LockRequest& request, std::size_t ahead, Moment now) const {
  const std::vector<Lease> holders = conflicts(request.key, request.mode, request.owner.agent);
  if (!holders.empty()) {
    const Lease& holder = holders.front();
    std::string text = fmt::format("{} is locked by {} ({}, {}", shown_path(request.key), holder.owner.agent,
                                   mode_name(holder.mode), left(holder.expires, now));
    if (!holder.key.same(request.key)) text += ", as " + shown_path(holder.key);
    if (!holder.reason.empty()) text += ": " + shown(holder.reason, 200);
    text += ")";
    if (holders.size() > 1) text += fmt::format(" and {} more", holders.size() - 1);
    return text;
  }
  const std::vector<Obstacle> before = obstacles(request, ahead);
  return fmt::format("{} is wanted by {}, who asked before", shown_path(request.key),
                     before.empty() ? "somebody" : before.front().owner);
}

const Lease* LockTable::held(const LockRequest& request) const {
  const Lease* found = nullptr;
  for (const Lease* lease : index_.with_key(request.key)) {
    if (lease->owner.agent != request.owner.agent) continue;
    if (found == nullptr || lease->mode == LockMode::exclusive) found = lease;
  }
  return found;
}

Lease LockTable::grant(const LockRequest& request, Moment now, bool waited) {
  // Raised from shared: the weaker lease goes where the stronger one comes. One that is as strong stays beside it: what
  // was asked for while in line may be less than what was granted meanwhile.
  const LeaseSet same_key = index_.with_key(request.key);
  for (const Lease* lease : same_key) {
    if (lease->owner.agent != request.owner.agent) continue;
    if (lease->mode == LockMode::exclusive || request.mode == LockMode::shared) continue;
    changes_.push_back({.id = lease->id, .lease = std::nullopt});
    index_.remove(*lease);
    leases_.erase(leases_.find(lease->id));
  }
  ++fence_.counter;
  Lease lease{.id = request.id,
              .owner = request.owner,
              .key = request.key,
              .mode = request.mode,
              .reason = request.reason,
              .purpose = request.purpose,
              .granted = now,
              .expires = request.ttl ? std::optional(now + *request.ttl) : std::nullopt,
              .fence = fence_};
  put(lease);
  changes_.push_back({.id = lease.id, .lease = lease});
  notices_.push_back({.kind = LockNotice::Kind::granted, .lease = lease, .waited = waited});
  return lease;
}

Result<Acquired> LockTable::acquire(LockRequest request, Moment now) {
  advance(now);
  if (const Lease* mine = held(request);
      mine != nullptr && (mine->mode == LockMode::exclusive || request.mode == LockMode::shared)) {
    Lease renewed = *mine;
    renewed.expires = later(renewed.expires, request.ttl ? std::optional(now + *request.ttl) : std::nullopt);
    // Once a change depends on it, it goes with the change, whoever asked before or asks after.
    if (request.purpose == LockPurpose::edit) renewed.purpose = LockPurpose::edit;
    if (!request.reason.empty()) renewed.reason = request.reason;
    put(renewed);
    changes_.push_back({.id = renewed.id, .lease = renewed});
    return Acquired{.lease = std::move(renewed), .renewed = true};
  }
  if (covered(request) || obstacles(request, waiters_.size()).empty()) {
    return Acquired{.lease = grant(request, now, false), .renewed = false};
  }
  if (!request.wait_until) {
    return fail(Error{.code = Code::failed_precondition,
                      .message = why_not(request, waiters_.size(), now) + "; wait for it, ask the holder, or do "
                                                                          "something else first",
                      .retryable = true});
  }
  if (const std::vector<DeadlockStep> steps = circle(request); !steps.empty()) {
    std::string text = deadlock_text(steps);
    notices_.push_back({.kind = LockNotice::Kind::deadlock, .waiter = {request, now}, .note = text});
    return fail(Code::failed_precondition, text + "; release what you hold before you wait");
  }
  if (*request.wait_until <= now) {
    return fail(Code::deadline_exceeded, why_not(request, waiters_.size(), now));
  }
  waiters_.push_back({.request = std::move(request), .since = now});
  return Acquired{};
}

Result<Lease> LockTable::renew(const std::string& id, std::string_view owner, Span ttl, Moment now) {
  advance(now);
  const auto found = leases_.find(id);
  if (found == leases_.end()) {
    return fail(Code::not_found, fmt::format("the lock '{}' is not held any more; take it again", shown(id)));
  }
  Lease lease = found->second;
  if (lease.owner.agent != owner) {
    return fail(Code::permission_denied, fmt::format("the lock '{}' is {}'s", shown(id), lease.owner.agent));
  }
  lease.expires = later(lease.expires, now + ttl);
  put(lease);
  changes_.push_back({.id = id, .lease = lease});
  return lease;
}

void LockTable::end(std::map<std::string, Lease>::iterator lease, LockEnd how, std::string by, std::string note) {
  index_.remove(lease->second);
  changes_.push_back({.id = lease->first, .lease = std::nullopt});
  notices_.push_back({.kind = LockNotice::Kind::ended,
                      .lease = std::move(lease->second),
                      .end = how,
                      .by = std::move(by),
                      .note = std::move(note)});
  leases_.erase(lease);
}

void LockTable::drop(std::size_t index, LockEnd how, Error error) {
  notices_.push_back(
      {.kind = LockNotice::Kind::dropped, .waiter = std::move(waiters_[index]), .end = how, .error = std::move(error)});
  waiters_.erase(waiters_.begin() + static_cast<std::ptrdiff_t>(index));
}

/// Grants, from the front of the line, whatever nothing stands in the way of any more.
void LockTable::serve(Moment now) {
  for (std::size_t i = 0; i < waiters_.size();) {
    if (!covered(waiters_[i].request) && !obstacles(waiters_[i].request, i).empty()) {
      ++i;
      continue;
    }
    const LockRequest request = std::move(waiters_[i].request);
    waiters_.erase(waiters_.begin() + static_cast<std::ptrdiff_t>(i));
    grant(request, now, true);
  }
}

Result<bool> LockTable::release(const std::string& id, std::string_view owner, Moment now) {
  advance(now);
  const auto found = leases_.find(id);
  if (found == leases_.end()) return false;
  if (found->second.owner.agent != owner) {
    return fail(Code::permission_denied,
                fmt::format("the lock '{}' on {} is {}'s; only a person may break it", shown(id),
                            shown_path(found->second.key), found->second.owner.agent));
  }
  end(found, LockEnd::released, std::string(owner), {});
  serve(now);
  return true;
}

Result<int> LockTable::release_key(const LockKey& key, std::string_view owner, Moment now) {
  advance(now);
  int count = 0;
  const Lease* other = nullptr;
  const LeaseSet same_key = index_.with_key(key);
  for (const Lease* lease : same_key) {
    if (lease->owner.agent != owner) {
      other = lease;
      continue;
    }
    end(leases_.find(lease->id), LockEnd::released, std::string(owner), {});
    ++count;
  }
  if (count == 0 && other != nullptr) {
    return fail(Code::permission_denied,
                fmt::format("{} is locked by {}; only a person may break it", shown_path(key), other->owner.agent));
  }
  serve(now);
  return count;
}

bool LockTable::withdraw(const std::string& id, Moment now) {
  const auto found = std::ranges::find_if(waiters_, [&](const Waiter& w) { return w.request.id == id; });
  if (found == waiters_.end()) return false;
  drop(static_cast<std::size_t>(found - waiters_.begin()), LockEnd::withdrawn,
       {.code = Code::cancelled, .message = "the request was withdrawn"});
  serve(now);
  return true;
}

Result<Lease> LockTable::break_lease(const std::string& id, std::string_view person, std::string_view reason,
                                     Moment now) {
  advance(now);
  const auto found = leases_.find(id);
  if (found == leases_.end()) return fail(Code::not_found, fmt::format("no lock '{}' is held", shown(id)));
  Lease broken = found->second;
  end(found, LockEnd::broken, std::string(person), std::string(reason));
  serve(now);
  return broken;
}

int LockTable::owner_gone(std::string_view agent, Moment now) {
  const LeaseSet theirs = index_.of_owner(agent);
  for (const Lease* lease : theirs) end(leases_.find(lease->id), LockEnd::owner_gone, {}, {});
  for (std::size_t i = waiters_.size(); i-- > 0;) {
    if (waiters_[i].request.owner.agent != agent) continue;
    drop(i, LockEnd::owner_gone, {.code = Code::cancelled, .message = fmt::format("{} is gone", agent)});
  }
  serve(now);
  return static_cast<int>(theirs.size());
}

void LockTable::advance(Moment now) {
  bool changed = false;
  for (const Lease* lease : index_.over(now)) {
    end(leases_.find(lease->id), LockEnd::expired, {}, {});
    changed = true;
  }
  // A lock that came free at the deadline itself still goes to who waited for it.
  if (changed) serve(now);
  changed = false;
  for (std::size_t i = waiters_.size(); i-- > 0;) {
    if (*waiters_[i].request.wait_until > now) continue;
    const Span waited = now - waiters_[i].since;
    drop(i, LockEnd::timed_out,
         {.code = Code::deadline_exceeded,
          .message = fmt::format("{}; waited {}", why_not(waiters_[i].request, i, now),
                                 format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(waited))),
          .retryable = true});
    changed = true;
  }
  if (changed) serve(now);
}

std::optional<Moment> LockTable::next_deadline() const {
  std::optional<Moment> first = index_.first_end();
  const auto consider = [&first](std::optional<Moment> at) {
    if (at && (!first || *at < *first)) first = at;
  };
  for (const Waiter& waiter : waiters_) consider(waiter.request.wait_until);
  return first;
}

Result<void> LockTable::begin_epoch(std::int64_t epoch) {
  if (epoch <= fence_.epoch) {
    return fail(Code::invalid_argument,
                fmt::format("the epoch {} is not above {}, that of the locks so far", epoch, fence_.epoch));
  }
  fence_.epoch = epoch;
  return {};
}

std::vector<Lease> LockTable::conflicts(const LockKey& key, LockMode mode, std::string_view owner) const {
  std::vector<Lease> out;
  for (const Lease* lease : index_.near(key, LeaseIndex::Reach::all)) {
    if (lease->owner.agent != owner && excludes(lease->mode, mode) && lease->key.overlaps(key)) out.push_back(*lease);
  }
  return out;
}

}  // namespace swarm::coord
