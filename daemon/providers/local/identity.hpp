#pragma once
// Which uids a sandbox has, inside and on the host.
//
//   inside        who                             on the host
//   0             agentd, tmux                    base + 0      never 0
//   1000          "user", as at other providers   base + 1000
//   2001...       one agent each                  base + 2001...
//   65534         nobody
//
// Where the host gives no range there is one uid only: everything inside runs as 1000, which is the daemon's own uid
// outside, and nothing in the kernel tells agents apart. That state is called `cooperative`.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/providers/local/launcher/spec.hpp"
#include "protocol/core/error.hpp"

namespace swarm::local {

inline constexpr std::uint32_t kUserId = 1000;        ///< `user`, the default of exec
inline constexpr std::uint32_t kAgentsGid = 2000;     ///< the group of `user` and of every agent
inline constexpr std::uint32_t kFirstAgentId = 2001;  ///< agent-0
inline constexpr std::uint32_t kAgentIds = 256;       ///< agents that have a name in /etc/passwd
inline constexpr std::uint32_t kLeastIds = 4096;      ///< a smaller range is not worth using

/// A range of ids on the host.
struct IdRange {
  std::uint32_t base = 0;
  std::uint32_t count = 0;
  bool operator==(const IdRange&) const = default;
};

/// What a root daemon uses unless it is configured otherwise. useradd gives 100000 and up to people (login.defs,
/// SUB_UID_MIN to SUB_UID_MAX 600100000), and whoever owns a range can signal what runs in it; systemd takes up to
/// 1879048191 for containers. What lies above is nobody's (systemd, UIDS-GIDS).
inline constexpr IdRange kDefaultRange{2'000'000'000, 65'536};

/// What the choice depends on, read once.
struct HostIdentity {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user;                ///< login name; empty when the uid has none
  std::vector<IdMapLine> uid_map;  ///< our own namespace, from /proc/self/uid_map
  std::vector<IdMapLine> gid_map;
  std::vector<IdRange> subuids;  ///< of /etc/subuid
  std::vector<IdRange> subgids;
  std::string newuidmap;  ///< absolute path; empty when not installed
  std::string newgidmap;
};

/// How one sandbox gets its ids.
struct IdentityPlan {
  Mapper mapper = Mapper::none;
  std::vector<IdMapLine> uids;
  std::vector<IdMapLine> gids;
  std::string newuidmap;
  std::string newgidmap;
  std::string why;  ///< a sentence: why this, and for `cooperative` what to do to get more

  /// True where agents have uids of their own.
  [[nodiscard]] bool isolated() const { return mapper != Mapper::none; }
  /// What `sandbox.info` says: "isolated" or "cooperative".
  [[nodiscard]] std::string_view label() const { return isolated() ? "isolated" : "cooperative"; }
};

/// The lines of a uid_map or gid_map file.
std::vector<IdMapLine> parse_id_map(std::string_view text);

/// The ranges of one user (by name or number) in the text of /etc/subuid or /etc/subgid.
std::vector<IdRange> parse_subids(std::string_view text, std::string_view user, std::uint32_t uid);

/// Reads this process's situation.
HostIdentity read_host_identity();

/// Chooses. `failed_precondition` where the only choice would map the host's root into a sandbox.
Result<IdentityPlan> plan_identity(const HostIdentity& host, IdRange wanted = kDefaultRange);

}  // namespace swarm::local
