// The steps of a sandbox's life as the meter takes them.
#include <cmath>

#include "daemon/costs/open.hpp"

namespace swarm::costs {
namespace {

using Int = std::int64_t;
using api::SandboxState;

}  // namespace

void Meter::describe(Open& open, const Transition& t) const {
  open.swarm = t.swarm;
  open.label = t.label;
  open.provider = t.provider;
  open.item = t.template_name;
  open.mcpu = static_cast<std::uint32_t>(std::clamp(std::llround(t.cpus * 1000), 0LL, 4'000'000'000LL));
  open.mib = static_cast<std::uint32_t>(std::min<std::uint64_t>((t.memory_bytes + 1048575) >> 20U, UINT32_MAX));
}

Result<void> Meter::pause(store::Database& db, Open& open, const Transition& t) const {
  if (!open.counts()) return {};
  const End end{.at = t.at, .not_before = t.not_before, .found = t.found, .late = t.late};
  if (t.perhaps) {
    if (open.phase != Phase::running) return {};  // it was in doubt before
    if (Result<void> booked = book_certain(db, open, end); !booked) return booked;
    open.phase = Phase::halting;
    return save(db, open);
  }
  if (Result<void> closed = close(db, open, end); !closed) return closed;
  open.phase = Phase::resting;
  open.gaps = true;
  return save(db, open);
}

Result<void> Meter::lose(store::Database& db, Open& open, const Transition& t) const {
  if (!open.counts()) return {};
  const End end{.at = t.at, .not_before = t.not_before, .found = t.found, .told = t.provider_ended, .late = t.late};
  if (t.perhaps) {
    if (open.phase != Phase::running) return {};
    if (Result<void> booked = book_certain(db, open, end); !booked) return booked;
    open.phase = Phase::ending;
    return save(db, open);
  }
  if (Result<void> closed = close(db, open, end); !closed) return closed;
  open.phase = Phase::ended;
  return save(db, open);
}

Result<void> Meter::finish(store::Database& db, Open& open, const Transition& t) const {
  End end{.at = t.at, .not_before = t.not_before, .found = t.found, .told = t.provider_ended, .late = t.late};
  if (open.phase == Phase::pending) {
    // Nobody ever learnt when it began: at the earliest when it was asked for, or never.
    const Int most =
        open.boot == boot_id_ ? t.at.mono.since_boot.count() - open.since_ns : (t.at.wall.us - open.since_us) * 1000;
    open.bound_ns = std::max<Int>(0, most);
    if (t.provider_started) open.told_us = t.provider_started->us;
    if (!t.existed || t.to != SandboxState::gone) {
      // It never came to light, and may have been there for a while all the same, unless the provider has said no.
      const Int bound = t.perhaps ? open.bound_ns : 0;
      if (Result<void> booked = book_extent(db, open, {.ns = 0, .bound_ns = bound}); !booked) return booked;
      return forget(db, open.sandbox);
    }
    if (Result<void> closed = close(db, open, end); !closed) return closed;
  } else if (open.counts()) {
    if (Result<void> closed = close(db, open, end); !closed) return closed;
  }
  return forget(db, open.sandbox);
}

Result<Moment> Meter::woken_since(store::Database& db, const Open& open, const Transition& t) const {
  if (!t.found) return t.at;
  // At any time since an earlier run watched; where none did, since it was last seen to stop.
  const Result<std::optional<Watched>> watched = watched_before(db);
  if (!watched) return fail(watched.error());
  Int ago =
      open.boot == boot_id_ ? t.at.mono.since_boot.count() - open.since_ns : (t.at.wall.us - open.since_us) * 1000;
  if (*watched) {
    const Int unwatched = (*watched)->boot == boot_id_ ? t.at.mono.since_boot.count() - (*watched)->ns
                                                       : (t.at.wall.us - (*watched)->us) * 1000;
    ago = std::min(ago, unwatched + t.late.count());
  }
  ago = std::max<Int>(0, ago);
  return Moment{.wall = {t.at.wall.us - ago / 1000}, .mono = t.at.mono - Duration(ago)};
}

Result<void> Meter::run(store::Database& db, Open& open, const Transition& t, bool known) const {
  const Int now_ns = t.at.mono.since_boot.count();
  const auto since_it_began = [&] {
    return std::max<Int>(0, open.boot == boot_id_ ? now_ns - open.since_ns : (t.at.wall.us - open.since_us) * 1000);
  };
  if (!known) {  // adopted: nothing is known of it but that it is there, and since when at the earliest
    describe(open, t);
    start(open, t.not_before.value_or(t.at));
    open.bound_ns = since_it_began();
    if (t.provider_started) open.told_us = t.provider_started->us;
    open.phase = Phase::running;
    return save(db, open);
  }
  switch (open.phase) {
    case Phase::pending:
      describe(open, t);
      // It began between the question and the answer.
      if (t.provider_started) open.told_us = t.provider_started->us;
      open.bound_ns = since_it_began();
      break;
    case Phase::running: {
      const auto before = std::tuple(open.swarm, open.label, open.mcpu, open.mib);
      Open after = open;
      describe(after, t);
      if (before == std::tie(after.swarm, after.label, after.mcpu, after.mib)) return {};
      const End end{.at = t.at, .not_before = t.not_before, .found = t.found, .late = t.late};
      if (Result<void> closed = close(db, open, end); !closed) return closed;
      describe(open, t);
      break;
    }
    case Phase::resting: {
      const Result<Moment> from = woken_since(db, open, t);
      if (!from) return fail(from.error());
      describe(open, t);
      start(open, *from);
      open.phase = t.perhaps ? Phase::waking : Phase::running;
      return save(db, open);
    }
    case Phase::halting:
      if (t.perhaps) return {};
      break;  // it has run all along
    case Phase::waking:
      if (t.perhaps) return {};
      open.bound_ns = since_it_began();
      break;
    case Phase::ending:
    case Phase::ended:
      return {};
  }
  open.phase = Phase::running;
  return save(db, open);
}

Result<void> Meter::on_transition(store::Changes& changes, const Transition& told) {
  store::Database& db = changes.db();
  Result<std::optional<Open>> loaded = load(db, told.sandbox);
  if (!loaded) return fail(loaded.error());
  const bool known = loaded->has_value();
  Open open = known ? std::move(**loaded) : Open{.sandbox = told.sandbox};
  Transition t = told;
  // What is known of now may have been learnt before the interval was last cut.
  if (known && open.boot == boot_id_ && t.at.mono.since_boot.count() < open.since_ns) {
    t.at = {.wall = {open.since_us}, .mono = MonoTime{Duration(open.since_ns)}};
  }

  if (t.to == SandboxState::ready || t.to == SandboxState::claimed || t.to == SandboxState::starting) {
    const std::string item = price_item(Kind::sandbox, t.provider, t.template_name);
    if (prices()->find(item, t.at.wall.us) == nullptr) {
      if (Result<void> noted = note_unpriced(changes, item, t.at.wall.us); !noted) return noted;
    }
  }

  switch (t.to) {
    case SandboxState::requested:
      return {};
    case SandboxState::creating:
    case SandboxState::unknown:
      if (known) return {};
      describe(open, t);
      open.phase = Phase::pending;
      start(open, t.at);
      return save(db, open);
    case SandboxState::paused: {
      const PriceTable* table = prices()->find(price_item(Kind::sandbox, t.provider, t.template_name), t.at.wall.us);
      if (t.bills_paused || (table != nullptr && table->bills_paused))
        return t.perhaps ? Result<void>{} : run(db, open, t, known);
      return known ? pause(db, open, t) : Result<void>{};
    }
    case SandboxState::stopping:
      // Its end will tell what became of it; until then all that is certain is what has been.
      if (known) {
        t.perhaps = true;
        return lose(db, open, t);
      }
      return run(db, open, t, known);
    case SandboxState::lost:
      return known ? lose(db, open, t) : run(db, open, t, known);
    case SandboxState::gone:
    case SandboxState::failed:
      return known ? finish(db, open, t) : Result<void>{};
    default:
      return run(db, open, t, known);
  }
}

}  // namespace swarm::costs
