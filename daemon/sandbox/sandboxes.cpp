#include "daemon/sandbox/sandboxes.hpp"

#include <fmt/format.h>

#include <set>

#include "daemon/log/log.hpp"
#include "daemon/sandbox/reach.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// How long a call waits for a tunnel that is down before it gives up.
constexpr Duration kTunnelPatience = 10s;

bool matches(const api::SandboxInfo& info, const api::SandboxListRequest& request) {
  if (!request.states.empty() && std::ranges::find(request.states, info.state) == request.states.end()) return false;
  if (request.provider && *request.provider != info.provider) return false;
  if (request.template_name && *request.template_name != info.template_name) return false;
  return std::ranges::all_of(request.labels, [&](const auto& label) {
    const auto found = info.labels.find(label.first);
    return found != info.labels.end() && found->second == label.second;
  });
}

/// Up to one more than is asked for of those that have ended, newest first. Reads on until enough of them match.
Result<std::vector<api::SandboxInfo>> ended_page(store::Database& db, std::int64_t created_before,
                                                 std::string id_before, const api::SandboxListRequest& request) {
  constexpr int kAtOnce = 500;
  std::vector<api::SandboxInfo> found;
  for (;;) {
    Result<std::vector<Record>> page = load_ended(db, created_before, id_before, kAtOnce);
    if (!page) return fail(page.error());
    for (Record& record : *page) {
      created_before = record.info.created_us;
      id_before = record.info.id;
      if (!matches(record.info, request)) continue;
      found.push_back(std::move(record.info));
      if (found.size() > request.limit) return found;
    }
    if (page->size() < static_cast<std::size_t>(kAtOnce)) return found;
  }
}

/// Failures that another provider need not share.
bool falls_back(const Error& error) {
  switch (error.code) {
    case Code::unavailable:
    case Code::deadline_exceeded:
    case Code::resource_exhausted:
    case Code::permission_denied:
    case Code::unauthenticated:
    case Code::unimplemented:
      return true;
    default:
      return false;
  }
}

std::unexpected<Error> no_sandbox(const std::string& what) {
  return fail(Code::not_found, fmt::format("there is no sandbox '{}'; 'swarmctl sandbox ls --all' lists them", what));
}

std::string stands_still(const Sandbox& sandbox) {
  const std::string reason = sandbox.record.info.reason.value_or("");
  // What stopped it at a limit says itself what helps.
  if (sandbox.record.hidden.at_limit) return fmt::format("sandbox {} is paused: {}", sandbox.id(), reason);
  return fmt::format("sandbox {} is paused{}{}; 'swarmctl sandbox resume' lets it go on", sandbox.id(),
                     reason.empty() ? "" : ": ", reason);
}

Capacity::Limits capacity_limits(const Surroundings& with) {
  Capacity::Limits limits{.total = with.config.limits.sandboxes};
  for (const providers::Provider* provider : with.providers) {
    if (const auto most = provider->capabilities().max_sandboxes) {
      limits.providers[provider->name()] = static_cast<std::uint64_t>(*most);
    }
  }
  return limits;
}

Claimant claimant_of(const Record& record) {
  return {.provider = record.info.provider,
          .template_name = record.info.template_name,
          .swarm = record.info.swarm.value_or("")};
}

}  // namespace

Sandboxes::Sandboxes(Surroundings surroundings)
    : with_(std::move(surroundings)), capacity_(with_.loop, capacity_limits(with_)), tasks_(with_.loop) {}

Sandboxes::~Sandboxes() {
  pools_.clear();
  tasks_.cancel_all();
  for (const auto& [id, sandbox] : living_) {
    sandbox->lease_timer.cancel();
    sandbox->idle_timer.cancel();
    sandbox->link.reset();
    sandbox->place.release();
  }
}

void Sandboxes::hang_up() {
  for (const auto& [id, sandbox] : living_) sandbox->link.reset();
}

