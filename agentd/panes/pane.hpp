#pragma once

#include <memory>

#include "agentd/exec/exec.hpp"
#include "agentd/panes/recogniser.hpp"
#include "agentd/panes/watch.hpp"
#include "protocol/api/pane_requests.hpp"

namespace swarm::agentd::panes {

/// What is kept of a pane for the agentd after this one. Holds the program's environment: mode 0600, never sent.
struct PaneRecord {
  api::PaneOpenRequest open;  ///< with everything decided that the request left open
  std::uint32_t uid = 0;
  std::uint32_t restarts = 0;
  std::vector<std::string> first_argv{};  ///< that it was opened with; empty in records of an older agentd
};

std::string encode_record(const PaneRecord& record);
/// Nothing for bytes that are no record.
std::optional<PaneRecord> decode_record(std::string_view bytes);

/// One pane. Shared by the table and by whoever waits for it; of one that was closed `closed` is true.
struct Pane {
  Pane(async::Loop& loop, PaneRecord what) : record(std::move(what)), changed(loop), input(loop) {}

  PaneRecord record;
  std::string tmux_id;  ///< "%3"; empty when its window has gone
  shim::State state;
  bool lost = false;  ///< its supervisor vanished, so nobody knows how the program ended
  bool closed = false;
  std::optional<RingFile> output;
  std::unique_ptr<Recogniser> recogniser;
  async::Condition changed;  ///< its status or, while `watch_output` is held, its output
  async::Turn input;         ///< whoever types holds it
  std::map<std::string, std::weak_ptr<Exec>> viewers;
  FileWatch::Ticket status_ticket;
  std::weak_ptr<FileWatch::Ticket> output_ticket;

  [[nodiscard]] const std::string& name() const { return record.open.pane; }
  [[nodiscard]] bool running() const {
    return !lost && !closed && state.phase != shim::Phase::gone && state.phase != shim::Phase::failed &&
           state.phase != shim::Phase::ended;
  }
  /// Nothing is left of its program.
  [[nodiscard]] bool gone() const {
    return lost || closed || state.phase == shim::Phase::gone || state.phase == shim::Phase::failed;
  }
  [[nodiscard]] std::uint32_t count_viewers() const;
};

/// "busy", "permission": as on the wire.
std::string_view state_name(api::PaneState state);

/// How the pane stands; `seen` is what its screen says, where somebody looked.
api::PaneInfo pane_info(const Pane& pane, std::optional<api::PaneState> seen);

/// Completes at the pane's next change, or after `most`.
async::Task<> change_or_time(async::Loop& loop, std::shared_ptr<Pane> pane, Duration most);

}  // namespace swarm::agentd::panes
