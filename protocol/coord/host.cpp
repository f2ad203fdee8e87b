#include "protocol/coord/host.hpp"

#include <algorithm>

namespace swarm::coord {

/// Stands in line for a caller; going away without an answer leaves it.
class Host::InLine {
 public:
  InLine(Host& host, std::string id, std::string owner)
      : host_(host), id_(std::move(id)), owner_(std::move(owner)), place_(host.loop_) {
    host_.line_.emplace(id_, &place_);
  }
  InLine(const InLine&) = delete;
  InLine& operator=(const InLine&) = delete;
  ~InLine() {
    host_.line_.erase(id_);
    if (!settled_) host_.steps_.spawn(leave_line(&host_, id_, owner_));
  }
  Place& place() { return place_; }
  /// The caller has the answer.
  void settle() { settled_ = true; }

 private:
  Host& host_;
  std::string id_;
  std::string owner_;
  Place place_;
  bool settled_ = false;
};

Host::Host(async::Loop& loop, store::Store& store, std::shared_ptr<Core> core, LeaseClock clock, HostOptions options)
    : loop_(loop),
      store_(store),
      core_(std::move(core)),
      clock_(std::move(clock)),
      options_(std::move(options)),
      timer_(loop),
      steps_(loop) {
  look_after();
}

Result<std::unique_ptr<Host>> Host::open(async::Loop& loop, store::Store& store, std::string swarm, Random& random,
                                         HostOptions options) {
  const Result<TimeRecord> time = Coordination::recorded_time(store.reader(), swarm);
  if (!time) return fail(time.error());
  auto core = std::make_shared<Core>(std::move(swarm), options.coordination, random, options.encode);
  return std::unique_ptr<Host>(
      new Host(loop, store, std::move(core), LeaseClock(loop.clock(), *time), std::move(options)));
}

StepTime Host::step_time() {
  const Moment now = clock_.now();
  clock_.expect(due_);
  return {.now = now, .paused = clock_.paused()};
}

Result<void> Host::log(const Core& core, store::Changes& changes, const StepReport& report) {
  for (const Happening& happening : report.happenings) {
    store::NewEvent event{.type = happening.type, .swarm = core.coordination.swarm()};
    if (!happening.agent.empty()) event.agent = happening.agent;
    event.data = core.encode ? core.encode(happening.data) : std::string();
    auto appended = changes.append(std::move(event));
    if (!appended) return fail(appended.error());
  }
  return {};
}

void Host::tell(const StepReport& report) {
  if (report.line_lost) {
    for (auto& [id, place] : line_) {
      if (place->answer) continue;
      place->answer.emplace(fail(Code::unavailable, "the line for the lock was lost; ask again"));
      place->answered.set();
    }
  }
  for (const LockNotice& notice : report.notices) {
    const bool granted = notice.kind == LockNotice::Kind::granted && notice.waited;
    if (!granted && notice.kind != LockNotice::Kind::dropped) continue;
    const auto found = line_.find(granted ? notice.lease.id : notice.waiter.request.id);
    if (found == line_.end() || found->second->answer) continue;
    if (granted) {
      found->second->answer.emplace(notice.lease);
    } else {
      found->second->answer.emplace(fail(notice.error));
    }
    found->second->answered.set();
  }
  if (told_ && !report.happenings.empty()) told_(report.happenings);
  schedule(report.next);
}

/// Arms the timer for `next`, or for the next tick.
void Host::schedule(std::optional<Moment> next) {
  const MonoTime now = loop_.clock().now();
  MonoTime when = now + options_.tick;
  if (next) when = std::min(when, clock_.mono(*next));
  if (timer_.pending() && due_ && *due_ <= when && *due_ > now) {
    clock_.expect(due_);
    return;
  }
  due_ = when;
  clock_.expect(due_);
  timer_.start_at(when, [this] { look_after(); });
}

void Host::look_after() {
  if (serving_) return;
  serving_ = true;
  steps_.spawn(serve_timers(this));
}

async::Task<> Host::serve_timers(Host* self) {
  const StepTime time = self->step_time();
  auto job = [c = self->core_, time](store::Changes& changes, StepReport& report) -> Result<Result<void>> {
    Result<void> done = c->coordination.advance(changes.db(), time, report);
    if (!done) return fail(done.error());
    return Result<void>();
  };
  auto task = self->run<Result<void>>("coord.advance", store::Durability::process, std::move(job));
  const Result<void> done = co_await std::move(task);
  self->serving_ = false;
  // A store in trouble is tried again with the next tick.
  if (!done) self->schedule({});
}

async::Task<> Host::leave_line(Host* self, std::string id, std::string owner) {
  auto task = self->with_locks("lock.leave", [id, owner, now = self->step_time().now](Step& step) -> Result<void> {
    if (step.locks.withdraw(id, now)) return {};
    // Granted in the same moment: nobody knows of it.
    const Result<bool> released = step.locks.release(id, owner, now);
    if (!released) return fail(released.error());
    return {};
  });
  static_cast<void>(co_await std::move(task));
}

async::Task<Result<Acquired>> Host::acquire(LockRequest request, Span wait) {
  InLine place(*this, request.id, request.owner.agent);
  const Moment now = step_time().now;
  if (wait.count() > 0) request.wait_until = now + wait;
  auto task = with_locks("lock.acquire", [request = std::move(request)](Step& step) {
    return step.locks.acquire(request, step.turn.now);
  });
  Result<Acquired> got = co_await std::move(task);
  if (!got || got->lease) {
    place.settle();
    co_return got;
  }
  co_await place.place().answered.wait();
  place.settle();
  Result<Lease> answer = std::move(*place.place().answer);
  if (!answer) co_return fail(answer.error());
  co_return Acquired{.lease = std::move(*answer), .renewed = false};
}

void Host::resumed(Span paused) {
  clock_.resumed(paused);
  look_after();
}

}  // namespace swarm::coord
