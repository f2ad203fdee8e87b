#include "daemon/e2b/boxes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/log/log.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::e2b_endpoint {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSampleEvery = 5s;  // as fine as E2B gives them
constexpr std::size_t kMostSamples = 720;
constexpr std::size_t kMostLabels = 50;
constexpr Duration kEndedKept = 60s;
constexpr std::int64_t kLongestLife = 30LL * 24 * 3600;  // a paused one is kept so long

bool over(api::SandboxState state) {
  return state == api::SandboxState::gone || state == api::SandboxState::lost || state == api::SandboxState::failed;
}

}  // namespace

Boxes::Boxes(Surroundings surroundings)
    : with_(surroundings), began_us_(surroundings.loop.clock().wall().us), tasks_(surroundings.loop) {
  listening_ = with_.store.subscribe([this](const std::vector<store::Event>& events) { sandbox_changed(events); });
}

Boxes::~Boxes() { tasks_.cancel_all(); }

void Boxes::sandbox_changed(const std::vector<store::Event>& events) {
  for (const store::Event& event : events) {
    if (event.type != api::kSandboxState.name || !event.sandbox || !boxes_.contains(*event.sandbox)) continue;
    const auto data = wire::decode(std::as_bytes(std::span(event.data)), wire::Limits{});
    if (!data) continue;
    const auto change = api::decode_reply<api::SandboxStateChanged>(*data);
    if (!change) continue;
    const BoxPtr box = boxes_.at(*event.sandbox);
    // From then on nobody is told any more that it runs, however long it takes to end.
    if (change->to == api::SandboxState::stopping || over(change->to)) note_end(box);
    if (!over(change->to)) continue;
    box->expiry.cancel();
    boxes_.erase(*event.sandbox);
    tasks_.spawn(forget(*event.sandbox));
  }
}

void Boxes::note_end(const BoxPtr& box) {
  const MonoTime now = with_.loop.clock().now();
  if (std::ranges::any_of(ended_, [&box](const auto& noted) { return noted.second == box; })) return;
  while (!ended_.empty() && now - ended_.front().first > kEndedKept) ended_.pop_front();
  ended_.emplace_back(now, box);
}

std::vector<BoxPtr> Boxes::ended_within(Duration span) const {
  std::vector<BoxPtr> found;
  const MonoTime now = with_.loop.clock().now();
  for (const auto& [at, box] : ended_) {
    if (now - at <= span) found.push_back(box);
  }
  return found;
}

async::Task<> Boxes::forget(std::string id) {
  auto task = with_.store.write("e2b.drop", store::Durability::process,
                                [id](store::Changes& changes) { return drop(changes.db(), id); });
  const Result<void> dropped = co_await std::move(task);
  if (!dropped) log::logger<"e2b">().warn("a sandbox that ended is still recorded", {{"error", dropped.error()}});
}

async::Task<Result<void>> Boxes::save(BoxRecord record) {
  auto task =
      with_.store.write("e2b.put", store::Durability::process,
                        [record = std::move(record)](store::Changes& changes) { return put(changes.db(), record); });
  Result<void> saved = co_await std::move(task);
  co_return saved;
}

async::Task<Result<void>> Boxes::recover() {
  const Result<std::vector<BoxRecord>> records = load_boxes(with_.store.reader());
  if (!records) co_return fail(records.error());
  for (const BoxRecord& kept : *records) {
    const Result<api::SandboxInfo> info = co_await with_.sandboxes.info(kept.id);
    if (!info || over(info->state)) {
      tasks_.spawn(forget(kept.id));
      continue;
    }
    auto box = std::make_shared<Box>(with_.loop, kept);
    boxes_[kept.id] = box;
    if (state(*box) == BoxState::running) arm(box);
  }
  tasks_.spawn(sample_all());
  co_return {};
}

std::int64_t Boxes::most_seconds() const {
  return std::chrono::duration_cast<std::chrono::seconds>(with_.config.sandbox.max_duration).count();
}

BoxPtr Boxes::find(std::string_view id) const {
  const auto found = boxes_.find(std::string(id.substr(0, id.find('-'))));
  if (found == boxes_.end() || found->second->ending) return nullptr;
  return found->second;
}

