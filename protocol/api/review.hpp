#pragma once
// Reviews: others than its author look at a change, and say what is wrong with it. A review is of one commit; when the
// author changes it, a new round begins and the verdicts of the old one fall.

#include "protocol/api/from_agent.hpp"

namespace swarm::api {

enum class Verdict : std::uint8_t { approve, request_changes, challenge, unknown };

template <class D>
void describe_enum(D& d, Verdict*) {
  d.type("Verdict", "What a reviewer thinks of a change.");
  d.value("approve", Verdict::approve, "It may be merged.");
  d.value("request_changes", Verdict::request_changes, "It has to be mended; the findings say what.");
  d.value("challenge", Verdict::challenge, "It should not be made in this way at all: all shall vote.");
  d.value("unknown", Verdict::unknown, "A verdict of a newer version; cannot be given.");
  d.unknown(Verdict::unknown);
}

enum class Severity : std::uint8_t { note, minor, major, critical, unknown };

template <class D>
void describe_enum(D& d, Severity*) {
  d.type("Severity", "How bad a finding is.");
  d.value("note", Severity::note, "For information.");
  d.value("minor", Severity::minor, "Should be mended some time.");
  d.value("major", Severity::major, "Has to be mended.");
  d.value("critical", Severity::critical, "Would do harm.");
  d.value("unknown", Severity::unknown, "Of a newer version; cannot be given.");
  d.unknown(Severity::unknown);
}

struct Finding {
  std::uint32_t number = 0;
  Severity severity = Severity::major;
  Path file;
  std::uint32_t line = 0;
  std::string text;
  std::string evidence;
  std::string answer;
  bool operator==(const Finding&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("Finding", "Something that a reviewer found.");
    d.field("number", &Finding::number, "Its number in the review, from 1; given when it is submitted.");
    d.field("severity", &Finding::severity, "How bad it is.");
    d.field("file", &Finding::file, "Where; empty: in all of it.").max_length(4096);
    d.field("line", &Finding::line, "The line there; 0: in all of it.");
    d.field("text", &Finding::text, "What is wrong.").required().non_empty().max_length(8192);
    d.field("evidence", &Finding::evidence, "What shows it: output, a failing input.").max_length(16384);
    d.field("answer", &Finding::answer, "What the author says to it; by `review.answer`.").max_length(8192);
  }
};

enum class ReviewState : std::uint8_t { open, approved, changes_requested, challenged, stale, unknown };

template <class D>
void describe_enum(D& d, ReviewState*) {
  d.type("ReviewState", "Where a review is.");
  d.value("open", ReviewState::open, "Reviewers are at it.");
  d.value("approved", ReviewState::approved, "As many as needed approved.");
  d.value("changes_requested", ReviewState::changes_requested, "The author has to mend it.");
  d.value("challenged", ReviewState::challenged, "A vote decides.");
  d.value("stale", ReviewState::stale, "The change is another one now.");
  d.value("unknown", ReviewState::unknown, "A state of a newer version.");
  d.unknown(ReviewState::unknown);
}

struct ReviewerInfo {
  std::string agent;
  std::optional<Verdict> verdict;
  std::string summary;
  std::vector<Finding> findings;
  std::int64_t assigned_us = 0;
  std::optional<std::int64_t> submitted_us;
  std::optional<std::string> replaced_by;
  bool operator==(const ReviewerInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewerInfo", "A reviewer of a change.");
    d.field("agent", &ReviewerInfo::agent, "Who.").required();
    d.field("verdict", &ReviewerInfo::verdict, "What it thinks; absent: nothing said yet.");
    d.field("summary", &ReviewerInfo::summary, "Why, in words.");
    d.field("findings", &ReviewerInfo::findings, "What it found.");
    d.field("assigned_us", &ReviewerInfo::assigned_us, "Since when it is asked, UTC.").required();
    d.field("submitted_us", &ReviewerInfo::submitted_us, "When it answered, UTC.");
    d.field("replaced_by", &ReviewerInfo::replaced_by,
            "Who was asked instead, because it did not answer in time; empty: nobody was left.");
  }
};

struct ReviewInfo {
  std::string id;
  std::string run;
  std::string task;
  std::string title;
  std::string author;
  std::uint32_t round = 0;
  std::string commit;
  ReviewState state = ReviewState::unknown;
  std::uint32_t needed = 0;
  std::vector<ReviewerInfo> reviewers;
  std::vector<Path> files;
  std::string summary;
  std::string settled_by;
  std::int64_t opened_us = 0;
  std::optional<std::int64_t> closed_us;
  bool operator==(const ReviewInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewInfo", "A round of review of one change.");
    d.field("id", &ReviewInfo::id, "Its id.").required();
    d.field("run", &ReviewInfo::run, "The run.").required();
    d.field("task", &ReviewInfo::task, "The task that the change is for.").required();
    d.field("title", &ReviewInfo::title, "The task in one line.").required();
    d.field("author", &ReviewInfo::author, "Whose change it is.").required();
    d.field("round", &ReviewInfo::round, "The how many-th round, from 1.").required();
    d.field("commit", &ReviewInfo::commit, "What is reviewed.").required();
    d.field("state", &ReviewInfo::state, "Where it is.").required();
    d.field("needed", &ReviewInfo::needed, "How many have to approve.").required();
    d.field("reviewers", &ReviewInfo::reviewers, "Who is asked.");
    d.field("files", &ReviewInfo::files, "What the change touches.");
    d.field("summary", &ReviewInfo::summary, "What the author says of it.");
    d.field("settled_by", &ReviewInfo::settled_by, "The proposal that settled a dispute.");
    d.field("opened_us", &ReviewInfo::opened_us, "When it began, UTC.").required();
    d.field("closed_us", &ReviewInfo::closed_us, "When it ended, UTC.");
  }
};

struct ReviewRef {
  std::string review;
  bool operator==(const ReviewRef&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewRef", "Which review.");
    d.field("review", &ReviewRef::review, "The review: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
  }
};

struct ReviewListRequest {
  std::optional<std::string> run;
  std::vector<ReviewState> states;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const ReviewListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewListRequest", "Which reviews.");
    d.field("run", &ReviewListRequest::run, "Of this run; absent: the newest of the swarm.")
        .non_empty()
        .max_length(100);
    d.field("states", &ReviewListRequest::states, "In one of these states; none: in any.").max_length(10);
    d.field("limit", &ReviewListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &ReviewListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct ReviewListReply {
  std::vector<ReviewInfo> reviews;
  std::optional<std::string> next_cursor;
  bool operator==(const ReviewListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewListReply", "Reviews, oldest first.");
    d.field("reviews", &ReviewListReply::reviews, "The reviews.").required();
    d.field("next_cursor", &ReviewListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct ReviewNextRequest {
  std::chrono::milliseconds wait_ms{0};
  bool operator==(const ReviewNextRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewNextRequest", "How long to wait.");
    d.field("wait_ms", &ReviewNextRequest::wait_ms, "How long to wait where there is nothing to review.")
        .max(3'600'000);
  }
};

struct ReviewNextReply {
  std::optional<ReviewInfo> review;
  bool operator==(const ReviewNextReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewNextReply", "What the caller shall review.");
    d.field("review", &ReviewNextReply::review, "The review; absent: nothing is waiting.");
  }
};

struct ReviewSubmitRequest {
  std::string review;
  Verdict verdict = Verdict::unknown;
  std::string summary;
  std::vector<Finding> findings;
  bool operator==(const ReviewSubmitRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewSubmitRequest", "A verdict.");
    d.field("review", &ReviewSubmitRequest::review, "The review: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("verdict", &ReviewSubmitRequest::verdict, "What the caller thinks of the change.").required();
    d.field("summary", &ReviewSubmitRequest::summary, "Why.").max_length(8192);
    d.field("findings", &ReviewSubmitRequest::findings,
            "What was found; at least one where changes are requested or the change is challenged.")
        .max_length(100);
  }
};

struct ReviewAnswerRequest {
  std::string review;
  std::string reviewer;
  std::uint32_t finding = 0;
  std::string text;
  bool operator==(const ReviewAnswerRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewAnswerRequest", "What the author says to a finding.");
    d.field("review", &ReviewAnswerRequest::review, "The review: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("reviewer", &ReviewAnswerRequest::reviewer, "Whose finding; may be left out where there is one reviewer.")
        .max_length(64);
    d.field("finding", &ReviewAnswerRequest::finding, "Its number.").required().min(1);
    d.field("text", &ReviewAnswerRequest::text, "What was done about it, or why nothing.")
        .required()
        .non_empty()
        .max_length(8192);
  }
};

struct ReviewChanged {
  std::string review;
  std::string task;
  std::string title;
  std::uint32_t round = 0;
  ReviewState state = ReviewState::unknown;
  std::string agent;
  std::optional<Verdict> verdict;
  std::uint32_t findings = 0;
  bool operator==(const ReviewChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ReviewChanged", "A review went on.");
    d.field("review", &ReviewChanged::review, "The review.").required();
    d.field("task", &ReviewChanged::task, "The task.").required();
    d.field("title", &ReviewChanged::title, "The task in one line.").required();
    d.field("round", &ReviewChanged::round, "The round.").required();
    d.field("state", &ReviewChanged::state, "Where it is now.").required();
    d.field("agent", &ReviewChanged::agent, "The reviewer that answered.");
    d.field("verdict", &ReviewChanged::verdict, "What it said.");
    d.field("findings", &ReviewChanged::findings, "How much it found.");
  }
};

inline constexpr Method<FromAgent<ReviewNextRequest>, ReviewNextReply> kReviewNext{{
    .name = "review.next",
    .doc = "Gives the calling agent the review that waits longest for it.",
    .caller = Caller::tunnel,
}};
inline constexpr Method<FromAgent<ReviewListRequest>, ReviewListReply> kReviewList{{
    .name = "review.list",
    .doc = "Lists reviews.",
    .caller = Caller::both,
}};
inline constexpr Method<FromAgent<ReviewRef>, ReviewInfo> kReviewShow{{
    .name = "review.show",
    .doc = "Shows a review with its verdicts and findings.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no such review"}},
}};
inline constexpr Method<FromAgent<ReviewSubmitRequest>, ReviewInfo> kReviewSubmit{{
    .name = "review.submit",
    .doc = "Gives a verdict. A person's verdict on the host counts for all.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such review"},
               {Code::failed_precondition, "it is over, or the change is another one now"},
               {Code::permission_denied, "the caller was not asked, or is the author"}},
}};
inline constexpr Method<FromAgent<ReviewAnswerRequest>, ReviewInfo> kReviewAnswer{{
    .name = "review.answer",
    .doc = "Answers a finding, as the author.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such review, or no such finding"},
               {Code::permission_denied, "the change is not the caller's"}},
}};

inline constexpr EventType<ReviewChanged> kReviewChanged{
    {.name = "review.changed", .doc = "A review began, was answered or ended."}};

std::span<const MethodInfo* const> review_methods();
std::span<const EventInfo* const> review_events();

}  // namespace swarm::api
