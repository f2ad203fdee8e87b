#include "protocol/async/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "protocol/async/task_set.hpp"

namespace swarm::async {
namespace {

struct Actions {
  posix_spawn_file_actions_t raw{};
  Actions() { posix_spawn_file_actions_init(&raw); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  ~Actions() { posix_spawn_file_actions_destroy(&raw); }
};

struct Attributes {
  posix_spawnattr_t raw{};
  Attributes() { posix_spawnattr_init(&raw); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { posix_spawnattr_destroy(&raw); }
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const auto& s : strings) out.push_back(const_cast<char*>(s.c_str()));  // NOLINT: posix_spawn's historical type
  out.push_back(nullptr);
  return out;
}

/// Adds what the child's descriptor table shall be. Sources are first moved above every target, so that one target
/// cannot overwrite another's source; the copies live in `moved` until the spawn is done.
Result<void> add_descriptors(const SpawnOptions& options, Actions& actions, std::vector<UniqueFd>& moved) {
  int highest = 2;
  for (const auto& [target, source] : options.fds) highest = std::max(highest, target);
  const bool terminal = !options.controlling_terminal.empty();
  for (int target = 0; target <= 2; ++target) {
    if (terminal) {
      posix_spawn_file_actions_addopen(&actions.raw, target, options.controlling_terminal.c_str(), O_RDWR, 0);
    } else if (std::ranges::find(options.fds, target, &std::pair<int, int>::first) == options.fds.end()) {
      posix_spawn_file_actions_addopen(&actions.raw, target, "/dev/null", O_RDWR, 0);
    }
  }
  for (const auto& [target, source] : options.fds) {
    UniqueFd high(fcntl(source, F_DUPFD_CLOEXEC, highest + 1));
    if (!high) return fail_errno("dup", fmt::format("descriptor {}", source));
    posix_spawn_file_actions_adddup2(&actions.raw, high.get(), target);
    moved.push_back(std::move(high));
  }
  posix_spawn_file_actions_addclosefrom_np(&actions.raw, highest + 1);
  return {};
}

ExitStatus to_status(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {.code = info.si_status};
  return {.signal = info.si_status, .core_dumped = info.si_code == CLD_DUMPED};
}

/// Reaps a killed child that nobody waits for any more. Owns itself until the child has ended, which is soon; the
/// loop's end waits for it.
class Orphan {
 public:
  static void adopt(Loop& loop, UniqueFd pidfd) {
    auto* orphan = new Orphan(std::move(pidfd));  // freed in the close callback
    if (uv_poll_init(loop.raw(), &orphan->poll_, orphan->pidfd_.get()) != 0) {
      orphan->reap(0);
      delete orphan;
      return;
    }
    orphan->poll_.data = orphan;
    uv_poll_start(&orphan->poll_, UV_READABLE, [](uv_poll_t* poll, int /*status*/, int /*events*/) {
      auto* self = static_cast<Orphan*>(poll->data);
      self->reap(WNOHANG);
      uv_close(reinterpret_cast<uv_handle_t*>(poll),  // NOLINT: libuv's own way to a base handle
               [](uv_handle_t* handle) { delete static_cast<Orphan*>(handle->data); });
    });
  }

 private:
  explicit Orphan(UniqueFd pidfd) : pidfd_(std::move(pidfd)) {}
  void reap(int flags) const {
    siginfo_t info{};
    waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | flags);
  }

  uv_poll_t poll_{};
  UniqueFd pidfd_;
};

}  // namespace

Process::Process(Loop& loop, pid_t pid, UniqueFd pidfd)
    : loop_(loop), pid_(pid), pidfd_(std::move(pidfd)), watcher_(std::make_unique<FdWatcher>(loop, pidfd_.get())) {}

Result<std::unique_ptr<Process>> Process::spawn(Loop& loop, const SpawnOptions& options) {
  if (options.argv.empty() || options.argv.front().empty()) {
    return fail(Code::invalid_argument, "no program was named");
  }
  Actions actions;
  Attributes attributes;
  std::vector<UniqueFd> moved;
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  if (options.new_session || !options.controlling_terminal.empty()) flags |= POSIX_SPAWN_SETSID;
  posix_spawnattr_setsigdefault(&attributes.raw, &all);
  posix_spawnattr_setsigmask(&attributes.raw, &none);
  posix_spawnattr_setflags(&attributes.raw, flags);
  if (!options.cwd.empty()) posix_spawn_file_actions_addchdir_np(&actions.raw, options.cwd.c_str());
  if (Result<void> added = add_descriptors(options, actions, moved); !added) return fail(added.error());

  const auto argv = pointers(options.argv);
  const auto env = pointers(options.env);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv.front(), &actions.raw, &attributes.raw, argv.data(), env.data());
  if (error != 0) return fail_errno("start", options.argv.front(), error);
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));  // CLOEXEC by itself
  if (!pidfd) {
    const int reason = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return fail_errno("pidfd_open", options.argv.front(), reason);
  }
  std::unique_ptr<Process> process(new Process(loop, pid, std::move(pidfd)));
  process->leads_group_ = (flags & POSIX_SPAWN_SETSID) != 0;
  return process;
}

