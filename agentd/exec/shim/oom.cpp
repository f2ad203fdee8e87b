#include "agentd/exec/shim/oom.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

namespace swarm::agentd::shim {
namespace {

/// The number behind `key` and a blank at the start of a line.
bool find_number(const char* path, std::string_view key, std::uint64_t& value) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::array<char, 16384> text{};
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  close(fd);
  const std::string_view all(text.data(), size);
  for (auto at = all.find(key); at != std::string_view::npos; at = all.find(key, at + 1)) {
    const bool line_start = at == 0 || all[at - 1] == '\n';
    const std::string_view rest = all.substr(at + key.size());
    if (!line_start || rest.empty() || rest.front() != ' ') continue;
    return std::from_chars(rest.data() + 1, rest.data() + rest.size(), value).ec == std::errc{};
  }
  return false;
}

}  // namespace

std::uint64_t oom_kills() {
  std::uint64_t value = 0;
  if (find_number("/sys/fs/cgroup/memory.events", "oom_kill", value)) return value;
  if (find_number("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill", value)) return value;
  find_number("/proc/vmstat", "oom_kill", value);
  return value;
}

}  // namespace swarm::agentd::shim
