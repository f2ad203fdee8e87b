// Random histories of requests, releases, deaths, pauses and restarts, checked against a model that knows no patterns:
// each key is a hand-written set of paths.

#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "protocol/coord/lock_table.hpp"
#include "protocol/core/random.hpp"

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

namespace {

struct Choice {
  LockKind kind;
  const char* text;
  std::set<std::string> paths;
};

const std::vector<Choice>& choices() {
  static const std::vector<Choice> all = {
      {LockKind::file, "a/x", {"a/x"}},         {LockKind::file, "a/y", {"a/y"}},
      {LockKind::file, "b/x", {"b/x"}},         {LockKind::directory, "a", {"a", "a/x", "a/y"}},
      {LockKind::glob, "*/x", {"a/x", "b/x"}},  {LockKind::glob, "{a,b}/[!x]", {"a/y", "b/y"}},
      {LockKind::glob, "**/y", {"a/y", "b/y"}}, {LockKind::directory, ".", {"", "a", "b", "a/x", "a/y", "b/x", "b/y"}},
  };
  return all;
}

struct Wish {
  std::string agent;
  std::size_t choice;
  LockMode mode;
};

bool meet(const Wish& a, const Wish& b) {
  if (a.agent == b.agent || (a.mode == LockMode::shared && b.mode == LockMode::shared)) return false;
  const auto& pa = choices()[a.choice].paths;
  return std::ranges::any_of(choices()[b.choice].paths, [&](const std::string& p) { return pa.contains(p); });
}

bool inside(const Wish& small, const Wish& large) {
  const auto& all = choices()[large.choice].paths;
  return small.agent == large.agent && (large.mode == LockMode::exclusive || small.mode == LockMode::shared) &&
         std::ranges::all_of(choices()[small.choice].paths, [&](const std::string& p) { return all.contains(p); });
}

struct History {
  LockTable locks;
  Moment now{1'000'000};
  int next = 0;
  std::map<std::string, Wish> wishes;  // every request, by id
  std::set<std::string> in_line;       // not yet answered
  std::map<std::string, Lease> recorded;
  Fence highest{};

  Wish of(const Lease& lease) const { return wishes.at(lease.id); }

  /// Who waits for whom, from the table's own lists but the model's own sets.
  std::map<std::string, std::set<std::string>> waits(const std::vector<Wish>& line,
                                                     const std::vector<Wish>& held) const {
    std::map<std::string, std::set<std::string>> out;
    for (std::size_t i = 0; i < line.size(); ++i) {
      for (const Wish& h : held) {
        if (meet(line[i], h)) out[line[i].agent].insert(h.agent);
      }
      for (std::size_t j = 0; j < i; ++j) {
        if (meet(line[i], line[j])) out[line[i].agent].insert(line[j].agent);
      }
    }
    return out;
  }

  static bool circular(const std::map<std::string, std::set<std::string>>& graph) {
    for (const auto& [start, unused] : graph) {
      std::vector<std::string> open{start};
      std::set<std::string> seen;
      while (!open.empty()) {
        const std::string agent = open.back();
        open.pop_back();
        const auto found = graph.find(agent);
        if (found == graph.end()) continue;
        for (const std::string& other : found->second) {
          if (other == start) return true;
          if (seen.insert(other).second) open.push_back(other);
        }
      }
    }
    return false;
  }

  std::vector<Wish> line() const {
    std::vector<Wish> out;
    for (const Waiter& w : locks.waiters()) out.push_back(wishes.at(w.request.id));
    return out;
  }
  std::vector<Wish> held() const {
    std::vector<Wish> out;
    for (const auto& [id, lease] : locks.leases()) out.push_back(of(lease));
    return out;
  }

  static int number(const std::string& id) { return std::stoi(id.substr(4)); }

  /// Somebody who asked before, for something that meets it, still stands in line.
  bool overtook(const std::string& id) const {
    const Wish& wish = wishes.at(id);
    for (const auto& [other, lease] : locks.leases()) {
      if (other != id && inside(wish, wishes.at(other))) return false;
    }
    return std::ranges::any_of(locks.waiters(), [&](const Waiter& w) {
      return number(w.request.id) < number(id) && meet(wish, wishes.at(w.request.id));
    });
  }

  void settle() {
    for (const LockChange& change : locks.take_changes()) {
      if (change.lease) {
        recorded.insert_or_assign(change.id, *change.lease);
      } else {
        recorded.erase(change.id);
      }
    }
    for (const LockNotice& notice : locks.take_notices()) {
      if (notice.kind == LockNotice::Kind::granted) {
        RC_ASSERT(notice.lease.fence > highest);
        highest = notice.lease.fence;
        if (notice.waited) {
          RC_ASSERT(in_line.erase(notice.lease.id) == 1U);
          RC_ASSERT_FALSE(overtook(notice.lease.id));
        }
      } else if (notice.kind == LockNotice::Kind::dropped) {
        RC_ASSERT(in_line.erase(notice.waiter.request.id) == 1U);
      }
    }
    check();
  }

