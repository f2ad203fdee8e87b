#include "agentd/watch/stalls.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::agentd;
using namespace std::chrono_literals;
using api::PaneState;

namespace {

const std::string kOne = "running the tests\nall of them pass\nwriting the report\n";
const std::string kTwo = "reading the sources\nthere is a mistake here\nmending what is wrong\n";

/// An agent that is looked at every ten seconds.
struct Watched {
  MonoTime now{1h};
  StallWatch watch{StallTimes{}, MonoTime{1h}};
  Sight sight{.state = PaneState::busy, .lines = line_marks(kOne), .driven = true, .can_resume = true};
  std::vector<StallStep> steps;

  void look() {
    if (auto step = watch.look(sight, now)) steps.push_back(*step);
    now = now + 10s;
  }
  void look_for(Duration span) {
    for (const MonoTime end = now + span; now < end;) look();
  }
  [[nodiscard]] std::vector<StallRung> rungs() const {
    std::vector<StallRung> out;
    for (const StallStep& step : steps) out.push_back(step.rung);
    return out;
  }
};

using Rungs = std::vector<StallRung>;

}  // namespace

TEST_CASE("one that works and shows nothing new is taken up the whole ladder, a rung every two minutes") {
  Watched w;
  w.look_for(9min + 50s);
  CHECK(w.steps.empty());
  w.look_for(30s);
  REQUIRE(w.steps.size() == 1);
  CHECK(w.steps[0].kind == StallKind::silent);
  CHECK(w.steps[0].seen == "no call and nothing new on its screen for 10 min");
  w.look_for(1min);
  CHECK(w.steps.size() == 1);
  w.look_for(1h);
  CHECK(w.rungs() ==
        Rungs{StallRung::nudge, StallRung::interrupt, StallRung::restart, StallRung::replace, StallRung::human});
}

TEST_CASE("what cannot be driven or resumed is left alone, and told of") {
  Watched w;
  w.sight.driven = w.sight.can_resume = false;
  w.look_for(1h);
  CHECK(w.rungs() == Rungs{StallRung::replace, StallRung::human});
}

TEST_CASE("a clock, a counter and a spinner's word are nothing new; a call and two new lines are") {
  Watched w;
  for (int i = 0; i < 70; ++i) {
    w.sight.lines = line_marks(kOne + "Pondering... (" + std::to_string(i) + "s, esc to interrupt)\n" +
                               std::string(static_cast<std::size_t>(i % 4), '*') + "\n");
    w.look();
  }
  CHECK(w.rungs() == Rungs{StallRung::nudge});

  Watched calls;
  for (int i = 0; i < 200; ++i) {
    if (i % 30 == 0) calls.sight.heard = calls.now;
    calls.look();
  }
  CHECK(calls.steps.empty());

  Watched works;
  for (int i = 0; i < 200; ++i) {
    if (i % 30 == 0)
      works.sight.lines = line_marks(std::string(static_cast<std::size_t>(i + 5), 'a') + "\n" +
                                     std::string(static_cast<std::size_t>(i + 5), 'b') + "\n");
    works.look();
  }
  CHECK(works.steps.empty());
}

TEST_CASE("help ends a stall; one that stalls again soon goes on where the ladder was, later from its foot") {
  Watched w;
  w.look_for(10min + 20s);
  CHECK(w.watch.stall() == StallKind::silent);
  w.sight.lines = line_marks(kTwo);
  w.look();
  CHECK_FALSE(w.watch.stall());
  w.look_for(11min);
  CHECK(w.rungs() == Rungs{StallRung::nudge, StallRung::interrupt});
  for (int i = 0; i < 12; ++i) {
    w.sight.lines = line_marks(i % 2 == 0 ? kOne : kTwo);
    w.look_for(3min);
  }
  w.steps.clear();
  w.look_for(8min);
  CHECK(w.rungs() == Rungs{StallRung::nudge});
}

TEST_CASE("a screen that goes round is a loop, and first of all interrupted") {
  Watched w;
  for (int i = 0; i < 40 && w.steps.empty(); ++i) {
    w.sight.lines = line_marks(i % 3 == 0 ? kOne : i % 3 == 1 ? kTwo : kOne + kTwo);
    w.look();
  }
  REQUIRE_FALSE(w.steps.empty());
  CHECK(w.steps[0].kind == StallKind::looping);
  CHECK(w.steps[0].rung == StallRung::interrupt);
}

TEST_CASE("mail that is not taken wakes; without mail one that waits is left in peace") {
  Watched w;
  w.sight.state = PaneState::ready;
  w.look_for(2h);
  CHECK(w.steps.empty());
  w.sight.has_mail = true;
  w.look_for(2min);
  CHECK(w.steps.empty());
  w.look_for(2min);
  CHECK(w.rungs() == Rungs{StallRung::nudge});
  CHECK(w.steps[0].kind == StallKind::asleep);
}

TEST_CASE("a dialog, a lost login and a long limit are a person's; a line that is typed is nobody's") {
  const auto rungs_of = [](PaneState state, Duration span) {
    Watched w;
    w.sight.state = state;
    w.look_for(span);
    return w.rungs();
  };
  CHECK(rungs_of(PaneState::permission, 50s).empty());
  CHECK(rungs_of(PaneState::permission, 30min) == Rungs{StallRung::human});
  CHECK(rungs_of(PaneState::logged_out, 30min) == Rungs{StallRung::human});
  CHECK(rungs_of(PaneState::rate_limited, 50min).empty());
  CHECK(rungs_of(PaneState::rate_limited, 3h) == Rungs{StallRung::human});
  CHECK(rungs_of(PaneState::typing, 5h).empty());
  CHECK(rungs_of(PaneState::exited, 5h).empty());
}

TEST_CASE("whatever is seen, rungs are at least their time apart and nobody types at a dialog") {
  rc::prop("ladder", [] {
    Watched w;
    MonoTime last{};
    const int looks = *rc::gen::inRange(1, 400);
    for (int i = 0; i < looks; ++i) {
      w.sight.state = static_cast<PaneState>(*rc::gen::inRange(0, 10));
      w.sight.has_mail = *rc::gen::inRange(0, 2) == 1;
      w.sight.lines = line_marks(*rc::gen::element(kOne, kTwo, kOne + kTwo));
      const auto step = w.watch.look(w.sight, w.now);
      if (step) {
        RC_ASSERT(last == MonoTime{} || w.now - last >= StallTimes{}.rung);
        last = w.now;
        const bool types = step->rung == StallRung::nudge || step->rung == StallRung::interrupt;
        RC_ASSERT(!types || (w.sight.state != PaneState::permission && w.sight.state != PaneState::typing));
        RC_ASSERT(!step->seen.empty());
      }
      w.now = w.now + std::chrono::seconds(*rc::gen::inRange(1, 300));
    }
  });
}