Boxes::Spawned Boxes::spawned(const std::string& template_id) const {
  const auto found = spawned_.find(template_id);
  return found == spawned_.end() ? Spawned{} : found->second;
}

const sandbox::Record* Boxes::record(const Box& box) const {
  for (const sandbox::Record* record : with_.sandboxes.living()) {
    if (record->info.id == box.record.id) return record;
  }
  return nullptr;
}

BoxState Boxes::state(const Box& box) const {
  const sandbox::Record* known = record(box);
  // The time of its end is what its record will say, however long that takes to write: nobody is told after it that it
  // runs.
  if (known == nullptr || box.ending || with_.sandboxes.is_leaving(box.record.id)) return BoxState::gone;
  switch (known->info.state) {
    case api::SandboxState::paused:
      return BoxState::paused;
    case api::SandboxState::stopping:
    case api::SandboxState::gone:
    case api::SandboxState::lost:
    case api::SandboxState::failed:
      return BoxState::gone;
    default:
      return BoxState::running;
  }
}

void Boxes::arm(const BoxPtr& box) {
  const auto left = std::chrono::microseconds(std::max<std::int64_t>(box->record.end_us - now_us(), 0));
  box->expiry.start_after(left, [this, weak = std::weak_ptr(box)] {
    if (const BoxPtr live = weak.lock()) tasks_.spawn(expire(live));
  });
}

async::Task<> Boxes::expire(BoxPtr box) {
  if (box->record.end_us > now_us()) {
    arm(box);
    co_return;
  }
  Answered<bool> done = false;
  if (box->record.auto_pause) {
    done = co_await pause(box);
  } else {
    done = co_await kill(box, "its E2B timeout came");
  }
  if (!done)
    log::logger<"e2b">().warn("a timeout could not be kept",
                              {{"sandbox", box->record.id}, {"error", done.error().message}});
}

async::Task<Answered<BoxPtr>> Boxes::create(Wish wish) {
  if (wish.timeout_s <= 0) co_return refuse(400, "timeout: has to be at least one second");
  if (wish.timeout_s > most_seconds()) {
    co_return refuse(400, fmt::format("timeout: cannot be greater than {} hours", most_seconds() / 3600));
  }
  std::string name = http::lower(wish.template_id);
  name = name.substr(0, name.find(':'));
  if (const std::size_t slash = name.rfind('/'); slash != std::string::npos) name.erase(0, slash + 1);
  api::SandboxCreateRequest request;
  // "base" is what SDKs ask for when they are told nothing: whatever is the default here.
  const Built* built = with_.builds.find(name);
  const std::string below = built == nullptr ? name : built->base;
  if (!below.empty() && (below != "base" || with_.config.templates.contains("base"))) request.template_name = below;
  if (built != nullptr) {
    for (const auto& [variable, value] : built->env) wish.env.try_emplace(variable, value);
  }
  // Its marks are its labels here, so that people find it by them: as many as one may have.
  for (const auto& [key, value] : wish.metadata) {
    if (request.labels.size() + 1 < kMostLabels) request.labels[key] = value;
  }
  request.labels["e2b"] = "1";
  request.env = wish.env;
  request.lease_ms = std::chrono::seconds(wish.timeout_s + 60);
  request.max_lifetime_ms = std::chrono::seconds(kLongestLife);
  if (wish.internet == false) request.network = api::NetworkPolicy{};
  struct Counted {
    std::size_t& count;
    explicit Counted(std::size_t& c) : count(c) { ++count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --count; }
  };
  std::optional<Counted> counted(std::in_place, creating_);
  const Result<api::SandboxInfo> made = co_await with_.sandboxes.create(std::move(request), std::nullopt);
  if (!made) {
    Refusal refusal = refusal_of(made.error());
    if (made.error().code == Code::not_found) refusal.message = fmt::format("template '{}' not found", name);
    if (made.error().code == Code::failed_precondition)
      refusal = {.status = 500, .message = made.error().message, .error_code = "sandbox_create_failed"};
    if (made.error().code == Code::resource_exhausted) {
      refusal.message = "you have reached the maximum number of concurrent E2B sandboxes: " + made.error().message;
    }
    co_return std::unexpected(std::move(refusal));
  }
  BoxRecord record{.id = made->id,
                   .template_id = name,
                   .metadata = std::move(wish.metadata),
                   .env = std::move(wish.env),
                   .secure = wish.secure,
                   .public_traffic = wish.public_traffic,
                   .auto_pause = wish.auto_pause,
                   .auto_resume = wish.auto_resume,
                   .internet = wish.internet,
                   .network = std::move(wish.network),
                   .started_us = made->changed_us,  // when it became theirs
                   .end_us = now_us() + wish.timeout_s * 1'000'000,
                   .timeout_s = wish.timeout_s};
  auto box = std::make_shared<Box>(with_.loop, record);
  boxes_[record.id] = box;
  counted.reset();  // it counts as itself from here on, also while it is being recorded
  ++spawned_[name].count;
  spawned_[name].last_us = record.started_us;
  box->note(now_us(), "info", "sandbox created", {{"template", name}});
  const Result<void> saved = co_await save(std::move(record));
  if (!saved) {
    tasks_.spawn([](Boxes* self, BoxPtr lost) -> async::Task<> {
      const Answered<bool> killed = co_await self->kill(lost, "it could not be recorded");
      static_cast<void>(killed);  // its lease ends it otherwise
    }(this, box));
    co_return std::unexpected(refusal_of(saved.error()));
  }
  arm(box);
  const Answered<bool> begun = co_await furnish(box);
  if (begun) co_return box;
  const Answered<bool> killed = co_await kill(box, "it could not be made what its template is");
  static_cast<void>(killed);  // its timeout ends it otherwise
  co_return std::unexpected(begun.error());
}

