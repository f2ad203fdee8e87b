#include "agentd/panes/pane.hpp"

#include "protocol/api/codec.hpp"
#include "protocol/api/json.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::agentd::panes {
namespace {

constexpr std::int64_t kVersion = 1;

async::Task<Result<void>> next_change(std::shared_ptr<Pane> pane) {
  co_await pane->changed.wait();
  co_return {};
}

/// How a program that has ended counts.
api::PaneState end_state(const Pane& pane) {
  const bool clean = pane.state.exit_code == 0 && pane.state.signal == 0;
  return !pane.lost && (clean || pane.state.killed != 0) ? api::PaneState::exited : api::PaneState::crashed;
}

}  // namespace

std::string encode_record(const PaneRecord& record) {
  return api::to_json(Value::Map{{"version", kVersion},
                                 {"open", api::encode(record.open)},
                                 {"uid", record.uid},
                                 {"restarts", record.restarts},
                                 {"first_argv", Value::Array(record.first_argv.begin(), record.first_argv.end())}});
}

std::optional<PaneRecord> decode_record(std::string_view bytes) {
  Result<Value> value = api::value_from_json(bytes);
  if (!value) return std::nullopt;
  Value* open = value->find("open");
  const Value* uid = value->find("uid");
  const Value* restarts = value->find("restarts");
  if (open == nullptr || uid == nullptr || restarts == nullptr) return std::nullopt;
  if (uid->as_int() == nullptr || restarts->as_int() == nullptr) return std::nullopt;
  auto request = api::decode_reply<api::PaneOpenRequest>(std::move(*open));
  if (!request) return std::nullopt;
  PaneRecord record{.open = std::move(*request),
                    .uid = static_cast<std::uint32_t>(*uid->as_int()),
                    .restarts = static_cast<std::uint32_t>(*restarts->as_int())};
  const Value* first = value->find("first_argv");
  if (const Value::Array* words = first == nullptr ? nullptr : first->as_array()) {
    for (const Value& word : *words) {
      if (const std::string* text = word.as_string()) record.first_argv.push_back(*text);
    }
  }
  return record;
}

std::string_view state_name(api::PaneState state) {
  for (const api::EnumValue& one : api::type_of<api::PaneState>().values) {
    if (one.value == static_cast<std::int64_t>(state)) return one.name;
  }
  return "unknown";
}

std::uint32_t Pane::count_viewers() const {
  std::uint32_t count = 0;
  for (const auto& [name, viewer] : viewers) {
    const std::shared_ptr<Exec> exec = viewer.lock();
    if (exec != nullptr && !exec->ended()) ++count;
  }
  return count;
}

api::PaneInfo pane_info(const Pane& pane, std::optional<api::PaneState> seen) {
  const api::PaneOpenRequest& open = pane.record.open;
  api::PaneInfo info{.pane = open.pane,
                     .user = open.user.value_or(""),
                     .uid = pane.record.uid,
                     .argv = {},
                     .cwd = open.cwd,
                     .cols = open.cols,
                     .rows = open.rows,
                     .kind = open.program.kind,
                     .labels = open.labels,
                     .running = pane.running(),
                     .pid = static_cast<std::uint32_t>(pane.state.pid),
                     .started_us = pane.state.started_us,
                     .restarts = pane.record.restarts,
                     .viewers = pane.count_viewers()};
  for (const std::string& word : open.argv) info.argv.push_back(api::Text{word});
  info.state = info.running ? seen.value_or(api::PaneState::unknown) : end_state(pane);
  if (!info.running && !pane.lost) {
    info.ended_us = pane.state.ended_us;
    if (pane.state.signal != 0) {
      info.signal = static_cast<std::uint32_t>(pane.state.signal);
    } else {
      info.exit_code = static_cast<std::uint32_t>(pane.state.exit_code);
    }
    info.oom_killed = pane.state.oom_killed != 0;
  }
  if (pane.output) {
    info.log_first = pane.output->first();
    info.log_end = pane.output->end();
  }
  return info;
}

async::Task<> change_or_time(async::Loop& loop, std::shared_ptr<Pane> pane, Duration most) {
  const Result<void> changed = co_await async::with_timeout(loop, next_change(std::move(pane)), most, "pane");
  static_cast<void>(changed);  // either way it is time to look again
}

}  // namespace swarm::agentd::panes
