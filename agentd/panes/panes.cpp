#include "agentd/panes/panes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "agentd/exec/request.hpp"
#include "protocol/async/file.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::panes {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr std::size_t kMostStatusBytes = 4U << 20U;
/// From the window to the running program; a machine under load takes its time.
constexpr std::chrono::seconds kStartWithin{20};
constexpr std::chrono::milliseconds kTick{100};
/// The supervisor's own; agentd says itself when time is up.
constexpr std::chrono::hours kSupervisorGrace{1};
constexpr const char* kTerm = "tmux-256color";

bool is_pane_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && name.size() <= 64 && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
}

std::string spool_command(const std::string& shim, const std::string& directory) {
  // tmux expands formats in it and a shell reads it: both paths are ours and hold nothing that means something there.
  return fmt::format("exec '{}' spool '{}/output'", shim, directory);
}

bool has_labels(const Pane& pane, const std::map<std::string, std::string>& wanted) {
  const auto& labels = pane.record.open.labels;
  return std::ranges::all_of(wanted, [&labels](const auto& label) {
    const auto at = labels.find(label.first);
    return at != labels.end() && at->second == label.second;
  });
}

}  // namespace

Panes::Panes(async::Loop& loop, Options options, Execs& execs, MakeSpec make_spec)
    : loop_(loop),
      options_(std::move(options)),
      execs_(execs),
      make_spec_(std::move(make_spec)),
      tmux_(loop, {.directory = options_.directory}),
      watch_(loop),
      changing_(loop) {}

Panes::~Panes() = default;

Result<Panes::Shared> Panes::find(const std::string& name) const {
  const auto at = panes_.find(name);
  if (at != panes_.end()) return at->second;
  std::string known;
  for (const auto& [pane, unused] : panes_) known += (known.empty() ? "" : ", ") + pane;
  return fail(Code::not_found, fmt::format("no pane '{}'; {}", shown(name),
                                           known.empty() ? "none is open" : fmt::format("there are {}", known)));
}

std::size_t Panes::running() const {
  return static_cast<std::size_t>(std::ranges::count_if(panes_, [](const auto& one) { return one.second->running(); }));
}

Result<ExecSpec> Panes::decide(PaneRecord& record) const {
  api::PaneOpenRequest& open = record.open;
  api::ExecStartRequest start{.argv = open.argv, .env = open.env, .cwd = open.cwd, .user = open.user};
  start.pty = api::Pty{.cols = open.cols, .rows = open.rows, .term = kTerm};
  start.background = true;
  if (start.argv.empty()) start.argv = {"/bin/sh"};
  start.env.try_emplace("COLORTERM", "truecolor");
  start.env.try_emplace("LANG", "C.UTF-8");
  Result<ExecSpec> spec = make_spec_(start);
  if (!spec) return spec;
  if (open.argv.empty()) spec->argv = {spec->user.shell};
  open.argv = spec->argv;
  open.user = spec->user.name;
  open.cwd = api::Path(spec->cwd);
  record.uid = spec->user.uid;
  spec->lifetime = Lifetime::pane;
  spec->grace = kSupervisorGrace;
  return spec;
}

Result<void> Panes::write_record(const Pane& pane) const {
  return async::write_file_atomic_now(directory_of(pane.name()) + "/record", encode_record(pane.record), 0600,
                                      async::Sync::none);
}

