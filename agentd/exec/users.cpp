#include "agentd/exec/users.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>

#include "protocol/async/file.hpp"

namespace swarm::agentd {
namespace {

constexpr std::size_t kMostFileBytes = 4U << 20U;
constexpr uid_t kDefaultUid = 1000;
constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

template <class T>
std::optional<T> to_number(std::string_view text) {
  T value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// name:password:uid:gid:comment:home:shell
std::optional<ExecUser> parse_passwd_line(std::string_view line) {
  const auto fields = split(line, ':');
  if (fields.size() < 7) return std::nullopt;
  const auto uid = to_number<uid_t>(fields[2]);
  const auto gid = to_number<gid_t>(fields[3]);
  if (!uid || !gid) return std::nullopt;
  ExecUser user{.name = std::string(fields[0]), .uid = *uid, .gid = *gid};
  if (!fields[5].empty()) user.home = fields[5];
  if (!fields[6].empty()) user.shell = fields[6];
  return user;
}

std::optional<ExecUser> find_in_passwd(const std::string& text, const std::function<bool(const ExecUser&)>& wanted) {
  for (const std::string_view line : split(text, '\n')) {
    auto user = parse_passwd_line(line);
    if (user && wanted(*user)) return user;
  }
  return std::nullopt;
}

/// name:password:gid:member,member
void add_groups(const std::string& text, ExecUser& user) {
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto gid = to_number<gid_t>(fields[2]);
    const auto members = split(fields[3], ',');
    if (gid && std::ranges::find(members, user.name) != members.end()) user.groups.push_back(*gid);
  }
  if (std::ranges::find(user.groups, user.gid) == user.groups.end()) {
    user.groups.insert(user.groups.begin(), user.gid);
  }
}

std::string read_or_empty(const std::string& path) {
  const auto text = async::read_file_now(path, kMostFileBytes);
  return text ? *text : std::string();
}

}  // namespace

Result<ExecUser> Users::find(const std::string& name_or_uid) const {
  const std::string passwd = read_or_empty(etc_ + "/passwd");
  auto user = find_in_passwd(passwd, [&](const ExecUser& one) { return one.name == name_or_uid; });
  if (!user) {
    const auto uid = to_number<uid_t>(name_or_uid);
    if (!uid) return fail(Code::not_found, fmt::format("no user '{}' in the sandbox", name_or_uid));
    user = find_in_passwd(passwd, [&](const ExecUser& one) { return one.uid == *uid; });
    if (!user) user = ExecUser{.name = name_or_uid, .uid = *uid, .gid = *uid};
  }
  add_groups(read_or_empty(etc_ + "/group"), *user);
  return *user;
}

Result<ExecUser> Users::fallback() const {
  const uid_t self = geteuid();
  if (self == 0) {
    const std::string passwd = read_or_empty(etc_ + "/passwd");
    const auto user = find_in_passwd(passwd, [](const ExecUser& one) { return one.uid == kDefaultUid; });
    if (user) return find(user->name);
  }
  return find(std::to_string(self));
}

std::string Users::name_of(uid_t uid) const {
  const auto user =
      find_in_passwd(read_or_empty(etc_ + "/passwd"), [uid](const ExecUser& one) { return one.uid == uid; });
  return user ? user->name : std::to_string(uid);
}

std::vector<std::string> make_environment(const std::vector<std::string>* base, const ExecUser& user,
                                          const std::string& term, const std::map<std::string, std::string>& extra) {
  std::map<std::string, std::string, std::less<>> merged;
  const auto put = [&merged](std::string_view entry) {
    const auto equals = entry.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      merged.insert_or_assign(std::string(entry.substr(0, equals)), std::string(entry.substr(equals + 1)));
    }
  };
  if (base != nullptr) {
    put(kPath);
    for (const std::string& entry : *base) put(entry);
    merged["HOME"] = user.home;
    merged["USER"] = merged["LOGNAME"] = user.name;
    merged["SHELL"] = user.shell;
    merged.erase("PWD");
    merged.erase("OLDPWD");
  }
  if (!term.empty()) merged["TERM"] = term;
  for (const auto& [name, value] : extra) merged.insert_or_assign(name, value);
  std::vector<std::string> env;
  env.reserve(merged.size());
  for (const auto& [name, value] : merged) env.push_back(name + "=" + value);
  return env;
}

}  // namespace swarm::agentd
