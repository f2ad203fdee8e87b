// What is typed into a pane. Text goes by a file and one bracketed paste, never as words of a tmux command that a shell
// or tmux could read; a prompt is looked after until the program has it.

#include <fmt/format.h>
#include <unistd.h>

#include "agentd/panes/labour.hpp"
#include "agentd/panes/panes.hpp"
#include "protocol/async/file.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::panes {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr std::size_t kTypedChunk = 1000;
constexpr std::chrono::milliseconds kInputLook{100};
/// So long nothing may be painted before a program counts as ready: many draw their composer before they read it.
constexpr std::chrono::milliseconds kSettle{150};
/// One that never stops painting is taken as it is.
constexpr std::chrono::seconds kSettleAtMost{2};
constexpr std::chrono::milliseconds kSubmitAgain{800};
/// An empty composer that stays for so long is not one that is being drawn.
constexpr std::chrono::milliseconds kRedrawn{200};
/// The same for a screen without one.
constexpr std::chrono::milliseconds kMissing{1000};
constexpr std::uint32_t kMostSubmits = 4;
/// So often the time for a step is given again to a program that computes all the while.
constexpr int kMostExtensions = 5;
/// Deletes the line before the cursor in readline and in every program that follows it.
constexpr std::string_view kEraseLine = "C-u";

/// A prompt of one line up to so long is shown as it is, and can be told from what somebody else types.
constexpr std::size_t kComparable = 60;

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\n') out += c;
  }
  return out;
}

/// Whether the composer shows this (`wanted` has no blanks) and nothing else. Characters outside ASCII are not compared
/// where it has some: programs leave out what has no width, and put others in another order.
bool same_words(std::string_view typed, const std::string& wanted) {
  const auto plain = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  std::string shown = without_blanks(typed);
  if (std::ranges::all_of(wanted, plain)) return shown == wanted;
  std::erase_if(shown, std::not_fn(plain));
  std::string expected = wanted;
  std::erase_if(expected, std::not_fn(plain));
  return shown == expected;
}

constexpr std::string_view kKeyNames[] = {
    "Enter", "Escape", "Space", "Tab",  "BTab",     "BSpace", "Up", "Down",   "Left", "Right",  "Home", "End",
    "PgUp",  "PageUp", "PPage", "PgDn", "PageDown", "NPage",  "DC", "Delete", "IC",   "Insert", "F1",   "F2",
    "F3",    "F4",     "F5",    "F6",   "F7",       "F8",     "F9", "F10",    "F11",  "F12"};

}  // namespace

bool is_key(std::string_view key) {
  while (key.size() > 2 && (key.starts_with("C-") || key.starts_with("M-") || key.starts_with("S-"))) {
    key.remove_prefix(2);
  }
  if (key.size() == 1) return key.front() > ' ' && key.front() < '\x7f';
  return std::ranges::find(kKeyNames, key) != std::end(kKeyNames);
}

