#include "daemon/providers/local/seccomp.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/core/deleter.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::local {
namespace {

using Filter = CPtr<void, seccomp_release>;

/// How a refused call fails. ENOSYS where programs have a way round an old kernel and take it.
struct Refusal {
  const char* name;
  int error;
};

constexpr std::array kAlways = {
    // The keyrings of a uid are shared by all its processes on the host, whatever namespace they are in.
    Refusal{"add_key", EPERM},
    Refusal{"keyctl", EPERM},
    Refusal{"request_key", EPERM},
    // Large parts of the kernel behind one call.
    Refusal{"bpf", EPERM},
    Refusal{"io_uring_setup", ENOSYS},
    Refusal{"io_uring_enter", ENOSYS},
    Refusal{"io_uring_register", ENOSYS},
    Refusal{"userfaultfd", EPERM},
    Refusal{"perf_event_open", EPERM},
    Refusal{"lookup_dcookie", EPERM},
    // The machine itself.
    Refusal{"kexec_load", EPERM},
    Refusal{"kexec_file_load", EPERM},
    Refusal{"init_module", EPERM},
    Refusal{"finit_module", EPERM},
    Refusal{"delete_module", EPERM},
    Refusal{"create_module", EPERM},
    Refusal{"reboot", EPERM},
    Refusal{"swapon", EPERM},
    Refusal{"swapoff", EPERM},
    Refusal{"acct", EPERM},
    Refusal{"syslog", EPERM},
    Refusal{"settimeofday", EPERM},
    Refusal{"clock_settime", EPERM},
    Refusal{"clock_adjtime", EPERM},
    Refusal{"adjtimex", EPERM},
    Refusal{"stime", EPERM},
    Refusal{"iopl", EPERM},
    Refusal{"ioperm", EPERM},
    Refusal{"quotactl", EPERM},
    Refusal{"quotactl_fd", EPERM},
    Refusal{"nfsservctl", ENOSYS},
    Refusal{"uselib", ENOSYS},
    Refusal{"_sysctl", ENOSYS},
    Refusal{"vhangup", EPERM},
    Refusal{"vm86", ENOSYS},
    Refusal{"vm86old", ENOSYS},
    Refusal{"modify_ldt", EPERM},
    Refusal{"open_by_handle_at", EPERM},
};

/// Refused unless the template lets programs build sandboxes of their own.
constexpr std::array kWithoutUserns = {
    Refusal{"mount", EPERM},
    Refusal{"umount", EPERM},
    Refusal{"umount2", EPERM},
    Refusal{"pivot_root", EPERM},
    Refusal{"chroot", EPERM},
    Refusal{"setns", EPERM},
    Refusal{"open_tree", EPERM},
    Refusal{"move_mount", EPERM},
    Refusal{"fsopen", EPERM},
    Refusal{"fsconfig", EPERM},
    Refusal{"fsmount", EPERM},
    Refusal{"fspick", EPERM},
    Refusal{"mount_setattr", EPERM},
    // Its flags are behind a pointer that a filter cannot follow; C libraries fall back to clone.
    Refusal{"clone3", ENOSYS},
};

/// Adds rules and remembers the first that libseccomp did not take.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  void refuse(const Refusal& refusal) {
    // A name that this libseccomp does not know is a call that it would refuse to compile; none of ours is newer
    // than 2.5.
    const int number = seccomp_syscall_resolve_name(refusal.name);
    if (number == __NR_SCMP_ERROR) return note(refusal.name, -EINVAL);
    // Negative: the call does not exist on this architecture, so there is nothing to refuse.
    if (number < 0) return;
    note(refusal.name, seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(static_cast<std::uint32_t>(refusal.error)),
                                              number, 0, nullptr));
  }

  void refuse(const char* name, int error, std::vector<scmp_arg_cmp> when) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number < 0) return;
    note(name, seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error)), number,
                                      static_cast<unsigned>(when.size()), when.data()));
  }

  void note(const char* what, int result) {
    if (result < 0 && problem_.empty()) problem_ = fmt::format("{}: {}", what, strerrordesc_np(-result));
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  scmp_filter_ctx filter_;
  std::string problem_;
};

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

/// The kernel looks at the low half of an int argument: a rule on all 64 bits would be passed by setting a high one.
constexpr std::uint64_t kInt = 0xFFFFFFFF;

void refuse_sockets(Rules& rules) {
  // vsock reaches the hypervisor from any network namespace, AF_ALG and the rest only lengthen the list of doors.
  constexpr std::uint64_t kMostFamily = 64;
  for (std::uint64_t family = 0; family < kMostFamily; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
    rules.refuse("socket", EAFNOSUPPORT, {equals(0, family)});
    rules.refuse("socketpair", EAFNOSUPPORT, {equals(0, family)});
  }
  rules.refuse("socket", EAFNOSUPPORT, {{0, SCMP_CMP_GE, kMostFamily, 0}});
  rules.refuse("socketpair", EAFNOSUPPORT, {{0, SCMP_CMP_GE, kMostFamily, 0}});
  rules.refuse("socket", EAFNOSUPPORT, {equals(0, AF_NETLINK), {2, SCMP_CMP_NE, NETLINK_ROUTE, 0}});
}

void refuse_terminal_injection(Rules& rules) {
  constexpr std::uint64_t kTioclinux = 0x541C;
  rules.refuse("ioctl", EPERM, {masked(1, kInt, TIOCSTI)});
  rules.refuse("ioctl", EPERM, {masked(1, kInt, kTioclinux)});
}

Result<std::string> export_program(scmp_filter_ctx filter) {
  const UniqueFd file(memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) return fail_errno("memfd_create", "seccomp");
  if (const int result = seccomp_export_bpf(filter, file.get()); result < 0)
    return fail_errno("seccomp_export_bpf", "", -result);
  const off_t size = lseek(file.get(), 0, SEEK_END);
  std::string program(static_cast<std::size_t>(size), '\0');
  if (pread(file.get(), program.data(), program.size(), 0) != size) return fail_errno("pread", "seccomp");
  return program;
}

}  // namespace

Result<std::string> seccomp_program(Userns userns) {
  const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return fail(Code::internal, "seccomp_init failed");
  Rules rules(filter.get());
  rules.note("bad architecture", seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)));
  // A binary tree instead of a list: a call passes about seven comparisons instead of sixty.
  rules.note("optimize", seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
  for (const auto& refusal : kAlways) rules.refuse(refusal);
  refuse_sockets(rules);
  refuse_terminal_injection(rules);
  if (userns == Userns::forbidden) {
    for (const auto& refusal : kWithoutUserns) rules.refuse(refusal);
    rules.refuse("clone", EPERM, {masked(0, CLONE_NEWUSER, CLONE_NEWUSER)});
    rules.refuse("unshare", EPERM, {masked(0, CLONE_NEWUSER, CLONE_NEWUSER)});
  }
  if (!rules.problem().empty()) return fail(Code::internal, "seccomp filter: " + rules.problem());
  return export_program(filter.get());
}

std::vector<std::string> refused_calls(Userns userns) {
  std::vector<std::string> names;
  for (const auto& refusal : kAlways) names.emplace_back(refusal.name);
  if (userns == Userns::forbidden) {
    for (const auto& refusal : kWithoutUserns) names.emplace_back(refusal.name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace swarm::local
