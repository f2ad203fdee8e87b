// What a pane shows, and what follows from it.

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "agentd/panes/panes.hpp"
#include "protocol/async/file.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::agentd::panes {
namespace {

constexpr std::size_t kMostScreenBytes = 64U << 20U;
constexpr std::chrono::milliseconds kScreenLook{250};
constexpr std::chrono::milliseconds kUnlikeWait{30'000};
/// A program that paints all the time must not make us look all the time.
constexpr std::chrono::milliseconds kLookPause{25};

/// The first `count` words of a line, as numbers, and what follows them.
struct Words {
  std::vector<std::uint32_t> numbers;
  std::string rest;
};
Words parse_words(std::string_view line, std::size_t count) {
  Words words;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t number = 0;
    const auto end = line.find(' ');
    std::from_chars(line.data(), line.data() + std::min(end, line.size()), number);
    words.numbers.push_back(number);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  words.rest = line;
  return words;
}

/// Changes with what a pane shows, and with whether its program runs.
std::string mark_of(const Pane& pane) {
  return fmt::format("{}.{}.{}.{}x{}", pane.output ? pane.output->end() : 0, pane.record.restarts,
                     pane.running() ? "runs" : "ended", pane.record.open.cols, pane.record.open.rows);
}

}  // namespace

async::Task<Result<std::string>> Panes::capture(Shared pane, std::uint32_t history_lines) {
  if (pane->tmux_id.empty()) co_return std::string();  // its window has gone, and its screen with it
  // Through a file and not over the control client: whatever is on the screen, it cannot be taken for an answer there.
  const std::string number = std::to_string(++files_);
  const std::string file = options_.directory + "/capture-" + number;
  const std::string buffer = "capture-" + number;
  TmuxCommand show = {"capture-pane", "-e", "-b", buffer, "-t", pane->tmux_id};
  if (history_lines > 0) show.insert(show.end(), {"-S", fmt::format("-{}", history_lines)});
  auto done = co_await tmux_.run({show, {"save-buffer", "-b", buffer, file}, {"delete-buffer", "-b", buffer}});
  if (!done) {
    unlink(file.c_str());
    co_return fail(done.error());
  }
  Result<std::string> text = async::read_file_now(file, kMostScreenBytes);
  unlink(file.c_str());
  co_return text;
}

async::Task<Result<Panes::Look>> Panes::look(Shared pane) {
  Look seen;
  seen.log_end = pane->output ? pane->output->end() : 0;
  const Result<std::string> text = co_await capture(pane, 0);
  if (!text) co_return fail(text.error());
  const std::vector<ScreenLine> screen = parse_screen(*text);
  seen.composer = pane->recogniser->composer(screen);
  seen.state = pane->running() ? pane->recogniser->state(screen) : pane_info(*pane, std::nullopt).state;
  co_return seen;
}

const api::PaneProgram* Panes::program(const std::string& name) const {
  const auto found = panes_.find(name);
  return found == panes_.end() || !found->second->running() ? nullptr : &found->second->record.open.program;
}

async::Task<Result<api::PaneState>> Panes::state(std::string name) {
  const Result<Shared> found = find(name);
  if (!found) co_return fail(found.error());
  const Result<Look> seen = co_await look(*found);
  if (!seen) co_return fail(seen.error());
  co_return seen->state;
}

async::Task<bool> Panes::until_unlike(Shared pane, std::string mark, Duration most) {
  const MonoTime deadline = loop_.clock().now() + most;
  const std::shared_ptr<FileWatch::Ticket> watched = watch_output(pane);
  while (!pane->closed && mark_of(*pane) == mark) {
    const MonoTime now = loop_.clock().now();
    if (now >= deadline) co_return false;
    co_await change_or_time(loop_, pane, watched ? deadline - now : std::min<Duration>(kScreenLook, deadline - now));
  }
  co_return true;
}

async::Task<Result<api::PaneScreenReply>> Panes::screen(api::PaneScreenRequest request) {
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared pane = *found;
  if (request.unlike) {
    const bool other = co_await until_unlike(pane, *request.unlike, request.wait_ms.value_or(kUnlikeWait));
    if (pane->closed) co_return fail(Code::not_found, fmt::format("pane '{}' was closed", request.pane));
    if (!other) {
      co_return api::PaneScreenReply{
          .info = pane_info(*pane, std::nullopt), .mark = *request.unlike, .unchanged = true};
    }
  }
  // Before the look: what comes after it must count as news.
  std::string mark = mark_of(*pane);
  const Result<std::string> text = co_await capture(pane, request.history_lines);
  if (!text) co_return fail(text.error());
  api::PaneScreenReply reply;
  reply.text.bytes = printable_screen(*text, request.styles ? Styles::keep : Styles::drop);
  if (!reply.text.bytes.ends_with('\n')) reply.text.bytes += '\n';
  std::vector<ScreenLine> lines = parse_screen(*text);
  const std::size_t rows = pane->record.open.rows;
  if (lines.size() > rows) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(rows));
  if (!pane->tmux_id.empty()) {
    auto words = co_await tmux_.run({{"display-message", "-p", "-t", pane->tmux_id,
                                      "#{cursor_x} #{cursor_y} #{alternate_on} #{cursor_flag} #{pane_title}"}});
    if (!words) co_return fail(words.error());
    const Words parsed = parse_words(words->empty() ? "" : words->front(), 4);
    reply.cursor_col = parsed.numbers[0];
    reply.cursor_row = parsed.numbers[1];
    reply.alternate = parsed.numbers[2] == 1;
    reply.cursor_hidden = parsed.numbers[3] == 0;
    reply.title.bytes = printable_screen(parsed.rest, Styles::drop);
  }
  reply.info = pane_info(*pane, pane->recogniser->state(lines));
  reply.mark = std::move(mark);
  co_return reply;
}

