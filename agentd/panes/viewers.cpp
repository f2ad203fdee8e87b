// Who looks at a pane: terminals attached to it, and readers of its output.

#include <fmt/format.h>
#include <unistd.h>

#include "agentd/exec/foreground.hpp"
#include "agentd/panes/panes.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::panes {
namespace {

constexpr std::size_t kChunkBytes = 65536;
constexpr std::chrono::milliseconds kViewersLook{1000};

/// The viewer's own kind of terminal where the sandbox knows it, else what nearly all of them are like.
std::string known_terminal(const std::string& term) {
  const bool plain = !term.empty() && std::ranges::all_of(term, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '+' ||
           c == '_';
  });
  if (plain) {
    for (const char* base : {"/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"}) {
      if (access(fmt::format("{}/{}/{}", base, term.front(), term).c_str(), R_OK) == 0) return term;
    }
  }
  return "xterm-256color";
}

bool is_viewer_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

Result<api::PaneLogReply> Panes::begin_log(const api::PaneLogRequest& request) {
  const Result<Shared> found = find(request.pane);
  if (!found) return fail(found.error());
  const Pane& pane = **found;
  if (!pane.output) return fail(Code::not_found, fmt::format("pane '{}': its output is lost", pane.name()));
  const std::uint64_t first = pane.output->first();
  const std::uint64_t end = pane.output->end();
  std::uint64_t from = first;
  if (request.tail_bytes) from = end - std::min(end - first, *request.tail_bytes);
  if (request.from_seq) {
    from = *request.from_seq;
    if (from < first || from > end) {
      return fail(Code::out_of_range,
                  fmt::format("from_seq: {} is not there; pane '{}' keeps {} to {}", from, pane.name(), first, end));
    }
  }
  return api::PaneLogReply{.from = from, .end = end};
}

async::Task<> Panes::send_log(std::string name, std::uint64_t from, bool follow, std::unique_ptr<wire::ByteSink> sink) {
  const Result<Shared> found = find(name);
  if (!found || !(*found)->output) {
    sink->fail(found ? Error{.code = Code::not_found, .message = "its output is lost"} : found.error());
    co_return;
  }
  const Shared pane = *found;
  const std::shared_ptr<FileWatch::Ticket> watched = follow ? watch_output(pane) : nullptr;
  const std::uint64_t stop = follow ? UINT64_MAX : pane->output->end();
  while (from < stop) {
    const Result<RingChunk> chunk =
        pane->output->read(from, static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, stop - from)));
    if (!chunk) co_return sink->fail(chunk.error());
    if (chunk->offset > from) {
      co_return sink->fail({.code = Code::out_of_range,
                            .message = fmt::format("output from {} to {} was dropped before it was read; the oldest "
                                                   "that is kept is {}",
                                                   from, chunk->offset, chunk->offset)});
    }
    if (chunk->bytes.empty()) {
      if (pane->closed) break;
      co_await change_or_time(loop_, pane, kViewersLook);
      continue;
    }
    const Result<void> sent = co_await sink->write(std::as_bytes(std::span(chunk->bytes)));
    if (!sent) co_return;  // the reader has gone
    from += chunk->bytes.size();
  }
  sink->end();
}

async::Task<Result<Panes::Viewer>> Panes::attach(api::PaneAttachRequest request,
                                                 std::unique_ptr<wire::ByteSource> input,
                                                 std::unique_ptr<wire::ByteSink> output) {
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared pane = *found;
  if (pane->tmux_id.empty()) {
    co_return fail(Code::failed_precondition,
                   fmt::format("pane '{}': its terminal is gone; 'pane.restart' makes another", pane->name()));
  }
  std::erase_if(pane->viewers, [](const auto& one) {
    const auto exec = one.second.lock();
    return exec == nullptr || exec->ended();
  });
  const std::string viewer = request.viewer.value_or(fmt::format("v{}-{}", getpid(), ++viewers_));
  if (!is_viewer_name(viewer)) {
    co_return fail(Code::invalid_argument,
                   fmt::format("viewer: '{}' is no name for one; letters, digits, '-' and '_'", shown(viewer)));
  }
  if (pane->viewers.contains(viewer)) {
    co_return fail(Code::already_exists, fmt::format("viewer '{}' looks at pane '{}' already", viewer, pane->name()));
  }
  if (pane->viewers.size() >= options_.most_viewers) {
    co_return fail(Code::resource_exhausted,
                   fmt::format("pane '{}' has {} viewers, which is the most", pane->name(), pane->viewers.size()));
  }
  // A session of its own with this one window: a smaller terminal pans in it and shrinks nobody's, and when the pane is
  // closed the session ends instead of showing another agent's. It begins with a window that the link then replaces.
  const std::string session = fmt::format("viewer-{}-{}", pane->name(), viewer);
  std::vector<TmuxCommand> commands = {
      {"new-session", "-s", session, "-n", "wait", "-c", "/", "exec cat"},
      {"set-option", "destroy-unattached", "on"},
      {"link-window", "-k", "-s", pane->tmux_id, "-t", "=" + session + ":0"},
  };
  if (request.mode == api::ViewerMode::watch)
    commands[0].insert(commands[0].begin() + 1, {"-f", "read-only,ignore-size"});
  ExecSpec spec{.argv = tmux_.client_argv(std::move(commands)),
                .env = Tmux::client_environment(known_terminal(request.term)),
                .cwd = "/",
                .user = {.name = "root", .uid = geteuid(), .gid = getegid()}};
  spec.terminal = TerminalSize{.cols = request.cols, .rows = request.rows};
  spec.input_from = Input::stream;
  spec.grace = std::chrono::milliseconds(500);
  spec.labels = {{"viewer", viewer}, {"pane", pane->name()}};
  spec.caller = "daemon";
  ExecStreams streams{.in = std::move(input), .out = std::move(output)};
  Result<std::unique_ptr<Foreground>> client = co_await execs_.start_foreground(std::move(spec), std::move(streams));
  if (!client) co_return fail(client.error());
  pane->viewers[viewer] = (*client)->exec();
  co_return Viewer{.reply = {.viewer = viewer, .exec = (*client)->exec()->id(), .info = pane_info(*pane, std::nullopt)},
                   .client = std::move(*client)};
}

}  // namespace swarm::agentd::panes
