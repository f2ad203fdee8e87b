#include "protocol/coord/moment.hpp"

#include <algorithm>

namespace swarm::coord {

LeaseClock::LeaseClock(const Clock& clock, TimeRecord record)
    : clock_(clock),
      anchor_mono_(clock.now()),
      anchor_(std::max(record.last, Moment{clock.wall().us - record.paused.count()})),
      last_(anchor_),
      paused_(record.paused) {}

Moment LeaseClock::running() const { return anchor_ + std::chrono::duration_cast<Span>(clock_.now() - anchor_mono_); }

Moment LeaseClock::now() {
  const MonoTime mono = clock_.now();
  if (hold_until_ && mono >= *hold_until_) hold_until_.reset();
  if (!hold_until_ && due_ && mono - *due_ > kLate) {
    hold_until_ = mono + kHold;
    // Just before what was due: else the very thing that the timer was for would come about.
    held_ = std::max(last_, running() - std::chrono::duration_cast<Span>(mono - *due_) - Span{1});
  }
  due_.reset();
  last_ = std::max(last_, hold_until_ ? held_ : running());
  return last_;
}

void LeaseClock::resumed(Span paused) {
  paused = std::max(paused, Span{0});
  paused_ += paused;
  anchor_ = anchor_ - paused;
  hold_until_.reset();
  due_.reset();
}

MonoTime LeaseClock::mono(Moment moment) { return clock_.now() + std::max(moment - now(), Span{0}); }

}  // namespace swarm::coord