async::Task<Answered<bool>> Boxes::kill(BoxPtr box, std::string reason) {
  if (box->ending) co_return refuse(404, fmt::format("sandbox \"{}\" not found", box->record.id));
  box->ending = true;
  box->expiry.cancel();
  api::SandboxKillRequest request;
  request.grace_ms = 0ms;
  request.reason = std::move(reason);
  const Result<api::SandboxInfo> killed = co_await with_.sandboxes.kill(box->record.id, request);
  if (!killed && killed.error().code != Code::not_found) {
    box->ending = false;
    co_return std::unexpected(refusal_of(killed.error()));
  }
  if (boxes_.erase(box->record.id) > 0) note_end(box);
  co_await forget(box->record.id);
  co_return true;
}

async::Task<Answered<bool>> Boxes::pause(BoxPtr box) {
  const auto turn = co_await box->turn.take();
  if (state(*box) == BoxState::gone) co_return refuse(404, fmt::format("sandbox \"{}\" not found", box->record.id));
  if (state(*box) == BoxState::paused) {
    co_return refuse(409, fmt::format("sandbox \"{}\" is already paused", box->record.id));
  }
  const Result<api::SandboxInfo> paused = co_await with_.sandboxes.pause(box->record.id);
  if (!paused) co_return std::unexpected(refusal_of(paused.error()));
  box->expiry.cancel();
  box->note(now_us(), "info", "sandbox paused");
  co_return true;
}

async::Task<Answered<bool>> Boxes::resume(BoxPtr box, std::int64_t timeout_s) {
  const auto turn = co_await box->turn.take();
  if (state(*box) == BoxState::gone) co_return refuse(404, fmt::format("sandbox \"{}\" not found", box->record.id));
  if (state(*box) == BoxState::running) {
    co_return refuse(409, fmt::format("sandbox \"{}\" is already running", box->record.id));
  }
  const Result<api::SandboxInfo> resumed = co_await with_.sandboxes.resume(box->record.id);
  if (!resumed) co_return std::unexpected(refusal_of(resumed.error()));
  box->record.started_us = now_us();
  box->record.timeout_s = std::clamp<std::int64_t>(timeout_s, 1, most_seconds());
  box->note(now_us(), "info", "sandbox resumed");
  Answered<bool> set = co_await end_at(box, now_us() + box->record.timeout_s * 1'000'000);
  co_return set;
}