std::shared_ptr<Sandbox> Sandboxes::adopt(Record record) {
  auto sandbox = std::make_shared<Sandbox>(with_.loop, std::move(record));
  if (sandbox->record.info.lifetime_ends_us) {
    const auto left = std::chrono::microseconds(*sandbox->record.info.lifetime_ends_us - with_.loop.clock().wall().us);
    sandbox->lifetime_until = with_.loop.clock().now() + std::max<Duration>(left, 0s);
  }
  if (holds_capacity(sandbox->state())) sandbox->place = capacity_.take_existing(claimant_of(sandbox->record));
  living_.emplace(sandbox->id(), sandbox);
  by_age_.emplace(std::pair(sandbox->record.info.created_us, sandbox->id()), sandbox);
  tally_.enter(sandbox->record);
  sandbox->asked = with_.loop.clock().now();  // of an earlier run: not later than now
  arm_lease(sandbox);
  fell_idle(sandbox);
  return sandbox;
}

async::Task<Result<api::SandboxInfo>> Sandboxes::create(api::SandboxCreateRequest request, std::optional<CallKey> key) {
  const std::vector<std::string> order = providers_for(request);
  const std::chrono::milliseconds queue = request.queue_ms;
  std::string passed_over;
  for (std::size_t i = 0;; ++i) {
    const bool last = i + 1 >= order.size();
    if (!order.empty()) request.provider = order[i];
    // Who may go elsewhere does not stand in line here.
    request.queue_ms = last ? queue : std::chrono::milliseconds(0);
    // What was tried elsewhere has an answer of its own, so that a repeated call goes the same way.
    std::optional<CallKey> attempt = key;
    if (attempt && i > 0) attempt->scope += "@" + order[i];
    Result<api::SandboxInfo> made = co_await create_at(request, std::move(attempt), passed_over);
    // An earlier call with this key was refused there, and went on to the next as this one does.
    const bool was_refused = made && made->state == State::failed;
    if (last || (made ? !was_refused : !falls_back(made.error()))) co_return made;
    const std::string why = made ? made->reason.value_or("refused") : made.error().message;
    log::logger<"sandbox">().warn("another provider is asked",
                                  {{"provider", order[i]}, {"next", order[i + 1]}, {"error", why}});
    passed_over += fmt::format("{}{}: {}", passed_over.empty() ? "" : "; ", order[i], why);
  }
}

async::Task<Result<api::SandboxInfo>> Sandboxes::create_at(api::SandboxCreateRequest request,
                                                           std::optional<CallKey> key, std::string passed_over) {
  if (key) {
    const Result<std::optional<std::string>> answered = store::find_answer(with_.store.reader(), *key);
    if (!answered) co_return fail(answered.error());
    if (*answered) {
      Result<api::SandboxInfo> again = co_await wait_usable(**answered, request.wait);
      co_return again;
    }
  }

  Result<Record> planned = plan(request);
  if (!planned) co_return fail(planned.error());
  if (!passed_over.empty()) planned->info.fallback = std::move(passed_over);
  if (with_.steward != nullptr) {
    if (Result<void> may = with_.steward->admit(request.swarm.value_or("")); !may) co_return fail(may.error());
  }
  Result<std::optional<std::string>> warm = co_await claim_pooled(request, key, *planned);
  if (!warm) co_return fail(warm.error());
  if (*warm) {
    Result<api::SandboxInfo> claimed = co_await wait_usable(**warm, request.wait);
    co_return claimed;
  }

  Result<Reservation> place = capacity_.try_acquire(claimant_of(*planned));
  if (!place && request.queue_ms.count() == 0) {
    refused(planned->info.provider, place.error());
    co_return fail(place.error());
  }
  const std::vector<store::NewEvent> decisions = decisions_on(*planned, pool_for(request, *planned), place);

  // The record and the answer to this key are one transaction: a repeated call finds the same sandbox, whatever
  // happened in between.
  const Result<std::string> id =
      co_await with_.store.write("sandbox.request", store::Durability::process,
                                 [record = *planned, key, decisions](store::Changes& changes) -> Result<std::string> {
                                   const auto effect = [&]() -> Result<std::string> {
                                     if (Result<void> done = insert(changes.db(), record); !done)
                                       return fail(done.error());
                                     for (const store::NewEvent& decision : decisions) {
                                       if (const auto seq = changes.append(decision); !seq) return fail(seq.error());
                                     }
                                     return record.info.id;
                                   };
                                   return key ? changes.answer_once(*key, effect) : effect();
                                 });
  if (!id) co_return fail(id.error());

  if (*id == planned->info.id) {
    auto sandbox = adopt(std::move(*planned));
    sandbox->patience = request.queue_ms;
    ++claims_.cold;
    if (place) {
      sandbox->place = std::move(*place);
    } else {
      ++claims_.waited;
    }
    tasks_.spawn(bring_up(sandbox));
  }
  Result<api::SandboxInfo> made = co_await wait_usable(*id, request.wait);
  co_return made;
}

