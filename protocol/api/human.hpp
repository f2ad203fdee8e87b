#pragma once
// Where people come in: questions of agents, gates of a workflow, the last word on a vote. Everything that waits for a
// person is a question with a deadline and with what happens when it passes.

#include "protocol/api/from_agent.hpp"

namespace swarm::api {

enum class QuestionKind : std::uint8_t { question, gate, veto, stuck, unknown };

template <class D>
void describe_enum(D& d, QuestionKind*) {
  d.type("QuestionKind", "What a person is asked for.");
  d.value("question", QuestionKind::question, "An answer to an agent.");
  d.value("gate", QuestionKind::gate, "To let a run go on.");
  d.value("veto", QuestionKind::veto, "To confirm a vote, or decide otherwise.");
  d.value("stuck", QuestionKind::stuck, "To say what becomes of a task that all attempts failed at.");
  d.value("unknown", QuestionKind::unknown, "A kind of a newer version.");
  d.unknown(QuestionKind::unknown);
}

enum class QuestionState : std::uint8_t { open, answered, approved, rejected, expired, withdrawn, unknown };

template <class D>
void describe_enum(D& d, QuestionState*) {
  d.type("QuestionState", "Where a question is.");
  d.value("open", QuestionState::open, "Waits for a person.");
  d.value("answered", QuestionState::answered, "Answered in words.");
  d.value("approved", QuestionState::approved, "Approved.");
  d.value("rejected", QuestionState::rejected, "Rejected.");
  d.value("expired", QuestionState::expired, "Nobody answered in time; the default holds.");
  d.value("withdrawn", QuestionState::withdrawn, "No longer asked.");
  d.value("unknown", QuestionState::unknown, "A state of a newer version.");
  d.unknown(QuestionState::unknown);
}

struct QuestionInfo {
  std::string id;
  std::string run;
  QuestionKind kind = QuestionKind::unknown;
  std::string asked_by;
  std::string text;
  std::vector<std::string> options;
  std::string fallback;
  std::optional<std::string> task;
  std::optional<std::string> proposal;
  QuestionState state = QuestionState::unknown;
  std::string answer;
  std::string answered_by;
  std::int64_t asked_us = 0;
  std::optional<std::int64_t> deadline_us;
  std::optional<std::int64_t> closed_us;
  bool operator==(const QuestionInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("QuestionInfo", "Something that a person is asked.");
    d.field("id", &QuestionInfo::id, "Its id.").required();
    d.field("run", &QuestionInfo::run, "The run.").required();
    d.field("kind", &QuestionInfo::kind, "What is asked for.").required();
    d.field("asked_by", &QuestionInfo::asked_by, "Who asks: an agent, or `swarm`.").required();
    d.field("text", &QuestionInfo::text, "The question.").required();
    d.field("options", &QuestionInfo::options, "Answers to choose from; none: any text.");
    d.field("fallback", &QuestionInfo::fallback, "What holds when nobody answers in time.");
    d.field("task", &QuestionInfo::task, "The task that it is about.");
    d.field("proposal", &QuestionInfo::proposal, "The proposal that it is about.");
    d.field("state", &QuestionInfo::state, "Where it is.").required();
    d.field("answer", &QuestionInfo::answer, "The answer.");
    d.field("answered_by", &QuestionInfo::answered_by, "The person.");
    d.field("asked_us", &QuestionInfo::asked_us, "When it was asked, UTC.").required();
    d.field("deadline_us", &QuestionInfo::deadline_us, "Until when an answer is awaited, UTC.");
    d.field("closed_us", &QuestionInfo::closed_us, "When it was over, UTC.");
  }
};

struct HumanAskRequest {
  std::string text;
  std::vector<std::string> options;
  std::string fallback;
  std::optional<std::chrono::milliseconds> deadline_ms;
  std::chrono::milliseconds wait_ms{0};
  bool operator==(const HumanAskRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HumanAskRequest", "A question to a person.");
    d.field("text", &HumanAskRequest::text, "The question.").required().non_empty().max_length(8192);
    d.field("options", &HumanAskRequest::options, "Answers to choose from; none: any text.").max_length(20);
    d.field("fallback", &HumanAskRequest::fallback, "What holds when nobody answers in time.").max_length(8192);
    d.field("deadline_ms", &HumanAskRequest::deadline_ms,
            "How long an answer is awaited; absent: as the workflow says.");
    d.field("wait_ms", &HumanAskRequest::wait_ms, "How long this call waits for it.").max(3'600'000);
  }
};

struct QuestionRef {
  std::string question;
  std::chrono::milliseconds wait_ms{0};
  bool operator==(const QuestionRef&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("QuestionRef", "Which question.");
    d.field("question", &QuestionRef::question, "The question: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("wait_ms", &QuestionRef::wait_ms, "How long to wait until it is over.").max(3'600'000);
  }
};

struct HumanListRequest {
  std::optional<std::string> run;
  bool open = true;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const HumanListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HumanListRequest", "Which questions.");
    d.field("run", &HumanListRequest::run, "Of this run; absent: of every run.").non_empty().max_length(100);
    d.field("open", &HumanListRequest::open, "Only those that wait for a person.");
    d.field("limit", &HumanListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &HumanListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct HumanListReply {
  std::vector<QuestionInfo> questions;
  std::optional<std::string> next_cursor;
  bool operator==(const HumanListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HumanListReply", "Questions, oldest first.");
    d.field("questions", &HumanListReply::questions, "The questions.").required();
    d.field("next_cursor", &HumanListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct HumanAnswerRequest {
  std::string question;
  std::string answer;
  bool operator==(const HumanAnswerRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HumanAnswerRequest", "An answer.");
    d.field("question", &HumanAnswerRequest::question, "The question: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("answer", &HumanAnswerRequest::answer, "The answer.").required().non_empty().max_length(65536);
  }
};

struct HumanDecideRequest {
  std::string question;
  std::string reason;
  bool operator==(const HumanDecideRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HumanDecideRequest", "A yes or a no.");
    d.field("question", &HumanDecideRequest::question, "The question: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("reason", &HumanDecideRequest::reason, "Why; agents read it.").max_length(65536);
  }
};

struct HumanChanged {
  std::string question;
  QuestionKind kind = QuestionKind::unknown;
  std::string text;
  QuestionState state = QuestionState::unknown;
  std::string answer;
  bool operator==(const HumanChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HumanChanged", "A question to a person went on.");
    d.field("question", &HumanChanged::question, "The question.").required();
    d.field("kind", &HumanChanged::kind, "What is asked for.").required();
    d.field("text", &HumanChanged::text, "The question in words.").required();
    d.field("state", &HumanChanged::state, "Where it is now.").required();
    d.field("answer", &HumanChanged::answer, "The answer.");
  }
};

enum class NoticeKind : std::uint8_t { unacknowledged, undeliverable, stalled, unknown };

template <class D>
void describe_enum(D& d, NoticeKind*) {
  d.type("NoticeKind", "Why a person should look.");
  d.value("unacknowledged", NoticeKind::unacknowledged, "A message was not acknowledged, whoever was reminded.");
  d.value("undeliverable", NoticeKind::undeliverable, "A message expired or could not be delivered; it is kept.");
  d.value("stalled", NoticeKind::stalled, "An agent does not go on, whatever was tried.");
  d.value("unknown", NoticeKind::unknown, "A reason of a newer version.");
  d.unknown(NoticeKind::unknown);
}

struct HumanNotice {
  NoticeKind kind = NoticeKind::unknown;
  std::string text;
  std::string about;
  bool operator==(const HumanNotice&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HumanNotice", "Something that a person should see; nobody waits for an answer.");
    d.field("kind", &HumanNotice::kind, "Why.").required();
    d.field("text", &HumanNotice::text, "What happened, and what to do.").required();
    d.field("about", &HumanNotice::about, "The message or the agent that it is about.");
  }
};

inline constexpr Method<FromAgent<HumanAskRequest>, QuestionInfo> kHumanAsk{{
    .name = "human.ask",
    .doc = "Asks a person, as the calling agent.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "the caller takes part in no run"},
               {Code::resource_exhausted, "too many questions of this agent wait already"}},
}};
inline constexpr Method<FromAgent<QuestionRef>, QuestionInfo> kHumanShow{{
    .name = "human.show",
    .doc = "Shows a question, and waits until it is over.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no such question"}},
}};
inline constexpr Method<InSwarm<HumanListRequest>, HumanListReply> kHumanList{{
    .name = "human.list",
    .doc = "Lists what waits for a person.",
    .caller = Caller::host,
}};
inline constexpr Method<InSwarm<HumanAnswerRequest>, QuestionInfo> kHumanAnswer{{
    .name = "human.answer",
    .doc = "Answers a question, as a person.",
    .caller = Caller::host,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such question"}, {Code::failed_precondition, "it is over"}},
}};
inline constexpr Method<InSwarm<HumanDecideRequest>, QuestionInfo> kHumanApprove{{
    .name = "human.approve",
    .doc = "Says yes, as a person.",
    .caller = Caller::host,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such question"}, {Code::failed_precondition, "it is over"}},
}};
inline constexpr Method<InSwarm<HumanDecideRequest>, QuestionInfo> kHumanReject{{
    .name = "human.reject",
    .doc = "Says no, as a person.",
    .caller = Caller::host,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such question"}, {Code::failed_precondition, "it is over"}},
}};

inline constexpr EventType<HumanChanged> kHumanChanged{
    {.name = "human.changed", .doc = "A person was asked, answered, or did not in time."}};

inline constexpr EventType<HumanNotice> kHumanNotice{
    {.name = "human.notice", .doc = "What a team could not settle by itself: a person should look."}};

std::span<const MethodInfo* const> human_methods();
std::span<const EventInfo* const> human_events();

}  // namespace swarm::api
