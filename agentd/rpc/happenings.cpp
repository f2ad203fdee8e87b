#include "agentd/rpc/happenings.hpp"

#include "agentd/rpc/exec.hpp"
#include "protocol/api/codec.hpp"

namespace swarm::agentd {
namespace {

// An answer stays far below the size of a message, whatever the argument lists of the programs.
constexpr std::size_t kMostAtOnce = 256;

api::ExecStarted started(const Exec& exec) {
  const ExecSummary& about = exec.about();
  api::ExecStarted told{.exec = about.id,
                        .argv = {},
                        .command = about.command,
                        .cwd = api::Path(about.cwd),
                        .user = about.user,
                        .background = exec.background(),
                        .caller = about.caller,
                        .labels = about.labels};
  for (const std::string& word : about.argv) told.argv.push_back(api::Text{word});
  return told;
}

api::ExecEnded ended(const Exec& exec) {
  return {.status = exec_status(exec),
          .stdout_bytes = exec.extent(Output::out).end,
          .stderr_bytes = exec.extent(Output::err).end};
}

}  // namespace

void Happenings::add(std::string_view type, Value data) {
  kept_.push_back({.seq = ++last_, .type = std::string(type), .data = std::move(data)});
  if (kept_.size() > most_) kept_.pop_front();
  more_.notify_all();
}

async::Task<Result<api::AgentdEventsReply>> Happenings::behind(std::int64_t after) {
  while (!kept_.empty() && kept_.front().seq <= after) kept_.pop_front();
  while (kept_.empty()) co_await more_.wait();
  api::AgentdEventsReply reply{.instance = instance_, .events = {}};
  for (const api::AgentdEvent& event : kept_) {
    if (reply.events.size() == kMostAtOnce) break;
    reply.events.push_back(event);
  }
  co_return reply;
}

void note_programs(Execs& execs, Happenings& happenings) {
  execs.on_started = [&happenings](const Exec& exec) {
    happenings.add(api::kExecStarted.name, api::encode(started(exec)));
  };
  execs.on_ended = [&happenings](const Exec& exec) { happenings.add(api::kExecEnded.name, api::encode(ended(exec))); };
}

void bind_happenings(wire::Router& router, Happenings& happenings) {
  router.bind(api::inside::kAgentdEvents, [&happenings](wire::CallContext&, const api::AgentdEventsRequest& request) {
    return happenings.behind(request.after);
  });
}

}  // namespace swarm::agentd
