#include "daemon/sandbox/pools.hpp"

#include <fmt/format.h>

#include "protocol/async/timer.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// Creations of one pool at the same time. The provider's own rate is the limiter's business; this only keeps a large
// pool from taking every place at once.
constexpr std::size_t kMadeAtOnce = 8;

// When nothing else happens, how often a pool looks whether its target has changed (demand fades by itself).
constexpr Duration kLook = 5s;

// So old an answer still stands for one to a question asked now. Nothing smaller can be known of a microVM across a
// network, where an answer is as long under way.
constexpr Duration kFresh = 20ms;

}  // namespace

Pool::Pool(async::Loop& loop, PoolHost& host, std::string name, config::Pool settings, std::string provider)
    : loop_(loop),
      host_(host),
      name_(std::move(name)),
      settings_(std::move(settings)),
      provider_(std::move(provider)),
      breaker_(loop.clock(), {}),
      demand_(loop.clock()),
      look_again_(loop),
      changed_(loop),
      tasks_(loop) {}

Pool::~Pool() { tasks_.cancel_all(); }

void Pool::start() {
  tasks_.spawn(keep_filled());
  tasks_.spawn(look_after());
}

std::uint32_t Pool::target() const {
  if (draining_) return 0;
  const std::uint32_t wanted = demand_.target(settings_.min_ready, settings_.max_ready);
  return std::max(wanted, std::min(warm_target().value_or(0), settings_.max_ready));
}

std::optional<std::uint32_t> Pool::warm_target() const {
  return loop_.clock().now() < warm_until_ ? std::optional(warm_target_) : std::nullopt;
}

Duration Pool::warm_for() const { return std::max<Duration>(warm_until_ - loop_.clock().now(), 0s); }

std::string Pool::why() const {
  if (draining_) return "It was drained, and is not filled until it is set or warmed.";
  std::string text = demand_.explain(settings_.min_ready, settings_.max_ready) + ".";
  if (const auto asked = warm_target()) {
    text += fmt::format(" {} were asked for, for {} more.", *asked, async::format_duration(warm_for()));
  }
  switch (breaker_.state()) {
    case Breaker::State::closed:
      break;
    case Breaker::State::half_open:
      text += fmt::format(" Creating failed {} times in a row; one is tried now.", breaker_.failures());
      break;
    case Breaker::State::open:
      text += fmt::format(" Creating failed {} times in a row; tried again in {}.", breaker_.failures(),
                          async::format_duration(std::max<Duration>(breaker_.retry_at() - loop_.clock().now(), 0s)));
      break;
  }
  return text;
}

Duration Pool::time_to_retry() const {
  return breaker_.state() == Breaker::State::open ? std::max<Duration>(breaker_.retry_at() - loop_.clock().now(), 1ms)
                                                  : kLook;
}

async::Task<> Pool::keep_filled() {
  for (;;) {
    look_again_.reset();
    while (ready_.size() + being_made() < target() && being_made_ < kMadeAtOnce && breaker_.allow()) {
      ++being_made_;
      tasks_.spawn(make_one());
      if (breaker_.state() == Breaker::State::half_open) {
        host_.breaker_changed(*this, "one creation tries whether it works again");
        break;  // one probe
      }
    }
    async::Timer timer(loop_);
    timer.start_after(time_to_retry(), [this] { look_again_.set(); });
    co_await look_again_.wait();
  }
}

async::Task<> Pool::make_one() {
  const MonoTime begun = loop_.clock().now();
  const Result<std::string> made = co_await host_.make_pooled(name_, settings_.template_name, provider_);
  --being_made_;
  const bool was_open = breaker_.state() != Breaker::State::closed;
  if (made) {
    breaker_.succeeded();
    if (was_open) host_.breaker_changed(*this, "creating works again");
    ++counters_.made;
    demand_.created(loop_.clock().now() - begun);
  } else {
    ++counters_.failed;
    last_failure_ = made.error().to_string();
    // No place or no budget says nothing about the provider; what says something is a creation that went wrong.
    if (made.error().code == Code::resource_exhausted) {
      breaker_.undecided();
      changed_.notify_all();
      co_await async::sleep_for(loop_, 1s);
    } else {
      breaker_.failed();
      if (breaker_.state() == Breaker::State::open) {
        host_.breaker_changed(*this, fmt::format("{} failures in a row: {}", breaker_.failures(), last_failure_));
      }
      changed_.notify_all();
    }
  }
  look_again_.set();
}

