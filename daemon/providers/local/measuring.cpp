#include "daemon/providers/local/measuring.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "daemon/providers/local/files.hpp"
#include "daemon/providers/local/launcher/spec.hpp"
#include "daemon/providers/local/spawn.hpp"

namespace swarm::local {

Result<Measuring> Measuring::begin(const std::string& launcher, const std::filesystem::path& directory, pid_t init) {
  LaunchSpec spec;
  spec.action = LaunchAction::measure;
  spec.stages = {directory.string()};
  spec.init = init;
  const auto bytes = memory_file("spec", encode(spec));
  if (!bytes) return fail(bytes.error());
  UniqueFd said(memfd_create("count", MFD_CLOEXEC));
  if (!said) return fail_errno("memfd_create", "count");
  auto started =
      start_launcher(launcher, {{STDOUT_FILENO, said.get()}, {STDERR_FILENO, said.get()}, {kSpecFd, bytes->get()}});
  if (!started) return fail(started.error());
  return Measuring(std::move(started->pidfd), std::move(said));
}

Measuring::~Measuring() {
  if (!pidfd_) return;
  (void)signal_process(pidfd_.get(), SIGKILL);
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED);
}

Result<Measured> Measuring::finish() {
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0)
    return fail_errno("waitid", "swarm-launch");
  pidfd_.reset();
  std::array<char, 500> text{};
  const ssize_t n = pread(said_.get(), text.data(), text.size(), 0);
  std::string_view said(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (said.ends_with('\n')) said.remove_suffix(1);
  const auto space = said.find(' ');
  const auto bytes = parse_number(said);
  const auto entries = space == std::string_view::npos ? std::nullopt : parse_number(said.substr(space + 1));
  if (info.si_code != CLD_EXITED || info.si_status != 0 || !bytes || !entries)
    return fail(Code::internal, fmt::format("count what a sandbox has written: {}", said));
  return Measured{.bytes = *bytes, .entries = *entries, .whole = said.ends_with(" whole")};
}

std::optional<std::uint64_t> free_bytes(const std::filesystem::path& directory) {
  struct statvfs space{};
  if (statvfs(directory.c_str(), &space) != 0 || space.f_blocks == 0) return std::nullopt;
  return std::uint64_t{space.f_bfree} * space.f_frsize;
}

}  // namespace swarm::local