async::Task<Result<void>> Panes::paste(Shared pane, std::string text) {
  if (text.empty()) co_return {};
  const std::string number = std::to_string(++files_);
  const std::string file = options_.directory + "/paste-" + number;
  const std::string buffer = "paste-" + number;
  if (const auto written = async::write_file_atomic_now(file, text, 0600, async::Sync::none); !written) {
    co_return written;
  }
  auto done = co_await tmux_.run(
      {{"load-buffer", "-b", buffer, file}, {"paste-buffer", "-p", "-d", "-b", buffer, "-t", pane->tmux_id}});
  unlink(file.c_str());
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> Panes::press(Shared pane, std::vector<std::string> keys) {
  if (keys.empty()) co_return {};
  TmuxCommand send = {"send-keys", "-t", pane->tmux_id};
  send.insert(send.end(), keys.begin(), keys.end());
  // A viewer may have scrolled back; keys would go to that and not to the program.
  auto done = co_await tmux_.run({{"copy-mode", "-q", "-t", pane->tmux_id}, send});
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> Panes::type(Shared pane, std::string text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    if (rest.front() == '\n' || rest.front() == '\t') {
      const Result<void> pressed = co_await press(pane, {rest.front() == '\n' ? "Enter" : "Tab"});
      if (!pressed) co_return pressed;
      rest.remove_prefix(1);
      continue;
    }
    const std::string_view piece = utf8_prefix(rest.substr(0, rest.find_first_of("\n\t")), kTypedChunk);
    const TmuxCommand send = {"send-keys", "-l", "-t", pane->tmux_id, "--", std::string(piece)};
    auto done = co_await tmux_.run({{"copy-mode", "-q", "-t", pane->tmux_id}, send});
    if (!done) co_return fail(done.error());
    rest.remove_prefix(piece.size());
  }
  co_return {};
}

async::Task<Result<api::PaneSendReply>> Panes::send(api::PaneSendRequest request) {
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared& pane = *found;
  for (const std::string& key : request.keys) {
    if (!is_key(key)) {
      co_return fail(
          Code::invalid_argument,
          fmt::format("keys: no key '{}'; as tmux names them: Enter, Escape, Tab, Up, F1, C-c, M-x", shown(key)));
    }
  }
  const auto turn = co_await pane->input.take();
  if (!pane->running() || pane->tmux_id.empty()) {
    co_return fail(Code::failed_precondition,
                   fmt::format("pane '{}': its program has ended; 'pane.restart' starts it again", pane->name()));
  }
  CleanText clean = clean_text(request.text.bytes);
  api::PaneSendReply reply{.sent_bytes = clean.text.size(),
                           .removed_bytes = clean.removed_bytes,
                           .log_end = pane->output ? pane->output->end() : 0};
  async::Task<Result<void>> giving =
      request.paste ? paste(pane, std::move(clean.text)) : type(pane, std::move(clean.text));
  const Result<void> given = co_await std::move(giving);
  if (!given) co_return fail(given.error());
  if (request.submit) request.keys.push_back(pane->record.open.program.submit_key);
  const Result<void> pressed = co_await press(pane, std::move(request.keys));
  if (!pressed) co_return fail(pressed.error());
  co_return reply;
}

namespace {

Error not_ready(const Pane& pane, api::PaneState state, const std::optional<Composer>& composer) {
  Error error{.code = Code::failed_precondition, .message = {}, .retryable = true};
  const std::string& name = pane.name();
  switch (state) {
    case api::PaneState::permission:
      error.message = fmt::format("pane '{}' shows a dialog that a person has to answer; attach to it", name);
      break;
    case api::PaneState::typing:
      error.message = fmt::format("pane '{}': somebody has typed '{}' and not sent it", name,
                                  composer ? shown(composer->typed) : "");
      break;
    case api::PaneState::logged_out:
      error.message = fmt::format("pane '{}': its program is not logged in", name);
      error.retryable = false;
      break;
    case api::PaneState::exited:
    case api::PaneState::crashed:
      error.message = fmt::format("pane '{}': its program has ended; 'pane.restart' starts it again", name);
      error.retryable = false;
      break;
    default:
      error.message = fmt::format("pane '{}' was not ready in time: it is {}", name, state_name(state));
  }
  return error;
}

bool hopeless(api::PaneState state) {
  return state == api::PaneState::logged_out || state == api::PaneState::exited || state == api::PaneState::crashed;
}

/// Whether a prompt that the composer has not shown for so long was taken. Many programs wipe their screen and draw it
/// anew with each key: a look in between sees no prompt, or no composer, although nothing was sent.
bool is_taken(api::PaneState state, const std::optional<Composer>& composer, Duration gone) {
  if (state == api::PaneState::busy || state == api::PaneState::permission || hopeless(state)) return true;
  return gone >= (composer ? kRedrawn : kMissing);
}

}  // namespace

/// Ready, and has been for long enough to mean it.
async::Task<Result<void>> Panes::until_ready(Shared pane, MonoTime deadline) {
  const bool blind = !pane->recogniser->knows_composer();
  std::optional<MonoTime> since;
  std::optional<MonoTime> quiet_since;
  std::uint64_t log_end = 0;
  for (;;) {
    if (pane->closed) co_return fail(Code::not_found, fmt::format("pane '{}' was closed", pane->name()));
    const Result<Look> seen = co_await look(pane);
    if (!seen) co_return fail(seen.error());
    const MonoTime now = loop_.clock().now();
    const bool ready = seen->state == api::PaneState::ready || (blind && seen->state == api::PaneState::unknown);
    if (!ready) {
      since.reset();
      if (hopeless(seen->state) || now >= deadline) co_return fail(not_ready(*pane, seen->state, seen->composer));
    } else {
      if (!since) since = now;
      if (!quiet_since || seen->log_end != log_end) quiet_since = now;
      log_end = seen->log_end;
      if (now - *quiet_since >= kSettle || now - *since >= kSettleAtMost) co_return {};
    }
    const MonoTime next = now + (ready ? Duration(kSettle) / 3 : Duration(kInputLook));
    co_await async::sleep_until(loop_, ready ? next : std::min(next, deadline));
  }
}

async::Task<Result<api::PanePromptReply>> Panes::deliver(Shared pane, std::string text,
                                                         std::chrono::milliseconds confirm) {
  api::PanePromptReply reply{.log_from = pane->output ? pane->output->end() : 0};
  // Longer ones are folded by some programs.
  const bool comparable = text.size() <= kComparable && text.find('\n') == std::string::npos;
  const std::string wanted = comparable ? without_blanks(text) : std::string();
  const std::string& submit = pane->record.open.program.submit_key;
  const Result<void> pasted = co_await paste(pane, std::move(text));
  if (!pasted) co_return fail(pasted.error());
  if (!pane->recogniser->knows_composer()) {
    const Result<void> pressed = co_await press(pane, {submit});
    if (!pressed) co_return fail(pressed.error());
    reply.submits = 1;
    co_return reply;
  }
  // Filled, and drawn to its end: a key that follows too closely is taken for a part of the paste.
  MonoTime deadline = loop_.clock().now() + confirm;
  Labour labour(pane->state.pid, loop_.clock().now());
  int extensions = kMostExtensions;
  // True where the step has some more time.
  const auto extend = [&](MonoTime now) {
    if (extensions == 0 || labour.idle(now) >= kSubmitAgain) return false;
    --extensions;
    deadline = now + confirm;
    return true;
  };
  std::uint64_t log_end = 0;
  bool filled = false;
  for (;;) {
    const Result<Look> seen = co_await look(pane);
    if (!seen) co_return fail(seen.error());
    const bool there = seen->composer && !seen->composer->typed.empty();
    if (seen->state == api::PaneState::permission || hopeless(seen->state)) {
      co_return fail(not_ready(*pane, seen->state, seen->composer));  // it came up meanwhile: a key would answer it
    }
    if (there && filled && seen->log_end == log_end) {
      if (!comparable || same_words(seen->composer->typed, wanted)) break;
      // Keys of a person came in between: what is there now is theirs to send.
      if (loop_.clock().now() >= deadline) co_return fail(not_ready(*pane, api::PaneState::typing, seen->composer));
    }
    filled = there;
    log_end = seen->log_end;
    const MonoTime now = loop_.clock().now();
    labour.look(now);
    if (now >= deadline && !extend(now)) {
      co_return fail(Code::unavailable,
                     fmt::format("pane '{}': the paste did not show in the composer within {}; it is {}", pane->name(),
                                 async::format_duration(confirm), state_name(seen->state)));
    }
    co_await async::sleep_for(loop_, 40ms);
  }
  deadline = loop_.clock().now() + confirm;
  MonoTime submitted;
  MonoTime drawn = loop_.clock().now();
  MonoTime gone_since = loop_.clock().now();
  for (;;) {
    const Result<Look> seen = co_await look(pane);
    if (!seen) co_return fail(seen.error());
    const MonoTime now = loop_.clock().now();
    labour.look(now);
    const bool left = seen->composer && !seen->composer->typed.empty() && seen->state != api::PaneState::permission;
    if (left || reply.submits == 0) gone_since = now;
    if (reply.submits > 0 && !left && (now >= deadline || is_taken(seen->state, seen->composer, now - gone_since))) {
      reply.state = seen->state;
      reply.verified = true;
      reply.log_end = seen->log_end;
      co_return reply;
    }
    if (seen->log_end != log_end) drawn = now;
    log_end = seen->log_end;
    // Swallowed: it has nothing to do, or goes on drawing. While it computes (Codex draws a little at once, and the
    // rest a second later) another key would only wait behind the first, and go to whatever comes up then.
    const bool goes_on = now - submitted >= 2 * kSubmitAgain && now - drawn < kSubmitAgain;
    const bool swallowed = reply.submits < kMostSubmits && now - submitted >= kSubmitAgain &&
                           (labour.idle(now) >= kSubmitAgain || goes_on);
    if (left && (reply.submits == 0 || swallowed)) {
      const Result<void> pressed = co_await press(pane, {submit});
      if (!pressed) co_return fail(pressed.error());
      ++reply.submits;
      submitted = loop_.clock().now();
    }
    if (now >= deadline && !extend(now)) {
      co_return fail(Code::unavailable,
                     fmt::format("pane '{}': the prompt is in the composer, and {} times '{}' did not send it",
                                 pane->name(), reply.submits, submit));
    }
    co_await async::sleep_for(loop_, 40ms);
  }
}

async::Task<Result<api::PanePromptReply>> Panes::prompt(api::PanePromptRequest request, StillWanted still_wanted) {
  const Result<Shared> found = find(request.pane);
  if (!found) co_return fail(found.error());
  const Shared& pane = *found;
  const MonoTime deadline = loop_.clock().now() + request.wait_ms;
  CleanText clean = clean_text(request.text.bytes);
  // What is nothing but blanks would never show, and never go.
  if (clean.text.find_first_not_of(" \t\n") == std::string::npos) {
    co_return fail(Code::invalid_argument, "text: nothing of it can be seen");
  }
  const auto turn = co_await pane->input.take();
  const Result<void> ready = co_await until_ready(pane, deadline);
  if (!ready) co_return fail(ready.error());
  if (still_wanted) {
    auto asking = still_wanted();
    const bool wanted = co_await std::move(asking);
    if (!wanted) co_return fail(Code::cancelled, "what it was about is settled");
  }
  Result<api::PanePromptReply> reply = co_await deliver(pane, std::move(clean.text), request.confirm_ms);
  if (reply) reply->removed_bytes = clean.removed_bytes;
  co_return reply;
}

async::Task<std::optional<bool>> Panes::erase_if(Shared pane, std::string wanted) {
  const auto turn = co_await pane->input.take();
  const Result<Look> seen = co_await look(pane);
  if (!seen) co_return std::nullopt;
  const bool there =
      seen->composer && seen->state != api::PaneState::permission && without_blanks(seen->composer->typed) == wanted;
  if (!there) co_return false;
  const Result<void> pressed = co_await press(pane, {std::string(kEraseLine)});
  if (!pressed) co_return std::nullopt;
  co_return true;
}

async::Task<bool> Panes::take_back(std::string name, std::string line, std::chrono::milliseconds wait) {
  const std::string wanted = without_blanks(line);
  const MonoTime deadline = loop_.clock().now() + wait;
  for (std::uint32_t presses = 0; presses <= kMostSubmits;) {
    const Result<Shared> found = find(name);
    if (!found || !(*found)->running() || !(*found)->recogniser->knows_composer()) co_return false;
    const std::optional<bool> erased = co_await erase_if(*found, wanted);
    if (!erased) co_return false;
    if (!*erased && presses > 0) co_return true;
    if (*erased) ++presses;
    if (!*erased && loop_.clock().now() >= deadline) co_return false;
    co_await async::sleep_for(loop_, kInputLook);
  }
  co_return false;
}

}  // namespace swarm::agentd::panes
