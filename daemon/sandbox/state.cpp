#include "daemon/sandbox/state.hpp"

#include <array>

#include "protocol/api/type.hpp"

namespace swarm::sandbox {
namespace {

using Kind = Outcome::Kind;

constexpr Outcome to(State state) { return {.kind = Kind::moves, .to = state}; }
constexpr Outcome ignored() { return {.kind = Kind::ignored}; }
constexpr Outcome refused() { return {.kind = Kind::refused}; }

/// What an event means where a state says nothing of its own about it: news is ignored, a request is refused.
constexpr Outcome by_default(Event event) {
  switch (event) {
    case Event::begin:
    case Event::claim:
    case Event::pause:
    case Event::resume:
      return refused();
    default:
      return ignored();
  }
}

Outcome of_requested(Event event) {
  switch (event) {
    case Event::begin:
      return to(State::creating);
    case Event::refused:
      return to(State::failed);
    case Event::stop:  // nothing was asked of a provider yet
      return to(State::gone);
    default:
      return by_default(event);
  }
}

Outcome of_creating(Event event) {
  switch (event) {
    case Event::created:
    case Event::found:  // looked up after a restart
      return to(State::starting);
    case Event::refused:
    case Event::absent:
      return to(State::failed);
    case Event::unanswered:
      return to(State::unknown);
    case Event::stop:
      return to(State::stopping);
    default:
      return by_default(event);
  }
}

Outcome of_unknown(Event event) {
  switch (event) {
    case Event::created:
    case Event::found:
      return to(State::starting);
    case Event::refused:
    case Event::absent:
      return to(State::failed);
    case Event::stop:
      return to(State::stopping);
    default:
      return by_default(event);
  }
}

Outcome of_starting(Event event) {
  switch (event) {
    case Event::answered:
      return to(State::ready);
    case Event::stop:
      return to(State::stopping);
    case Event::ended:
    case Event::vanished:
      return to(State::lost);
    default:
      return by_default(event);
  }
}

Outcome of_ready(Event event) {
  switch (event) {
    case Event::claim:
      return to(State::claimed);
    case Event::pause:
      return to(State::paused);
    case Event::stop:
      return to(State::stopping);
    case Event::ended:
    case Event::vanished:
      return to(State::lost);
    default:
      return by_default(event);
  }
}

Outcome of_claimed(Event event) {
  switch (event) {
    case Event::pause:
      return to(State::paused);
    case Event::stop:
      return to(State::stopping);
    case Event::ended:
    case Event::vanished:
      return to(State::lost);
    default:
      return by_default(event);
  }
}

Outcome of_paused(Event event) {
  switch (event) {
    case Event::resume:
      // Whoever had it still has it; a pooled one that was paused is resumed by the claim that follows.
      return to(State::claimed);
    case Event::stop:
      return to(State::stopping);
    case Event::ended:
    case Event::vanished:
      return to(State::lost);
    default:
      return by_default(event);
  }
}

Outcome of_stopping(Event event) {
  switch (event) {
    case Event::ended:
    case Event::vanished:
    case Event::absent:
      return to(State::gone);
    case Event::refused:  // the create that was under way came back with no
      return to(State::gone);
    default:
      return by_default(event);
  }
}

Outcome of_lost(Event event) {
  switch (event) {
    case Event::ended:
    case Event::absent:
      return to(State::gone);
    case Event::stop:
    case Event::found:  // listed again after all: it is ended rather than trusted
      return to(State::stopping);
    default:
      return by_default(event);
  }
}

Outcome of_final(Event event) {
  // Asking to end what has ended is no mistake.
  return event == Event::stop ? ignored() : by_default(event);
}

}  // namespace

Outcome outcome(State state, Event event) {
  switch (state) {
    case State::requested:
      return of_requested(event);
    case State::creating:
      return of_creating(event);
    case State::unknown:
      return of_unknown(event);
    case State::starting:
      return of_starting(event);
    case State::ready:
      return of_ready(event);
    case State::claimed:
      return of_claimed(event);
    case State::paused:
      return of_paused(event);
    case State::stopping:
      return of_stopping(event);
    case State::lost:
      return of_lost(event);
    case State::gone:
    case State::failed:
      return of_final(event);
  }
  return refused();
}

std::string_view event_name(Event event) {
  constexpr std::array<std::string_view, kEvents> kNames = {
      "begin", "created", "refused", "unanswered", "found", "absent",   "answered",
      "claim", "pause",   "resume",  "stop",       "ended", "vanished",
  };
  return kNames.at(static_cast<std::size_t>(event));
}

std::string_view state_name(State state) {
  constexpr std::array<std::string_view, kStates> kNames = {
      "requested", "creating", "starting", "ready", "claimed", "paused",
      "stopping",  "gone",     "unknown",  "lost",  "failed",
  };
  return kNames.at(static_cast<std::size_t>(state));
}

bool is_final(State state) { return state == State::gone || state == State::failed; }

bool is_coming(State state) {
  return state == State::requested || state == State::creating || state == State::unknown || state == State::starting;
}

bool holds_capacity(State state) { return !is_final(state) && state != State::requested; }

bool is_usable(State state) { return state == State::ready || state == State::claimed; }

}  // namespace swarm::sandbox
