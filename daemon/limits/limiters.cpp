#include "daemon/limits/limiters.hpp"

#include <fmt/format.h>

#include "daemon/limits/memory.hpp"

namespace swarm::limits {

bool key_matches(std::string_view pattern, std::string_view key) {
  if (!pattern.ends_with('*')) return pattern == key;
  return key.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool is_key(std::string_view key) {
  if (key.empty() || key.size() > 200) return false;
  int parts = 0;
  for (std::size_t from = 0; from <= key.size();) {
    const std::size_t slash = std::min(key.find('/', from), key.size());
    const std::string_view part = key.substr(from, slash - from);
    if (part.empty() || part.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") != std::string_view::npos) {
      return false;
    }
    ++parts;
    from = slash + 1;
  }
  return parts >= 2 && parts <= 6;
}

void Permit::throttled(std::optional<Duration> retry_after) const {
  if (const auto found = limiters_->alive_.find(key_); found != limiters_->alive_.end()) {
    found->second.limiter->throttled(admission_, retry_after);
  }
}

void Permit::succeeded() const {
  if (const auto found = limiters_->alive_.find(key_); found != limiters_->alive_.end()) {
    found->second.limiter->succeeded(admission_);
  }
}

Limiters::Limiters(Setup setup) : with_(std::move(setup)), tasks_(with_.loop) {}

Limiters::~Limiters() = default;

async::Task<Result<void>> Limiters::recover() {
  if (with_.store == nullptr) co_return {};
  Result<Recovered> all = co_await with_.store->write("limits.recover", store::Durability::process,
                                                      [](store::Changes& changes) { return take_up(changes); });
  if (!all) co_return fail(all.error(), "limits");
  overrides_ = std::move(all->overrides);
  remembered_ = std::move(all->memory);
  ended_well_ = all->ended_well;
  // A limiter that somebody has asked already learns what was set.
  for (const auto& [key, spec] : overrides_) {
    if (const auto found = alive_.find(key); found != alive_.end()) found->second.limiter->set(spec);
  }
  co_return {};
}

async::Task<Result<void>> Limiters::remember() {
  if (with_.store == nullptr) co_return {};
  std::map<std::string, Limiter::Memory> memory;
  for (const auto& [key, alive] : alive_) {
    if (alive.counted) memory.emplace(key, alive.limiter->remember());
  }
  // What nobody asked in this run is as it was.
  memory.merge(std::map(remembered_));
  Result<void> done = co_await with_.store->write("limits.remember", store::Durability::process,
                                                  [memory = std::move(memory)](store::Changes& changes) {
                                                    for (const auto& [key, value] : memory) {
                                                      if (Result<void> kept = keep(changes, key, value); !kept)
                                                        return kept;
                                                    }
                                                    return mark_ended_well(changes);
                                                  });
  co_return done;
}

Rule Limiters::rule_for(const std::string& key) const {
  Rule found{.pattern = key, .spec = {}, .counted = false, .from = "built in"};
  for (const Rule& rule : with_.rules) {
    if (!key_matches(rule.pattern, key)) continue;
    found = rule;
    break;
  }
  if (const auto set = overrides_.find(key); set != overrides_.end()) {
    found.spec = set->second;
    found.from = "set";
  }
  return found;
}

Limiter& Limiters::at(const std::string& key) {
  if (const auto found = alive_.find(key); found != alive_.end()) return *found->second.limiter;
  if (alive_.size() >= prune_at_) prune();
  const Rule rule = rule_for(key);
  auto limiter = std::make_unique<Limiter>(with_.loop, key, rule.spec, with_.speed,
                                           [this](Notice notice) { heard(std::move(notice)); });
  if (rule.counted) {
    const auto memory = remembered_.find(key);
    if (memory != remembered_.end()) {
      limiter->recall(memory->second, ended_well_);
      remembered_.erase(memory);
    } else if (!ended_well_) {
      limiter->recall({}, false);
    }
  }
  Limiter& made =
      *alive_.emplace(key, Alive{.limiter = std::move(limiter), .counted = rule.counted}).first->second.limiter;
  if (made.wants() > 0) {
    made.when_scarce([this, key] { tasks_.spawn(lend(key)); });
    tasks_.spawn(lend(key));
  }
  return made;
}

/// Written down first: another run may begin while the far end still counts what is sent in this one. There is a store:
/// only what one remembers is recalled, and nothing else is lent.
async::Task<> Limiters::lend(std::string key) {
  Alive& alive = alive_.at(key);  // it is counted, and stays
  if (alive.lending) co_return;
  alive.lending = true;
  Limiter& limiter = *alive.limiter;
  while (const std::uint64_t wanted = limiter.wants()) {
    const Result<std::uint64_t> part = co_await with_.store->write(
        "limits.lend", store::Durability::process,
        [key, wanted, reserve = limiter.spec().reserve, span = limiter.span()](store::Changes& changes) {
          return limits::lend(changes, key, wanted, reserve, span);
        });
    limiter.lend(part.value_or(0));  // nothing is taken that nobody will remember
  }
  alive.lending = false;
}

/// Keys come and go with agents; what is as good as new need not be kept. The counted ones are few and stay.
void Limiters::prune() {
  std::erase_if(alive_, [this](const auto& entry) {
    const Alive& alive = entry.second;
    if (alive.counted || !alive.limiter->idle()) return false;
    add(asleep_, alive.limiter->counters());
    return true;
  });
  prune_at_ = std::max<std::size_t>(1024, alive_.size() * 2);
}

async::Task<Result<Permit>> Limiters::acquire(std::string key, Ask ask) {
  if (!is_key(key)) {
    co_return fail(Code::invalid_argument,
                   fmt::format("'{}' is nothing that can be limited; keys look like mcp/github", key));
  }
  Limiter& limiter = at(key);
  Result<std::uint64_t> admission = co_await limiter.acquire(std::move(ask));
  if (!admission) co_return fail(admission.error());
  co_return Permit(*this, std::move(key), *admission);
}

void Limiters::heard(Notice notice) {
  const bool lasting = notice.kind == Notice::Kind::throttled || notice.kind == Notice::Kind::recovered;
  if (const auto found = alive_.find(notice.key);
      lasting && with_.store != nullptr && found != alive_.end() && found->second.counted) {
    tasks_.spawn(save(notice.key));
  }
  if (with_.tell) with_.tell(std::move(notice));
}

async::Task<> Limiters::save(std::string key) {
  const auto found = alive_.find(key);
  if (found == alive_.end()) co_return;
  const Limiter::Memory memory = found->second.limiter->remember();
  // Without it a restart would ask too early, once, and be told again: not worth failing anything for.
  const Result<void> kept =
      co_await with_.store->write("limits.keep", store::Durability::process,
                                  [key, memory](store::Changes& changes) { return keep(changes, key, memory); });
  static_cast<void>(kept);
}

async::Task<Result<void>> Limiters::set(std::string key, Spec spec) {
  if (!is_key(key)) {
    co_return fail(Code::invalid_argument,
                   fmt::format("'{}' is nothing that can be limited; keys look like mcp/github", key));
  }
  if (spec.rate && (spec.rate->count == 0 || spec.rate->per <= Duration{0})) {
    co_return fail(Code::invalid_argument, fmt::format("limit {}: a rate is above zero", key));
  }
  if (spec.burst == 0) co_return fail(Code::invalid_argument, fmt::format("limit {}: a burst is at least 1", key));
  if (with_.store != nullptr) {
    const Result<void> kept =
        co_await with_.store->write("limits.set", store::Durability::process,
                                    [key, spec](store::Changes& changes) { return keep_override(changes, key, spec); });
    if (!kept) co_return fail(kept.error());
  }
  overrides_[key] = spec;
  at(key).set(std::move(spec));
  co_return {};
}

async::Task<Result<void>> Limiters::reset(std::string key) {
  if (!overrides_.contains(key)) {
    co_return fail(Code::not_found, fmt::format("limit '{}' was not set; 'swarmctl limits ls' shows which were", key));
  }
  if (with_.store != nullptr) {
    const Result<void> gone =
        co_await with_.store->write("limits.reset", store::Durability::process,
                                    [key](store::Changes& changes) { return drop_override(changes, key); });
    if (!gone) co_return fail(gone.error());
  }
  overrides_.erase(key);
  if (const auto found = alive_.find(key); found != alive_.end()) found->second.limiter->set(rule_for(key).spec);
  co_return {};
}

void Limiters::set_rules(std::vector<Rule> rules) {
  with_.rules = std::move(rules);
  for (auto& [key, alive] : alive_) {
    const Rule rule = rule_for(key);
    alive.counted = rule.counted;
    if (rule.spec != alive.limiter->spec()) alive.limiter->set(rule.spec);
  }
}

std::vector<Status> Limiters::list(std::string_view prefix) const {
  std::set<std::string> keys;
  for (const auto& [key, alive] : alive_) keys.insert(key);
  for (const auto& [key, spec] : overrides_) keys.insert(key);
  for (const Rule& rule : with_.rules) {
    if (!rule.pattern.ends_with('*')) keys.insert(rule.pattern);
  }
  std::vector<Status> all;
  for (const std::string& key : keys) {
    if (!key.starts_with(prefix)) continue;
    all.push_back(status(key));
  }
  return all;
}

Status Limiters::status(const std::string& key) const {
  const Rule rule = rule_for(key);
  Status status{.key = key, .spec = rule.spec, .from = rule.from, .counted = rule.counted};
  if (const auto found = alive_.find(key); found != alive_.end()) {
    const Limiter& limiter = *found->second.limiter;
    status.counters = limiter.counters();
    status.waiting = limiter.waiting();
    status.waiting_by_swarm = limiter.waiting_by_swarm();
    status.thousandths = limiter.thousandths();
    status.blocked_for = limiter.blocked_for();
    status.next_in = limiter.next_in();
  }
  return status;
}

Counters Limiters::totals() const {
  Counters sum = asleep_;
  for (const auto& [key, alive] : alive_) add(sum, alive.limiter->counters());
  return sum;
}

}  // namespace swarm::limits