bool Process::try_reap() {
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) != 0) {
    status_ = ExitStatus{.signal = SIGKILL};  // reaped by somebody else: its true end is not to be had
    return true;
  }
  if (info.si_pid == 0) return false;
  status_ = to_status(info);
  return true;
}

Task<ExitStatus> Process::wait() {
  while (!status_ && !try_reap()) co_await watcher_->readable();
  co_return *status_;
}

Result<void> Process::signal(int number) {
  if (!status_ && syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0) return {};
  if (status_ || errno == ESRCH) return fail(Code::not_found, fmt::format("process {} has ended", pid_));
  return fail_errno("pidfd_send_signal", std::to_string(pid_));
}

void Process::kill_group() {
  // Until it is reaped its pid, and so its group's number, cannot be used again.
  if (leads_group_ && !status_) kill(-pid_, SIGKILL);
  syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

void Process::detach() { detached_ = true; }

Process::~Process() {
  watcher_.reset();
  if (detached_ || status_ || try_reap()) return;
  kill_group();
  Orphan::adopt(loop_, std::move(pidfd_));
}

std::vector<std::string> current_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

namespace {

Task<> collect(Fd& from, std::string& into, std::size_t limit, Process& process, bool& over) {
  std::array<std::byte, 65536> buffer{};
  for (;;) {
    const Result<std::size_t> got = co_await from.read(buffer);
    if (!got || *got == 0) co_return;
    if (into.size() + *got > limit) {
      over = true;
      process.kill_group();  // so that the other stream ends too
      co_return;
    }
    into.append(reinterpret_cast<const char*>(buffer.data()), *got);  // NOLINT: bytes as characters
  }
}

Task<> feed(std::unique_ptr<Fd> to, std::string input) {
  const Result<void> written = co_await to->write(std::as_bytes(std::span(input)));
  static_cast<void>(written);  // a program that does not read its input is no failure
}

}  // namespace

Task<Result<CommandOutput>> run_command(Loop& loop, SpawnOptions options, std::string input,
                                        std::size_t max_output_bytes) {
  options.new_session = true;
  std::array<std::array<int, 2>, 3> pipes{};
  std::array<std::array<UniqueFd, 2>, 3> ends;
  for (std::size_t i = 0; i < pipes.size(); ++i) {
    if (pipe2(pipes.at(i).data(), O_CLOEXEC) != 0) co_return fail_errno("pipe", "");
    ends.at(i)[0].reset(pipes.at(i)[0]);
    ends.at(i)[1].reset(pipes.at(i)[1]);
  }
  options.fds.insert(options.fds.begin(), {{0, ends[0][0].get()}, {1, ends[1][1].get()}, {2, ends[2][1].get()}});
  const std::string program = options.argv.empty() ? "" : options.argv.front();
  Result<std::unique_ptr<Process>> process = Process::spawn(loop, options);
  if (!process) co_return fail(process.error());
  ends[0][0].reset();
  ends[1][1].reset();
  ends[2][1].reset();

  CommandOutput output;
  bool over = false;
  Fd out(loop, std::move(ends[1][0]));
  Fd err(loop, std::move(ends[2][0]));
  TaskSet readers(loop);
  TaskSet writer(loop);
  writer.spawn(feed(std::make_unique<Fd>(loop, std::move(ends[0][1])), std::move(input)));
  readers.spawn(collect(out, output.out, max_output_bytes, **process, over));
  readers.spawn(collect(err, output.err, max_output_bytes, **process, over));
  co_await readers.join();
  if (over) {
    co_return fail(Code::resource_exhausted, fmt::format("'{}' printed more than {} bytes", program, max_output_bytes));
  }
  output.status = co_await (*process)->wait();
  co_return output;
}

}  // namespace swarm::async
