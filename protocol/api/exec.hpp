#pragma once
// Running programs in a sandbox. The structs are those of the tunnel; clients send them with `sandbox`
// (`InSandbox<...>`).

#include "protocol/api/method.hpp"

namespace swarm::api {

struct Pty {
  std::uint32_t cols = 80;
  std::uint32_t rows = 24;
  std::string term = "xterm-256color";
  bool operator==(const Pty&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("Pty", "Size and kind of a terminal.");
    d.field("cols", &Pty::cols, "Columns.").min(1).max(1000);
    d.field("rows", &Pty::rows, "Lines.").min(1).max(1000);
    d.field("term", &Pty::term, "TERM for the program.").non_empty().max_length(100);
  }
};

enum class ExecState : std::uint8_t { running, exited, lost };

template <class D>
void describe_enum(D& d, ExecState*) {
  d.type("ExecState", "Whether a program still runs.");
  d.value("running", ExecState::running, "It runs.");
  d.value("exited", ExecState::exited, "It ended; `exit_code` or `signal` says how.");
  d.value("lost", ExecState::lost, "It cannot be known how it ended, for example because its sandbox vanished.");
  d.unknown(ExecState::lost);
}

struct ExecStatus {
  std::string exec;
  ExecState state = ExecState::running;
  std::optional<std::uint32_t> exit_code;
  std::optional<std::uint32_t> signal;
  bool timed_out = false;
  bool oom_killed = false;
  std::int64_t started_us = 0;
  std::optional<std::int64_t> ended_us;
  std::optional<std::chrono::milliseconds> duration_ms;
  std::optional<std::uint64_t> cpu_user_us;
  std::optional<std::uint64_t> cpu_system_us;
  std::optional<std::uint64_t> max_rss_bytes;
  bool operator==(const ExecStatus&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecStatus", "How a program is doing, or how it ended.");
    d.field("exec", &ExecStatus::exec, "Its id.").required();
    d.field("state", &ExecStatus::state, "Whether it runs.").required();
    d.field("exit_code", &ExecStatus::exit_code, "Its exit status, when it ended by itself.");
    d.field("signal", &ExecStatus::signal, "The signal that ended it; then there is no exit code.");
    d.field("timed_out", &ExecStatus::timed_out, "It was ended because `timeout_ms` ran out.");
    d.field("oom_killed", &ExecStatus::oom_killed, "The kernel ended it because memory was used up.");
    d.field("started_us", &ExecStatus::started_us, "When it started, UTC.").required();
    d.field("ended_us", &ExecStatus::ended_us, "When it ended, UTC.");
    d.field("duration_ms", &ExecStatus::duration_ms, "How long it ran, on a monotonic clock.");
    d.field("cpu_user_us", &ExecStatus::cpu_user_us, "CPU time in the program.");
    d.field("cpu_system_us", &ExecStatus::cpu_system_us, "CPU time in the kernel.");
    d.field("max_rss_bytes", &ExecStatus::max_rss_bytes, "Most memory that it held at once.");
  }
};

struct ExecStartRequest {
  std::vector<std::string> argv;
  std::optional<std::string> command;
  std::map<std::string, std::string> env;
  bool clear_env = false;
  std::optional<Path> cwd;
  std::optional<std::string> user;
  std::optional<Pty> pty;
  std::optional<std::chrono::milliseconds> timeout_ms;
  std::chrono::milliseconds grace_ms{5000};
  bool background = false;
  bool wait = true;
  std::optional<std::uint32_t> stdin_stream;
  std::optional<std::uint32_t> stdout_stream;
  std::optional<std::uint32_t> stderr_stream;
  std::optional<Bytes> input;
  bool capture = false;
  std::uint64_t capture_limit_bytes = std::uint64_t{1024} * 1024;
  std::map<std::string, std::string> labels;
  bool operator==(const ExecStartRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecStartRequest", "What to run, and how.");
    d.field("argv", &ExecStartRequest::argv, "Program and arguments; no shell looks at them.").max_length(100'000);
    d.field("command", &ExecStartRequest::command, "A line for the shell (`/bin/sh -c`) instead of `argv`.")
        .non_empty();
    d.field("env", &ExecStartRequest::env, "Environment on top of the sandbox's own.").secret().max_length(10'000);
    d.field("clear_env", &ExecStartRequest::clear_env, "Start with `env` alone.");
    d.field("cwd", &ExecStartRequest::cwd, "Working directory; else the sandbox's workspace.")
        .non_empty()
        .max_length(4096);
    d.field("user", &ExecStartRequest::user, "As whom: a user name or uid in the sandbox; else its default user.")
        .non_empty()
        .max_length(100);
    d.field("pty", &ExecStartRequest::pty, "Give it a terminal; then all output comes on `stdout`.");
    d.field("timeout_ms", &ExecStartRequest::timeout_ms, "End it and everything that it started after this long.")
        .min(1);
    d.field("grace_ms", &ExecStartRequest::grace_ms, "Between TERM and KILL when it is ended.").max(3'600'000);
    d.field(
        "background", &ExecStartRequest::background,
        "It outlives this connection; its output is spooled, and the call returns when it has started. Without it, the "
        "program is ended when the connection closes.");
    d.field("wait", &ExecStartRequest::wait,
            "Answer when the program has ended and its output is sent. false: answer when it has started.");
    d.field("stdin", &ExecStartRequest::stdin_stream, "Stream with its input; without it or `input`, input is empty.")
        .min(1)
        .stream(StreamUse::from_caller);
    d.field("stdout", &ExecStartRequest::stdout_stream, "Stream for its output.").min(1).stream(StreamUse::to_caller);
    d.field("stderr", &ExecStartRequest::stderr_stream,
            "Stream for its error output; with `stdout` alone, error output is dropped unless captured.")
        .min(1)
        .stream(StreamUse::to_caller);
    d.field("input", &ExecStartRequest::input, "All of its input at once, for clients without streams.").secret();
    d.field("capture", &ExecStartRequest::capture,
            "Return output in the result, for clients without streams. Needs `wait` and no `background`.");
    d.field("capture_limit_bytes", &ExecStartRequest::capture_limit_bytes,
            "Most bytes kept of each of stdout and stderr; what is beyond is read, dropped and counted.")
        .max(16.0 * 1024 * 1024);
    d.field("labels", &ExecStartRequest::labels, "Marks to find it by in `exec.list` and in events.").max_length(50);
    d.exactly_one({"argv", "command"});
    d.at_most_one({"stdin", "input"});
  }
};

struct ExecStartReply {
  std::string exec;
  std::uint32_t pid = 0;
  std::optional<ExecStatus> status;
  std::optional<Text> stdout_text;
  std::optional<Text> stderr_text;
  std::optional<std::uint64_t> stdout_dropped_bytes;
  std::optional<std::uint64_t> stderr_dropped_bytes;
  bool operator==(const ExecStartReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecStartReply", "A program that was started.");
    d.field("exec", &ExecStartReply::exec, "Its id (`prc_...`).").required();
    d.field("pid", &ExecStartReply::pid, "Its process id inside the sandbox.").required();
    d.field("status", &ExecStartReply::status, "How it ended, when the call waited.");
    d.field("stdout", &ExecStartReply::stdout_text, "Captured output; bytes when it is not UTF-8.");
    d.field("stderr", &ExecStartReply::stderr_text, "Captured error output.");
    d.field("stdout_dropped_bytes", &ExecStartReply::stdout_dropped_bytes, "Output beyond the limit.");
    d.field("stderr_dropped_bytes", &ExecStartReply::stderr_dropped_bytes, "Error output beyond the limit.");
  }
};

struct ExecWaitRequest {
  std::string exec;
  std::optional<std::chrono::milliseconds> timeout_ms;
  bool operator==(const ExecWaitRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecWaitRequest", "Which program to wait for.");
    d.field("exec", &ExecWaitRequest::exec, "Its id, or a unique prefix.").required().non_empty().max_length(100);
    d.field("timeout_ms", &ExecWaitRequest::timeout_ms, "Give up waiting after this long; the program runs on.");
  }
};

struct ExecInfo {
  ExecStatus status;
  std::vector<Text> argv;
  std::optional<std::string> command;
  std::optional<Path> cwd;
  std::string user;
  std::uint32_t pid = 0;
  bool pty = false;
  bool background = false;
  std::map<std::string, std::string> labels;
  std::uint64_t stdout_first = 0;
  std::uint64_t stdout_end = 0;
  std::uint64_t stderr_first = 0;
  std::uint64_t stderr_end = 0;
  bool operator==(const ExecInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecInfo", "A program that runs or ran.");
    d.field("status", &ExecInfo::status, "How it is doing.").required();
    d.field("argv", &ExecInfo::argv, "Program and arguments.");
    d.field("command", &ExecInfo::command, "The shell line, when it was started by one.");
    d.field("cwd", &ExecInfo::cwd, "Working directory.");
    d.field("user", &ExecInfo::user, "As whom it runs.");
    d.field("pid", &ExecInfo::pid, "Process id inside the sandbox.");
    d.field("pty", &ExecInfo::pty, "It has a terminal.");
    d.field("background", &ExecInfo::background, "It outlives its caller.");
    d.field("labels", &ExecInfo::labels, "Its marks.");
    d.field("stdout_first", &ExecInfo::stdout_first, "Offset of the oldest output byte that is kept.");
    d.field("stdout_end", &ExecInfo::stdout_end, "Offset after the newest.");
    d.field("stderr_first", &ExecInfo::stderr_first, "The same for error output.");
    d.field("stderr_end", &ExecInfo::stderr_end, "The same for error output.");
  }
};

struct ExecListRequest {
  bool all = false;
  std::map<std::string, std::string> labels;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const ExecListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecListRequest", "Which programs.");
    d.field("all", &ExecListRequest::all, "Also those that have ended.");
    d.field("labels", &ExecListRequest::labels, "Only those with all of these marks.");
    d.field("limit", &ExecListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &ExecListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct ExecListReply {
  std::vector<ExecInfo> execs;
  std::optional<std::string> next_cursor;
  bool operator==(const ExecListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecListReply", "Programs, newest first.");
    d.field("execs", &ExecListReply::execs, "The programs.").required();
    d.field("next_cursor", &ExecListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct ExecAttachRequest {
  std::string exec;
  std::optional<std::uint64_t> stdout_from;
  std::optional<std::uint64_t> stderr_from;
  bool follow = true;
  std::optional<std::uint32_t> stdin_stream;
  std::optional<std::uint32_t> stdout_stream;
  std::optional<std::uint32_t> stderr_stream;
  bool operator==(const ExecAttachRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecAttachRequest", "Which program to attach to.");
    d.field("exec", &ExecAttachRequest::exec, "Its id, or a unique prefix.").required().non_empty().max_length(100);
    d.field("stdout_from", &ExecAttachRequest::stdout_from, "Output offset to begin at; else the oldest that is kept.");
    d.field("stderr_from", &ExecAttachRequest::stderr_from, "The same for error output.");
    d.field("follow", &ExecAttachRequest::follow, "Go on with new output until it ends; else stop at what is there.");
    d.field("stdin", &ExecAttachRequest::stdin_stream, "Stream with input for it; one client at a time.")
        .min(1)
        .stream(StreamUse::from_caller);
    d.field("stdout", &ExecAttachRequest::stdout_stream, "Stream for output.").min(1).stream(StreamUse::to_caller);
    d.field("stderr", &ExecAttachRequest::stderr_stream, "Stream for error output.")
        .min(1)
        .stream(StreamUse::to_caller);
  }
};

struct ExecAttachReply {
  ExecStatus status;
  std::uint64_t stdout_from = 0;
  std::uint64_t stderr_from = 0;
  bool operator==(const ExecAttachReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecAttachReply", "Attached; output follows on the streams.");
    d.field("status", &ExecAttachReply::status, "How it is doing.").required();
    d.field("stdout_from", &ExecAttachReply::stdout_from, "Offset of the first output byte that follows.").required();
    d.field("stderr_from", &ExecAttachReply::stderr_from, "The same for error output.").required();
  }
};

struct ExecResizeRequest {
  std::string exec;
  std::uint32_t cols = 0;
  std::uint32_t rows = 0;
  bool operator==(const ExecResizeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecResizeRequest", "The new size of a terminal.");
    d.field("exec", &ExecResizeRequest::exec, "Its id, or a unique prefix.").required().non_empty().max_length(100);
    d.field("cols", &ExecResizeRequest::cols, "Columns.").required().min(1).max(1000);
    d.field("rows", &ExecResizeRequest::rows, "Lines.").required().min(1).max(1000);
  }
};

enum class SignalTarget : std::uint8_t { process, group, all };

template <class D>
void describe_enum(D& d, SignalTarget*) {
  d.type("SignalTarget", "Who gets a signal.");
  d.value("process", SignalTarget::process, "The program alone.");
  d.value("group", SignalTarget::group, "Its process group; with a terminal, the foreground group, as Ctrl-C does.");
  d.value("all", SignalTarget::all, "Everything that it started, daemonised or not.");
}

struct ExecSignalRequest {
  std::string exec;
  std::string signal;
  SignalTarget target = SignalTarget::group;
  bool operator==(const ExecSignalRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecSignalRequest", "A signal.");
    d.field("exec", &ExecSignalRequest::exec, "Its id, or a unique prefix.").required().non_empty().max_length(100);
    d.field("signal", &ExecSignalRequest::signal, "Its name or number: \"INT\", \"SIGINT\", \"2\".")
        .required()
        .non_empty()
        .max_length(20);
    d.field("target", &ExecSignalRequest::target, "Who gets it.");
  }
};

struct ExecKillRequest {
  std::string exec;
  std::chrono::milliseconds grace_ms{5000};
  bool operator==(const ExecKillRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecKillRequest", "Which program to end.");
    d.field("exec", &ExecKillRequest::exec, "Its id, or a unique prefix.").required().non_empty().max_length(100);
    d.field("grace_ms", &ExecKillRequest::grace_ms, "Between TERM and KILL; 0 kills at once.").max(3'600'000);
  }
};

struct ExecStarted {
  std::string exec;
  std::vector<Text> argv;
  std::optional<std::string> command;
  std::optional<Path> cwd;
  std::string user;
  bool background = false;
  std::string caller;
  std::map<std::string, std::string> labels;
  bool operator==(const ExecStarted&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecStarted", "A program was started.");
    d.field("exec", &ExecStarted::exec, "Its id.").required();
    d.field("argv", &ExecStarted::argv, "Program and arguments.");
    d.field("command", &ExecStarted::command, "The shell line, when it was started by one.");
    d.field("cwd", &ExecStarted::cwd, "Working directory.");
    d.field("user", &ExecStarted::user, "As whom it runs.");
    d.field("background", &ExecStarted::background, "It outlives its caller.");
    d.field("caller", &ExecStarted::caller, "Who asked: `uid:1000`, or the agent.");
    d.field("labels", &ExecStarted::labels, "Its marks.");
  }
};

struct ExecEnded {
  ExecStatus status;
  std::uint64_t stdout_bytes = 0;
  std::uint64_t stderr_bytes = 0;
  bool operator==(const ExecEnded&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ExecEnded", "A program ended.");
    d.field("status", &ExecEnded::status, "How.").required();
    d.field("stdout_bytes", &ExecEnded::stdout_bytes, "How much it wrote.");
    d.field("stderr_bytes", &ExecEnded::stderr_bytes, "How much error output it wrote.");
  }
};

inline constexpr Method<InSandbox<ExecStartRequest>, ExecStartReply> kExecStart{{
    .name = "exec.start",
    .doc = "Runs a program or a shell line. Ending it, by timeout or kill, ends everything that it started.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox, program, working directory or user"},
               {Code::failed_precondition, "the sandbox is not ready, or is paused"},
               {Code::resource_exhausted, "the sandbox's process limit, or too many programs at once"}},
}};
inline constexpr Method<InSandbox<ExecWaitRequest>, ExecStatus> kExecWait{{
    .name = "exec.wait",
    .doc = "Waits until a program has ended and says how.",
    .errors = {{Code::not_found, "no such sandbox or program"},
               {Code::deadline_exceeded, "`timeout_ms` ran out; the program still runs"}},
}};
inline constexpr Method<InSandbox<ExecListRequest>, ExecListReply> kExecList{{
    .name = "exec.list",
    .doc = "Lists programs that run, or ran, in a sandbox.",
    .errors = {{Code::not_found, "no such sandbox"}},
}};
inline constexpr Method<InSandbox<ExecAttachRequest>, ExecAttachReply> kExecAttach{{
    .name = "exec.attach",
    .doc = "Sends a program's output from an offset on, and takes input for it. Answers before the first byte; each "
           "stream "
           "ends with its output. The spool is capped: old output goes first.",
    .errors = {{Code::not_found, "no such sandbox or program"},
               {Code::out_of_range,
                "the offset is older than what is kept, or not reached yet; the message says the range"},
               {Code::failed_precondition, "another client holds its input, or it was started without"}},
}};
inline constexpr Method<InSandbox<ExecResizeRequest>, Empty> kExecResize{{
    .name = "exec.resize",
    .doc = "Gives a program's terminal another size.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox or program"},
               {Code::failed_precondition, "it has no terminal, or has ended"}},
}};
inline constexpr Method<InSandbox<ExecSignalRequest>, Empty> kExecSignal{{
    .name = "exec.signal",
    .doc = "Sends a signal to a program.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox or program"}, {Code::failed_precondition, "it has ended"}},
}};
inline constexpr Method<InSandbox<ExecKillRequest>, ExecStatus> kExecKill{{
    .name = "exec.kill",
    .doc =
        "Ends a program and everything that it started, daemonised children too: TERM, then KILL. Answers when all are "
        "gone; one that has ended already is no error.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox or program"}},
}};

inline constexpr EventType<ExecStarted> kExecStarted{{.name = "exec.started", .doc = "A program was started."}};
inline constexpr EventType<ExecEnded> kExecEnded{{.name = "exec.ended", .doc = "A program ended."}};

std::span<const MethodInfo* const> exec_methods();
std::span<const EventInfo* const> exec_events();

}  // namespace swarm::api
