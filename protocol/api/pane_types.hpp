#pragma once
// What a pane is: a program in a terminal of its own inside a sandbox, which runs on without anybody who looks. What
// the program on it does (is it ready, does it ask something?) is read from its screen by rules that came with it.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class PaneState : std::uint8_t {
  starting,
  ready,
  typing,
  busy,
  permission,
  rate_limited,
  logged_out,
  exited,
  crashed,
  unknown
};

template <class D>
void describe_enum(D& d, PaneState*) {
  d.type("PaneState", "What the program in a pane does, as far as its screen and the kernel tell.");
  d.value("starting", PaneState::starting, "It has not shown yet that it is ready.");
  d.value("ready", PaneState::ready, "It waits for input, and nothing is typed.");
  d.value("typing", PaneState::typing, "It waits for input, and somebody has typed something that is not sent.");
  d.value("busy", PaneState::busy, "It works.");
  d.value("permission", PaneState::permission, "It shows a dialog that a person has to answer.");
  d.value("rate_limited", PaneState::rate_limited, "Its provider lets it wait.");
  d.value("logged_out", PaneState::logged_out, "It has no credentials, or they are refused.");
  d.value("exited", PaneState::exited, "It ended with status 0, or because it was told to.");
  d.value("crashed", PaneState::crashed, "It ended with another status or by a signal.");
  d.value("unknown", PaneState::unknown, "It runs; no rule says more.");
  d.unknown(PaneState::unknown);
}

enum class PaneDelivery : std::uint8_t { none, paste, hooks, unknown };

template <class D>
void describe_enum(D& d, PaneDelivery*) {
  d.type("PaneDelivery", "How messages reach the conversation of the program in a pane.");
  d.value("none", PaneDelivery::none, "It asks for them itself, with `swarm inbox` or as an MCP client.");
  d.value("paste", PaneDelivery::paste, "They are pasted as a prompt while it waits for input.");
  d.value("hooks", PaneDelivery::hooks,
          "Its hooks call `swarm hook`; while it waits for input it is woken by a prompt.");
  d.value("unknown", PaneDelivery::unknown, "A way of a newer version.");
  d.unknown(PaneDelivery::unknown);
}

struct PaneRule {
  PaneState state = PaneState::unknown;
  std::string pattern;
  std::uint32_t bottom_lines = 0;
  bool operator==(const PaneRule&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneRule", "How a state shows on the screen.");
    d.field("state", &PaneRule::state, "The state.").required();
    d.field("pattern", &PaneRule::pattern, "POSIX extended regular expression; one line of the screen has to match it.")
        .required()
        .non_empty()
        .max_length(1000);
    d.field("bottom_lines", &PaneRule::bottom_lines,
            "Look at that many of the lowest lines that are not empty; 0: all. What a program prints above can then "
            "not pass for its dialogs.")
        .max(1000);
  }
};

/// What to know about a program to drive it by its screen. Without it a pane is a plain terminal.
struct PaneProgram {
  std::string kind;
  std::vector<PaneRule> rules;
  std::string composer;
  std::string composer_end;
  bool faint_is_empty = false;
  PaneState otherwise = PaneState::unknown;
  std::string submit_key = "Enter";
  std::string interrupt_key = "C-c";
  PaneDelivery delivery = PaneDelivery::none;
  std::vector<std::string> resume;
  bool operator==(const PaneProgram&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneProgram", "How a program shows what it does, and how it is talked to.");
    d.field("kind", &PaneProgram::kind, "Its kind: `claude`, `codex`, ...").max_length(100);
    d.field("rules", &PaneProgram::rules, "The first rule that fits tells the state.").max_length(100);
    d.field("composer", &PaneProgram::composer,
            "POSIX extended regular expression for the lowest line in which input is typed; its first group is what is "
            "typed. Empty: not known, and prompts are not verified.")
        .max_length(1000);
    d.field("composer_end", &PaneProgram::composer_end,
            "POSIX extended regular expression for the line below the composer; lines between belong to the input.")
        .max_length(1000);
    d.field("faint_is_empty", &PaneProgram::faint_is_empty,
            "Faint text in the composer is a hint of the program, not something typed.");
    d.field("otherwise", &PaneProgram::otherwise, "The state when no rule fits and the composer is not there.");
    d.field("submit_key", &PaneProgram::submit_key, "Key that sends what is typed.").non_empty().max_length(20);
    d.field("interrupt_key", &PaneProgram::interrupt_key, "Key that stops what it does.").non_empty().max_length(20);
    d.field("delivery", &PaneProgram::delivery, "How messages for its agent reach it.");
    d.field("resume", &PaneProgram::resume,
            "Program and arguments that go on with its conversation after it was ended; none: it is not started again "
            "by itself.")
        .max_length(10'000);
  }
};

struct PaneInfo {
  std::string pane;
  std::string user;
  std::uint32_t uid = 0;
  std::vector<Text> argv;
  std::optional<Path> cwd;
  std::uint32_t cols = 0;
  std::uint32_t rows = 0;
  std::string kind;
  std::map<std::string, std::string> labels;
  PaneState state = PaneState::unknown;
  bool running = false;
  std::uint32_t pid = 0;
  std::int64_t started_us = 0;
  std::optional<std::int64_t> ended_us;
  std::optional<std::uint32_t> exit_code;
  std::optional<std::uint32_t> signal;
  bool oom_killed = false;
  std::uint32_t restarts = 0;
  std::uint64_t log_first = 0;
  std::uint64_t log_end = 0;
  std::uint32_t viewers = 0;
  bool operator==(const PaneInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneInfo", "A pane.");
    d.field("pane", &PaneInfo::pane, "Its name in the sandbox.").required();
    d.field("user", &PaneInfo::user, "As whom its program runs.").required();
    d.field("uid", &PaneInfo::uid, "That user's number.").required();
    d.field("argv", &PaneInfo::argv, "Program and arguments.").required();
    d.field("cwd", &PaneInfo::cwd, "Where the program was started.");
    d.field("cols", &PaneInfo::cols, "Columns.").required();
    d.field("rows", &PaneInfo::rows, "Lines.").required();
    d.field("kind", &PaneInfo::kind, "Kind of its program; empty: none was told.");
    d.field("labels", &PaneInfo::labels, "Its marks.");
    d.field("state", &PaneInfo::state, "What its program does.").required();
    d.field("running", &PaneInfo::running, "The program has not ended.").required();
    d.field("pid", &PaneInfo::pid, "Process id inside the sandbox.").required();
    d.field("started_us", &PaneInfo::started_us, "When the program started, UTC.").required();
    d.field("ended_us", &PaneInfo::ended_us, "When it ended, UTC.");
    d.field("exit_code", &PaneInfo::exit_code, "Its exit status, when it ended by itself.");
    d.field("signal", &PaneInfo::signal, "The signal that ended it; then there is no exit code.");
    d.field("oom_killed", &PaneInfo::oom_killed, "The kernel ended it because memory was used up.");
    d.field("restarts", &PaneInfo::restarts, "How often it was started again.");
    d.field("log_first", &PaneInfo::log_first, "Offset of the oldest output byte that is kept.");
    d.field("log_end", &PaneInfo::log_end, "Offset after the newest: the sequence number of what is on the screen.");
    d.field("viewers", &PaneInfo::viewers, "How many look at it.");
  }
};

}  // namespace swarm::api
