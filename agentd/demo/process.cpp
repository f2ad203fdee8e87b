#include "agentd/demo/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "protocol/core/unique_fd.hpp"

namespace swarm::demo {
namespace {

/// Both ends of a pipe: to read from, to write to.
struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe2", "");
  return Pipe{.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
}

/// Gives the input, takes both outputs, until all three have ended.
void exchange(UniqueFd to, UniqueFd out, UniqueFd err, std::string_view input, Ran& ran) {
  if (input.empty()) to.reset();
  while (out || err || to) {
    std::array<pollfd, 3> watched{{{.fd = out.get(), .events = POLLIN, .revents = 0},
                                   {.fd = err.get(), .events = POLLIN, .revents = 0},
                                   {.fd = to.get(), .events = POLLOUT, .revents = 0}}};
    if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    const auto take = [](const pollfd& one, UniqueFd& from, std::string& into) {
      if (!from || one.revents == 0) return;
      std::array<char, 16384> buffer{};
      const ssize_t size = ::read(from.get(), buffer.data(), buffer.size());
      if (size > 0) into.append(buffer.data(), static_cast<std::size_t>(size));
      if (size == 0 || (size < 0 && errno != EINTR)) from.reset();
    };
    take(watched[0], out, ran.out);
    take(watched[1], err, ran.err);
    if (to && watched[2].revents != 0) {
      const ssize_t size = ::write(to.get(), input.data(), input.size());
      if (size > 0) input.remove_prefix(static_cast<std::size_t>(size));
      if (input.empty() || (size < 0 && errno != EINTR && errno != EAGAIN)) to.reset();
    }
  }
}

}  // namespace

Result<Ran> run(const std::vector<std::string>& argv, const std::string& directory, const std::string& input) {
  Result<Pipe> in = make_pipe();
  if (!in) return fail(in.error());
  Result<Pipe> out = make_pipe();
  if (!out) return fail(out.error());
  Result<Pipe> err = make_pipe();
  if (!err) return fail(err.error());

  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));  // NOLINT: as exec wants it
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in->read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out->write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err->write.get(), 2);
  if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, words.front(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return fail_errno("start", argv.front(), failed);
  in->read.reset();
  out->write.reset();
  err->write.reset();

  Ran ran;
  exchange(std::move(in->write), std::move(out->read), std::move(err->read), input, ran);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno("wait for", argv.front());
  }
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno("open", path);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

Result<void> write_file(const std::string& path, const std::string& content) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.flush();
  if (!file) return fail_errno("write", path);
  return {};
}

}  // namespace swarm::demo
