#pragma once
// What may be asked of panes. The structs are those of the tunnel; clients send them with `sandbox` or `swarm`
// (`AtPane<...>`).

#include "protocol/api/pane_types.hpp"

namespace swarm::api {

/// A request about panes as clients send it: in which sandbox, or in the sandbox of which swarm. On the wire the fields
/// stand side by side; the daemon passes the `T` part on unchanged.
template <class T>
struct AtPane : T {
  std::optional<std::string> sandbox;
  std::optional<std::string> swarm;
  bool operator==(const AtPane&) const = default;

  template <class D>
  static void describe(D& d) {
    d.field("sandbox", &AtPane::sandbox, "The sandbox: its id, a unique prefix of it, or its name.")
        .non_empty()
        .max_length(100);
    d.field("swarm", &AtPane::swarm, "Instead: the swarm whose agents' panes these are.").non_empty().max_length(100);
    d.exactly_one({"sandbox", "swarm"});
    T::describe(d);
  }
};

struct PaneOpenRequest {
  std::string pane;
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::optional<Path> cwd;
  std::optional<std::string> user;
  std::uint32_t cols = 120;
  std::uint32_t rows = 40;
  std::map<std::string, std::string> labels;
  PaneProgram program;
  bool replace = false;
  bool operator==(const PaneOpenRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneOpenRequest", "A pane to open.");
    d.field("pane", &PaneOpenRequest::pane, "Its name: a letter or digit, then letters, digits, `-` and `_`.")
        .required()
        .non_empty()
        .max_length(64);
    d.field("argv", &PaneOpenRequest::argv, "Program and arguments; no shell looks at them. None: the user's shell.")
        .max_length(10'000);
    d.field("env", &PaneOpenRequest::env, "Environment on top of the sandbox's own.").secret().max_length(10'000);
    d.field("cwd", &PaneOpenRequest::cwd, "Working directory; else the sandbox's workspace.")
        .non_empty()
        .max_length(4096);
    d.field("user", &PaneOpenRequest::user, "As whom: a user name or uid in the sandbox; else its default user.")
        .non_empty()
        .max_length(100);
    d.field("cols", &PaneOpenRequest::cols, "Columns. Viewers do not change them.").min(20).max(1000);
    d.field("rows", &PaneOpenRequest::rows, "Lines.").min(5).max(1000);
    d.field("labels", &PaneOpenRequest::labels, "Marks to find it by.").max_length(50);
    d.field("program", &PaneOpenRequest::program, "How the program shows what it does.");
    d.field("replace", &PaneOpenRequest::replace, "Take the place of a pane of this name whose program has ended.");
  }
};

struct PaneListRequest {
  std::map<std::string, std::string> labels;
  bool states = true;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const PaneListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneListRequest", "Which panes.");
    d.field("labels", &PaneListRequest::labels, "Only those with all of these marks.");
    d.field("states", &PaneListRequest::states, "Look at each screen to tell its state.");
    d.field("limit", &PaneListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &PaneListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct PaneListReply {
  std::vector<PaneInfo> panes;
  std::optional<std::string> next_cursor;
  bool operator==(const PaneListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneListReply", "Panes, by name.");
    d.field("panes", &PaneListReply::panes, "The panes.").required();
    d.field("next_cursor", &PaneListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct PaneKillRequest {
  std::string pane;
  std::chrono::milliseconds grace_ms{5000};
  bool close = false;
  bool operator==(const PaneKillRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneKillRequest", "Which pane's program to end.");
    d.field("pane", &PaneKillRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("grace_ms", &PaneKillRequest::grace_ms, "Between TERM and KILL; 0 kills at once.").max(3'600'000);
    d.field("close", &PaneKillRequest::close, "Close the pane too; its screen and output are gone then.");
  }
};

struct PaneRestartRequest {
  std::string pane;
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::chrono::milliseconds grace_ms{5000};
  bool anew = false;
  bool operator==(const PaneRestartRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneRestartRequest", "Which pane's program to start again, in the same terminal.");
    d.field("pane", &PaneRestartRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("argv", &PaneRestartRequest::argv, "Other arguments, for example to resume; else those that it had.")
        .max_length(10'000);
    d.field("env", &PaneRestartRequest::env, "Environment on top of what it had.").secret().max_length(10'000);
    d.field("grace_ms", &PaneRestartRequest::grace_ms, "Between TERM and KILL for one that still runs.").max(3'600'000);
    d.field("anew", &PaneRestartRequest::anew,
            "With the arguments that the pane was opened with, whatever it was started again with since. Not with "
            "`argv`.");
  }
};

struct PaneScreenRequest {
  std::string pane;
  bool styles = false;
  std::uint32_t history_lines = 0;
  std::optional<std::string> unlike;
  std::optional<std::chrono::milliseconds> wait_ms;
  bool operator==(const PaneScreenRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneScreenRequest", "Which screen.");
    d.field("pane", &PaneScreenRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("styles", &PaneScreenRequest::styles, "With colours and attributes, as SGR sequences.");
    d.field("history_lines", &PaneScreenRequest::history_lines, "That many lines that scrolled away, too.").max(10'000);
    d.field("unlike", &PaneScreenRequest::unlike,
            "`mark` of an answer before: this one is given when the pane shows something else, or its program has "
            "ended or begun.")
        .max_length(200);
    d.field("wait_ms", &PaneScreenRequest::wait_ms, "The most that is waited for that; else 30 s.").max(3'600'000);
  }
};

struct PaneScreenReply {
  PaneInfo info;
  Text text;
  std::string mark;
  bool unchanged = false;
  std::uint32_t cursor_col = 0;
  std::uint32_t cursor_row = 0;
  bool cursor_hidden = false;
  bool alternate = false;
  Text title;
  bool operator==(const PaneScreenReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneScreenReply", "What a pane shows.");
    d.field("info", &PaneScreenReply::info, "The pane.").required();
    d.field("text", &PaneScreenReply::text, "Its lines, each ended by a newline. No control characters but SGR.")
        .required();
    d.field("mark", &PaneScreenReply::mark, "Stands for what is shown; to be given as `unlike`.");
    d.field("unchanged", &PaneScreenReply::unchanged, "It is as it was at `unlike`, and `text` is left out.");
    d.field("cursor_col", &PaneScreenReply::cursor_col, "Column of the cursor, from 0.").required();
    d.field("cursor_row", &PaneScreenReply::cursor_row, "Line of the cursor, from 0, without history.").required();
    d.field("cursor_hidden", &PaneScreenReply::cursor_hidden, "The program does not show its cursor.");
    d.field("alternate", &PaneScreenReply::alternate, "The program uses the alternate screen.");
    d.field("title", &PaneScreenReply::title, "The title that the program set.");
  }
};

struct PaneSendRequest {
  std::string pane;
  Text text;
  bool paste = true;
  std::vector<std::string> keys;
  bool submit = false;
  bool operator==(const PaneSendRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneSendRequest", "Input for a pane, as if typed: first the text, then the keys.");
    d.field("pane", &PaneSendRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field(
         "text", &PaneSendRequest::text,
         "Text; control characters other than newline and tab are left out, so that it can do nothing to a terminal.")
        .max_length(1024 * 1024);
    d.field("paste", &PaneSendRequest::paste, "As one bracketed paste; else key by key.");
    d.field("keys", &PaneSendRequest::keys, "Keys by tmux's names: `Enter`, `Escape`, `C-c`, `Up`, `M-x`.")
        .max_length(100);
    d.field("submit", &PaneSendRequest::submit, "The program's own key to send what is typed, at the end.");
  }
};

struct PaneSendReply {
  std::uint64_t sent_bytes = 0;
  std::uint64_t removed_bytes = 0;
  std::uint64_t log_end = 0;
  bool operator==(const PaneSendReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneSendReply", "The terminal has it.");
    d.field("sent_bytes", &PaneSendReply::sent_bytes, "Bytes of the text that were given.").required();
    d.field("removed_bytes", &PaneSendReply::removed_bytes, "Bytes that were left out.").required();
    d.field("log_end", &PaneSendReply::log_end, "Output offset before it was sent.").required();
  }
};

struct PanePromptRequest {
  std::string pane;
  Text text;
  std::chrono::milliseconds wait_ms{60'000};
  std::chrono::milliseconds confirm_ms{10'000};
  bool operator==(const PanePromptRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PanePromptRequest", "A prompt for the program in a pane.");
    d.field("pane", &PanePromptRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("text", &PanePromptRequest::text, "The prompt; several lines arrive as one.")
        .required()
        .non_empty()
        .max_length(1024 * 1024);
    d.field("wait_ms", &PanePromptRequest::wait_ms, "How long to wait until the program is ready.").max(86'400'000);
    d.field("confirm_ms", &PanePromptRequest::confirm_ms, "How long the screen may take to show each step.")
        .min(100)
        .max(600'000);
  }
};

struct PanePromptReply {
  PaneState state = PaneState::unknown;
  bool verified = false;
  std::uint32_t submits = 0;
  std::uint64_t removed_bytes = 0;
  std::uint64_t log_from = 0;
  std::uint64_t log_end = 0;
  bool operator==(const PanePromptReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PanePromptReply", "The program took the prompt.");
    d.field("state", &PanePromptReply::state, "What it does now.").required();
    d.field("verified", &PanePromptReply::verified,
            "The composer was seen filled and then empty. false: nothing is known of this program's composer.")
        .required();
    d.field("submits", &PanePromptReply::submits, "How often the submit key was pressed.").required();
    d.field("removed_bytes", &PanePromptReply::removed_bytes, "Control characters that were left out.").required();
    d.field("log_from", &PanePromptReply::log_from, "Output offset before the prompt.").required();
    d.field("log_end", &PanePromptReply::log_end, "Output offset when it was taken.").required();
  }
};

struct PaneWaitRequest {
  std::string pane;
  std::vector<PaneState> states;
  std::chrono::milliseconds timeout_ms{60'000};
  bool operator==(const PaneWaitRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneWaitRequest", "What to wait for.");
    d.field("pane", &PaneWaitRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("states", &PaneWaitRequest::states, "Until it is in one of these states.")
        .required()
        .non_empty()
        .max_length(20);
    d.field("timeout_ms", &PaneWaitRequest::timeout_ms, "For so long.").max(86'400'000);
  }
};

struct PaneResizeRequest {
  std::string pane;
  std::uint32_t cols = 0;
  std::uint32_t rows = 0;
  std::optional<std::string> viewer;
  bool operator==(const PaneResizeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneResizeRequest", "The new size of a pane, or of one viewer's terminal.");
    d.field("pane", &PaneResizeRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("cols", &PaneResizeRequest::cols, "Columns.").required().min(1).max(1000);
    d.field("rows", &PaneResizeRequest::rows, "Lines.").required().min(1).max(1000);
    d.field("viewer", &PaneResizeRequest::viewer, "This viewer's terminal; the pane keeps its size.")
        .non_empty()
        .max_length(64);
  }
};

struct PaneLogRequest {
  std::string pane;
  std::optional<std::uint64_t> from_seq;
  std::optional<std::uint64_t> tail_bytes;
  bool follow = false;
  std::uint32_t stream = 0;
  bool operator==(const PaneLogRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneLogRequest", "Which output.");
    d.field("pane", &PaneLogRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("from_seq", &PaneLogRequest::from_seq, "Output offset to begin at; else the oldest that is kept.");
    d.field("tail_bytes", &PaneLogRequest::tail_bytes, "Instead: begin so many bytes before the end.");
    d.field("follow", &PaneLogRequest::follow, "Go on with new output until the pane is closed.");
    d.field("stream", &PaneLogRequest::stream, "Stream for the bytes as the program wrote them, sequences included.")
        .required()
        .min(1)
        .stream(StreamUse::to_caller);
    d.at_most_one({"from_seq", "tail_bytes"});
  }
};

struct PaneLogReply {
  std::uint64_t from = 0;
  std::uint64_t end = 0;
  bool operator==(const PaneLogReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneLogReply", "Output follows on the stream.");
    d.field("from", &PaneLogReply::from, "Offset of the first byte that follows.").required();
    d.field("end", &PaneLogReply::end, "Offset after the newest byte at this moment.").required();
  }
};

enum class ViewerMode : std::uint8_t { drive, watch };

template <class D>
void describe_enum(D& d, ViewerMode*) {
  d.type("ViewerMode", "What a viewer may do.");
  d.value("drive", ViewerMode::drive, "Type into the pane.");
  d.value("watch", ViewerMode::watch, "Look on; keys do nothing but scroll and detach.");
}

struct PaneAttachRequest {
  std::string pane;
  std::uint32_t input = 0;
  std::uint32_t output = 0;
  std::uint32_t cols = 80;
  std::uint32_t rows = 24;
  std::string term = "xterm-256color";
  std::optional<std::string> viewer;
  ViewerMode mode = ViewerMode::drive;
  bool operator==(const PaneAttachRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneAttachRequest", "A terminal that becomes a viewer of a pane.");
    d.field("pane", &PaneAttachRequest::pane, "The pane.").required().non_empty().max_length(64);
    d.field("input", &PaneAttachRequest::input, "Stream of what the viewer's terminal sends.")
        .required()
        .min(1)
        .stream(StreamUse::from_caller);
    d.field("output", &PaneAttachRequest::output, "Stream of what the viewer's terminal shows.")
        .required()
        .min(1)
        .stream(StreamUse::to_caller);
    d.field("cols", &PaneAttachRequest::cols, "Columns of the viewer's terminal.").min(1).max(1000);
    d.field("rows", &PaneAttachRequest::rows, "Its lines.").min(1).max(1000);
    d.field("term", &PaneAttachRequest::term, "Its kind, as TERM.").non_empty().max_length(100);
    d.field("viewer", &PaneAttachRequest::viewer, "A name for this viewer, to resize it by; else one is made.")
        .non_empty()
        .max_length(64);
    d.field("mode", &PaneAttachRequest::mode, "What this viewer may do.");
  }
};

struct PaneAttachReply {
  std::string viewer;
  std::string exec;
  PaneInfo info;
  bool operator==(const PaneAttachReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PaneAttachReply", "Attached. `output` ends when the viewer has detached or the pane was closed.");
    d.field("viewer", &PaneAttachReply::viewer, "The name of this viewer.").required();
    d.field("exec", &PaneAttachReply::exec, "The program that is this viewer's terminal: `exec.wait` tells its end.")
        .required();
    d.field("info", &PaneAttachReply::info, "The pane.").required();
  }
};

}  // namespace swarm::api
