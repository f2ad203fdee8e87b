#include "daemon/limits/limiter.hpp"

#include <fmt/format.h>

namespace swarm::limits {
namespace {

using namespace std::chrono_literals;

// Without `Retry-After`: the first pause, and the longest that doubling leads to.
constexpr Duration kFirstPause = 1s;
constexpr Duration kLongestPause = 60s;
// After so long without another 429, a tenth of the rate comes back.
constexpr Duration kRecoverEvery = 10s;
constexpr std::uint32_t kRecoverStep = 100;
constexpr std::uint32_t kSlowest = 62;  // about a sixteenth
// A limit that was not known is gone at with care after the first 429.
constexpr Rate kCareful{1000, 1s};
constexpr std::uint32_t kCarefulBurst = 1000;
// A reserve is lent in so many parts: each costs a write, and what is left of one is lost with a restart.
constexpr std::uint64_t kParts = 20;
// Lines form and fill by the thousand; people want to know once.
constexpr Duration kTellEvery = 1s;

std::uint64_t burst_of(const Spec& spec) { return spec.rate ? spec.burst : kCarefulBurst; }

/// With a guard the window keeps the rate, and the bucket only spreads it: one turn that came late on a busy machine is
/// made up for by the next.
std::uint64_t bucket_burst(const Spec& spec) { return burst_of(spec) + (spec.rate && spec.guard > 0ns ? 1 : 0); }

}  // namespace

/// One who waits. Lives in the frame of its `acquire`.
struct Limiter::Place : async::Waiter {
  Place(Limiter& l, Ask a) : limiter(l), ask(std::move(a)) { ++limiter.places_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (in_line) {
      limiter.leave(*this);
      limiter.pump();  // it may have held up those behind it
    }
    // Let through, and dropped before it could go on: nothing was sent, so if nobody came after it nothing was taken.
    if (admission != 0 && !taken && admission == limiter.admissions_) {
      limiter.bucket_.give_back(limiter.charge(ask.weight), limiter.loop_.clock().now());
      limiter.window_.give_back(admission);
    }
    --limiter.places_;
  }

  [[nodiscard]] bool await_ready() const { return !in_line; }
  void await_suspend(std::coroutine_handle<> h) { set_handle(h); }
  void await_resume() const noexcept {}

