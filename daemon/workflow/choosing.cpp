// Who does what: the longest chain of work first, to those who can do it and know the files, away from files that
// somebody else is at.
#include <algorithm>
#include <set>
#include <tuple>

#include "daemon/workflow/flow.hpp"
#include "protocol/coord/pattern.hpp"

namespace swarm::workflow {
namespace {

using api::TaskState;

constexpr std::int64_t kUnknownEstimateMs = 600'000;

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

bool holds(const std::vector<std::string>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

std::vector<coord::Pattern> patterns(const std::vector<std::string>& globs) {
  std::vector<coord::Pattern> out;
  for (const std::string& glob : globs) {
    if (auto pattern = coord::Pattern::glob(glob)) out.push_back(std::move(*pattern));
  }
  return out;
}

bool meet(const std::vector<coord::Pattern>& one, const std::vector<coord::Pattern>& other) {
  return std::ranges::any_of(one, [&](const coord::Pattern& a) {
    return std::ranges::any_of(other, [&](const coord::Pattern& b) { return a.overlaps(b); });
  });
}

/// The lowest number among the changes of `agent` that are not merged yet: its one branch holds them.
std::uint64_t first_pending(const std::vector<Task>& tasks, const std::string& agent) {
  std::uint64_t first = UINT64_MAX;
  for (const Task& task : tasks) {
    const bool under_way = task.state == TaskState::checking || task.state == TaskState::in_review ||
                           task.state == TaskState::in_dispute || task.state == TaskState::merging;
    if (under_way && is_work(task) && !task.attempts.empty() && task.attempts.back().agent == agent) {
      first = std::min(first, task.number);
    }
  }
  return first;
}

/// The work that waits behind each task, its own included.
class Chains {
 public:
  explicit Chains(const std::vector<Task>& tasks) {
    for (const Task& task : tasks) {
      if (terminal(task.state)) continue;
      own_[task.id] = task.estimate_ms.count() > 0 ? task.estimate_ms.count() : kUnknownEstimateMs;
      for (const std::string& need : task.needs) behind_[need].push_back(task.id);
    }
  }
  std::int64_t of(const std::string& id) {
    if (const auto known = length_.find(id); known != length_.end()) return known->second;
    std::int64_t longest = 0;
    for (const std::string& next : behind_[id]) longest = std::max(longest, of(next));
    return length_[id] = own_[id] + longest;
  }

 private:
  std::map<std::string, std::int64_t> own_;
  std::map<std::string, std::vector<std::string>> behind_;
  std::map<std::string, std::int64_t> length_;
};

bool has_role(const Case& c, const std::string& role) {
  return std::ranges::any_of(c.run.agents,
                             [&](const api::RunAgent& each) { return each.role == role && c.here(each.name); });
}

}  // namespace

bool may_take(const Case& c, const Task& task, const std::string& agent) {
  const api::RunAgent* self = c.agent(agent);
  if (self == nullptr || !c.here(agent)) return false;
  // A role that nobody has (any more) is for everybody.
  return task.role.empty() || self->role == task.role || (task.role == "lead" && self->lead) ||
         (!has_role(c, task.role) && !(task.role == "lead" && c.here(c.lead())));
}

const Task* best_task(const Case& c, const std::vector<Task>& tasks, const std::string& agent) {
  const api::RunAgent* self = c.agent(agent);
  if (self == nullptr) return nullptr;
  Chains chains(tasks);
  std::vector<coord::Pattern> others;
  std::set<std::string> known_files;
  for (const Task& task : tasks) {
    if (task.state == TaskState::claimed && task.agent != agent) {
      for (coord::Pattern& pattern : patterns(task.files)) others.push_back(std::move(pattern));
    }
    const bool mine = std::ranges::any_of(task.attempts, [&](const auto& each) { return each.agent == agent; });
    if (!mine) continue;
    for (const api::Path& path : task.touched) known_files.insert(path.bytes);
  }
  const std::uint64_t pending = first_pending(tasks, agent);
  const Task* best = nullptr;
  std::tuple<bool, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t> best_score;
  for (const Task& task : tasks) {
    if (task.state != TaskState::ready || !may_take(c, task, agent)) continue;
    if (!task.reserved.empty() && task.reserved != agent) continue;
    // What is begun on top of a change that may still be sent back cannot be merged without it. Earlier tasks may: in
    // the order of tasks the pending one waits for them.
    if (task.reserved != agent && is_work(task) && task.number > pending) continue;
    // Whoever failed at it comes last: only where nobody else is left.
    if (holds(task.avoid, agent) && task.reserved != agent) {
      const bool another = std::ranges::any_of(c.run.agents, [&](const api::RunAgent& each) {
        return !holds(task.avoid, each.name) && may_take(c, task, each.name);
      });
      if (another) continue;
    }
    const auto skills = std::ranges::count_if(task.skills, [&](const std::string& wanted) {
      return std::ranges::any_of(self->skills, [&](const std::string& has) { return same_word(wanted, has); });
    });
    const std::vector<coord::Pattern> files = patterns(task.files);
    std::int64_t locality = meet(files, others) ? -1000 : 0;
    for (const std::string& file : known_files) {
      if (std::ranges::any_of(files, [&](const coord::Pattern& each) { return each.matches(file); })) ++locality;
    }
    const std::tuple score{task.reserved == agent,
                           task.priority,
                           chains.of(task.id),
                           static_cast<std::int64_t>(skills),
                           locality,
                           -static_cast<std::int64_t>(task.number)};
    if (best == nullptr || score > best_score) {
      best = &task;
      best_score = score;
    }
  }
  return best;
}

std::vector<std::string> choose_reviewers(Turn& turn, const Case& c, const Task& task, std::uint32_t& needed,
                                          const std::vector<std::string>& not_these) {
  const Phase* phase = c.definition.phase(PhaseKind::review);
  if (phase == nullptr || task.attempts.empty()) return {};
  const std::string& author = task.attempts.back().agent;
  std::map<std::string, std::int64_t> load;
  std::vector<std::string> before;
  for (const Review& review : reviews_of(turn, c.run.id)) {
    for (const api::ReviewerInfo& reviewer : review.reviewers) {
      if (review.state == api::ReviewState::open && !reviewer.verdict && !reviewer.replaced_by) {
        load[reviewer.agent] += 100;  // has one waiting
      }
      ++load[reviewer.agent];
      if (review.task == task.id && !reviewer.replaced_by) before.push_back(reviewer.agent);
    }
  }
  struct Candidate {
    std::string agent;
    std::tuple<bool, bool, std::int64_t, std::string> order;
  };
  const auto candidates = [&](const std::vector<std::string>& roles, const std::vector<std::string>& agents) {
    std::vector<Candidate> out;
    for (const api::RunAgent& each : c.present()) {
      if (each.name == author || holds(not_these, each.name)) continue;
      const bool wanted = (roles.empty() && agents.empty()) || holds(roles, each.role) || holds(agents, each.name);
      // Who knows the change already reads only what is new of it.
      out.push_back({each.name, {!wanted, !holds(before, each.name), load[each.name], each.name}});
    }
    std::ranges::sort(out, {}, &Candidate::order);
    return out;
  };
  std::vector<std::string> chosen;
  const auto take = [&](const std::vector<Candidate>& from, std::uint32_t count, bool only_wanted) {
    std::uint32_t have = 0;
    for (const Candidate& each : from) {
      if (have == count) break;
      if (only_wanted && std::get<0>(each.order)) break;
      ++have;
      if (!holds(chosen, each.agent)) chosen.push_back(each.agent);
    }
  };
  for (const ReviewRule& rule : phase->rules) {
    const std::vector<coord::Pattern> paths = patterns(rule.paths);
    const bool applies = std::ranges::any_of(task.touched, [&](const api::Path& path) {
      return std::ranges::any_of(paths, [&](const coord::Pattern& each) { return each.matches(path.bytes); });
    });
    if (applies) take(candidates(rule.roles, rule.agents), rule.count, true);
  }
  if (chosen.size() < phase->count) {
    for (const Candidate& each : candidates(phase->roles, {})) {
      if (chosen.size() >= phase->count) break;
      if (!holds(chosen, each.agent)) chosen.push_back(each.agent);
    }
  }
  needed = static_cast<std::uint32_t>(chosen.size());
  return chosen;
}

}  // namespace swarm::workflow
