#include "agentd/watch/stalls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace swarm::agentd {
namespace {

using api::PaneState;

/// A spinner's word or a title may change by itself; two lines do not.
constexpr std::size_t kNewLines = 2;
constexpr std::size_t kFewestLetters = 4;
constexpr std::size_t kScreens = 24;
/// Of the last `kScreens` screens that differed from the one before, so many were old.
constexpr std::ptrdiff_t kReturns = 18;

constexpr std::array kAsleep = {StallRung::nudge, StallRung::restart, StallRung::replace, StallRung::human};
constexpr std::array kSilent = {StallRung::nudge, StallRung::interrupt, StallRung::restart, StallRung::replace,
                                StallRung::human};
constexpr std::array kLooping = {StallRung::interrupt, StallRung::nudge, StallRung::restart, StallRung::replace,
                                 StallRung::human};
constexpr std::array kPerson = {StallRung::human};

std::span<const StallRung> ladder_of(StallKind kind) {
  switch (kind) {
    case StallKind::asleep:
      return kAsleep;
    case StallKind::silent:
      return kSilent;
    case StallKind::looping:
      return kLooping;
    default:
      return kPerson;
  }
}

/// The rung after `at`, of those that can be taken; the last stays.
StallRung next_rung(StallKind kind, StallRung at, const Sight& sight) {
  const auto ladder = ladder_of(kind);
  auto place = std::ranges::find(ladder, at);
  place = place == ladder.end() ? ladder.begin() : place + 1;
  for (; place != ladder.end(); ++place) {
    const bool typed = *place == StallRung::nudge || *place == StallRung::interrupt;
    if (typed && !sight.driven) continue;
    if (*place == StallRung::restart && !sight.can_resume) continue;
    return *place;
  }
  return at;
}

std::string span_text(Duration span) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span).count();
  return seconds < 120 ? fmt::format("{} s", seconds) : fmt::format("{} min", seconds / 60);
}

}  // namespace

std::set<std::size_t> line_marks(const std::string& screen) {
  std::set<std::size_t> marks;
  std::string letters;
  const auto end_line = [&] {
    if (letters.size() >= kFewestLetters) marks.insert(std::hash<std::string>{}(letters));
    letters.clear();
  };
  for (const char c : screen) {
    if (c == '\n') {
      end_line();
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      letters += c;
    }
  }
  end_line();
  return marks;
}

void StallWatch::note(const Sight& sight, MonoTime now) {
  if (sight.state != state_) {
    state_ = sight.state;
    since_ = now;
    progress_ = now;
  }
  if (sight.heard > heard_) {
    heard_ = sight.heard;
    progress_ = std::max(progress_, sight.heard);
  }
  if (!sight.has_mail) mail_since_.reset();
  if (sight.has_mail && !mail_since_) mail_since_ = now;
  const auto more_in = [](const std::set<std::size_t>& lines, const std::set<std::size_t>& than) {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines, [&](std::size_t mark) { return !than.contains(mark); }));
  };
  const std::size_t came = more_in(sight.lines, lines_);
  if (came + more_in(lines_, sight.lines) < kNewLines) return;
  lines_ = sight.lines;
  if (came >= kNewLines) progress_ = now;
  std::size_t screen = 0;
  for (const std::size_t mark : sight.lines) screen = screen * 31 + mark;
  returns_.push_back(std::ranges::find(screens_, screen) != screens_.end());
  screens_.push_back(screen);
  if (screens_.size() > kScreens) {
    screens_.pop_front();
    returns_.pop_front();
  }
}

bool StallWatch::looping() const { return std::ranges::count(returns_, true) >= kReturns; }

std::optional<StallKind> StallWatch::judge(const Sight& sight, MonoTime now) const {
  const auto after = [now](MonoTime since, Duration span) { return now - since >= span; };
  const auto when = [](bool yes, StallKind kind) { return yes ? std::optional(kind) : std::nullopt; };
  switch (sight.state) {
    case PaneState::permission:
      return when(after(since_, times_.dialog), StallKind::dialog);
    case PaneState::logged_out:
      return when(after(since_, times_.logged_out), StallKind::logged_out);
    case PaneState::rate_limited:
      return when(after(since_, times_.rate_limited), StallKind::rate_limited);
    case PaneState::ready:
      return when(mail_since_ && after(std::max({*mail_since_, since_, heard_}), times_.asleep), StallKind::asleep);
    case PaneState::starting:
    case PaneState::busy:
    case PaneState::unknown:
      if (looping()) return StallKind::looping;
      return when(after(progress_, times_.silent), StallKind::silent);
    case PaneState::typing:  // a person is at it
    case PaneState::exited:
    case PaneState::crashed:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string StallWatch::words(StallKind kind, MonoTime now) const {
  switch (kind) {
    case StallKind::asleep:
      return fmt::format("it waits for input, and has mail since {}", span_text(now - *mail_since_));
    case StallKind::silent:
      return fmt::format("no call and nothing new on its screen for {}", span_text(now - progress_));
    case StallKind::looping:
      return fmt::format("of its last {} screens {} had been there before", returns_.size(),
                         std::ranges::count(returns_, true));
    case StallKind::dialog:
      return fmt::format("it asks for a permission since {}", span_text(now - since_));
    case StallKind::logged_out:
      return fmt::format("it has no credentials or no credit since {}", span_text(now - since_));
    case StallKind::rate_limited:
      return fmt::format("its provider lets it wait since {}", span_text(now - since_));
    case StallKind::unknown:
      break;
  }
  return {};
}

std::optional<StallStep> StallWatch::look(const Sight& sight, MonoTime now) {
  note(sight, now);
  const std::optional<StallKind> kind = judge(sight, now);
  if (!kind) {
    stall_.reset();
    // One that stops again soon has not been helped: the ladder goes on where it was.
    if (now - climbed_ >= times_.silent + 4 * times_.rung) rung_ = StallRung::unknown;
    return std::nullopt;
  }
  if (!stall_) stalled_since_ = now;
  stall_ = kind;
  if (rung_ != StallRung::unknown && now - climbed_ < times_.rung) return std::nullopt;
  const StallRung next = next_rung(*kind, rung_, sight);
  if (next == rung_) return std::nullopt;
  rung_ = next;
  climbed_ = now;
  return StallStep{.kind = *kind, .rung = next, .seen = words(*kind, now)};
}

}  // namespace swarm::agentd