  Limiter& limiter;
  Ask ask;
  std::uint64_t number = 0;
  std::uint64_t start = 0;  // S
  bool in_line = false;
  bool taken = false;
  std::uint64_t admission = 0;
  std::optional<Error> error;
  std::optional<std::multimap<MonoTime, Place*>::iterator> deadline;
};

bool Limiter::Before::operator()(const Place* a, const Place* b) const {
  return std::tuple(-static_cast<int>(a->ask.priority), a->start, a->number) <
         std::tuple(-static_cast<int>(b->ask.priority), b->start, b->number);
}

Limiter::Limiter(async::Loop& loop, std::string key, Spec spec, std::uint32_t speed, Tell tell)
    : loop_(loop),
      key_(std::move(key)),
      spec_(std::move(spec)),
      speed_(std::max(speed, 1U)),
      tell_(std::move(tell)),
      bucket_(effective(spec_), bucket_burst(spec_), loop.clock().now()),
      timer_(loop),
      recovery_(loop) {
  set_window();
}

Limiter::~Limiter() = default;

/// The rate as the bucket counts it.
Rate Limiter::effective(const Spec& spec) const {
  Rate rate = spec.rate.value_or(kCareful);
  rate.count *= speed_;
  return rate;
}

/// Even if the first of a span is late and the last is early, the far end counts no more than the rate.
void Limiter::set_window() {
  const bool guarded = spec_.rate && spec_.guard > 0ns;
  window_.change(guarded ? spec_.rate->count + spec_.burst - 1 : 0, guarded ? scaled(spec_.rate->per) : 0ns,
                 scaled(spec_.guard));
}

std::optional<std::uint64_t> Limiter::admit(std::uint64_t weight, MonoTime now) {
  if (now < blocked_until_ || window_.when(charge(weight), now) > now) return std::nullopt;
  if (!is_free() && !bucket_.admit(charge(weight), now)) return std::nullopt;
  window_.sent(++admissions_, charge(weight), now);
  if (lent_ > 0) {
    lent_ -= std::min(lent_, charge(weight));
    if (scarce_ && wants() > 0) scarce_();
  }
  return admissions_;
}

std::uint64_t Limiter::wants() const {
  if (owed_ == 0 || !window_.is_filled(loop_.clock().now())) return 0;
  const std::uint64_t part = std::max<std::uint64_t>(spec_.burst, spec_.reserve / kParts);
  return lent_ > part / 2 ? 0 : std::min(owed_, part);
}

void Limiter::lend(std::uint64_t weight) {
  owed_ = weight == 0 ? 0 : owed_ - std::min(owed_, weight);
  lent_ += weight;
  window_.spare(weight);
  pump();
}

async::Task<Result<std::uint64_t>> Limiter::acquire(Ask ask) {
  if (ask.weight == 0 || never_passes(ask.weight)) {
    co_return fail(Code::invalid_argument,
                   fmt::format("limit {}: a weight of {} never passes; it lets 1 to {} pass at once", key_, ask.weight,
                               burst_of(spec_)));
  }
  const MonoTime now = loop_.clock().now();
  recover(now);
  if (line_.empty()) {
    if (const std::optional<std::uint64_t> admission = admit(ask.weight, now)) {
      ++counters_.admitted;
      counters_.admitted_weight += ask.weight;
      co_return *admission;
    }
  }
  Place place(*this, std::move(ask));
  if (Result<void> joined = join(place); !joined) co_return fail(joined.error());
  co_await place;
  if (place.error) co_return fail(std::move(*place.error));
  place.taken = true;
  co_return place.admission;
}

Result<void> Limiter::join(Place& place) {
  const MonoTime now = loop_.clock().now();
  if (place.ask.deadline && *place.ask.deadline <= now) {
    ++counters_.expired;
    return fail(Code::deadline_exceeded,
                fmt::format("limit {}: {} wait, and the deadline has passed", key_, waiting()));
  }
  if (line_.size() >= spec_.queue && !make_room(place)) {
    ++counters_.refused;
    std::string message = fmt::format("limit {}: {} wait already, as many as may; the next passes in {}", key_,
                                      line_.size(), async::format_duration(next_in()));
    if (!told_refused_ || now - *told_refused_ >= kTellEvery) {
      told_refused_ = now;
      tell(Notice::Kind::refused, message, place.ask.swarm);
    }
    return fail(Error{.code = Code::resource_exhausted, .message = std::move(message), .retryable = true});
  }
  Level& level = levels_.at(static_cast<std::size_t>(place.ask.priority));
  Share& share = level.swarms[place.ask.swarm];
  place.number = ++asked_;
  place.start = std::max(level.now, share.finish);
  share.finish = place.start + place.ask.weight;
  ++share.waiting;
  place.in_line = true;
  line_.insert(&place);
  if (place.ask.deadline) place.deadline = deadlines_.emplace(*place.ask.deadline, &place);
  if (line_.size() == 1 && (!told_waiting_ || now - *told_waiting_ >= kTellEvery)) {
    told_waiting_ = now;
    tell(Notice::Kind::waiting,
         fmt::format("callers wait; the next passes in {}", async::format_duration(passes_at(place, now) - now)),
         place.ask.swarm);
  }
  pump();
  return {};
}

/// The line is full: the last one of a lower priority makes room, else the last of the swarm with the longest line, if
/// that stays at least as long as the newcomer's own becomes. Otherwise the newcomer is the one too many.
bool Limiter::make_room(const Place& newcomer) {
  if (line_.empty()) return false;  // nobody may wait here
  if (Place& last = **line_.rbegin(); last.ask.priority < newcomer.ask.priority) {
    ++counters_.refused;
    settle(last, Error{.code = Code::resource_exhausted,
                       .message = fmt::format("limit {}: too many wait, and more urgent ones have come", key_),
                       .retryable = true});
    return true;
  }
  const auto lengths = waiting_by_swarm();
  const auto longest = std::ranges::max_element(lengths, {}, [](const auto& entry) { return entry.second; });
  const auto own = lengths.find(newcomer.ask.swarm);
  const std::size_t mine = own == lengths.end() ? 0 : own->second;
  if (longest == lengths.end() || longest->second <= mine + 1) return false;
  for (auto it = line_.rbegin(); it != line_.rend(); ++it) {
    Place& last = **it;
    if (last.ask.swarm != longest->first) continue;
    if (last.ask.priority > newcomer.ask.priority) return false;
    ++counters_.refused;
    settle(last, Error{.code = Code::resource_exhausted,
                       .message = fmt::format("limit {}: too many wait, and this swarm has the longest line ({})", key_,
                                              longest->second),
                       .retryable = true});
    return true;
  }
  return false;
}

void Limiter::leave(Place& place) {
  line_.erase(&place);
  if (place.deadline) deadlines_.erase(*place.deadline);
  place.deadline.reset();
  place.in_line = false;
  Level& level = levels_.at(static_cast<std::size_t>(place.ask.priority));
  const auto share = level.swarms.find(place.ask.swarm);
  if (--share->second.waiting == 0 && share->second.finish <= level.now) level.swarms.erase(share);
}

void Limiter::settle(Place& place, std::optional<Error> error) {
  leave(place);
  place.error = std::move(error);
  loop_.make_ready(place);
}

void Limiter::expire(MonoTime now, bool also_now) {
  while (!deadlines_.empty()) {
    const auto first = deadlines_.begin();
    if (first->first > now || (first->first == now && !also_now)) return;
    ++counters_.expired;
    Place& place = *first->second;
    settle(place, Error{.code = Code::deadline_exceeded,
                        .message = fmt::format("limit {}: the deadline came before its turn; {} still wait", key_,
                                               line_.size() - 1),
                        .retryable = true});
  }
}

void Limiter::pump() {
  const MonoTime now = loop_.clock().now();
  recover(now);
  expire(now, false);
  while (!line_.empty()) {
    Place& first = **line_.begin();
    const std::optional<std::uint64_t> admission = admit(first.ask.weight, now);
    if (!admission) break;
    Level& level = levels_.at(static_cast<std::size_t>(first.ask.priority));
    level.now = std::max(level.now, first.start);
    first.admission = *admission;
    ++counters_.admitted;
    ++counters_.waited;
    counters_.admitted_weight += first.ask.weight;
    settle(first, std::nullopt);
  }
  expire(now, true);
  if (line_.empty()) {
    // Everybody has been served: shares of the past count no longer.
    for (Level& level : levels_) level = Level{};
  }
  arm(now);
}

std::uint64_t Limiter::charge(std::uint64_t weight) const { return std::min(weight, burst_of(spec_)); }

bool Limiter::never_passes(std::uint64_t weight) const { return spec_.rate && weight > spec_.burst; }

/// When the first in line will, if nothing changes.
MonoTime Limiter::passes_at(const Place& place, MonoTime now) const {
  const std::uint64_t weight = charge(place.ask.weight);
  return std::max({blocked_until_, window_.when(weight, now), is_free() ? now : bucket_.when(weight, now)});
}

void Limiter::arm(MonoTime now) {
  if (line_.empty()) {
    timer_.cancel();
    return;
  }
  MonoTime when = passes_at(**line_.begin(), now);
  if (!deadlines_.empty()) when = std::min(when, deadlines_.begin()->first);
  timer_.start_at(when, [this] { pump(); });
}

void Limiter::slow_to(std::uint32_t thousandths, MonoTime now) {
  thousandths_ = thousandths;
  bucket_.slow_to(thousandths, now);
}

void Limiter::recover(MonoTime now) {
  const Duration every = scaled(kRecoverEvery);
  while (thousandths_ < 1000 && now - recovers_from_ >= every) {
    recovers_from_ = recovers_from_ + every;
    slow_to(std::min(1000U, thousandths_ + kRecoverStep), recovers_from_);
    if (thousandths_ == 1000) tell(Notice::Kind::recovered, "back at the full rate");
  }
}

/// The rate comes back by itself, also when nobody asks.
void Limiter::arm_recovery() {
  if (thousandths_ == 1000) return;
  recovery_.start_at(recovers_from_ + scaled(kRecoverEvery), [this] {
    recover(loop_.clock().now());
    if (!line_.empty()) pump();
    arm_recovery();
  });
}

void Limiter::throttled(std::uint64_t admission, std::optional<Duration> retry_after) {
  const MonoTime now = loop_.clock().now();
  ++counters_.throttled;
  const bool news = admission > slowed_at_;
  if (news) {
    slowed_at_ = admissions_;
    recover(now);
    slow_to(std::max(kSlowest, thousandths_ / 2), now);
    in_a_row_ = std::min(in_a_row_ + 1, 7U);
  }
  Duration pause = retry_after.value_or(std::min(kLongestPause, kFirstPause * (1 << (std::max(in_a_row_, 1U) - 1))));
  pause = scaled(std::max(pause, Duration{0}));
  if (news || retry_after) blocked_until_ = std::max(blocked_until_, now + pause);
  recovers_from_ = std::max(now, blocked_until_);
  arm_recovery();
  if (news) {
    tell(Notice::Kind::throttled,
         fmt::format("throttled by the other side; stands still for {} and goes on at {:.1f}% of its rate",
                     async::format_duration(blocked_for()), thousandths_ / 10.0),
         {}, blocked_for());
  }
  answered(admission);
}

void Limiter::succeeded(std::uint64_t admission) {
  if (admission > slowed_at_) in_a_row_ = 0;
  answered(admission);
}

void Limiter::answered(std::uint64_t admission) {
  const MonoTime now = loop_.clock().now();
  window_.answered(admission, now);
  if (!line_.empty()) arm(now);  // the first may pass earlier, or later
}

void Limiter::set(Spec spec) {
  const MonoTime now = loop_.clock().now();
  recover(now);
  spec_ = std::move(spec);
  bucket_.change(effective(spec_), bucket_burst(spec_), now);
  set_window();
  // Those that can never pass any more are told now rather than at their deadline, or never.
  std::vector<Place*> too_heavy;
  for (Place* place : line_) {
    if (never_passes(place->ask.weight)) too_heavy.push_back(place);
  }
  for (Place* place : too_heavy) {
    settle(*place, Error{.code = Code::invalid_argument,
                         .message = fmt::format("limit {}: the limit was changed, and a weight of {} no longer passes",
                                                key_, place->ask.weight)});
  }
  tell(Notice::Kind::changed,
       spec_.rate ? fmt::format("{}, burst {}", format_rate(*spec_.rate), spec_.burst) : std::string("no limit"));
  pump();
}

Limiter::Memory Limiter::remember() const {
  const MonoTime now = loop_.clock().now();
  // What the far end may still count is no longer known after a restart; that there was something is.
  const std::uint64_t level = std::max<std::uint64_t>(bucket_.level_millionths(now), window_.is_empty(now) ? 0 : 1);
  return {.level_millionths = level, .thousandths = thousandths_, .blocked_for = blocked_for()};
}

void Limiter::recall(const Memory& memory, bool level_is_known) {
  const MonoTime now = loop_.clock().now();
  bucket_.set_level_millionths(memory.level_millionths, now);
  if (!level_is_known) bucket_.fill(now);
  if (!level_is_known || memory.level_millionths > 0) {
    window_.fill(now);
    owed_ = window_.is_filled(now) ? spec_.reserve : 0;
  }
  blocked_until_ = now + memory.blocked_for;
  recovers_from_ = blocked_until_;
  slow_to(std::clamp(memory.thousandths, kSlowest, 1000U), now);
  arm_recovery();
  pump();
}

std::map<std::string, std::size_t> Limiter::waiting_by_swarm() const {
  std::map<std::string, std::size_t> all;
  for (const Level& level : levels_) {
    for (const auto& [swarm, share] : level.swarms) {
      if (share.waiting != 0) all[swarm] += share.waiting;
    }
  }
  return all;
}

Duration Limiter::blocked_for() const { return std::max<Duration>(0ns, blocked_until_ - loop_.clock().now()); }

Duration Limiter::next_in() const {
  if (is_free()) return blocked_for();
  const MonoTime now = loop_.clock().now();
  return std::max(blocked_for(), std::max(bucket_.when(1, now), window_.when(1, now)) - now);
}

bool Limiter::idle() const {
  const MonoTime now = loop_.clock().now();
  return places_ == 0 && bucket_.is_empty(now) && window_.is_empty(now) && thousandths_ == 1000 &&
         blocked_until_ <= now;
}

void Limiter::tell(Notice::Kind kind, std::string message, std::optional<std::string> swarm,
                   std::optional<Duration> pause) {
  if (swarm && swarm->empty()) swarm.reset();
  if (tell_)
    tell_({.kind = kind, .key = key_, .message = std::move(message), .swarm = std::move(swarm), .pause = pause});
}

}  // namespace swarm::limits
