#include "daemon/providers/local/process_ref.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sstream>

#include "daemon/providers/local/files.hpp"

namespace swarm::local {
namespace {

Result<std::uint64_t> start_ticks(pid_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid));
  if (!text) return fail(Code::not_found, fmt::format("no process {}", pid));
  // The second field is the name in parentheses and may hold anything, also parentheses and spaces.
  const auto end = text->rfind(')');
  if (end == std::string::npos) return fail(Code::internal, fmt::format("/proc/{}/stat is malformed", pid));
  std::istringstream fields(text->substr(end + 1));
  std::string field;
  constexpr int kSkipped = 19;  // fields 3 to 21
  for (int i = 0; i < kSkipped; ++i) fields >> field;
  std::uint64_t ticks = 0;
  if (!(fields >> ticks)) return fail(Code::internal, fmt::format("/proc/{}/stat is malformed", pid));
  return ticks;
}

}  // namespace

std::string boot_id() {
  std::string id = read_file("/proc/sys/kernel/random/boot_id").value_or("");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::uint64_t ticks_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const auto a_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return static_cast<std::uint64_t>(now.tv_sec) * a_second +
         static_cast<std::uint64_t>(now.tv_nsec) * a_second / 1'000'000'000;
}

Result<ProcessRef> refer_to(pid_t pid) {
  const auto ticks = start_ticks(pid);
  if (!ticks) return fail(ticks.error());
  return ProcessRef{pid, *ticks, boot_id()};
}

Result<UniqueFd> open_process(const ProcessRef& process) {
  const auto gone = [&] { return fail(Code::not_found, fmt::format("process {} is gone", process.pid)); };
  if (process.pid <= 0 || process.boot_id != boot_id()) return gone();
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd) return gone();
  // Looked at after the pidfd was opened: if the start time fits now, the pidfd cannot be of a later process.
  const auto ticks = start_ticks(process.pid);
  if (!ticks || *ticks != process.start_ticks) return gone();
  return pidfd;
}

Result<void> signal_process(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return {};
  return fail_errno("pidfd_send_signal", std::to_string(signal));
}

bool has_ended(int pidfd) {
  pollfd fd{.fd = pidfd, .events = POLLIN, .revents = 0};
  return poll(&fd, 1, 0) == 1;
}

}  // namespace swarm::local