/// Everything that the supervisor and the next agentd find on disk.
Result<void> Panes::prepare(Pane& pane, const ExecSpec& spec) {
  const std::string directory = directory_of(pane.name());
  const Result<std::string> request = encode_request(spec);
  if (!request) return fail(request.error());
  if (const auto written = async::write_file_atomic_now(directory + "/request", *request, 0600, async::Sync::none);
      !written) {
    return written;
  }
  // In place, so that whoever watches the file goes on watching it.
  const UniqueFd status(
      ::open((directory + "/status").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!status) return fail_errno("create", directory + "/status");
  pane.state = {};
  pane.lost = false;
  return write_record(pane);
}

void Panes::read_status(Pane& pane) const {
  const Result<std::string> bytes = async::read_file_now(directory_of(pane.name()) + "/status", kMostStatusBytes);
  shim::State state;
  if (!bytes || bytes->size() < sizeof state) return;
  std::memcpy(&state, bytes->data(), sizeof state);
  if (state.magic == shim::kMagic) pane.state = state;
}

Result<void> Panes::watch_status(const Shared& pane) {
  const std::weak_ptr<Pane> weak = pane;
  auto ticket = watch_.watch(directory_of(pane->name()) + "/status", [this, weak] {
    const Shared changed = weak.lock();
    if (changed == nullptr || changed->closed) return;
    read_status(*changed);
    changed->changed.notify_all();
  });
  if (!ticket) return fail(ticket.error());
  pane->status_ticket = std::move(*ticket);
  return {};
}

std::shared_ptr<FileWatch::Ticket> Panes::watch_output(const Shared& pane) {
  std::shared_ptr<FileWatch::Ticket> held = pane->output_ticket.lock();
  if (held != nullptr || pane->closed) return held;
  const std::weak_ptr<Pane> weak = pane;
  auto ticket = watch_.watch(directory_of(pane->name()) + "/output", [weak] {
    if (const Shared changed = weak.lock()) changed->changed.notify_all();
  });
  if (!ticket) return nullptr;                                     // then it is looked at from time to time
  held = std::make_shared<FileWatch::Ticket>(std::move(*ticket));  // shared by all who wait for output
  pane->output_ticket = held;
  return held;
}

async::Task<Result<void>> Panes::open_window(Shared pane) {
  const std::string directory = directory_of(pane->name());
  const std::string session = "=" + tmux_.options().session;
  const api::PaneOpenRequest& open = pane->record.open;
  const std::string target = session + ":=" + pane->name();
  const TmuxCommand pipe = {"pipe-pane", "-O", "-t", target, spool_command(options_.shim, directory)};
  const TmuxCommand size = {"set-option", "-t", session + ":", "default-size",
                            fmt::format("{}x{}", open.cols, open.rows)};
  const TmuxCommand window = {"new-window", "-d",         "-P", "-F", "#{pane_id}",  "-t",   session + ":",
                              "-n",         pane->name(), "-c", "/",  options_.shim, "pane", directory};
  // Resized by hand to the size that it has: from now on no viewer changes it.
  const TmuxCommand fix = {"resize-window",          "-t", target, "-x", std::to_string(open.cols), "-y",
                           std::to_string(open.rows)};
  auto made = co_await tmux_.run({size, window, fix, pipe});
  // No server, or one that is just ending because its last window did.
  const bool none = !made && (made.error().code == Code::unavailable || made.error().code == Code::not_found);
  if (none) {
    const TmuxCommand first = {"new-session",
                               "-d",
                               "-P",
                               "-F",
                               "#{pane_id}",
                               "-s",
                               tmux_.options().session,
                               "-n",
                               pane->name(),
                               "-x",
                               std::to_string(open.cols),
                               "-y",
                               std::to_string(open.rows),
                               "-c",
                               "/",
                               options_.shim,
                               "pane",
                               directory};
    made = co_await tmux_.run_alone({first, fix, pipe});
  }
  if (!made) co_return fail(made.error(), "open a window");
  if (made->empty() || !made->front().starts_with('%')) {
    co_return fail(Code::internal, "tmux made a window and did not say which");
  }
  pane->tmux_id = made->front();
  co_return {};
}

async::Task<Result<void>> Panes::until_started(Shared pane, const ExecSpec& spec) {
  const MonoTime deadline = loop_.clock().now() + kStartWithin;
  while (pane->state.phase == shim::Phase::starting && loop_.clock().now() < deadline) {
    co_await change_or_time(loop_, pane, kTick);
    read_status(*pane);
  }
  if (pane->state.phase == shim::Phase::failed) co_return fail(start_failure(pane->state, spec));
  if (pane->state.phase == shim::Phase::starting) {
    co_return fail(Code::deadline_exceeded, fmt::format("pane '{}': its program did not start within {}", pane->name(),
                                                        async::format_duration(kStartWithin)));
  }
  co_return {};
}

void Panes::remove(const Shared& pane) {
  pane->closed = true;
  pane->status_ticket = {};
  pane->changed.notify_all();
  std::error_code ignored;
  std::filesystem::remove_all(directory_of(pane->name()), ignored);
  const auto at = panes_.find(pane->name());
  if (at != panes_.end() && at->second == pane) panes_.erase(at);
}

async::Task<Result<api::PaneInfo>> Panes::open(api::PaneOpenRequest request) {
  if (!is_pane_name(request.pane)) {
    co_return fail(Code::invalid_argument,
                   fmt::format("pane: '{}' is no name for one; a letter, then up to 63 letters, digits, '-' and '_'",
                               shown(request.pane)));
  }
  if (const Result<void> there = tmux_.available(); !there) co_return fail(there.error());
  auto recogniser = Recogniser::make(request.program);
  if (!recogniser) co_return fail(recogniser.error());
  const auto turn = co_await changing_.take();
  if (const auto at = panes_.find(request.pane); at != panes_.end()) {
    const Shared old = at->second;
    if (!request.replace || old->running()) {
      co_return fail(
          Code::already_exists,
          fmt::format("pane '{}' is there already and {}", request.pane,
                      old->running() ? "its program runs" : "its program has ended; 'replace' takes its place"));
    }
    if (!old->tmux_id.empty()) {
      const auto killed = co_await tmux_.run({{"kill-window", "-t", old->tmux_id}});
      static_cast<void>(killed);  // it may have gone by itself
    }
    remove(old);
  }
  if (panes_.size() >= options_.most) {
    co_return fail(Code::resource_exhausted,
                   fmt::format("{} panes are open, which is the most; close one", panes_.size()));
  }
  auto pane = std::make_shared<Pane>(loop_, PaneRecord{.open = std::move(request)});
  pane->recogniser = std::move(*recogniser);
  Result<ExecSpec> spec = decide(pane->record);
  if (!spec) co_return fail(spec.error());
  pane->record.first_argv = pane->record.open.argv;
  const std::string directory = directory_of(pane->name());
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);  // of an agentd that died while it made it
  if (mkdir(directory.c_str(), 0700) != 0) co_return fail_errno("mkdir", directory);
  struct Rollback {
    Panes& panes;
    Shared pane;
    ~Rollback() {
      if (pane != nullptr) panes.remove(pane);
    }
  } rollback{*this, pane};
  Result<RingFile> output = RingFile::create(directory + "/output", options_.spool_bytes);
  if (!output) co_return fail(output.error());
  pane->output.emplace(std::move(*output));
  if (const auto prepared = prepare(*pane, *spec); !prepared) co_return fail(prepared.error());
  if (const auto watched = watch_status(pane); !watched) co_return fail(watched.error());
  const Result<void> window = co_await open_window(pane);
  if (!window) co_return fail(window.error());
  const Result<void> started = co_await until_started(pane, *spec);
  if (!started) {
    const auto killed = co_await tmux_.run({{"kill-window", "-t", pane->tmux_id}});
    static_cast<void>(killed);  // an empty window ends by itself
    co_return fail(started.error());
  }
  rollback.pane = nullptr;
  panes_.emplace(pane->name(), pane);
  co_return pane_info(*pane, pane->record.open.program.otherwise);
}

