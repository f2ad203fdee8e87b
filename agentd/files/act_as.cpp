#include "agentd/files/act_as.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace swarm::agentd {
namespace {

constexpr auto kSame = static_cast<unsigned>(-1);

bool set_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}
bool set_gid(gid_t gid) { return ::syscall(SYS_setresgid, kSame, gid, kSame) == 0; }
bool set_uid(uid_t uid) { return ::syscall(SYS_setresuid, kSame, uid, kSame) == 0; }

bool restore(const Credentials& before) {
  return set_uid(before.uid) && set_gid(before.gid) && set_groups(before.groups) && ::geteuid() == before.uid;
}

std::vector<gid_t> current_groups() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return groups;
}

}  // namespace

Result<ActAs> ActAs::begin(const Credentials& who) {
  ActAs act;
  const uid_t self = ::geteuid();
  if (who.uid == self) return act;
  if (self != 0) {
    return fail(Code::permission_denied,
                fmt::format("this sandbox has one user, uid {}; nothing can be done as uid {} there", self, who.uid));
  }
  act.before_ = {.uid = self, .gid = ::getegid(), .groups = current_groups()};
  // The uid goes last: with it goes the right to set the others.
  if (set_groups(who.groups) && set_gid(who.gid) && set_uid(who.uid)) {
    act.active_ = true;
    return act;
  }
  const int error = errno;
  if (!restore(act.before_)) std::abort();
  return fail_errno("become", fmt::format("uid {}", who.uid), error);
}

ActAs::~ActAs() {
  if (active_ && !restore(before_)) std::abort();
}

}  // namespace swarm::agentd
