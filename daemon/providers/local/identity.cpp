#include "daemon/providers/local/identity.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace swarm::local {
namespace {

constexpr std::uint64_t kAllIds = 4294967295;

std::string read_text(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string find_program(const char* name) {
  for (const char* dir : {"/usr/bin/", "/usr/sbin/", "/bin/", "/usr/local/bin/"}) {
    std::string path = std::string(dir) + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

/// True when the namespace of this map is the machine's own, where uid 0 is the real root.
bool is_initial(const std::vector<IdMapLine>& map) {
  return map.size() == 1 && map[0].inside == 0 && map[0].outside == 0 && map[0].count == kAllIds;
}

bool contains(const std::vector<IdMapLine>& map, IdRange range) {
  return std::ranges::any_of(map, [range](const IdMapLine& line) {
    return range.base >= line.inside &&
           std::uint64_t{range.base} + range.count <= std::uint64_t{line.inside} + line.count;
  });
}

/// The largest range that both maps have, leaving out the ids that the outer system itself uses.
std::optional<IdRange> largest_common(const std::vector<IdMapLine>& uids, const std::vector<IdMapLine>& gids) {
  std::optional<IdRange> best;
  for (const auto& u : uids) {
    for (const auto& g : gids) {
      std::uint64_t first = std::max({u.inside, g.inside, std::uint32_t{1}});
      const std::uint64_t last = std::min(std::uint64_t{u.inside} + u.count, std::uint64_t{g.inside} + g.count);
      if (last >= first + 2 * std::uint64_t{kLeastIds}) first = std::max<std::uint64_t>(first, 10'000);
      if (last <= first) continue;
      const IdRange range{static_cast<std::uint32_t>(first),
                          static_cast<std::uint32_t>(std::min<std::uint64_t>(last - first, 65'536))};
      if (range.count >= kLeastIds && (!best || range.count > best->count)) best = range;
    }
  }
  return best;
}

IdentityPlan map_range(Mapper mapper, IdRange uids, IdRange gids, std::string why) {
  IdentityPlan plan;
  plan.mapper = mapper;
  plan.uids = {{0, uids.base, uids.count}};
  plan.gids = {{0, gids.base, gids.count}};
  plan.why = std::move(why);
  return plan;
}

Result<IdentityPlan> plan_as_root(const HostIdentity& host, IdRange wanted) {
  if (wanted.base == 0 || wanted.count < kLeastIds)
    return fail(Code::invalid_argument,
                fmt::format("uid range {}:{} cannot be used: it must not begin at 0 and needs at least {} ids",
                            wanted.base, wanted.count, kLeastIds));
  if (contains(host.uid_map, wanted) && contains(host.gid_map, wanted))
    return map_range(Mapper::direct, wanted, wanted,
                     fmt::format("the daemon is root and maps the host ids {}:{}", wanted.base, wanted.count));
  if (const auto range = largest_common(host.uid_map, host.gid_map))
    return map_range(Mapper::direct, *range, *range,
                     fmt::format("the range {}:{} is not available in this container; {}:{} is used", wanted.base,
                                 wanted.count, range->base, range->count));
  if (is_initial(host.uid_map))
    return fail(Code::failed_precondition, "no uid range can be mapped, and the host's root is never mapped");
  IdentityPlan plan;
  plan.why = "this container has too few uids to give each agent its own; start it with a uid range";
  return plan;
}

}  // namespace

std::vector<IdMapLine> parse_id_map(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<IdMapLine> lines;
  IdMapLine line;
  while (in >> line.inside >> line.outside >> line.count) lines.push_back(line);
  return lines;
}

std::vector<IdRange> parse_subids(std::string_view text, std::string_view user, std::uint32_t uid) {
  std::vector<IdRange> ranges;
  std::istringstream in{std::string(text)};
  const std::string number = std::to_string(uid);
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string owner = line.substr(0, first);
    if (owner != number && (user.empty() || owner != user)) continue;
    IdRange range;
    const char* begin = line.data() + first + 1;
    const char* end = line.data() + line.size();
    if (std::from_chars(begin, line.data() + second, range.base).ec != std::errc{}) continue;
    if (std::from_chars(line.data() + second + 1, end, range.count).ec != std::errc{}) continue;
    ranges.push_back(range);
  }
  return ranges;
}

HostIdentity read_host_identity() {
  HostIdentity host;
  host.uid = geteuid();
  host.gid = getegid();
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(host.uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    host.user = found->pw_name;
  host.uid_map = parse_id_map(read_text("/proc/self/uid_map"));
  host.gid_map = parse_id_map(read_text("/proc/self/gid_map"));
  host.subuids = parse_subids(read_text("/etc/subuid"), host.user, host.uid);
  host.subgids = parse_subids(read_text("/etc/subgid"), host.user, host.uid);
  host.newuidmap = find_program("newuidmap");
  host.newgidmap = find_program("newgidmap");
  return host;
}

Result<IdentityPlan> plan_identity(const HostIdentity& host, IdRange wanted) {
  if (host.uid == 0) return plan_as_root(host, wanted);
  const auto usable = [](IdRange range) { return range.base > 0 && range.count >= kLeastIds; };
  const auto uids = std::ranges::find_if(host.subuids, usable);
  const auto gids = std::ranges::find_if(host.subgids, usable);
  IdentityPlan plan;
  if (uids == host.subuids.end() || gids == host.subgids.end()) {
    plan.why = fmt::format(
        "user '{}' has no range in /etc/subuid and /etc/subgid, so all agents share one uid; as root: "
        "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}",
        host.user, host.user);
    return plan;
  }
  if (host.newuidmap.empty() || host.newgidmap.empty()) {
    plan.why =
        "newuidmap and newgidmap are not installed, so all agents share one uid; as root: apt-get install uidmap";
    return plan;
  }
  plan = map_range(Mapper::newuidmap, *uids, *gids,
                   fmt::format("newuidmap maps the host ids {}:{} of user '{}'", uids->base, uids->count, host.user));
  plan.newuidmap = host.newuidmap;
  plan.newgidmap = host.newgidmap;
  return plan;
}

}  // namespace swarm::local