async::Task<Result<api::SandboxInfo>> Sandboxes::wait_usable(std::string id, bool wait) {
  const auto found = living_.find(id);
  if (found == living_.end()) {
    Result<api::SandboxInfo> ended = co_await info(id);  // this key made one that has ended since
    co_return ended;
  }
  const auto sandbox = found->second;
  if (!wait) co_return sandbox->record.info;
  for (;;) {
    if (sandbox->state() == State::ready) {
      const Result<State> claimed = co_await advance(sandbox, Event::claim, "");
      if (!claimed) co_return fail(claimed.error());
    }
    if (is_usable(sandbox->state()) || sandbox->state() == State::paused) co_return sandbox->record.info;
    if (is_final(sandbox->state()) || sandbox->state() == State::lost) {
      co_return fail(sandbox->failure.value_or(
          Error{.code = Code::failed_precondition,
                .message = fmt::format("sandbox {} could not be made: {}", id,
                                       sandbox->record.info.reason.value_or("no reason is known"))}));
    }
    co_await sandbox->changed.wait();
  }
}

void Sandboxes::drop(const Sandbox& sandbox) {
  tally_.leave(sandbox.record);
  by_age_.erase(std::pair(sandbox.record.info.created_us, sandbox.id()));
  living_.erase(sandbox.id());
}

void Sandboxes::Tally::enter(const Record& record) {
  ++states[record.info.state];
  if (holds_capacity(record.info.state)) ++places[record.info.provider];
}

void Sandboxes::Tally::leave(const Record& record) {
  --states[record.info.state];
  if (holds_capacity(record.info.state)) --places[record.info.provider];
}

std::uint64_t Sandboxes::count(const std::string& provider) const {
  const auto found = tally_.places.find(provider);
  return found == tally_.places.end() ? 0 : found->second;
}

std::map<std::string, std::uint64_t> Sandboxes::count_by_state() const {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [state, count] : tally_.states) {
    if (count > 0) counts.emplace(state_name(state), count);
  }
  return counts;
}

Result<std::shared_ptr<Sandbox>> Sandboxes::find(const std::string& what) {
  if (const auto exact = living_.find(what); exact != living_.end()) return exact->second;
  for (const auto& [id, sandbox] : living_) {
    if (sandbox->record.info.name == what) return sandbox;
  }
  std::shared_ptr<Sandbox> only;
  for (auto it = living_.lower_bound(what); it != living_.end() && it->first.starts_with(what); ++it) {
    if (only != nullptr) {
      return fail(Code::invalid_argument,
                  fmt::format("'{}' could be {} or {}; give more of the id", what, only->id(), it->first));
    }
    only = it->second;
  }
  if (only == nullptr || what.empty()) return no_sandbox(what);
  return only;
}

async::Task<Result<Record>> Sandboxes::find_any(std::string what) {
  Result<std::shared_ptr<Sandbox>> living = find(what);
  if (living) co_return (*living)->record;
  if (living.error().code != Code::not_found || what.empty()) co_return fail(living.error());
  Result<Record> ended = co_await with_.store.read([what](store::Database& db) -> Result<Record> {
    const Result<std::vector<std::string>> ids = ids_with_prefix(db, what, 2);
    if (!ids) return fail(ids.error());
    if (ids->size() > 1) {
      return fail(Code::invalid_argument,
                  fmt::format("'{}' could be {} or {}; give more of the id", what, ids->at(0), ids->at(1)));
    }
    if (ids->empty()) return no_sandbox(what);
    Result<std::optional<Record>> record = load(db, ids->front());
    if (!record) return fail(record.error());
    if (!*record) return no_sandbox(what);
    return std::move(**record);
  });
  co_return ended;
}

async::Task<Result<api::SandboxInfo>> Sandboxes::info(std::string what) {
  Result<Record> record = co_await find_any(std::move(what));
  if (!record) co_return fail(record.error());
  co_return std::move(record->info);
}

