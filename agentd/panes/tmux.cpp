#include "agentd/panes/tmux.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <span>

#include "protocol/async/file.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::agentd::panes {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

/// A command is answered in a millisecond; a server that is stopped with its sandbox answers when that goes on.
constexpr std::chrono::seconds kAnswerWithin{30};
constexpr std::size_t kMostLine = 1U << 20U;

/// (`window-size manual` is set for each window, by resizing it: as a global option it crashes tmux 3.3a when a session
/// is made.) No key does anything but go to the program; there is no prefix, no command prompt, and nothing that starts
/// a program. What is left is scrolling with the wheel.
constexpr std::string_view kConfiguration = R"(set -s exit-empty off
set -s set-clipboard off
set -s escape-time 0
set -s default-terminal tmux-256color
set -s buffer-limit 100
set -g status off
set -g prefix None
set -g prefix2 None
set -g mouse on
set -g remain-on-exit on
set -g remain-on-exit-format ''
set -g allow-passthrough off
set -g allow-rename off
set -g automatic-rename off
set -g set-titles off
set -g bell-action none
set -g monitor-activity off
set -g monitor-bell off
set -g visual-bell off
set -g destroy-unattached off
set -g detach-on-destroy on
set -g default-shell /bin/sh
set -g lock-after-time 0
set -g update-environment ''
unbind -a -T prefix
unbind -a -T root
bind -T root WheelUpPane if -F '#{||:#{alternate_on},#{||:#{pane_in_mode},#{mouse_any_flag}}}' 'send-keys -M' 'copy-mode -e'
bind -T root WheelDownPane send-keys -M
bind -T root MouseDown1Pane send-keys -M
bind -T root MouseDrag1Pane if -F '#{mouse_any_flag}' 'send-keys -M'
)";

std::string find_tmux() {
  for (const char* path : {"/usr/bin/tmux", "/usr/local/bin/tmux", "/bin/tmux", "/opt/swarm/bin/tmux"}) {
    if (access(path, X_OK) == 0) return path;
  }
  return {};
}

Error tmux_error(const std::string& words) {
  const bool missing = words.contains("can't find") || words.contains("no such") || words.contains("not found");
  return {.code = missing ? Code::not_found : Code::failed_precondition, .message = "tmux: " + words};
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace

std::string quote_for_tmux(std::string_view word) {
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

Tmux::Tmux(async::Loop& loop, Options options)
    : loop_(loop), options_(std::move(options)), program_(find_tmux()), answered_(loop), writing_(loop), tasks_(loop) {}

Tmux::~Tmux() = default;

Result<void> Tmux::available() const {
  if (!program_.empty()) return {};
  return fail(
      Code::failed_precondition,
      "this sandbox has no tmux, which panes need; install Debian's package 'tmux' in its template, or for local "
      "sandboxes on the host");
}

std::vector<std::string> Tmux::client_environment(std::string_view term) {
  // A client takes the size and the abilities of its terminal from here, nothing else; the server hands none of it on.
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "HOME=/",
          "SHELL=/bin/sh",
          "LANG=C.UTF-8",
          "LC_ALL=C.UTF-8",
          fmt::format("TERM={}", term)};
}

std::vector<std::string> Tmux::client_argv(std::vector<TmuxCommand> commands) const {
  std::vector<std::string> argv = {
      program_, "-u", "-S", options_.directory + "/tmux", "-f", options_.directory + "/tmux.conf"};
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i > 0) argv.emplace_back(";");
    for (std::string& word : commands[i]) {
      // A word that ends with a semicolon would end its command.
      if (word.ends_with(';')) word.insert(word.size() - 1, "\\");
      argv.push_back(std::move(word));
    }
  }
  return argv;
}

Result<void> Tmux::write_configuration() {
  if (configured_) return {};
  const std::string text = fmt::format("{}set -g history-limit {}\n", kConfiguration, options_.history_lines);
  const Result<void> written =
      async::write_file_atomic_now(options_.directory + "/tmux.conf", text, 0600, async::Sync::none);
  configured_ = written.has_value();
  return written;
}

async::Task<Result<std::vector<std::string>>> Tmux::run_alone(std::vector<TmuxCommand> commands) {
  if (const Result<void> there = available(); !there) co_return fail(there.error());
  if (const Result<void> written = write_configuration(); !written) co_return fail(written.error());
  async::SpawnOptions options{.argv = client_argv(std::move(commands)), .env = client_environment("dumb")};
  options.cwd = "/";
  async::Task<Result<async::CommandOutput>> running = async::run_command(loop_, std::move(options));
  Result<async::CommandOutput> output = co_await async::with_timeout(loop_, std::move(running), kAnswerWithin, "tmux");
  if (!output) co_return fail(output.error());
  if (output->status.code != 0 || output->status.signal != 0) {
    const std::vector<std::string> words = split_lines(output->err);
    if (!words.empty() && (words[0].contains("no server running") || words[0].contains("error connecting"))) {
      co_return fail(Code::unavailable, "no pane is open");
    }
    co_return fail(tmux_error(words.empty() ? "it ended without a word" : words[0]));
  }
  co_return split_lines(output->out);
}