  void check() const {
    const std::vector<Wish> holders = held();
    for (std::size_t i = 0; i < holders.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) RC_ASSERT_FALSE(meet(holders[i], holders[j]));
    }
    // Nobody is forgotten: all who were told to wait stand in line, and something is in each one's way.
    std::set<std::string> standing;
    const std::vector<Wish> waiting = line();
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      const Waiter& waiter = locks.waiters()[i];
      standing.insert(waiter.request.id);
      RC_ASSERT(*waiter.request.wait_until > now);
      bool blocked = std::ranges::any_of(holders, [&](const Wish& h) { return meet(waiting[i], h); });
      for (std::size_t j = 0; j < i; ++j) blocked = blocked || meet(waiting[i], waiting[j]);
      RC_ASSERT(blocked);
    }
    RC_ASSERT(standing == in_line);
    RC_ASSERT_FALSE(circular(waits(waiting, holders)));
    RC_ASSERT(recorded.size() == locks.leases().size());
    for (const auto& [id, lease] : locks.leases()) {
      RC_ASSERT(recorded.contains(id));
      RC_ASSERT(recorded.at(id).fence == lease.fence);
      RC_ASSERT((recorded.at(id).expires == lease.expires));
      RC_ASSERT((!lease.expires || *lease.expires > now));
    }
  }

  void acquire(std::uint32_t dice) {
    const Wish wish{"agent-" + std::to_string(dice % 4), dice / 4 % choices().size(),
                    dice / 64 % 3 == 0 ? LockMode::shared : LockMode::exclusive};
    locks.advance(now);
    settle();
    const std::vector<Wish> line_before = line();
    const std::vector<Wish> held_before = held();
    const Choice& choice = choices()[wish.choice];
    const std::string id = "lck_" + std::to_string(next++);
    const bool waits_for_it = dice / 256 % 4 != 0;
    wishes.insert_or_assign(id, wish);
    const auto got = locks.acquire({.id = id,
                                    .owner = {.agent = wish.agent},
                                    .key = *make_key("repo", choice.kind, choice.text, {}),
                                    .mode = wish.mode,
                                    .reason = {},
                                    .ttl = dice / 1024 % 3 == 0 ? std::nullopt : std::optional<Span>(20s),
                                    .wait_until = waits_for_it ? std::optional(now + 10s) : std::nullopt},
                                   now);
    const bool mine = std::ranges::any_of(held_before, [&](const Wish& h) { return inside(wish, h); });
    bool free = std::ranges::none_of(held_before, [&](const Wish& h) { return meet(wish, h); });
    for (const Wish& other : line_before) free = free && !meet(wish, other);
    std::vector<Wish> longer = line_before;
    longer.push_back(wish);
    const bool closes = circular(waits(longer, held_before));
    if (got && got->lease) {
      RC_ASSERT((free || mine));  // nobody is overtaken, but inside what one holds
    } else if (got) {
      RC_ASSERT((waits_for_it && !free && !closes));
      in_line.insert(id);
    } else {
      const bool deadlock = got.error().message.starts_with("deadlock: " + wish.agent + " waits for ");
      RC_ASSERT_FALSE(free);
      RC_ASSERT(deadlock == (waits_for_it && closes));
    }
  }

  void release(std::uint32_t dice) {
    if (locks.leases().empty()) return;
    auto it = locks.leases().begin();
    std::advance(it, dice % locks.leases().size());
    const Lease lease = it->second;
    const std::string agent = "agent-" + std::to_string(dice / 16 % 4);
    const auto released = locks.release(lease.id, agent, now);
    RC_ASSERT((released.has_value() == (agent == lease.owner.agent)));
  }

  void withdraw(std::uint32_t dice) {
    if (locks.waiters().empty()) return;
    const std::string id = locks.waiters()[dice % locks.waiters().size()].request.id;
    RC_ASSERT(locks.withdraw(id, now));
  }

  /// What is recorded is all that is left; those who waited are told so by their broken connection.
  void restart(std::uint32_t dice) {
    LockTable fresh(locks.fence());
    for (const auto& [id, lease] : recorded) {
      Lease copy = lease;
      copy.key = *recorded_key(lease.key.repository, lease.key.kind, lease.key.path, {});
      fresh.restore(std::move(copy));
    }
    locks = std::move(fresh);
    in_line.clear();
    if (dice % 3 == 0) RC_ASSERT(locks.begin_epoch(locks.fence().epoch + 1).has_value());
  }

  void step(std::uint32_t dice) {
    const std::uint32_t rest = dice / 16;
    switch (dice % 16) {
      case 0:
      case 1:
      case 2:
        release(rest);
        break;
      case 3:
        withdraw(rest);
        break;
      case 4:
        locks.owner_gone("agent-" + std::to_string(rest % 4), now);
        break;
      case 5:
        now = now + Span(rest % 8'000'000);
        locks.advance(now);
        break;
      case 6:
        if (locks.next_deadline()) now = std::max(now, *locks.next_deadline());
        locks.advance(now);
        break;
      case 7:
        restart(rest);
        break;
      case 8:
        if (!locks.leases().empty()) {
          RC_ASSERT(locks.break_lease(locks.leases().begin()->first, "uid 0", "", now).has_value());
        }
        break;
      default:
        acquire(rest);
    }
    settle();
  }
};

}  // namespace

TEST_CASE("locks keep their promises in every history") {
  rc::prop("random steps", [] {
    // Lengths of some hundred: a line of several, circles and restarts in one history.
    const auto dice = *rc::gen::scale(4.0, rc::gen::arbitrary<std::vector<std::uint32_t>>());
    const auto salt = *rc::gen::arbitrary<std::uint64_t>();
    SeededRandom random(salt);
    History history;
    for (const std::uint32_t die : dice) history.step(static_cast<std::uint32_t>(random.next()) ^ die);
  });
}