async::Task<Result<api::SandboxListReply>> Sandboxes::list(api::SandboxListRequest request) {
  // The cursor is the place of the last entry: "<created_us>.<id>".
  std::int64_t created_before = INT64_MAX;
  std::string id_before;
  if (request.cursor) {
    const std::size_t dot = request.cursor->find('.');
    if (dot == std::string::npos) co_return fail(Code::invalid_argument, "cursor: not one that this method gave");
    created_before = std::strtoll(request.cursor->c_str(), nullptr, 10);
    id_before = request.cursor->substr(dot + 1);
  }
  std::vector<api::SandboxInfo> found;
  if (request.all || std::ranges::any_of(request.states, is_final)) {
    Result<std::vector<api::SandboxInfo>> ended =
        co_await with_.store.read([created_before, id_before, request](store::Database& db) {
          return ended_page(db, created_before, id_before, request);
        });
    if (!ended) co_return fail(ended.error());
    found = std::move(*ended);
  }
  std::set<std::string> ended_meanwhile;
  for (const api::SandboxInfo& info : found) ended_meanwhile.insert(info.id);
  // From the newest below the cursor on, and no further than the page: there may be many thousands.
  std::size_t living = 0;
  for (auto it = by_age_.lower_bound(std::pair(created_before, id_before));
       it != by_age_.begin() && living <= request.limit;) {
    const api::SandboxInfo& info = (--it)->second->record.info;
    if (!matches(info, request) || ended_meanwhile.contains(info.id)) continue;
    found.push_back(info);
    ++living;
  }
  std::ranges::sort(
      found, [](const auto& a, const auto& b) { return std::tie(a.created_us, a.id) > std::tie(b.created_us, b.id); });
  api::SandboxListReply reply;
  if (found.size() > request.limit) {
    found.resize(request.limit);
    reply.next_cursor = fmt::format("{}.{}", found.back().created_us, found.back().id);
  }
  reply.sandboxes = std::move(found);
  co_return reply;
}

async::Task<Result<api::SandboxInfo>> Sandboxes::kill(std::string what, api::SandboxKillRequest request) {
  const Result<std::shared_ptr<Sandbox>> found = find(what);
  if (!found) {
    Result<api::SandboxInfo> ended = co_await info(std::move(what));  // gone already is no error
    co_return ended;
  }
  const auto sandbox = *found;
  const Result<State> state = co_await advance(sandbox, Event::stop, request.reason.value_or("ended by request"));
  if (!state) co_return fail(state.error());
  if (*state == State::stopping) tasks_.spawn(bring_down(sandbox));
  while (request.wait && !is_final(sandbox->state())) {
    // It is recorded that it is to end; who waits for that would wait for ever.
    if (const auto by = provider_of(*sandbox); !by) co_return fail(by.error());
    co_await sandbox->changed.wait();
  }
  co_return sandbox->record.info;
}

async::Task<Result<api::SandboxExtendReply>> Sandboxes::extend(std::string what, std::chrono::milliseconds lease) {
  const Result<std::shared_ptr<Sandbox>> found = find(what);
  if (!found) co_return fail(found.error());
  const auto sandbox = *found;
  if (sandbox->state() == State::stopping || sandbox->state() == State::lost) {
    co_return fail(Code::failed_precondition,
                   fmt::format("sandbox {} is {}; it cannot be extended", sandbox->id(), state_name(sandbox->state())));
  }
  sandbox->lease_until = std::max(sandbox->lease_until, with_.loop.clock().now() + Duration(lease));
  arm_lease(sandbox);
  co_return api::SandboxExtendReply{.lease_expires_us = sandbox->record.info.lease_expires_us.value_or(0)};
}

async::Task<Result<api::SandboxInfo>> Sandboxes::pause(std::string what) {
  const Result<std::shared_ptr<Sandbox>> found = find(what);
  if (!found) co_return fail(found.error());
  const auto sandbox = *found;
  if (outcome(sandbox->state(), Event::pause).kind == Outcome::Kind::refused) {
    co_return fail(Code::failed_precondition, fmt::format("sandbox {} is {}; only one that runs can be paused",
                                                          sandbox->id(), state_name(sandbox->state())));
  }
  const Result<void> paused = co_await pause_it(sandbox, "", [](Record&) {});
  if (!paused) co_return fail(paused.error());
  co_return sandbox->record.info;
}