async::Task<Result<api::PaneInfo>> Panes::wait(api::PaneWaitRequest request) {
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared pane = *found;
  const MonoTime deadline = loop_.clock().now() + request.timeout_ms;
  // The end of a program shows without a look at its screen; and one that has ended shows nothing new.
  const bool for_end = std::ranges::all_of(request.states, [](api::PaneState state) {
    return state == api::PaneState::exited || state == api::PaneState::crashed;
  });
  std::shared_ptr<FileWatch::Ticket> watched;
  for (;;) {
    if (pane->closed) co_return fail(Code::not_found, fmt::format("pane '{}' was closed", request.pane));
    if (pane->gone() || for_end) {
      const api::PaneInfo info = pane_info(*pane, std::nullopt);
      if (std::ranges::find(request.states, info.state) != request.states.end()) {
        // One look for tmux's sake: it reads the last words before it answers.
        static_cast<void>(co_await look(pane));
        co_return info;
      }
      const MonoTime now = loop_.clock().now();
      if (now < deadline) {
        co_await change_or_time(loop_, pane, deadline - now);
        continue;
      }
    }
    if (!watched) watched = watch_output(pane);
    const Result<Look> seen = co_await look(pane);
    if (!seen && !pane->gone()) co_return fail(seen.error());
    const api::PaneInfo info = pane_info(*pane, seen ? std::optional(seen->state) : std::nullopt);
    if (std::ranges::find(request.states, info.state) != request.states.end()) co_return info;
    const MonoTime now = loop_.clock().now();
    if (now >= deadline) {
      co_return fail(Code::deadline_exceeded,
                     fmt::format("pane '{}' is {} after {}", request.pane, state_name(info.state),
                                 async::format_duration(request.timeout_ms)));
    }
    co_await async::sleep_until(loop_, std::min(deadline, now + kLookPause));
    co_await change_or_time(loop_, pane, std::min<Duration>(kScreenLook, deadline - now));
  }
}

}  // namespace swarm::agentd::panes
