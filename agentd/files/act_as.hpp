#pragma once
// File work with the rights of a user, by one thread among threads of others.
//
// agentd is uid 0 of its namespace and a job runs on a shared thread pool. The kernel's credentials belong to a thread;
// only the C library pretends that they belong to the process. The raw calls change this thread alone. The effective
// ids are changed, not just the file-system ids: with them every capability goes, also the one that opens other
// processes' /proc files, which setfsuid would leave. Nobody else can change or see it meanwhile, and the real and
// saved ids stay 0, so that the user can neither signal nor trace the thread.

#include <sys/types.h>

#include <utility>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::agentd {

/// Whose rights.
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< supplementary ones
};

/// While it lives this thread acts as somebody else. The end gives back what was before; if that fails the program is
/// ended, because to go on with the wrong rights is worse.
class [[nodiscard]] ActAs {
 public:
  /// `permission_denied` where the process may not become that user. Asked for who it is already, nothing is changed.
  static Result<ActAs> begin(const Credentials& who);

  ActAs(ActAs&& other) noexcept : before_(std::move(other.before_)), active_(std::exchange(other.active_, false)) {}
  ActAs& operator=(ActAs&&) = delete;
  ~ActAs();

 private:
  ActAs() = default;
  Credentials before_;
  bool active_ = false;
};

}  // namespace swarm::agentd
