// swarmctl on a real terminal: tmux types and shows what a person would see.
#include <unistd.h>

#include <fstream>

#include "tests/integration/client/rig.hpp"

namespace swarm::tests {
namespace {

/// A tmux server of its own with one pane, in which a shell waits.
struct TerminalRig : ClientRig {
  TerminalRig() {
    daemon.add("web");
    tmux({"new-session", "-d", "-x", "80", "-y", "24", "env", "PS1=host> ", "ENV=", "HISTFILE=", "PATH=" + path(),
          "TERM=xterm-256color", "sh"});
    prompt();
  }
  ~TerminalRig() { tmux({"kill-server"}); }
  TerminalRig(const TerminalRig&) = delete;
  TerminalRig& operator=(const TerminalRig&) = delete;

  static std::string path() { return SWARM_BIN_DIR ":" + std::string(::getenv("PATH")); }

  std::string tmux(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"tmux", "-f", "/dev/null", "-S", directory / "tmux.sock"});
    async::SpawnOptions options{.argv = std::move(arguments), .env = environment()};
    std::erase_if(options.env, [](const std::string& v) { return v.starts_with("TMUX"); });
    const auto ran = loop.block_on(async::run_command(loop, std::move(options)));
    return ran ? ran->out : std::string();
  }
  void keys(const std::string& name) { tmux({"send-keys", name}); }
  void type(const std::string& line) {
    tmux({"send-keys", "-l", line});
    keys("Enter");
  }
  std::string screen() { return tmux({"capture-pane", "-p"}); }

  /// Waits until the screen shows `text` on a line of its own (spaces at its end not counted).
  void until(const std::string& text) { REQUIRE(shows(text)); }
  bool shows(const std::string& text) {
    const MonoTime end = clock.now() + std::chrono::seconds(20);
    std::string seen;
    while (clock.now() < end) {
      seen = screen();
      std::size_t begin = 0;
      for (std::size_t stop = 0; (stop = seen.find('\n', begin)) != std::string::npos; begin = stop + 1) {
        std::string line = seen.substr(begin, stop - begin);
        line.erase(line.find_last_not_of(' ') + 1);
        if (line == text) return true;
      }
    }
    UNSCOPED_INFO("screen:\n" << seen);
    return false;
  }
  /// Waits until the shell of this machine asks for the next line.
  void prompt() {
    const MonoTime end = clock.now() + std::chrono::seconds(20);
    std::string seen;
    bool asks = false;
    while (!asks && clock.now() < end) {
      seen = screen();
      seen.erase(seen.find_last_not_of("\n ") + 1);
      asks = seen == "host>" || seen.ends_with("\nhost>");
    }
    INFO("screen:\n" << seen);
    REQUIRE(asks);
  }
  /// The terminal is as a shell wants it: lines, echo, signals.
  void restored(const std::string& mark) {
    prompt();
    type("stty -a | grep -q ' icanon' && stty -a | grep -q ' echo ' && echo tidy-" + mark);
    until("tidy-" + mark);
    prompt();
  }
  [[nodiscard]] std::string shell(const std::string& options = "") const {
    return "swarmctl --socket " + daemon.socket() + " shell web " + options;
  }
};

TEST_CASE_METHOD(TerminalRig, "a shell is a real terminal, and gives ours back", "[terminal]") {
  type(shell("--program 'PS1=\"in> \" exec sh'"));
  until("in>");
  type("tty >/dev/null && stty size");
  until("24 80");
  type("sh -c 'trap \"echo caught; exit\" INT; echo started; while :; do sleep 0.1; done'");
  until("started");
  keys("C-c");
  until("^Ccaught");
  type("exit 3");
  prompt();
  type("echo status $?");
  until("status 3");
  restored("a");
}

TEST_CASE_METHOD(TerminalRig, "a shell follows the size of the window", "[terminal]") {
  type(shell("--program 'PS1=\"in> \" exec sh'"));
  until("in>");
  tmux({"resize-window", "-x", "100", "-y", "30"});
  const MonoTime end = clock.now() + std::chrono::seconds(20);
  while (std::ranges::find(daemon.sizes, std::pair{100U, 30U}) == daemon.sizes.end() && clock.now() < end) screen();
  type("stty size");
  until("30 100");
}

TEST_CASE_METHOD(TerminalRig, "the detach keys leave the shell running, and attach comes back", "[terminal]") {
  type(shell("--program 'PS1=\"in> \" exec sh'"));
  until("in>");
  type("mark=kept");
  keys("C-p");
  keys("C-q");
  restored("b");
  type("clear");
  prompt();
  type("swarmctl --socket " + daemon.socket() + " ps attach web");
  type("echo it was $mark");
  until("it was kept");
  type("exit");
  restored("c");
}

TEST_CASE_METHOD(TerminalRig, "a killed daemon gives the terminal back, with the modes that vim had set",
                 "[terminal]") {
  type(shell("--program 'printf \"\\033[?1049h\\033[?25l\\033[31mfull screen\"; exec sleep 1000'"));
  REQUIRE(shows("full screen"));
  daemon.die();
  prompt();
  CHECK(tmux({"display-message", "-p", "#{alternate_on} #{cursor_flag}"}) == "0 1\n");
  restored("d");
}

TEST_CASE_METHOD(TerminalRig, "SIGTERM gives the terminal back", "[terminal]") {
  type("sh -c 'echo $$ > " + (directory / "pid") + "; exec " + shell("--program \"echo ready; exec sleep 1000\"") +
       "'");
  until("ready");
  std::ifstream file(directory / "pid");
  pid_t pid = 0;
  file >> pid;
  REQUIRE(pid > 1);
  ::kill(pid, SIGTERM);
  restored("e");
}

TEST_CASE_METHOD(TerminalRig, "exec -it passes keys, and output is cleaned only without -t", "[terminal]") {
  type("swarmctl --socket " + daemon.socket() + " exec -it web -- sh -c 'read x; echo got $x'");
  type("abc");
  until("got abc");
  prompt();
  type("swarmctl --socket " + daemon.socket() + " exec web -- printf 'one\\033[2J\\033[Htwo\\n'");
  until("onetwo");
  restored("f");
}

}  // namespace
}  // namespace swarm::tests
