#include "daemon/providers/local/launcher/syscalls.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace swarm::local {

std::string failed(std::string_view call, std::string_view argument) {
  const int error = errno;
  std::string text(call);
  if (!argument.empty()) text.append(" '").append(argument).append("'");
  return text + ": " + std::strerror(error);
}

std::string write_file(const std::string& path, std::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return failed("open", path);
  std::string error;
  if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) error = failed("write", path);
  close(fd);
  return error;
}

bool read_all(int fd, std::string& bytes) {
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n == 0) return true;
    if (n > 0) bytes.append(buffer.data(), static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) return false;
  }
}

void say(std::string_view sentence) {
  std::string line(sentence);
  line.insert(0, "swarm-launch: ").push_back('\n');
  [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, line.data(), line.size());
}

void exec(const std::vector<std::string>& argv) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));  // NOLINT: execve does not write
  words.push_back(nullptr);
  std::array<char*, 1> environment = {nullptr};
  execve(words[0], words.data(), environment.data());
}

int exit_status(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return 255;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string close_all_but(std::vector<int> keep) {
  std::ranges::sort(keep);
  unsigned next = 3;
  for (const int fd : keep) {
    if (fd < 3) continue;
    const auto kept = static_cast<unsigned>(fd);
    if (kept > next && close_range(next, kept - 1, 0) != 0) return failed("close_range", "");
    if (fcntl(fd, F_SETFD, 0) != 0) return failed("fcntl", std::to_string(fd));
    next = kept + 1;
  }
  if (close_range(next, UINT_MAX, 0) != 0) return failed("close_range", "");
  return {};
}

}  // namespace swarm::local