async::Task<Answered<bool>> Boxes::connect(BoxPtr box, std::int64_t timeout_s) {
  if (state(*box) == BoxState::paused) {
    const Answered<bool> resumed = co_await resume(box, timeout_s);
    if (resumed) co_return true;
    if (state(*box) != BoxState::running) co_return std::unexpected(resumed.error());
  }
  const Answered<bool> extended = co_await refresh(box, timeout_s);
  if (!extended) co_return std::unexpected(extended.error());
  co_return false;
}

async::Task<Answered<bool>> Boxes::end_at(BoxPtr box, std::int64_t end_us) {
  box->record.end_us = end_us;
  const auto lease = std::chrono::milliseconds(std::max<std::int64_t>((end_us - now_us()) / 1000, 0) + 60'000);
  const Result<api::SandboxExtendReply> extended = co_await with_.sandboxes.extend(box->record.id, lease);
  if (!extended) co_return std::unexpected(refusal_of(extended.error()));
  const Result<void> saved = co_await save(box->record);
  if (!saved) co_return std::unexpected(refusal_of(saved.error()));
  arm(box);
  co_return true;
}

async::Task<Answered<bool>> Boxes::set_timeout(BoxPtr box, std::int64_t timeout_s) {
  if (timeout_s < 0) co_return refuse(400, "timeout: cannot be negative");
  if (state(*box) != BoxState::running) {
    co_return refuse(404, fmt::format("sandbox \"{}\" not found or not running", box->record.id));
  }
  box->record.timeout_s = std::min(timeout_s, most_seconds());
  Answered<bool> set = co_await end_at(box, now_us() + box->record.timeout_s * 1'000'000);
  co_return set;
}

async::Task<Answered<bool>> Boxes::refresh(BoxPtr box, std::int64_t duration_s) {
  if (state(*box) != BoxState::running) {
    co_return refuse(404, fmt::format("sandbox \"{}\" not found or not running", box->record.id));
  }
  const std::int64_t wanted = now_us() + std::min(duration_s, most_seconds()) * 1'000'000;
  if (wanted <= box->record.end_us) co_return true;
  Answered<bool> set = co_await end_at(box, wanted);
  co_return set;
}

async::Task<Answered<bool>> Boxes::set_network(BoxPtr box, Value network, std::optional<bool> internet) {
  if (state(*box) != BoxState::running) {
    co_return refuse(404, fmt::format("sandbox \"{}\" not found or not running", box->record.id));
  }
  box->record.network = std::move(network);
  box->record.internet = internet;
  const Result<void> saved = co_await save(box->record);
  if (!saved) co_return std::unexpected(refusal_of(saved.error()));
  co_return true;
}

async::Task<Answered<sandbox::Sandboxes::Use>> Boxes::use(BoxPtr box) {
  if (state(*box) == BoxState::paused && box->record.auto_resume) {
    const Answered<bool> woken = co_await resume(box, std::max<std::int64_t>(300, box->record.timeout_s));
    if (!woken && state(*box) != BoxState::running) co_return std::unexpected(woken.error());
  }
  if (state(*box) != BoxState::running) co_return refuse(502, "The sandbox was not found");
  auto used = co_await with_.sandboxes.use(box->record.id);
  if (!used) co_return refuse(502, "The sandbox was not found: " + used.error().message);
  co_return std::move(*used);
}

async::Task<> Boxes::sample_all() {
  for (;;) {
    co_await async::sleep_for(with_.loop, kSampleEvery);
    std::vector<BoxPtr> running;
    for (const auto& [id, box] : boxes_) {
      if (state(*box) == BoxState::running) running.push_back(box);
    }
    for (const BoxPtr& box : running) co_await sample(box);
  }
}

async::Task<> Boxes::sample(BoxPtr box) {
  const Result<api::SandboxMetrics> sample = co_await with_.sandboxes.metrics(box->record.id);
  if (!sample) co_return;
  if (box->samples.size() >= kMostSamples) box->samples.pop_front();
  box->samples.push_back(*sample);
}

async::Task<> Boxes::sample_first(BoxPtr box) {
  if (box->samples.empty() && state(*box) == BoxState::running) co_await sample(box);
}

}  // namespace swarm::e2b_endpoint
