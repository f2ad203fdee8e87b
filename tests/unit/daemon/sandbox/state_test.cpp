#include "daemon/sandbox/state.hpp"

#include <array>
#include <catch2/catch.hpp>

using namespace swarm::sandbox;

namespace {

constexpr auto kRequested = State::requested;
constexpr auto kCreating = State::creating;
constexpr auto kStarting = State::starting;
constexpr auto kReady = State::ready;
constexpr auto kClaimed = State::claimed;
constexpr auto kPaused = State::paused;
constexpr auto kStopping = State::stopping;
constexpr auto kGone = State::gone;
constexpr auto kUnknown = State::unknown;
constexpr auto kLost = State::lost;
constexpr auto kFailed = State::failed;

constexpr std::array kAllStates = {kRequested, kCreating, kStarting, kReady, kClaimed, kPaused,
                                   kStopping,  kGone,     kUnknown,  kLost,  kFailed};

// Written out, so that a change of the table is a change here: rows are states in the order above, columns events in
// the order begin created refused unanswered found absent answered claim pause resume stop ended vanished.
// "." is ignored, "x" is refused, else the first letters of the new state.
constexpr std::array<std::string_view, kStates> kExpected = {
    "cr . fa . . . . x x x go . .",     // requested
    "x st fa un st fa . x x x sp . .",  // creating
    "x . . . . . re x x x sp lo lo",    // starting
    "x . . . . . . cl pa x sp lo lo",   // ready
    "x . . . . . . x pa x sp lo lo",    // claimed
    "x . . . . . . x x cl sp lo lo",    // paused
    "x . go . . go . x x x . go go",    // stopping
    "x . . . . . . x x x . . .",        // gone
    "x st fa . st fa . x x x sp . .",   // unknown
    "x . . . sp go . x x x sp go .",    // lost
    "x . . . . . . x x x . . .",        // failed
};

std::string_view short_name(State state) {
  switch (state) {
    case State::creating:
      return "cr";
    case State::starting:
      return "st";
    case State::ready:
      return "re";
    case State::claimed:
      return "cl";
    case State::paused:
      return "pa";
    case State::stopping:
      return "sp";
    case State::gone:
      return "go";
    case State::unknown:
      return "un";
    case State::lost:
      return "lo";
    case State::failed:
      return "fa";
    default:
      return "rq";
  }
}

std::string row_of(State state) {
  std::string row;
  for (int e = 0; e < kEvents; ++e) {
    const Outcome result = outcome(state, static_cast<Event>(e));
    if (e > 0) row += ' ';
    switch (result.kind) {
      case Outcome::Kind::ignored:
        row += '.';
        break;
      case Outcome::Kind::refused:
        row += 'x';
        break;
      case Outcome::Kind::moves:
        row += short_name(result.to);
        break;
    }
  }
  return row;
}

}  // namespace

TEST_CASE("every pair of state and event has its outcome") {
  for (std::size_t i = 0; i < kAllStates.size(); ++i) {
    const State state = kAllStates.at(i);
    CAPTURE(state_name(state));
    // The array above is in the wire's order of states.
    CHECK(row_of(static_cast<State>(i)) == kExpected.at(i));
  }
}

TEST_CASE("a sandbox that is asked to stop can always come to its end") {
  for (const State state : kAllStates) {
    const Outcome stop = outcome(state, Event::stop);
    CAPTURE(state_name(state));
    CHECK(stop.kind != Outcome::Kind::refused);
    if (stop.kind == Outcome::Kind::moves && stop.to == State::stopping) {
      CHECK(outcome(State::stopping, Event::ended).to == State::gone);
    }
  }
}

TEST_CASE("nothing leaves a final state") {
  for (const State state : {State::gone, State::failed}) {
    for (int e = 0; e < kEvents; ++e) CHECK(outcome(state, static_cast<Event>(e)).kind != Outcome::Kind::moves);
  }
}

TEST_CASE("an answer that was lost never leads back to creating") {
  for (int e = 0; e < kEvents; ++e) {
    const Outcome result = outcome(State::unknown, static_cast<Event>(e));
    CHECK_FALSE((result.kind == Outcome::Kind::moves && result.to == State::creating));
  }
}
