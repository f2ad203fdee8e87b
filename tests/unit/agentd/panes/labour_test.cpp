#include "agentd/panes/labour.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

using namespace swarm;
using namespace swarm::agentd::panes;
using namespace std::chrono_literals;

namespace {

/// A process that computes, or waits.
class Child {
 public:
  explicit Child(bool computes) : pid_(fork()) {
    if (pid_ != 0) return;
    volatile unsigned spin = 0;
    for (;;) {
      if (computes) {
        spin = spin + 1;
      } else {
        pause();
      }
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] char state() const {
    std::ifstream in("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(in, line);
    return line[line.rfind(')') + 2];
  }

 private:
  pid_t pid_;
};

}  // namespace

TEST_CASE("a process that computes is told from one that waits") {
  const Child busy(true);
  const Child idle(false);
  REQUIRE((busy.pid() > 0 && idle.pid() > 0));
  while (idle.state() != 'S') usleep(1000);  // until it waits; ctest has the deadline
  const MonoTime start{};
  Labour of_busy(busy.pid(), start);
  Labour of_idle(idle.pid(), start);
  for (const auto at : {1s, 2s, 3s}) {
    of_busy.look(start + at);
    of_idle.look(start + at);
  }
  CHECK(of_busy.idle(start + 3s) == Duration(0));
  CHECK(of_idle.idle(start + 3s) >= 2s);

  Labour of_nobody(0, start);
  of_nobody.look(start + 5s);
  CHECK(of_nobody.idle(start + 5s) == 5s);
}
