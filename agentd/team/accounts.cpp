#include "agentd/team/accounts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "protocol/async/file.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::agentd {
namespace {

constexpr std::size_t kMostFileBytes = 4U << 20U;

/// The number behind "agent-"; nothing for another name.
std::optional<std::uint32_t> number_of(const std::string& agent) {
  constexpr std::string_view kPrefix = "agent-";
  if (!agent.starts_with(kPrefix) || agent.size() > kPrefix.size() + 3) return std::nullopt;
  std::uint32_t number = 0;
  for (const char c : agent.substr(kPrefix.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return agent.size() == kPrefix.size() ? std::nullopt : std::optional(number);
}

Result<void> append_line(const std::string& path, const std::string& line) {
  Result<std::string> text = async::read_file_now(path, kMostFileBytes);
  if (!text) return fail(text.error());
  if (!text->empty() && !text->ends_with('\n')) *text += '\n';
  return async::write_file_atomic_now(path, *text + line + "\n", 0644, async::Sync::none);
}

}  // namespace

Result<Account> Accounts::own(const std::string& agent) const {
  const Result<ExecUser> self = users_.find(std::to_string(geteuid()));
  if (!self) return fail(self.error());
  // Own homes keep what each program writes there apart, though not from each other's hands.
  const bool open = access(places_.homes.c_str(), W_OK) == 0;
  return Account{.uid = self->uid,
                 .gid = self->gid,
                 .user = self->name,
                 .home = (open ? places_.homes : self->home + "/agents") + "/" + agent};
}

Result<Account> Accounts::choose(const std::string& agent, const std::set<std::uint32_t>& taken) const {
  if (identity_ != api::Identity::enforced) return own(agent);
  const auto account = [](const ExecUser& user) {
    return Account{.uid = user.uid, .gid = user.gid, .user = user.name, .home = user.home};
  };
  if (const Result<ExecUser> user = users_.find(agent); user && user->uid >= kFirstAgentUid) {
    if (!taken.contains(user->uid)) return account(*user);
  }
  if (access((places_.etc + "/passwd").c_str(), W_OK) == 0 && access(places_.etc.c_str(), W_OK) == 0) {
    const std::optional<std::uint32_t> number = number_of(agent);
    for (std::uint32_t i = 0; i < kMostAgentUids; ++i) {
      const std::uint32_t uid = kFirstAgentUid + (number.value_or(kMostAgentUids / 2) + i) % kMostAgentUids;
      // A uid that has a name belongs to somebody.
      if (taken.contains(uid) || users_.name_of(uid) != std::to_string(uid)) continue;
      return Account{.uid = uid, .gid = uid, .user = agent, .home = places_.homes + "/" + agent};
    }
  }
  // The last ones first: agents that have a number want the user of that number.
  for (std::uint32_t i = kMostAgentUids; i > 0; --i) {
    const std::uint32_t uid = kFirstAgentUid + i - 1;
    if (taken.contains(uid)) continue;
    const std::string name = users_.name_of(uid);
    if (name == std::to_string(uid)) continue;
    if (const Result<ExecUser> user = users_.find(name); user) return account(*user);
  }
  return fail(
      Code::resource_exhausted,
      fmt::format("no uid is left for '{}': {} are given; let agents that are not needed leave", agent, taken.size()));
}

Result<void> Accounts::make_entries(const Account& account) const {
  if (users_.name_of(account.uid) == account.user) return {};
  auto passwd = append_line(places_.etc + "/passwd", fmt::format("{0}:x:{1}:{2}:{0}:{3}:/bin/sh", account.user,
                                                                 account.uid, account.gid, account.home));
  if (!passwd) return fail(passwd.error(), "passwd");
  auto group = append_line(places_.etc + "/group", fmt::format("{}:x:{}:", account.user, account.gid));
  if (!group) return fail(group.error(), "group");
  return {};
}

Result<void> Accounts::make_home(const Account& account) const {
  const auto slash = account.home.rfind('/');
  const std::string parent = account.home.substr(0, slash);
  const std::string name = account.home.substr(slash + 1);
  if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("mkdir", parent);
  const UniqueFd above(open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!above) return fail_errno("open", parent);
  if (mkdirat(above.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", account.home);
  // By descriptor: what is changed is the directory that was looked at, and no link is followed.
  const UniqueFd home(openat(above.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!home) return fail_errno("open", account.home);
  struct stat info{};
  if (fstat(home.get(), &info) != 0) return fail_errno("stat", account.home);
  if (info.st_uid != account.uid && fchown(home.get(), account.uid, account.gid) != 0) {
    return fail_errno("chown", account.home);
  }
  if ((info.st_mode & 07777U) != 0700U && fchmod(home.get(), 0700) != 0) return fail_errno("chmod", account.home);
  return {};
}

Result<void> Accounts::make(const Account& account) const {
  if (identity_ == api::Identity::enforced) {
    if (Result<void> made = make_entries(account); !made) return made;
  }
  return make_home(account);
}

}  // namespace swarm::agentd
