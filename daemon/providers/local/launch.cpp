#include "daemon/providers/local/launch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentd/init/protocol.hpp"
#include "daemon/providers/local/files.hpp"
#include "daemon/providers/local/spawn.hpp"

namespace swarm::local {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kArgsFd = 6;
constexpr int kSeccompFd = 7;
constexpr int kInfoFd = 8;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return fail_errno("pipe2", "");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

LaunchSpec spec_of_identity(const IdentityPlan& identity) {
  LaunchSpec spec;
  spec.mapper = identity.mapper;
  spec.newuidmap = identity.newuidmap;
  spec.newgidmap = identity.newgidmap;
  spec.uids = identity.uids;
  spec.gids = identity.gids;
  return spec;
}

LaunchSpec make_spec(const LaunchRequest& request) {
  LaunchSpec spec = spec_of_identity(request.identity);
  spec.cgroup_procs = request.cgroup_procs;
  spec.rlimits = request.rlimits;
  spec.oom_score_adj = request.oom_score_adj;
  spec.forbid_userns = request.userns == Userns::forbidden;
  spec.stages = request.rootfs.stages;
  spec.memory_bytes = request.rootfs.memory_bytes;
  spec.make_dirs = request.rootfs.make_dirs;
  spec.keep_fds = {agentd::kListenFd, agentd::kSecretFd, kArgsFd, kSeccompFd, kInfoFd, kReadyFd};
  spec.argv = {request.programs.bwrap, "--args", std::to_string(kArgsFd), "--"};
  spec.argv.insert(spec.argv.end(), request.argv.begin(), request.argv.end());
  return spec;
}

std::string bwrap_words(const LaunchRequest& request) {
  std::string words;
  const auto add = [&](std::string_view word) { words.append(word).push_back('\0'); };
  for (const auto& word : request.rootfs.bwrap) add(word);
  for (const auto& [option, fd] : {std::pair{"--seccomp", kSeccompFd}, {"--info-fd", kInfoFd}}) {
    add(option);
    add(std::to_string(fd));
  }
  return words;
}

/// Reads until `enough`, the end of the pipe or the deadline.
template <class F>
std::string read_until(int fd, Clock::time_point deadline, F enough) {
  std::string text;
  std::array<char, 512> buffer{};
  while (!enough(text)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) == 0) break;
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n == 0 || (n < 0 && errno != EINTR)) break;
    if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return text;
}

/// The "child-pid" of bwrap's report.
pid_t child_pid(std::string_view report) {
  constexpr std::string_view kKey = "\"child-pid\":";
  const auto at = report.find(kKey);
  if (at == std::string_view::npos) return 0;
  report.remove_prefix(at + kKey.size());
  while (report.starts_with(' ')) report.remove_prefix(1);
  return static_cast<pid_t>(parse_number(report).value_or(0));
}

/// What the programs on the way printed, on one line.
std::string said(int file) {
  constexpr std::size_t kMost = 2000;
  std::string text(kMost, '\0');
  const ssize_t n = pread(file, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::ranges::replace(text, '\n', ';');
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\t'; });
  return text;
}

/// Ends a launch half-way: PID 1 first, since without it bwrap ends by itself.
void undo(int init_pidfd, int monitor_pidfd) {
  if (init_pidfd >= 0) (void)signal_process(init_pidfd, SIGKILL);
  if (monitor_pidfd < 0) return;
  pollfd wait{.fd = monitor_pidfd, .events = POLLIN, .revents = 0};
  constexpr int kPatienceMs = 1000;
  if (init_pidfd < 0 || poll(&wait, 1, kPatienceMs) == 0) (void)signal_process(monitor_pidfd, SIGKILL);
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(monitor_pidfd), &info, WEXITED);
}

/// Takes hold of PID 1. bwrap reported its pid; it could have died since and the number be used again, so it must be
/// the first process of a pid namespace.
Result<Started> find_init(pid_t pid) {
  if (pid <= 0) return fail(Code::not_found, "bwrap reported no process");
  Started found;
  found.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!found.pidfd) return fail_errno("pidfd_open", std::to_string(pid));
  const std::string status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
  const bool first = status.find("\t1\nNSpgid:") != std::string::npos;
  if (!first) return fail(Code::not_found, fmt::format("process {} is not the first of a sandbox", pid));
  auto ref = refer_to(pid);
  if (!ref) return fail(ref.error());
  found.ref = *ref;
  return found;
}