async::Task<Result<api::SandboxInfo>> Sandboxes::resume(std::string what) {
  const Result<std::shared_ptr<Sandbox>> found = find(what);
  if (!found) co_return fail(found.error());
  const auto sandbox = *found;
  if (sandbox->state() != State::paused) {
    co_return fail(Code::failed_precondition,
                   fmt::format("sandbox {} is {}, not paused", sandbox->id(), state_name(sandbox->state())));
  }
  const Result<void> resumed = co_await resume_it(sandbox);
  if (!resumed) co_return fail(resumed.error());
  co_return sandbox->record.info;
}

async::Task<Result<api::SandboxMetrics>> Sandboxes::metrics(std::string what) {
  const Result<std::shared_ptr<Sandbox>> found = find(what);
  if (!found) co_return fail(found.error());
  const auto sandbox = *found;
  const Result<providers::Provider*> by = provider_of(*sandbox);
  if (!by) co_return fail(by.error());
  Result<api::SandboxMetrics> outside = co_await (*by)->metrics(sandbox->record.hidden.ref);
  if (sandbox->state() != State::claimed) co_return outside;
  Result<Use> in_use = co_await use(std::move(what));
  if (!in_use) co_return fail(in_use.error());
  Result<api::SandboxMetrics> inside = co_await wire::call(in_use->agent(), api::inside::kSandboxMetrics, {});
  if (!inside) co_return outside ? std::move(outside) : std::move(inside);
  if (outside) {  // the kernel's count for the sandbox as a whole beats a sum over processes
    inside->cpu_us = outside->cpu_us;
    inside->memory_bytes = outside->memory_bytes;
    inside->memory_peak_bytes = outside->memory_peak_bytes;
    inside->oom_kills = outside->oom_kills;
  }
  inside->memory_limit_bytes = sandbox->record.hidden.limits.memory_bytes;
  inside->cpus_limit = sandbox->record.hidden.limits.cpus;
  inside->disk_limit_bytes = sandbox->record.hidden.limits.disk_bytes;
  inside->processes_limit = sandbox->record.hidden.limits.processes;
  co_return inside;
}

async::Task<Result<Sandboxes::Use>> Sandboxes::use(std::string what) {
  const Result<std::shared_ptr<Sandbox>> found = find(what);
  if (!found) {
    const Result<Record> ended = co_await find_any(std::move(what));
    if (!ended) co_return fail(ended.error());
    co_return fail(Code::failed_precondition,
                   fmt::format("sandbox {} is {}{}", ended->info.id, state_name(ended->info.state),
                               ended->info.reason ? ": " + *ended->info.reason : ""));
  }
  const auto sandbox = *found;
  if (sandbox->state() == State::ready && !sandbox->record.hidden.pool.empty()) {
    // What ran in it would be there for whoever gets it.
    co_return fail(
        Code::failed_precondition,
        fmt::format("sandbox {} waits in pool '{}' and belongs to nobody; 'swarmctl sandbox create' claims one",
                    sandbox->id(), sandbox->record.hidden.pool));
  }
  if (sandbox->state() == State::paused && sandbox->record.hidden.idle_paused) {
    const Result<void> resumed = co_await resume_it(sandbox);
    // Somebody else may have been faster.
    if (!resumed && !is_usable(sandbox->state())) co_return fail(resumed.error());
  }
  if (!is_usable(sandbox->state()) || sandbox->link == nullptr) {
    co_return fail(Code::failed_precondition, sandbox->state() == State::paused
                                                  ? stands_still(*sandbox)
                                                  : fmt::format("sandbox {} is {}; it cannot be used now",
                                                                sandbox->id(), state_name(sandbox->state())));
  }
  auto connection = co_await reach(with_.loop, sandbox, kTunnelPatience);
  if (!connection) co_return fail(connection.error(), fmt::format("sandbox {}", sandbox->id()));
  co_return Use(sandbox, std::move(*connection), *this);
}

Sandboxes::Use::Use(std::shared_ptr<Sandbox> sandbox, std::shared_ptr<wire::Connection> connection, Sandboxes& owner)
    : sandbox_(std::move(sandbox)), connection_(std::move(connection)), owner_(&owner) {
  ++sandbox_->uses;
}

Sandboxes::Use::~Use() {
  if (sandbox_ == nullptr) return;  // moved away
  --sandbox_->uses;
  if (!is_final(sandbox_->state()) && sandbox_->state() != State::stopping) {
    owner_->arm_lease(sandbox_);
    owner_->fell_idle(sandbox_);
  }
}

}  // namespace swarm::sandbox
