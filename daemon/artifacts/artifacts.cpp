#include "daemon/artifacts/artifacts.hpp"

#include <fmt/format.h>

#include "daemon/artifacts/content.hpp"
#include "daemon/log/log.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/swarm.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/id.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/places/places.hpp"
#include "protocol/tree/transfer.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::artifacts {
namespace {

constexpr std::chrono::hours kPruneEvery{1};
constexpr std::uint64_t kMostUnderWay = 8;  // of one swarm at once

async::Task<> send_content(async::Loop& loop, std::shared_ptr<tree::Producer> content,
                           std::unique_ptr<wire::ByteSink> sink) {
  // How it went travels with the stream.
  static_cast<void>(co_await tree::pump_out(loop, content, *sink));
}

}  // namespace

class Artifacts::Room {
 public:
  Room(Artifacts& of, std::string swarm, std::uint64_t bytes) : of_(of), swarm_(std::move(swarm)), bytes_(bytes) {
    of_.reserved_bytes_ += bytes_;
    UnderWay& all = of_.under_way_[swarm_];
    ++all.count;
    all.bytes += bytes_;
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() {
    of_.reserved_bytes_ -= bytes_;
    const auto all = of_.under_way_.find(swarm_);
    all->second.bytes -= bytes_;
    if (--all->second.count == 0) of_.under_way_.erase(all);
  }

 private:
  Artifacts& of_;
  std::string swarm_;
  std::uint64_t bytes_;
};

Artifacts::Artifacts(Setup setup)
    : with_(std::move(setup)),
      turn_(with_.loop),
      wake_(with_.loop),
      listening_(with_.store.subscribe([this](const std::vector<store::Event>& events) {
        for (const store::Event& event : events) {
          if (event.type == api::kSwarmState.name) wake_.notify_all();
        }
      })),
      tasks_(with_.loop) {}

async::Task<Result<void>> Artifacts::start() {
  const Result<void> made = ensure_directory(with_.directory, 0700, ::geteuid());
  if (!made) co_return fail(made.error());
  const Result<std::set<std::string>> wanted = contents(with_.store.reader());
  if (!wanted) co_return fail(wanted.error());
  const Result<std::size_t> swept = co_await async::run_blocking(
      with_.loop,
      [directory = with_.directory, wanted = *wanted] { return sweep(directory, wanted, Unfinished::remove); });
  if (!swept) co_return fail(swept.error());
  tasks_.spawn(keep_pruning());
  co_return {};
}

async::Task<Result<void>> Artifacts::until_woken() {
  co_await wake_.wait();
  co_return {};
}

async::Task<> Artifacts::keep_pruning() {
  for (;;) {
    const Result<void> pruned = co_await prune();
    if (!pruned) log::logger<"artifacts">().warn("not pruned", {{"error", pruned.error()}});
    static_cast<void>(co_await async::with_timeout(with_.loop, until_woken(), kPruneEvery, "the next swarm"));
  }
}

async::Task<Result<void>> Artifacts::prune() {
  const auto guard = co_await turn_.take();
  const Duration keep = with_.config.artifacts.keep;
  const std::int64_t now = with_.loop.clock().wall().us;
  const std::int64_t before =
      keep == Duration::zero() ? 0 : now - std::chrono::duration_cast<std::chrono::microseconds>(keep).count();
  const Result<std::int64_t> gone =
      co_await with_.store.write("artifacts.prune", store::Durability::process,
                                 [now, before](store::Changes& changes) { return forget(changes.db(), now, before); });
  if (!gone) co_return fail(gone.error());
  if (*gone == 0 && !litter_) co_return {};
  const Result<std::set<std::string>> wanted = contents(with_.store.reader());
  if (!wanted) co_return fail(wanted.error());
  const Result<std::size_t> swept = co_await async::run_blocking(
      with_.loop,
      [directory = with_.directory, wanted = *wanted] { return sweep(directory, wanted, Unfinished::keep); });
  if (!swept) co_return fail(swept.error());
  litter_ = false;
  log::logger<"artifacts">().info("pruned", {{"artifacts", *gone}, {"files", *swept}});
  co_return {};
}

Result<std::shared_ptr<Artifacts::Room>> Artifacts::reserve(const std::string& swarm,
                                                            std::optional<std::uint64_t> size_bytes) {
  const config::Artifacts& limits = with_.config.artifacts;
  const std::uint64_t wanted = size_bytes.value_or(limits.max_size.bytes);
  if (wanted > limits.max_size.bytes) {
    return fail(Code::resource_exhausted, fmt::format("{} bytes are more than one artifact may have: {} "
                                                      "(artifacts.max_size)",
                                                      wanted, limits.max_size.bytes));
  }
  const auto found = under_way_.find(swarm);
  const UnderWay busy = found == under_way_.end() ? UnderWay{} : found->second;
  if (busy.count >= kMostUnderWay) {
    return fail(Code::resource_exhausted,
                fmt::format("{} artifacts of this swarm are on their way; try again when one is there", busy.count));
  }
  const Result<std::uint64_t> count = count_of(with_.store.reader(), swarm);
  if (!count) return fail(count.error());
  if (*count >= limits.max_per_swarm) {
    return fail(Code::resource_exhausted, fmt::format("the swarm has {} artifacts, and may have {} "
                                                      "(artifacts.max_per_swarm)",
                                                      *count, limits.max_per_swarm));
  }
  const Result<std::uint64_t> of_swarm = bytes_of(with_.store.reader(), swarm);
  if (!of_swarm) return fail(of_swarm.error());
  if (*of_swarm + busy.bytes + wanted > limits.max_swarm_size.bytes) {
    return fail(Code::resource_exhausted,
                fmt::format("the artifacts of this swarm take {} bytes, and {} more would be over {} "
                            "(artifacts.max_swarm_size)",
                            *of_swarm + busy.bytes, wanted, limits.max_swarm_size.bytes));
  }
  const Result<std::uint64_t> stored = stored_bytes(with_.store.reader());
  if (!stored) return fail(stored.error());
  if (*stored + reserved_bytes_ + wanted > limits.max_total.bytes) {
    return fail(Code::resource_exhausted,
                fmt::format("the host keeps {} bytes of artifacts, and {} more would be over {} (artifacts.max_total); "
                            "'swarmctl swarm discard' makes room",
                            *stored + reserved_bytes_, wanted, limits.max_total.bytes));
  }
  return std::make_shared<Room>(*this, swarm, wanted);
}

async::Task<Result<api::ArtifactInfo>> Artifacts::put(Place place, api::ArtifactPutRequest request, OpenSource open) {
  const Result<std::shared_ptr<Room>> room = reserve(place.swarm, request.size_bytes);
  if (!room) co_return fail(room.error());
  const config::Artifacts& limits = with_.config.artifacts;
  auto incoming = co_await async::run_blocking(
      with_.loop, [directory = with_.directory, limit = limits.max_size.bytes, size = request.size_bytes] {
        return Incoming::into(directory, limit, size);
      });
  if (!incoming) co_return fail(incoming.error());
  const Result<std::unique_ptr<wire::ByteSource>> source = open();
  if (!source) co_return fail(source.error());
  const Result<std::uint64_t> taken = co_await tree::pump_in(with_.loop, *incoming, **source);
  if (!taken) co_return fail(taken.error(), "artifact");

  const auto guard = co_await turn_.take();
  const bool littered = std::exchange(litter_, true);  // until there is a record, also when this is dropped
  const Result<void> kept = co_await async::run_blocking(with_.loop, [content = *incoming] { return content->keep(); });
  if (!kept) co_return fail(kept.error(), "artifact");
  api::ArtifactInfo info{.id = new_id("art", with_.loop.clock(), with_.random),
                         .swarm = place.swarm,
                         .name = std::move(request.name),
                         .size_bytes = (*incoming)->size_bytes(),
                         .sha256 = (*incoming)->sha256(),
                         .by = place.by,
                         .task = place.task,
                         .review = place.review,
                         .note = std::move(request.note),
                         .created_us = with_.loop.clock().wall().us};
  auto record = [info = std::move(info), place,
                 most = limits.max_per_swarm](store::Changes& changes) -> Result<api::ArtifactInfo> {
    Result<api::ArtifactInfo> there = insert(changes.db(), info, most);
    if (!there || there->id != info.id) return there;
    const auto told = changes.append({.type = std::string(api::kArtifactAdded.name),
                                      .swarm = place.swarm,
                                      .agent = place.by == "human" ? std::nullopt : std::optional(place.by),
                                      .run = place.run,
                                      .task = place.task,
                                      .data = wire::encode(api::encode(api::ArtifactAdded{.artifact = info}))});
    if (!told) return fail(told.error());
    return there;
  };
  Result<api::ArtifactInfo> recorded =
      co_await with_.store.write("artifacts.put", store::Durability::power, std::move(record));
  if (recorded) litter_ = littered;
  co_return recorded;
}

Result<api::ArtifactListReply> Artifacts::list(const std::string& swarm, const api::ArtifactListRequest& request) {
  auto found = load_of(with_.store.reader(), swarm, request.task.value_or(""), request.review.value_or(""),
                       request.cursor.value_or(""), static_cast<int>(request.limit) + 1);
  if (!found) return fail(found.error());
  api::ArtifactListReply reply{.artifacts = std::move(*found), .next_cursor = {}};
  if (reply.artifacts.size() > request.limit) {
    reply.artifacts.resize(request.limit);
    reply.next_cursor = reply.artifacts.back().id;
  }
  return reply;
}

async::Task<Result<api::ArtifactInfo>> Artifacts::get(std::string swarm, std::string artifact, OpenSink open,
                                                      async::TaskSet& sending) {
  Result<std::vector<api::ArtifactInfo>> found = find(with_.store.reader(), swarm, artifact);
  if (!found) co_return fail(found.error());
  if (found->empty()) {
    co_return fail(Code::not_found,
                   fmt::format("there is no artifact '{}' in this swarm; 'artifact ls' lists them", shown(artifact)));
  }
  if (found->size() > 1 && found->front().id != artifact) {
    co_return fail(Code::invalid_argument,
                   fmt::format("several artifacts begin with '{}'; write more of it", shown(artifact)));
  }
  Result<std::shared_ptr<tree::Producer>> content = co_await async::run_blocking(
      with_.loop,
      [directory = with_.directory, sha256 = found->front().sha256] { return read_content(directory, sha256); });
  if (!content) co_return fail(content.error());
  Result<std::unique_ptr<wire::ByteSink>> sink = open();
  if (!sink) co_return fail(sink.error());
  sending.spawn(send_content(with_.loop, std::move(*content), std::move(*sink)));
  co_return std::move(found->front());
}

}  // namespace swarm::artifacts