std::unexpected<Error> explain(int errors, Clock::time_point deadline) {
  std::string text = said(errors);
  if (Clock::now() >= deadline)
    return fail(Code::deadline_exceeded, "the sandbox did not start in time" + (text.empty() ? "" : ": " + text));
  if (text.empty()) text = "its first process ended at once";
  return fail(Code::failed_precondition,
              fmt::format("the sandbox did not start: {}; 'swarmctl doctor' checks what this machine allows", text));
}

}  // namespace

Result<Launched> launch(const LaunchRequest& request) {
  const auto deadline = Clock::now() + request.timeout;
  auto spec = memory_file("spec", encode(make_spec(request)));
  auto arguments = memory_file("arguments", bwrap_words(request));
  auto filter = memory_file("seccomp", request.seccomp);
  auto secret = memory_file("secret", request.secret);
  const UniqueFd report(open(request.report_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!report) return fail_errno("create", request.report_file);
  auto ready = make_pipe();
  for (const auto* made : {&spec, &arguments, &filter, &secret})
    if (!*made) return fail(made->error(), "launch");
  if (!ready) return fail(ready.error(), "launch");
  const UniqueFd errors(memfd_create("errors", MFD_CLOEXEC));
  if (!errors) return fail_errno("memfd_create", "errors");

  auto monitor = start_launcher(request.programs.launcher, {{STDOUT_FILENO, errors.get()},
                                                            {STDERR_FILENO, errors.get()},
                                                            {agentd::kListenFd, request.listen_fd},
                                                            {agentd::kSecretFd, secret->get()},
                                                            {kSpecFd, spec->get()},
                                                            {kArgsFd, arguments->get()},
                                                            {kSeccompFd, filter->get()},
                                                            {kInfoFd, report.get()},
                                                            {kReadyFd, ready->write.get()}});
  if (!monitor) return fail(monitor.error());
  ready->write.reset();

  Launched launched;
  launched.monitor = monitor->ref;
  launched.monitor_pidfd = std::move(monitor->pidfd);
  const std::string byte =
      read_until(ready->read.get(), deadline, [](const std::string& text) { return !text.empty(); });
  if (auto found = find_init(reported_pid(request.report_file)); found) {
    launched.init = found->ref;
    launched.init_pidfd = std::move(found->pidfd);
  }
  if (byte.empty() || !launched.init_pidfd) {
    const auto error = explain(errors.get(), deadline);
    undo(launched.init_pidfd.get(), launched.monitor_pidfd.get());
    return error;
  }
  return launched;
}

pid_t reported_pid(const std::string& report_file) { return child_pid(read_file(report_file).value_or("")); }

Result<ProcessRef> find_launched(const std::string& report_file, std::uint64_t not_before) {
  auto found = find_init(reported_pid(report_file));
  if (!found) return fail(found.error());
  if (found->ref.start_ticks < not_before) return fail(Code::not_found, "the reported process is an older one");
  return found->ref;
}

void reap(int monitor_pidfd) {
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(monitor_pidfd), &info, WEXITED | WNOHANG);
}

Result<void> remove_files(const LaunchPrograms& programs, const IdentityPlan& identity, const std::string& directory) {
  LaunchSpec spec = spec_of_identity(identity);
  spec.action = LaunchAction::clean;
  spec.stages = {directory};
  auto bytes = memory_file("spec", encode(spec));
  if (!bytes) return fail(bytes.error());
  const UniqueFd errors(memfd_create("errors", MFD_CLOEXEC));
  if (!errors) return fail_errno("memfd_create", "errors");
  auto cleaner = start_launcher(
      programs.launcher, {{STDOUT_FILENO, errors.get()}, {STDERR_FILENO, errors.get()}, {kSpecFd, bytes->get()}});
  if (!cleaner) return fail(cleaner.error());
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(cleaner->pidfd.get()), &info, WEXITED);
  if (info.si_code != CLD_EXITED || info.si_status != 0)
    return fail(Code::internal, fmt::format("remove '{}': {}", directory, said(errors.get())));
  if (rmdir(directory.c_str()) != 0 && errno != ENOENT) return fail_errno("rmdir", directory);
  return {};
}

}  // namespace swarm::local
