#include "protocol/coord/lease_index.hpp"

#include "protocol/coord/lock_table.hpp"

namespace swarm::coord {
namespace {

const LeaseSet& none() {
  static const LeaseSet empty;
  return empty;
}

std::string key_text(const LockKey& key) {
  return key.repository + '\0' + static_cast<char>('0' + static_cast<int>(key.kind)) + key.path;
}

/// Where the names of a repository begin: no name has a NUL in it.
std::string names_root(const LockKey& key) { return key.repository + '\0'; }

template <class Map, class Key>
void take_from(Map& map, const Key& key, const Lease& lease) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  found->second.erase(&lease);
  if (found->second.empty()) map.erase(found);
}

}  // namespace

bool LeaseOrder::operator()(const Lease* a, const Lease* b) const { return a->id < b->id; }

void LeaseIndex::add(const Lease& lease) {
  by_owner_[lease.owner.agent].insert(&lease);
  by_key_[key_text(lease.key)].insert(&lease);
  if (lease.expires) by_end_[*lease.expires].insert(&lease);
  for (const Beginning& beginning : lease.key.pattern.beginnings()) {
    Shelf& shelf = by_names_[names_root(lease.key) + beginning.names];
    (beginning.whole ? shelf.whole : shelf.more).insert(&lease);
  }
}

void LeaseIndex::remove(const Lease& lease) {
  take_from(by_owner_, lease.owner.agent, lease);
  take_from(by_key_, key_text(lease.key), lease);
  if (lease.expires) take_from(by_end_, *lease.expires, lease);
  for (const Beginning& beginning : lease.key.pattern.beginnings()) {
    const auto shelf = by_names_.find(names_root(lease.key) + beginning.names);
    if (shelf == by_names_.end()) continue;
    shelf->second.whole.erase(&lease);
    shelf->second.more.erase(&lease);
    if (shelf->second.whole.empty() && shelf->second.more.empty()) by_names_.erase(shelf);
  }
}

const LeaseSet& LeaseIndex::of_owner(std::string_view agent) const {
  const auto found = by_owner_.find(agent);
  return found == by_owner_.end() ? none() : found->second;
}

const LeaseSet& LeaseIndex::with_key(const LockKey& key) const {
  const auto found = by_key_.find(key_text(key));
  return found == by_key_.end() ? none() : found->second;
}

LeaseSet LeaseIndex::near(const LockKey& key, Reach reach) const {
  LeaseSet out;
  const auto take = [&out](const LeaseSet& some) { out.insert(some.begin(), some.end()); };
  const std::string root = names_root(key);
  for (const Beginning& beginning : key.pattern.beginnings()) {
    // Whatever has wildcards at fewer names.
    for (std::size_t end = 0; end < beginning.names.size();) {
      const auto above = by_names_.find(root + beginning.names.substr(0, end));
      if (above != by_names_.end()) take(above->second.more);
      end = std::min(beginning.names.find('/', end + 1), beginning.names.size());
    }
    const std::string names = root + beginning.names;
    if (const auto here = by_names_.find(names); here != by_names_.end()) {
      take(here->second.whole);
      take(here->second.more);
    }
    if (beginning.whole || reach == Reach::up) continue;
    const std::string below = names + '/';
    for (auto it = by_names_.lower_bound(below); it != by_names_.end() && it->first.starts_with(below); ++it) {
      take(it->second.whole);
      take(it->second.more);
    }
  }
  return out;
}

std::optional<Moment> LeaseIndex::first_end() const {
  if (by_end_.empty()) return std::nullopt;
  return by_end_.begin()->first;
}

std::vector<const Lease*> LeaseIndex::over(Moment now) const {
  std::vector<const Lease*> out;
  for (const auto& [end, some] : by_end_) {
    if (end > now) break;
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

}  // namespace swarm::coord
