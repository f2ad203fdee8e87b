#include "daemon/team/chronicle.hpp"

#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/human.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/note.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::team {
namespace {

using namespace std::chrono_literals;

/// Between two parts: a team that talks without end fills the log no faster, and leaves the loop to others.
constexpr Duration kPause = 20ms;
/// Until a team is recorded as living where it says, or the store takes events again.
constexpr Duration kWait = 500ms;
constexpr std::size_t kMostName = 64;

std::optional<api::HumanNotice> notice_of(const api::MessageEscalated& data) {
  if (data.to != "human") return std::nullopt;
  return api::HumanNotice{.kind = api::NoticeKind::unacknowledged,
                          .text = fmt::format("{} has not acknowledged {}; 'swarmctl msg show {}' says what it is",
                                              data.recipient, data.id, data.id),
                          .about = data.id};
}

std::optional<api::HumanNotice> notice_of(const api::MessageStateChanged& data) {
  const bool dead = data.state == api::DeliveryState::dead;
  if (!dead && data.state != api::DeliveryState::expired) return std::nullopt;
  return api::HumanNotice{.kind = api::NoticeKind::undeliverable,
                          .text = fmt::format("{} did not reach {}: {}; 'swarmctl msg again {}' sends it again",
                                              data.id, data.recipient, dead ? data.by : "its time passed", data.id),
                          .about = data.id};
}

std::optional<api::HumanNotice> notice_of(const api::AgentStalled& data) {
  if (data.rung != api::StallRung::human) return std::nullopt;
  return api::HumanNotice{.kind = api::NoticeKind::stalled,
                          .text = fmt::format("{}; 'swarmctl attach' shows its screen, 'swarmctl agent show' what was "
                                              "tried",
                                              data.seen),
                          .about = {}};
}

/// Reads one event as its type has it; false when it is of another.
template <class Data, class Notice>
bool read_as(const api::EventType<Data>& type, api::TeamLogEvent& event, std::optional<Entry>& out, Notice notice) {
  if (event.type != type.name) return false;
  const Result<Data> data = api::decode_reply<Data>(std::move(event.data));
  if (!data) return true;
  out.emplace(Entry{.event = {.type = std::string(type.name), .data = wire::encode(api::encode(*data))}});
  if (const std::optional<api::HumanNotice> told = notice(*data)) {
    out->notice =
        store::NewEvent{.type = std::string(api::kHumanNotice.name), .data = wire::encode(api::encode(*told))};
  }
  return true;
}

std::optional<Entry> read(api::TeamLogEvent& event) {
  std::optional<Entry> out;
  const auto plain = [&](const auto&... types) {
    return (read_as(types, event, out, [](const auto&) { return std::optional<api::HumanNotice>(); }) || ...);
  };
  const auto telling = [&](const auto&... types) {
    return (read_as(types, event, out, [](const auto& data) { return notice_of(data); }) || ...);
  };
  static_cast<void>(telling(api::kMessageState, api::kMessageEscalated, api::kAgentStalled) ||
                    plain(api::kAgentRegistered, api::kAgentState, api::kMessageQueued, api::kMessageReminded,
                          api::kMessageSentAgain, api::kLockGranted, api::kLockEnded, api::kLockDeadlock,
                          api::kNoteChanged, api::kNoteDecided));
  return out;
}

}  // namespace

std::vector<Entry> checked_entries(api::TeamLogReply reply, const std::string& sandbox, const std::string& swarm) {
  std::vector<Entry> entries;
  const std::string origin = sandbox + "/" + reply.store;
  for (api::TeamLogEvent& event : reply.events) {
    std::optional<Entry> entry = read(event);
    if (!entry || event.agent.size() > kMostName) continue;
    for (store::NewEvent* one : {&entry->event, entry->notice ? &*entry->notice : nullptr}) {
      if (one == nullptr) continue;
      one->swarm = swarm;
      one->sandbox = sandbox;
      if (!event.agent.empty()) one->agent = event.agent;
    }
    entry->event.origin = store::EventOrigin{.store = origin, .epoch = reply.epoch, .seq = event.seq};
    entries.push_back(std::move(*entry));
  }
  return entries;
}

std::optional<store::NewEvent> notice_for(api::TeamLogEvent happened, const std::string& swarm) {
  std::optional<Entry> entry = read(happened);
  if (!entry || !entry->notice) return std::nullopt;
  entry->notice->swarm = swarm;
  if (!happened.agent.empty()) entry->notice->agent = happened.agent;
  return std::move(entry->notice);
}

Chronicle::Chronicle(async::Loop& loop, store::Store& store, const Homes& homes)
    : loop_(loop), store_(store), homes_(homes), tasks_(loop) {}

Chronicle::~Chronicle() { tasks_.cancel_all(); }

void Chronicle::follow(std::string sandbox, std::shared_ptr<wire::Connection> connection) {
  tasks_.spawn(fetch(this, std::move(sandbox), std::move(connection)));
}

async::Task<> Chronicle::fetch(Chronicle* self, std::string sandbox, std::shared_ptr<wire::Connection> connection) {
  std::optional<std::int64_t> after;
  for (;;) {
    Result<api::TeamLogReply> reply = co_await wire::call(*connection, api::inside::kTeamLog, {.after = after});
    if (!reply || reply->events.empty()) co_return;  // the tunnel has ended, or an older agentd tells nothing
    const std::int64_t last = reply->events.back().seq;
    if (last <= after.value_or(0) || reply->store.size() > kMostName) co_return;
    if (after && reply->events.front().seq != *after + 1) {
      log::logger<"team">().warn(
          "a team's log was longer than its sandbox keeps; events are missing",
          {{"sandbox", sandbox}, {"first", *after + 1}, {"kept_from", reply->events.front().seq}});
    }
    const std::optional<Home> home = self->homes_.of_sandbox(sandbox);
    if (!home || home->swarm != reply->swarm) {
      // Opened, and not written down yet; or a sandbox that tells of a swarm that is not its own.
      co_await async::sleep_for(self->loop_, kWait);
      continue;
    }
    Result<void> written = co_await self->record(checked_entries(std::move(*reply), sandbox, home->swarm));
    if (written) {
      after = last;
      co_await async::sleep_for(self->loop_, kPause);
    } else {
      log::logger<"team">().warn("events of a team wait", {{"sandbox", sandbox}, {"error", written.error()}});
      co_await async::sleep_for(self->loop_, kWait);
    }
  }
}

async::Task<Result<void>> Chronicle::record(std::vector<Entry> entries) {
  // What agentd lets go of after the next call must not be lost with the power here.
  auto task = store_.write("team.chronicle", store::Durability::power,
                           [entries = std::move(entries)](store::Changes& changes) -> Result<void> {
                             for (const Entry& entry : entries) {
                               const auto seq = changes.append(entry.event);
                               if (!seq) return fail(seq.error());
                               if (!*seq || !entry.notice) continue;  // known already, with what was told
                               if (auto told = changes.append(*entry.notice); !told) return fail(told.error());
                             }
                             return {};
                           });
  Result<void> written = co_await std::move(task);
  co_return written;
}

}  // namespace swarm::team
