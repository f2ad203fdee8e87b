#include "agentd/team/journal.hpp"

#include "protocol/store/shipped.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::agentd {
namespace {

constexpr int kMostAtOnce = 256;
constexpr std::size_t kMostBytes = 256U << 10U;
/// Of one transaction; agents write between two.
constexpr int kLetGoAtOnce = 2048;

api::TeamLogEvent told(store::Event& event) {
  Result<Value> data =
      event.data.empty() ? Result<Value>(Value()) : wire::decode(std::as_bytes(std::span(event.data)), wire::Limits{});
  return {.seq = event.seq,
          .time_us = event.time_us,
          .type = std::move(event.type),
          .agent = std::move(event.agent).value_or(""),
          .data = data ? std::move(*data) : Value()};
}

}  // namespace

Journal::Journal(async::Loop& loop, Team& team) : team_(team), more_(loop), tasks_(loop) {
  team_.listen([this](const Team::Happenings&) { more_.notify_all(); });
}

async::Task<Result<api::TeamLogReply>> Journal::behind(std::optional<std::int64_t> after) {
  // Nothing can have happened before the team was opened, and its first event wakes us.
  while (!team_.is_open()) co_await more_.wait();
  store::Store& store = *team_.store();
  if (after && *after > let_go_) {
    let_go_ = *after;
    tasks_.spawn(let_go(&store, *after));
  }
  for (;;) {
    std::optional<std::int64_t> from;
    if (after) {
      // What retention took is gone; a number that is not there yet is not ours to wait for.
      const Result<store::EventRange> range = store::event_range(store.reader());
      if (!range) co_return fail(range.error());
      if (*after > range->newest) {
        co_return fail(Code::out_of_range, "this log has no event " + std::to_string(*after) + " yet");
      }
      from = std::max(*after + 1, range->oldest);
    }
    auto reading = store.events(from, kMostAtOnce);
    Result<std::vector<store::Event>> events = co_await std::move(reading);
    if (!events) co_return fail(events.error());
    if (events->empty()) {
      co_await more_.wait();
      continue;
    }
    api::TeamLogReply reply{
        .store = store.identity().store_id, .epoch = store.identity().epoch, .swarm = team_.swarm(), .events = {}};
    std::size_t bytes = 0;
    for (store::Event& event : *events) {
      bytes += event.data.size();
      if (bytes > kMostBytes && !reply.events.empty()) break;
      reply.events.push_back(told(event));
    }
    co_return reply;
  }
}

async::Task<> Journal::let_go(store::Store* store, std::int64_t through) {
  auto task = store->write("team.log_let_go", store::Durability::process, [through](store::Changes& changes) {
    return store::let_go_events(changes.db(), through, kLetGoAtOnce);
  });
  static_cast<void>(co_await std::move(task));  // else with the next part
}

}  // namespace swarm::agentd
