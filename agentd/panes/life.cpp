// How panes end, start again, and are found again.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>

#include "agentd/panes/panes.hpp"
#include "protocol/async/file.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::agentd::panes {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr std::size_t kMostRecordBytes = 4U << 20U;
constexpr std::chrono::seconds kKilledWithin{10};
constexpr std::chrono::milliseconds kEndTick{50};

/// What tmux says of one window.
struct Window {
  std::string id;
  pid_t supervisor = 0;
  bool dead = false;
  bool piped = false;
};

const char* const kWindowFormat = "#{window_name} #{pane_id} #{pane_pid} #{pane_dead} #{pane_pipe}";

std::optional<std::pair<std::string, Window>> parse_window(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::string_view rest = line; !rest.empty();) {
    const auto end = rest.find(' ');
    words.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  if (words.size() != 5) return std::nullopt;
  Window window{.id = std::string(words[1]), .dead = words[3] == "1", .piped = words[4] == "1"};
  std::from_chars(words[2].data(), words[2].data() + words[2].size(), window.supervisor);
  return std::pair(std::string(words[0]), window);
}

}  // namespace

Panes::Shared Panes::load(const std::string& name) {
  const std::string directory = directory_of(name);
  const Result<std::string> bytes = async::read_file_now(directory + "/record", kMostRecordBytes);
  auto record = bytes ? decode_record(*bytes) : std::nullopt;
  if (!record || record->open.pane != name) return nullptr;
  auto recogniser = Recogniser::make(record->open.program);
  if (!recogniser) return nullptr;
  auto pane = std::make_shared<Pane>(loop_, std::move(*record));
  pane->recogniser = std::move(*recogniser);
  if (Result<RingFile> output = RingFile::open(directory + "/output"); output) pane->output.emplace(std::move(*output));
  read_status(*pane);
  return pane;
}

async::Task<Result<void>> Panes::recover() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (chmod(options_.directory.c_str(), 0700) != 0) co_return fail_errno("chmod", options_.directory);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
    if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  }
  if (names.empty()) co_return {};
  std::map<std::string, Window> windows;
  auto lines =
      co_await tmux_.run_alone({{"list-panes", "-s", "-t", "=" + tmux_.options().session + ":", "-F", kWindowFormat}});
  if (lines) {
    for (const std::string& line : *lines) {
      if (auto window = parse_window(line)) windows.insert(std::move(*window));
    }
  }
  for (const std::string& name : names) {
    Shared pane = load(name);
    const auto window = windows.find(name);
    if (pane == nullptr) {  // we died while it was being made: nobody was told of it
      std::filesystem::remove_all(directory_of(name), error);
      if (window != windows.end()) {
        const auto killed = co_await tmux_.run_alone({{"kill-window", "-t", window->second.id}});
        static_cast<void>(killed);  // gone is gone
      }
      continue;
    }
    if (window == windows.end()) {
      pane->lost = !pane->gone();
    } else {
      pane->tmux_id = window->second.id;
      pane->lost = window->second.dead && !pane->gone();
      if (!window->second.piped && !window->second.dead) {
        const auto piped =
            co_await tmux_.run_alone({{"pipe-pane", "-O", "-t", pane->tmux_id,
                                       fmt::format("exec '{}' spool '{}/output'", options_.shim, directory_of(name))}});
        if (!piped) co_return fail(piped.error(), "output of pane '" + name + "'");
      }
    }
    if (const Result<void> watched = watch_status(pane); !watched) co_return fail(watched.error());
    read_status(*pane);  // it may have changed before it was watched
    panes_.emplace(name, std::move(pane));
  }
  co_return {};
}

async::Task<Result<void>> Panes::end_program(Shared pane, std::chrono::milliseconds grace) {
  if (pane->gone() || pane->tmux_id.empty()) co_return {};
  auto lines = co_await tmux_.run({{"display-message", "-p", "-t", pane->tmux_id, kWindowFormat}});
  const auto window = lines && !lines->empty() ? parse_window(lines->front()) : std::nullopt;
  read_status(*pane);
  if (pane->gone()) co_return {};
  if (!window || window->second.dead || window->second.supervisor <= 1) {
    pane->lost = true;  // without a supervisor there is nothing that could be told
    co_return {};
  }
  // tmux has not reaped it, so its number is its own.
  const pid_t supervisor = window->second.supervisor;
  const MonoTime force_at = loop_.clock().now() + grace;
  if (::kill(supervisor, grace > 0ms ? SIGTERM : SIGUSR1) != 0)
    co_return fail_errno("kill", std::to_string(supervisor));
  bool forced = grace <= 0ms;
  const MonoTime give_up_at = force_at + kKilledWithin;
  while (!pane->gone()) {
    const MonoTime now = loop_.clock().now();
    if (!forced && now >= force_at) {
      forced = true;
      ::kill(supervisor, SIGUSR1);
    }
    if (now >= give_up_at) {
      co_return fail(Code::deadline_exceeded, fmt::format("pane '{}': its program could not be ended within {}",
                                                          pane->name(), async::format_duration(grace + kKilledWithin)));
    }
    co_await change_or_time(loop_, pane, forced ? Duration(kEndTick) : std::min<Duration>(kEndTick, force_at - now));
    read_status(*pane);
  }
  co_return {};
}