async::Task<Result<api::PaneListReply>> Panes::list(api::PaneListRequest request) {
  api::PaneListReply reply;
  std::vector<Shared> chosen;
  for (const auto& [name, pane] : panes_) {
    if (request.cursor && name <= *request.cursor) continue;
    if (!has_labels(*pane, request.labels)) continue;
    if (chosen.size() == request.limit) {
      reply.next_cursor = chosen.back()->name();
      break;
    }
    chosen.push_back(pane);
  }
  for (const Shared& pane : chosen) {
    std::optional<api::PaneState> seen;
    if (request.states && pane->running()) {
      const Result<Look> found = co_await look(pane);
      if (found) seen = found->state;
    }
    if (!pane->closed) reply.panes.push_back(pane_info(*pane, seen));
  }
  co_return reply;
}

async::Task<Result<api::Empty>> Panes::resize(api::PaneResizeRequest request) {
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared pane = *found;
  if (request.viewer) {
    const auto at = pane->viewers.find(*request.viewer);
    const std::shared_ptr<Exec> viewer = at == pane->viewers.end() ? nullptr : at->second.lock();
    if (viewer == nullptr) co_return fail(Code::not_found, fmt::format("no viewer '{}'", shown(*request.viewer)));
    const Result<void> resized = viewer->resize({.cols = request.cols, .rows = request.rows});
    if (!resized) co_return fail(resized.error());
    co_return api::Empty{};
  }
  if (request.cols < 20 || request.rows < 5) {
    co_return fail(Code::invalid_argument,
                   fmt::format("cols, rows: {}x{} is too small for a pane; at least 20x5", request.cols, request.rows));
  }
  auto resized = co_await tmux_.run(
      {{"resize-window", "-t", pane->tmux_id, "-x", std::to_string(request.cols), "-y", std::to_string(request.rows)}});
  if (!resized) co_return fail(resized.error());
  pane->record.open.cols = request.cols;
  pane->record.open.rows = request.rows;
  if (const Result<void> written = write_record(*pane); !written) co_return fail(written.error());
  co_return api::Empty{};
}

}  // namespace swarm::agentd::panes
