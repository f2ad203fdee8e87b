// What happens inside a sandbox, fetched from its agentd and written into the log, each once: agentd's instance and
// number are the event's origin.
#include "daemon/log/log.hpp"
#include "daemon/sandbox/sandboxes.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/exec.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::sandbox {
namespace {

using namespace std::chrono_literals;

// Between two answers. A sandbox that starts programs without end, or says so, fills the log no faster.
constexpr Duration kPause = 20ms;

/// The data of such an event, as its type has it and nothing more; nullopt for what agentd has no say in.
template <class Data>
std::optional<std::string> read_as(const api::EventType<Data>& type, api::AgentdEvent& event) {
  if (event.type != type.name) return std::nullopt;
  const Result<Data> data = api::decode_reply<Data>(std::move(event.data));
  if (!data) return std::nullopt;
  return wire::encode(api::encode(*data));
}

std::vector<store::NewEvent> checked(api::AgentdEventsReply reply, const std::string& sandbox) {
  std::vector<store::NewEvent> events;
  for (api::AgentdEvent& event : reply.events) {
    std::optional<std::string> data = read_as(api::kExecStarted, event);
    if (!data) data = read_as(api::kExecEnded, event);
    if (!data) data = read_as(api::kGitCommitted, event);
    if (!data) continue;
    events.push_back(
        {.type = event.type,
         .sandbox = sandbox,
         .data = std::move(*data),
         .origin = store::EventOrigin{.store = sandbox + "/" + reply.instance, .epoch = 1, .seq = event.seq}});
  }
  return events;
}

}  // namespace

async::Task<> Sandboxes::fetch_happenings(std::string sandbox, std::shared_ptr<wire::Connection> connection) {
  std::int64_t after = 0;
  for (;;) {
    Result<api::AgentdEventsReply> reply =
        co_await wire::call(*connection, api::inside::kAgentdEvents, {.after = after});
    if (!reply || reply->events.empty()) co_return;  // the tunnel has ended, or an older agentd tells nothing
    const std::int64_t last = reply->events.back().seq;
    if (last <= after || reply->instance.size() > 64) co_return;
    const Result<void> written = co_await with_.store.write(
        "sandbox.happenings", store::Durability::process,
        [events = checked(std::move(*reply), sandbox)](store::Changes& changes) -> Result<void> {
          for (const store::NewEvent& event : events) {
            const auto seq = changes.append(event);
            if (!seq) return fail(seq.error());
          }
          return {};
        });
    if (written) {
      after = last;
    } else {
      log::logger<"sandbox">().warn("events of a sandbox wait", {{"sandbox", sandbox}, {"error", written.error()}});
      co_await async::sleep_for(with_.loop, 1s);
    }
    co_await async::sleep_for(with_.loop, kPause);
  }
}

}  // namespace swarm::sandbox
