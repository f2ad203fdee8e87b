// The tests of this folder once more, as ordinary users: one with a range of uids of its own, one without. The users
// are made for the test and removed after it, which takes root; without root this says so and passes.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "daemon/providers/local/identity.hpp"

namespace {

int run(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  // A user's processes may not be able to enter the directory of the build; they need no current directory.
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return 127;
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

enum class Ranges { none, one };

/// An ordinary user for as long as the object lives.
class User {
 public:
  explicit User(Ranges ranges) : name_("swarm-test-" + std::to_string(getpid()) + (ranges == Ranges::one ? "r" : "n")) {
    // No range by useradd's own choice: it would be the one that sandboxes of a root daemon may be using just now, and
    // then usermod and userdel refuse.
    REQUIRE(run({"useradd", "--no-create-home", "--home-dir", "/nonexistent", "-K", "SUB_UID_COUNT=0", "-K",
                 "SUB_GID_COUNT=0", name_}) == 0);
    if (ranges == Ranges::one)
      REQUIRE(run({"usermod", "--add-subuids", "700000-765535", "--add-subgids", "700000-765535", name_}) == 0);
  }
  User(const User&) = delete;
  User& operator=(const User&) = delete;
  ~User() { (void)run({"userdel", "--force", name_}); }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

void run_as(const User& user, const std::string& expected) {
  if (access(SWARM_SANDBOX_TEST, X_OK) != 0) FAIL("build " SWARM_SANDBOX_TEST " first");
  CHECK(run({"setpriv", "--reuid", user.name(), "--regid", user.name(), "--clear-groups", "env",
             "SWARM_EXPECT_IDENTITY=" + expected, SWARM_SANDBOX_TEST, "[sandbox]"}) == 0);
}

bool can_be_others() {
  if (geteuid() == 0 && run({"setpriv", "--reuid", "65534", "--clear-groups", "test", "-x", SWARM_SANDBOX_TEST}) == 0)
    return true;
  WARN("skipped: needs root, and a build directory that other users can enter");
  return false;
}

}  // namespace

TEST_CASE("sandboxes of an ordinary user with a range of uids") {
  if (!can_be_others()) return;
  const User user(Ranges::one);
  run_as(user, "isolated");
}

TEST_CASE("sandboxes of an ordinary user without a range of uids") {
  if (!can_be_others()) return;
  const User user(Ranges::none);
  run_as(user, "cooperative");
}
