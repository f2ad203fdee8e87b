#include "agentd/forward/owner.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "protocol/async/file.hpp"

namespace swarm::agentd {
namespace {

/// A sandbox with more sockets than this has other worries; who is not found is refused.
constexpr std::size_t kMostTable = 16U << 20U;
constexpr std::size_t kLocal = 1;
constexpr std::size_t kRemote = 2;
constexpr std::size_t kUid = 7;

/// As the kernel prints it: each 32-bit word of the address as a number of this machine's byte order.
std::string words(const void* address, std::size_t bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes; at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, static_cast<const char*>(address) + at, 4);
    out += fmt::format("{:08X}", word);
  }
  return out;
}

/// Both ways in which an address can stand there: an IPv4 one also as the mapped address of an IPv6 socket.
std::vector<std::string> forms(const transport::TcpAddress& address) {
  const std::string port = fmt::format(":{:04X}", address.port);
  in_addr four{};
  if (inet_pton(AF_INET, address.host.c_str(), &four) == 1) {
    const std::string plain = words(&four, sizeof four);
    std::array<unsigned char, 16> mapped{};
    mapped[10] = mapped[11] = 0xff;
    std::memcpy(mapped.data() + 12, &four, sizeof four);
    return {plain + port, words(mapped.data(), mapped.size()) + port};
  }
  in6_addr six{};
  if (inet_pton(AF_INET6, address.host.c_str(), &six) != 1) return {};
  return {words(&six, sizeof six) + port};
}

std::vector<std::string_view> columns(std::string_view line) {
  std::vector<std::string_view> out;
  while (out.size() <= kUid) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find(' '), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return out;
}

}  // namespace

std::optional<uid_t> owner_in(std::string_view table, const transport::TcpAddress& from,
                              const transport::TcpAddress& to) {
  const std::vector<std::string> locals = forms(from);
  const std::vector<std::string> remotes = forms(to);
  while (!table.empty()) {
    const std::size_t end = std::min(table.find('\n'), table.size());
    const std::vector<std::string_view> line = columns(table.substr(0, end));
    table.remove_prefix(std::min(end + 1, table.size()));
    if (line.size() <= kUid) continue;
    for (std::size_t i = 0; i < locals.size() && i < remotes.size(); ++i) {
      if (line[kLocal] != locals[i] || line[kRemote] != remotes[i]) continue;
      uid_t uid = 0;
      const auto [rest, error] = std::from_chars(line[kUid].data(), line[kUid].data() + line[kUid].size(), uid);
      if (error == std::errc() && rest == line[kUid].data() + line[kUid].size()) return uid;
    }
  }
  return std::nullopt;
}

std::optional<uid_t> owner_of(const transport::TcpAddress& from, const transport::TcpAddress& to) {
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const Result<std::string> table = async::read_file_now(path, kMostTable);
    if (!table) continue;
    if (const std::optional<uid_t> uid = owner_in(*table, from, to)) return uid;
  }
  return std::nullopt;
}

}  // namespace swarm::agentd