async::Task<Result<api::PaneInfo>> Panes::kill(api::PaneKillRequest request) {
  const auto turn = co_await changing_.take();
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared pane = *found;
  const Result<void> ended = co_await end_program(pane, request.grace_ms);
  if (!ended) co_return fail(ended.error());
  api::PaneInfo info = pane_info(*pane, std::nullopt);
  if (request.close) {
    if (!pane->tmux_id.empty()) {
      const auto killed = co_await tmux_.run({{"kill-window", "-t", pane->tmux_id}});
      static_cast<void>(killed);  // with the last one the whole session ends, and the answer with it
    }
    remove(pane);
  }
  co_return info;
}

async::Task<Result<void>> Panes::respawn(Shared pane) {
  const std::string directory = directory_of(pane->name());
  if (!pane->tmux_id.empty()) {
    auto lines = co_await tmux_.run({{"display-message", "-p", "-t", pane->tmux_id, kWindowFormat}});
    const auto window = lines && !lines->empty() ? parse_window(lines->front()) : std::nullopt;
    if (window && window->second.id == pane->tmux_id) {
      std::vector<TmuxCommand> commands = {
          {"clear-history", "-t", pane->tmux_id},
          {"respawn-pane", "-k", "-t", pane->tmux_id, "-c", "/", options_.shim, "pane", directory}};
      if (!window->second.piped) {
        commands.push_back({"pipe-pane", "-O", "-t", pane->tmux_id,
                            fmt::format("exec '{}' spool '{}/output'", options_.shim, directory)});
      }
      auto started = co_await tmux_.run(std::move(commands));
      if (!started) co_return fail(started.error());
      co_return {};
    }
  }
  const Result<void> opened = co_await open_window(pane);
  co_return opened;
}

async::Task<Result<api::PaneInfo>> Panes::restart(api::PaneRestartRequest request) {
  const auto turn = co_await changing_.take();
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared pane = *found;
  PaneRecord next = pane->record;
  if (request.anew && !request.argv.empty()) {
    co_return fail(Code::invalid_argument, "anew: it means the first arguments, and 'argv' says others");
  }
  if (request.anew && !next.first_argv.empty()) next.open.argv = next.first_argv;
  if (!request.argv.empty()) next.open.argv = request.argv;
  for (const auto& [name, value] : request.env) next.open.env.insert_or_assign(name, value);
  ++next.restarts;
  Result<ExecSpec> spec = decide(next);
  if (!spec) co_return fail(spec.error());
  const Result<void> ended = co_await end_program(pane, request.grace_ms);
  if (!ended) co_return fail(ended.error());
  pane->record = std::move(next);
  if (const Result<void> prepared = prepare(*pane, *spec); !prepared) co_return fail(prepared.error());
  const Result<void> window = co_await respawn(pane);
  if (!window) co_return fail(window.error());
  const Result<void> started = co_await until_started(pane, *spec);
  if (!started) co_return fail(started.error());
  co_return pane_info(*pane, pane->record.open.program.otherwise);
}

async::Task<> Panes::end_all(std::chrono::milliseconds grace) {
  const std::map<std::string, Shared> all = panes_;
  if (all.empty()) co_return;
  auto lines =
      co_await tmux_.run_alone({{"list-panes", "-s", "-t", "=" + tmux_.options().session + ":", "-F", kWindowFormat}});
  if (!lines) co_return;
  const auto tell_all = [&](int signal) {
    for (const std::string& line : *lines) {
      const auto window = parse_window(line);
      if (window && !window->second.dead && window->second.supervisor > 1) ::kill(window->second.supervisor, signal);
    }
  };
  tell_all(SIGTERM);
  const MonoTime force_at = loop_.clock().now() + grace;
  for (const auto& [name, pane] : all) {
    while (!pane->gone() && loop_.clock().now() < force_at) {
      co_await change_or_time(loop_, pane, kEndTick);
      read_status(*pane);
    }
  }
  const auto killed = co_await tmux_.run_alone({{"kill-server"}});
  static_cast<void>(killed);  // what is left ends with its terminal
}

}  // namespace swarm::agentd::panes
