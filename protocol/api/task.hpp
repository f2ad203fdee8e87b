#pragma once
// Work of a run: tasks that agents take with a lease, and what becomes of each attempt.
//
//   waiting --needs are done--> ready --claim--> claimed --done(commit)--> checking --> in_review --> merging --> done
//                                 ^                 |  `--block--> blocked     |            |            |
//                                 `--- a new attempt, with what was wrong -----'------------'------------'
//
// An agent asks `task.next` and gets whatever is its turn: a task, a review, a vote. It never parses prose.

#include "protocol/api/agent.hpp"
#include "protocol/api/review.hpp"

namespace swarm::api {

enum class TaskState : std::uint8_t {
  waiting,
  ready,
  claimed,
  blocked,
  checking,
  in_review,
  in_dispute,
  merging,
  done,
  failed,
  dropped,
  unknown,
};

template <class D>
void describe_enum(D& d, TaskState*) {
  d.type("TaskState", "Where a task is.");
  d.value("waiting", TaskState::waiting, "Tasks that it needs are not done.");
  d.value("ready", TaskState::ready, "Somebody may take it.");
  d.value("claimed", TaskState::claimed, "An agent works on it.");
  d.value("blocked", TaskState::blocked, "The agent cannot go on; the reason says why.");
  d.value("checking", TaskState::checking, "It was handed in; its commit is looked up.");
  d.value("in_review", TaskState::in_review, "Others look at it.");
  d.value("in_dispute", TaskState::in_dispute, "A vote settles what reviewers and author see differently.");
  d.value("merging", TaskState::merging, "It stands in the merge queue.");
  d.value("done", TaskState::done, "Its evidence is there: the answer, or the merged commit.");
  d.value("failed", TaskState::failed, "All attempts are used up.");
  d.value("dropped", TaskState::dropped, "Nobody shall do it any more.");
  d.value("unknown", TaskState::unknown, "A state of a newer version.");
  d.unknown(TaskState::unknown);
}

enum class TaskKind : std::uint8_t { change, fix, answer, unknown };

template <class D>
void describe_enum(D& d, TaskKind*) {
  d.type("TaskKind", "What proves that a task is done.");
  d.value("change", TaskKind::change, "A commit that changes something and passes the tests when merged.");
  d.value("fix", TaskKind::fix, "The same, and its `proof` fails before it and passes after it.");
  d.value("answer", TaskKind::answer, "Text: what was found out, or a plan.");
  d.value("unknown", TaskKind::unknown, "A kind of a newer version; cannot be asked for.");
  d.unknown(TaskKind::unknown);
}

struct TaskAttempt {
  std::uint32_t attempt = 0;
  std::string agent;
  std::int64_t started_us = 0;
  std::optional<std::int64_t> ended_us;
  std::string outcome;
  std::string reason;
  std::optional<std::string> commit;
  bool operator==(const TaskAttempt&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskAttempt", "One try at a task.");
    d.field("attempt", &TaskAttempt::attempt, "Its number, from 1.").required();
    d.field("agent", &TaskAttempt::agent, "Who tried.").required();
    d.field("started_us", &TaskAttempt::started_us, "When, UTC.").required();
    d.field("ended_us", &TaskAttempt::ended_us, "When it was over; absent: it is not.");
    d.field("outcome", &TaskAttempt::outcome,
            "How it ended: `done`, `failed`, `released`, `expired`, `gone`, `empty`, `rejected`, `conflict`, `red`, "
            "`unproven`; empty: it has not.");
    d.field("reason", &TaskAttempt::reason, "Why, in words: the conflicting hunks, the test's output, the findings.");
    d.field("commit", &TaskAttempt::commit, "What was handed in.");
  }
};

struct TaskInfo {
  std::string id;
  std::string run;
  std::string title;
  std::string body;
  TaskState state = TaskState::unknown;
  TaskKind kind = TaskKind::unknown;
  std::string phase;
  std::string role;
  std::int64_t priority = 0;
  std::vector<std::string> needs;
  std::vector<std::string> skills;
  std::vector<std::string> files;
  std::string proof;
  std::string creator;
  std::optional<std::string> agent;
  std::uint32_t attempt = 0;
  std::uint32_t attempts_left = 0;
  std::optional<std::int64_t> lease_until_us;
  std::string progress;
  std::string reason;
  std::optional<std::string> commit;
  std::optional<std::string> merged;
  std::string answer;
  std::int64_t created_us = 0;
  std::int64_t changed_us = 0;
  bool operator==(const TaskInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskInfo", "A task.");
    d.field("id", &TaskInfo::id, "Its id.").required();
    d.field("run", &TaskInfo::run, "The run that it is of.").required();
    d.field("title", &TaskInfo::title, "In one line.").required();
    d.field("body", &TaskInfo::body, "What is to be done.");
    d.field("state", &TaskInfo::state, "Where it is.").required();
    d.field("kind", &TaskInfo::kind, "What proves that it is done.").required();
    d.field("phase", &TaskInfo::phase, "The phase of the run that it belongs to.").required();
    d.field("role", &TaskInfo::role, "Only agents of this role take it; empty: any.");
    d.field("priority", &TaskInfo::priority, "More comes first.");
    d.field("needs", &TaskInfo::needs, "Tasks that have to be done before.");
    d.field("skills", &TaskInfo::skills, "What it asks for.");
    d.field("files", &TaskInfo::files, "What it will probably touch.");
    d.field("proof", &TaskInfo::proof, "Of a fix: the command that fails before and passes after.");
    d.field("creator", &TaskInfo::creator, "Who added it.");
    d.field("agent", &TaskInfo::agent, "Who has it.");
    d.field("attempt", &TaskInfo::attempt, "The number of the current attempt; 0: nobody tried yet.");
    d.field("attempts_left", &TaskInfo::attempts_left, "How often it may still be tried anew.");
    d.field("lease_until_us", &TaskInfo::lease_until_us, "Until when it is the agent's, UTC.");
    d.field("progress", &TaskInfo::progress, "What the agent said last.");
    d.field("reason", &TaskInfo::reason,
            "Why it is where it is: what blocks it, or what was wrong with the attempt before and has to be mended.");
    d.field("commit", &TaskInfo::commit, "What was handed in with the current attempt.");
    d.field("merged", &TaskInfo::merged, "The commit on the integration branch that holds it.");
    d.field("answer", &TaskInfo::answer, "The text that an `answer` was done with.");
    d.field("created_us", &TaskInfo::created_us, "When it was added, UTC.").required();
    d.field("changed_us", &TaskInfo::changed_us, "When it last went on, UTC.").required();
  }
};

struct TaskAddRequest {
  std::optional<std::string> run;
  std::string title;
  std::string body;
  TaskKind kind = TaskKind::change;
  std::string role;
  std::int64_t priority = 0;
  std::vector<std::string> needs;
  std::vector<std::string> skills;
  std::vector<std::string> files;
  std::chrono::milliseconds estimate_ms{0};
  std::string proof;
  std::optional<std::string> split_of;
  bool operator==(const TaskAddRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskAddRequest", "A task to add.");
    d.field("run", &TaskAddRequest::run, "The run; absent: the one that is under way.").non_empty().max_length(100);
    d.field("title", &TaskAddRequest::title, "In one line.").required().non_empty().max_length(300);
    d.field("body", &TaskAddRequest::body, "What is to be done.").max_length(65536);
    d.field("kind", &TaskAddRequest::kind, "What proves that it is done.");
    d.field("role", &TaskAddRequest::role, "Only agents of this role take it; empty: any.").max_length(64);
    d.field("priority", &TaskAddRequest::priority, "More comes first.").min(-1000).max(1000);
    d.field("needs", &TaskAddRequest::needs, "Ids, prefixes or titles of tasks that have to be done before.")
        .max_length(100);
    d.field("skills", &TaskAddRequest::skills, "What it asks for; agents that have it come first.").max_length(50);
    d.field("files", &TaskAddRequest::files, "What it will probably touch: paths or patterns.").max_length(200);
    d.field("estimate_ms", &TaskAddRequest::estimate_ms, "How long it takes; for the critical path. 0: unknown.");
    d.field("proof", &TaskAddRequest::proof, "Of a fix: a command that fails before it and passes after it.")
        .max_length(8192);
    d.field("split_of", &TaskAddRequest::split_of,
            "A task of which this is a part: it takes that task's place for those who need it.")
        .non_empty()
        .max_length(100);
  }
};

struct TaskListRequest {
  std::optional<std::string> run;
  std::vector<TaskState> states;
  std::optional<std::string> owner;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const TaskListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskListRequest", "Which tasks.");
    d.field("run", &TaskListRequest::run, "Of this run; absent: the newest of the swarm.").non_empty().max_length(100);
    d.field("states", &TaskListRequest::states, "In one of these states; none: in any.").max_length(20);
    d.field("owner", &TaskListRequest::owner, "That this agent has.").non_empty().max_length(64);
    d.field("limit", &TaskListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &TaskListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct TaskListReply {
  std::vector<TaskInfo> tasks;
  std::optional<std::string> next_cursor;
  bool operator==(const TaskListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskListReply", "Tasks, in the order in which they were added.");
    d.field("tasks", &TaskListReply::tasks, "The tasks.").required();
    d.field("next_cursor", &TaskListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct TaskRef {
  std::string task;
  bool operator==(const TaskRef&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskRef", "Which task.");
    d.field("task", &TaskRef::task, "The task: its id or a unique prefix of it.").required().non_empty().max_length(40);
  }
};

struct TaskShowReply {
  TaskInfo task;
  std::vector<TaskAttempt> attempts;
  std::vector<ReviewInfo> reviews;
  bool operator==(const TaskShowReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskShowReply", "A task and its history.");
    d.field("task", &TaskShowReply::task, "The task.").required();
    d.field("attempts", &TaskShowReply::attempts, "Every attempt, in order.").required();
    d.field("reviews", &TaskShowReply::reviews, "Every review, in order.").required();
  }
};

enum class Turn : std::uint8_t { nothing, task, review, vote, ended, unknown };

template <class D>
void describe_enum(D& d, Turn*) {
  d.type("Turn", "What an agent shall do next.");
  d.value("nothing", Turn::nothing, "Nothing now; ask again.");
  d.value("task", Turn::task, "Work on `task`, which is the caller's now, or still is.");
  d.value("review", Turn::review, "Review `review`.");
  d.value("vote", Turn::vote, "Vote on `proposal`.");
  d.value("ended", Turn::ended, "The run is over.");
  d.value("unknown", Turn::unknown, "Something of a newer version.");
  d.unknown(Turn::unknown);
}

struct TaskNextRequest {
  std::vector<Turn> kinds;
  std::chrono::milliseconds wait_ms{0};
  bool operator==(const TaskNextRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskNextRequest", "What to look for.");
    d.field("kinds", &TaskNextRequest::kinds, "Only these: `task`, `review`, `vote`; none: all.").max_length(5);
    d.field("wait_ms", &TaskNextRequest::wait_ms, "How long to wait where there is nothing.").max(3'600'000);
  }
};

struct TaskNextReply {
  Turn next = Turn::unknown;
  std::optional<TaskInfo> task;
  std::optional<ReviewInfo> review;
  std::optional<std::string> proposal;
  std::string prompt;
  bool operator==(const TaskNextReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskNextReply", "What is the caller's turn.");
    d.field("next", &TaskNextReply::next, "What to do.").required();
    d.field("task", &TaskNextReply::task, "The task.");
    d.field("review", &TaskNextReply::review, "The review.");
    d.field("proposal", &TaskNextReply::proposal, "The proposal; `proposal.show` tells all of it.");
    d.field("prompt", &TaskNextReply::prompt, "The same in words, with how to answer.");
  }
};

struct TaskProgressRequest {
  std::string task;
  std::string text;
  bool operator==(const TaskProgressRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskProgressRequest", "How far a task is; prolongs its lease.");
    d.field("task", &TaskProgressRequest::task, "The task: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("text", &TaskProgressRequest::text, "In a line.").max_length(1000);
  }
};

struct TaskDoneRequest {
  std::string task;
  std::optional<std::string> commit;
  std::string answer;
  std::string summary;
  bool operator==(const TaskDoneRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskDoneRequest", "Hands a task in.");
    d.field("task", &TaskDoneRequest::task, "The task: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("commit", &TaskDoneRequest::commit,
            "The commit that holds it; absent: what the caller's branch points to. It is looked up: one that does not "
            "exist or changes nothing does not count.")
        .non_empty()
        .max_length(128);
    d.field("answer", &TaskDoneRequest::answer, "The text, for an `answer`.").max_length(65536);
    d.field("summary", &TaskDoneRequest::summary, "What was done, for reviewers.").max_length(65536);
  }
};

struct TaskReasonRequest {
  std::string task;
  std::string reason;
  bool operator==(const TaskReasonRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskReasonRequest", "Which task, and why.");
    d.field("task", &TaskReasonRequest::task, "The task: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("reason", &TaskReasonRequest::reason, "Why.").required().non_empty().max_length(8192);
  }
};

struct TaskChanged {
  std::string task;
  std::string title;
  TaskState state = TaskState::unknown;
  std::string agent;
  std::uint32_t attempt = 0;
  std::string reason;
  bool operator==(const TaskChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TaskChanged", "A task went on.");
    d.field("task", &TaskChanged::task, "The task.").required();
    d.field("title", &TaskChanged::title, "In one line.").required();
    d.field("state", &TaskChanged::state, "Where it is now.").required();
    d.field("agent", &TaskChanged::agent, "Who has it.");
    d.field("attempt", &TaskChanged::attempt, "The number of its attempt.");
    d.field("reason", &TaskChanged::reason, "Why, in a line.");
  }
};

inline constexpr Method<FromAgent<TaskAddRequest>, TaskInfo> kTaskAdd{{
    .name = "task.add",
    .doc = "Adds a task to a run.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such run, or a task that it needs does not exist"},
               {Code::failed_precondition, "the run is over, or the tasks would need each other in a circle"},
               {Code::resource_exhausted, "the run has too many tasks"}},
}};
inline constexpr Method<FromAgent<TaskListRequest>, TaskListReply> kTaskList{{
    .name = "task.list",
    .doc = "Lists tasks.",
    .caller = Caller::both,
}};
inline constexpr Method<FromAgent<TaskRef>, TaskShowReply> kTaskShow{{
    .name = "task.show",
    .doc = "Shows a task with its attempts and reviews.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no such task"}},
}};
inline constexpr Method<FromAgent<TaskNextRequest>, TaskNextReply> kTaskNext{{
    .name = "task.next",
    .doc = "Gives the calling agent its next piece of work, and waits for one. A task that is given is claimed.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "the caller takes part in no run"}},
}};
inline constexpr Method<FromAgent<TaskRef>, TaskInfo> kTaskClaim{{
    .name = "task.claim",
    .doc = "Takes a task that is ready, for the length of a lease.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such task"},
               {Code::failed_precondition, "it is not ready, or another agent has it"},
               {Code::permission_denied, "it is for another role"}},
}};
inline constexpr Method<FromAgent<TaskProgressRequest>, TaskInfo> kTaskProgress{{
    .name = "task.progress",
    .doc = "Says how far the caller's task is, and prolongs its lease.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such task"}, {Code::failed_precondition, "the caller does not have it"}},
}};
inline constexpr Method<FromAgent<TaskDoneRequest>, TaskInfo> kTaskDone{{
    .name = "task.done",
    .doc = "Hands the caller's task in. What it claims is checked before it counts.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such task"},
               {Code::failed_precondition, "the caller does not have it; the result is kept but not merged"}},
}};
inline constexpr Method<FromAgent<TaskReasonRequest>, TaskInfo> kTaskFail{{
    .name = "task.fail",
    .doc = "Gives the caller's task up as failed; it is tried anew by another while attempts are left.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such task"}, {Code::failed_precondition, "the caller does not have it"}},
}};
inline constexpr Method<FromAgent<TaskReasonRequest>, TaskInfo> kTaskBlock{{
    .name = "task.block",
    .doc = "Says what keeps the caller from going on. `task.progress` says that it goes on.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such task"}, {Code::failed_precondition, "the caller does not have it"}},
}};
inline constexpr Method<FromAgent<TaskReasonRequest>, TaskInfo> kTaskRelease{{
    .name = "task.release",
    .doc = "Gives a task back, for others to take; a person may take it from an agent. Counts as no attempt.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such task"}, {Code::failed_precondition, "the caller does not have it"}},
}};
inline constexpr Method<FromAgent<TaskReasonRequest>, TaskInfo> kTaskDrop{{
    .name = "task.drop",
    .doc = "Takes a task out of its run; those that need it go with it.",
    .caller = Caller::host,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such task"}, {Code::failed_precondition, "it is being merged, or over"}},
}};

inline constexpr EventType<TaskChanged> kTaskChanged{{.name = "task.changed", .doc = "A task was added or went on."}};

std::span<const MethodInfo* const> task_methods();
std::span<const EventInfo* const> task_events();

}  // namespace swarm::api