async::Task<std::optional<std::string>> Pool::take() {
  demand_.claimed();
  while (!ready_.empty()) {
    // Out of the list before anything is awaited: nobody else gets the same one.
    // Whoever asked may give up while it answers; then it goes back to its place.
    struct Held {
      Pool& pool;
      std::optional<Ready> ready;
      ~Held() {
        if (ready) pool.ready_.push_front(std::move(*ready));
      }
    } held{.pool = *this, .ready = std::move(ready_.front())};
    ready_.pop_front();
    const std::string id = held.ready->id;
    look_again_.set();
    bool lives = is_fresh(*held.ready);
    if (!lives) lives = co_await host_.answers(id);
    held.ready.reset();
    if (lives) {
      ++counters_.warm_claims;
      co_return id;
    }
    ++counters_.found_dead;
    host_.found_dead(*this, id, "it did not answer when it was claimed");
    tasks_.spawn(host_.discard(id, "it did not answer"));
  }
  ++counters_.cold_claims;
  co_return std::nullopt;
}

bool Pool::is_fresh(const Ready& ready) const {
  return ready.answered && loop_.clock().now() - *ready.answered <= kFresh;
}

void Pool::expect_another() {
  const MonoTime now = loop_.clock().now();
  const bool close = last_taken_ && now - *last_taken_ <= kFresh;
  last_taken_ = now;
  if (!close || asking_ahead_ || ready_.empty() || is_fresh(ready_.front())) return;
  asking_ahead_ = true;
  tasks_.spawn(check_ahead(ready_.front().id));
}

async::Task<> Pool::check_ahead(std::string id) {
  co_await loop_.give_way();  // whoever has claimed is answered first
  const bool lives = co_await probe(id);
  asking_ahead_ = false;
  if (lives && !ready_.empty() && ready_.front().id == id) ready_.front().answered = loop_.clock().now();
}

void Pool::adopt(const std::string& id, MonoTime made) {
  expected_.erase(id);
  if (draining_) {
    tasks_.spawn(host_.discard(id, "the pool is drained"));
    return;
  }
  if (std::ranges::find(ready_, id, &Ready::id) != ready_.end()) return;
  ready_.push_back({.id = id, .made = made, .idle_since = loop_.clock().now(), .answered = {}});
  changed_.notify_all();
}

void Pool::lost(const std::string& id) {
  if (expected_.erase(id) > 0) look_again_.set();
  const auto removed = std::erase_if(ready_, [&](const Ready& ready) { return ready.id == id; });
  if (removed == 0) return;
  ++counters_.found_dead;
  host_.found_dead(*this, id, "it ended while it waited");
  look_again_.set();
}

void Pool::set(config::Pool settings) {
  settings_ = std::move(settings);
  draining_ = false;
  look_again_.set();
}

async::Task<std::size_t> Pool::drain() {
  draining_ = true;
  std::size_t ended = 0;
  while (!ready_.empty()) {
    const std::string id = std::move(ready_.front().id);
    ready_.pop_front();
    co_await host_.discard(id, "the pool is drained");
    ++ended;
  }
  co_return ended;
}

void Pool::warm(std::uint32_t count) {
  warm_target_ = count;
  warm_until_ = loop_.clock().now() + settings_.max_idle;
  draining_ = false;
  look_again_.set();
}

async::Task<> Pool::look_after() {
  for (;;) {
    co_await async::sleep_for(loop_, settings_.health_interval);
    const MonoTime now = loop_.clock().now();
    std::size_t spare = ready_.size() > target() ? ready_.size() - target() : 0;
    for (auto it = ready_.begin(); it != ready_.end();) {
      const bool old = now - it->made >= settings_.max_age;
      const bool idle = spare > 0 && now - it->idle_since >= settings_.max_idle;
      if (!old && !idle) {
        tasks_.spawn(check(it->id));
        ++it;
        continue;
      }
      if (idle) --spare;
      ++counters_.recycled;
      tasks_.spawn(host_.discard(it->id, old ? "it became too old for the pool" : "the pool needs fewer"));
      it = ready_.erase(it);
    }
    look_again_.set();
  }
}

async::Task<bool> Pool::probe(std::string id) {
  if (co_await host_.answers(id)) co_return true;
  const auto removed = std::erase_if(ready_, [&](const Ready& ready) { return ready.id == id; });
  if (removed == 0) co_return false;  // claimed meanwhile; whoever has it finds out
  ++counters_.found_dead;
  host_.found_dead(*this, id, "it stopped answering");
  look_again_.set();
  co_await host_.discard(id, "it stopped answering");
  co_return false;
}

async::Task<> Pool::check(std::string id) { co_await probe(std::move(id)); }

}  // namespace swarm::sandbox
