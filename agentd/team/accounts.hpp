#pragma once
// Who an agent is to the kernel: a uid of its own, a user of that uid, a home.

#include <cstdint>
#include <set>
#include <string>

#include "agentd/exec/users.hpp"
#include "protocol/api/team.hpp"
#include "protocol/core/error.hpp"

namespace swarm::agentd {

using api::kFirstAgentUid;
inline constexpr std::uint32_t kMostAgentUids = 1000;
/// The group of `user` and of every agent, as the local provider's /etc/group has it.
inline constexpr std::uint32_t kAgentsGid = 2000;

struct Account {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user;
  std::string home;
};

/// Gives accounts. All of it blocks for a few small files.
class Accounts {
 public:
  struct Places {
    std::string etc = "/etc";
    std::string homes = "/home";
  };

  Accounts(Places places, api::Identity identity)
      : places_(std::move(places)), identity_(identity), users_(places_.etc) {}

  /// Which account `agent` gets; nothing is made yet. With `cooperative` identity it is our own user for all. Else, in
  /// this order: the user of that name; a new one in /etc/passwd, where that can be written; a user that was made for
  /// another name and is not `taken`. `resource_exhausted` when there is none.
  [[nodiscard]] Result<Account> choose(const std::string& agent, const std::set<std::uint32_t>& taken) const;

  /// Makes what is missing: the entries in passwd and group, and the home, which belongs to the account alone.
  [[nodiscard]] Result<void> make(const Account& account) const;

 private:
  [[nodiscard]] Result<Account> own(const std::string& agent) const;
  [[nodiscard]] Result<void> make_entries(const Account& account) const;
  [[nodiscard]] Result<void> make_home(const Account& account) const;

  Places places_;
  api::Identity identity_;
  Users users_;
};

}  // namespace swarm::agentd
