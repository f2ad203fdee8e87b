#include "daemon/providers/local/launcher/userns.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/providers/local/launcher/syscalls.hpp"

namespace swarm::local {
namespace {

std::string map_text(const std::vector<IdMapLine>& lines) {
  std::string text;
  for (const auto& line : lines)
    text += std::to_string(line.inside) + " " + std::to_string(line.outside) + " " + std::to_string(line.count) + "\n";
  return text;
}

/// Runs newuidmap or newgidmap for process `target`; true when it succeeded. It says itself what is wrong, on our
/// stderr.
bool run_mapper(const std::string& program, pid_t target, const std::vector<IdMapLine>& lines) {
  std::vector<std::string> words = {program, std::to_string(target)};
  for (const auto& line : lines) {
    words.push_back(std::to_string(line.inside));
    words.push_back(std::to_string(line.outside));
    words.push_back(std::to_string(line.count));
  }
  const pid_t child = fork();
  if (child == 0) {
    exec(words);
    _exit(127);
  }
  return child > 0 && exit_status(child) == 0;
}

/// The half that stays in the old namespaces.
int write_maps(const LaunchSpec& spec, pid_t target) {
  if (spec.mapper == Mapper::newuidmap)
    return run_mapper(spec.newuidmap, target, spec.uids) && run_mapper(spec.newgidmap, target, spec.gids) ? 0 : 1;
  const std::string proc = "/proc/" + std::to_string(target);
  std::string error = write_file(proc + "/uid_map", map_text(spec.uids));
  if (error.empty()) error = write_file(proc + "/gid_map", map_text(spec.gids));
  if (error.empty()) return 0;
  say(error);
  return 1;
}

}  // namespace

std::string enter_user_namespace(const LaunchSpec& spec) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return failed("pipe2", "");
  const pid_t self = getpid();
  const pid_t mapper = fork();
  if (mapper < 0) return failed("fork", "");
  if (mapper == 0) {
    close(ready[1]);
    char byte = 0;
    _exit(read(ready[0], &byte, 1) == 1 ? write_maps(spec, self) : 1);
  }
  close(ready[0]);
  std::string error;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) error = failed("unshare", "user and mount namespace");
  if (error.empty() && write(ready[1], "u", 1) != 1) error = failed("write", "pipe");
  close(ready[1]);
  const int status = exit_status(mapper);
  if (error.empty() && status != 0) error = "the id maps of the user namespace could not be written";
  return error;
}

std::string become_namespace_root() {
  if (setgroups(0, nullptr) != 0) return failed("setgroups", "");
  if (setresgid(0, 0, 0) != 0) return failed("setresgid", "0");
  if (setresuid(0, 0, 0) != 0) return failed("setresuid", "0");
  return {};
}

}  // namespace swarm::local