Result<void> Tmux::connect() {
  if (control_ != nullptr) return {};
  if (const Result<void> there = available(); !there) return there;
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  // Sockets: the server writes to them itself and would spin on a pipe that it shares with nobody.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in.data()) != 0) return fail_errno("socketpair", "");
  UniqueFd in_ours(in[0]);
  UniqueFd in_theirs(in[1]);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out.data()) != 0) return fail_errno("socketpair", "");
  UniqueFd out_ours(out[0]);
  UniqueFd out_theirs(out[1]);
  // -N: without a server there is nothing to control, and one that only this client started would be ending just when
  // the first session is made.
  async::SpawnOptions options{.argv = {program_, "-N", "-u", "-S", options_.directory + "/tmux", "-C", "attach-session",
                                       "-t", "=" + options_.session, "-f", "no-output,ignore-size"},
                              .env = client_environment("dumb"),
                              .cwd = "/",
                              .fds = {{0, in_theirs.get()}, {1, out_theirs.get()}}};
  Result<std::unique_ptr<async::Process>> process = async::Process::spawn(loop_, options);
  if (!process) return fail(process.error());
  control_ = std::move(*process);
  to_ = std::make_unique<async::Fd>(loop_, std::move(in_ours));
  from_ = std::make_unique<async::Fd>(loop_, std::move(out_ours));
  in_block_ = false;
  tasks_.spawn(read_answers());
  return {};
}

async::Task<> Tmux::read_answers() {
  std::array<std::byte, 16384> buffer{};
  std::string held;
  for (;;) {
    const Result<std::size_t> size = co_await from_->read(buffer);
    if (!size || *size == 0) break;
    held.append(reinterpret_cast<const char*>(buffer.data()), *size);  // NOLINT: bytes as characters
    std::size_t begin = 0;
    for (std::size_t end = held.find('\n'); end != std::string::npos; end = held.find('\n', begin)) {
      take_line(held.substr(begin, end - begin));
      begin = end + 1;
    }
    held.erase(0, begin);
    if (held.size() > kMostLine) break;
  }
  lose_control("its server has ended");
}

void Tmux::take_line(std::string line) {
  if (!in_block_) {
    if (!line.starts_with("%begin ")) return;  // news, which nobody waits for
    in_block_ = true;
    ours_ = line.ends_with(" 1");  // else the answer to a command that was not ours: the attach itself
    return;
  }
  const bool error = line.starts_with("%error ");
  if (!error && !line.starts_with("%end ")) {
    if (ours_ && !pending_.empty()) pending_.front()->lines.push_back(std::move(line));
    return;
  }
  in_block_ = false;
  if (!ours_ || pending_.empty()) return;
  Pending& first = *pending_.front();
  if (error) first.error = tmux_error(first.lines.empty() ? "refused" : first.lines.back());
  if (error || --first.left == 0) {
    first.done = true;
    pending_.pop_front();
    answered_.notify_all();
  }
}

void Tmux::lose_control(const std::string& why) {
  for (const auto& waiting : pending_) {
    waiting->error = Error{.code = Code::unavailable, .message = "tmux: " + why};
    waiting->done = true;
  }
  pending_.clear();
  control_.reset();
  answered_.notify_all();
}

namespace {

async::Task<Result<void>> until(async::Condition& changed, const bool& done) {
  while (!done) co_await changed.wait();
  co_return {};
}

}  // namespace

async::Task<Result<std::vector<std::string>>> Tmux::run(std::vector<TmuxCommand> commands) {
  std::string line;
  for (const TmuxCommand& command : commands) {
    if (!line.empty()) line += " ; ";
    for (std::size_t i = 0; i < command.size(); ++i) {
      if (command[i].contains('\n')) co_return fail(Code::invalid_argument, "a tmux command cannot hold a newline");
      line += (i == 0 ? "" : " ") + (i == 0 ? command[i] : quote_for_tmux(command[i]));
    }
  }
  line += '\n';
  if (const Result<void> connected = connect(); !connected) co_return fail(connected.error());
  auto waiting = std::make_shared<Pending>();
  waiting->left = commands.size();
  {
    const auto turn = co_await writing_.take();
    if (control_ == nullptr) co_return fail(Code::unavailable, "tmux: its server has ended");
    pending_.push_back(waiting);
    const Result<void> written = co_await to_->write(std::as_bytes(std::span(line)));
    if (!written && from_ != nullptr) ::shutdown(from_->get(), SHUT_RDWR);  // the reader sees it and tells everybody
  }
  async::Task<Result<void>> done = until(answered_, waiting->done);
  const Result<void> in_time = co_await async::with_timeout(loop_, std::move(done), kAnswerWithin, "tmux");
  if (!in_time) co_return fail(in_time.error());
  if (waiting->error) co_return fail(*waiting->error);
  co_return std::move(waiting->lines);
}

}  // namespace swarm::agentd::panes
