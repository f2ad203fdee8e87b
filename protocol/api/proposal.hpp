#pragma once
// Proposals and votes: how a swarm settles what its members see differently. One vote for each voter, changeable until
// the close; the count is made from the record alone and can be made again by anybody.

#include "protocol/api/from_agent.hpp"

namespace swarm::api {

enum class VoteMethod : std::uint8_t { majority, supermajority, unanimous, weighted, ranked, approval, unknown };

template <class D>
void describe_enum(D& d, VoteMethod*) {
  d.type("VoteMethod", "How votes are counted.");
  d.value("majority", VoteMethod::majority, "More than half of the votes that are no abstentions.");
  d.value("supermajority", VoteMethod::supermajority, "At least `threshold` of the votes that are no abstentions.");
  d.value("unanimous", VoteMethod::unanimous, "All votes that are no abstentions.");
  d.value("weighted", VoteMethod::weighted, "More than half of the weight that does not abstain.");
  d.value(
      "ranked", VoteMethod::ranked,
      "Instant run-off: the option with the fewest first places leaves, its votes go to their next choice, until one "
      "has more than half of the votes that still name an option.");
  d.value("approval", VoteMethod::approval, "Each names all options it can live with; the most named wins.");
  d.value("unknown", VoteMethod::unknown, "A method of a newer version; cannot be asked for.");
  d.unknown(VoteMethod::unknown);
}

enum class TieBreak : std::uint8_t { none, first, lead, lot, human, unknown };

template <class D>
void describe_enum(D& d, TieBreak*) {
  d.type("TieBreak", "What decides between options that are equal.");
  d.value("none", TieBreak::none, "Nothing: the proposal ends without a decision.");
  d.value("first", TieBreak::first, "The one that was listed first.");
  d.value("lead", TieBreak::lead, "The one that the lead's ballot puts higher.");
  d.value("lot", TieBreak::lot, "A lot, drawn from the proposal's id: the same for everybody who counts.");
  d.value("human", TieBreak::human, "A person is asked.");
  d.value("unknown", TieBreak::unknown, "A rule of a newer version; cannot be asked for.");
  d.unknown(TieBreak::unknown);
}

enum class ProposalState : std::uint8_t { open, decided, undecided, withdrawn, waiting, unknown };

template <class D>
void describe_enum(D& d, ProposalState*) {
  d.type("ProposalState", "Where a proposal is.");
  d.value("open", ProposalState::open, "Votes are taken.");
  d.value("decided", ProposalState::decided, "An option won.");
  d.value("undecided", ProposalState::undecided, "None won: no quorum, no majority, or a tie.");
  d.value("withdrawn", ProposalState::withdrawn, "What it was about is no more.");
  d.value("waiting", ProposalState::waiting, "Counted; a person has the last word.");
  d.value("unknown", ProposalState::unknown, "A state of a newer version.");
  d.unknown(ProposalState::unknown);
}

struct VoteInfo {
  std::string voter;
  std::vector<std::string> choice;
  bool abstain = false;
  double weight = 1;
  std::string reason;
  std::vector<std::string> evidence;
  std::int64_t cast_us = 0;
  std::uint32_t changes = 0;
  bool operator==(const VoteInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("VoteInfo", "A vote.");
    d.field("voter", &VoteInfo::voter, "Who voted.").required();
    d.field("choice", &VoteInfo::choice, "The option; with `ranked` the best first, with `approval` all that will do.");
    d.field("abstain", &VoteInfo::abstain, "Counts for the quorum alone.");
    d.field("weight", &VoteInfo::weight, "How much it counts.");
    d.field("reason", &VoteInfo::reason, "Why.");
    d.field("evidence", &VoteInfo::evidence, "What it rests on: commits, files, outputs.");
    d.field("cast_us", &VoteInfo::cast_us, "When it was last changed, UTC.").required();
    d.field("changes", &VoteInfo::changes, "How often it was changed.");
  }
};

struct CountRound {
  std::map<std::string, double> votes;
  double exhausted = 0;
  std::string left_out;
  std::string rule;
  bool operator==(const CountRound&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CountRound", "One round of a count.");
    d.field("votes", &CountRound::votes, "What each option has.").required();
    d.field("exhausted", &CountRound::exhausted, "Votes that name none of the options that are left.");
    d.field("left_out", &CountRound::left_out, "The option that leaves after this round.");
    d.field("rule", &CountRound::rule, "What decided between equals, where something had to.");
  }
};

struct VoteCount {
  std::vector<CountRound> rounds;
  std::uint32_t eligible = 0;
  std::uint32_t present = 0;
  std::uint32_t abstained = 0;
  double quorum_needed = 0;
  bool quorum_met = false;
  double needed = 0;
  std::string winner;
  std::vector<std::string> tied;
  std::string why;
  bool operator==(const VoteCount&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("VoteCount", "A count in full.");
    d.field("rounds", &VoteCount::rounds, "Round by round; one, but for `ranked`.").required();
    d.field("eligible", &VoteCount::eligible, "How many could vote.").required();
    d.field("present", &VoteCount::present, "How many voted, abstentions included.").required();
    d.field("abstained", &VoteCount::abstained, "How many abstained.").required();
    d.field("quorum_needed", &VoteCount::quorum_needed, "How many (or which weight) had to vote.").required();
    d.field("quorum_met", &VoteCount::quorum_met, "Whether they did.").required();
    d.field("needed", &VoteCount::needed, "What an option needed in the last round.").required();
    d.field("winner", &VoteCount::winner, "The option that won; empty: none.");
    d.field("tied", &VoteCount::tied, "Options that were equal at the top, where no rule decided.");
    d.field("why", &VoteCount::why, "The outcome in a sentence.").required();
  }
};

struct ProposalInfo {
  std::string id;
  std::string run;
  std::string title;
  std::string body;
  std::string opened_by;
  VoteMethod method = VoteMethod::unknown;
  std::vector<std::string> options;
  std::map<std::string, double> voters;
  double threshold = 0;
  double quorum = 0;
  TieBreak tie_break = TieBreak::unknown;
  bool veto = false;
  std::optional<std::string> review;
  ProposalState state = ProposalState::unknown;
  std::vector<VoteInfo> votes;
  std::optional<VoteCount> count;
  std::string decision;
  std::string decided_by;
  std::int64_t opened_us = 0;
  std::optional<std::int64_t> deadline_us;
  std::optional<std::int64_t> closed_us;
  bool operator==(const ProposalInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProposalInfo", "Something to be decided.");
    d.field("id", &ProposalInfo::id, "Its id.").required();
    d.field("run", &ProposalInfo::run, "The run.").required();
    d.field("title", &ProposalInfo::title, "The question.").required();
    d.field("body", &ProposalInfo::body, "What one has to know.");
    d.field("opened_by", &ProposalInfo::opened_by, "Who asks.").required();
    d.field("method", &ProposalInfo::method, "How it is counted.").required();
    d.field("options", &ProposalInfo::options, "What can be voted for.").required();
    d.field("voters", &ProposalInfo::voters, "Who may vote, and how much each vote weighs.").required();
    d.field("threshold", &ProposalInfo::threshold, "Of `supermajority`: the share that wins.");
    d.field("quorum", &ProposalInfo::quorum, "The share of those who may vote that has to.").required();
    d.field("tie_break", &ProposalInfo::tie_break, "What decides between equals.").required();
    d.field("veto", &ProposalInfo::veto, "A person has the last word.");
    d.field("review", &ProposalInfo::review, "The review that it settles.");
    d.field("state", &ProposalInfo::state, "Where it is.").required();
    d.field("votes", &ProposalInfo::votes, "The votes, by voter.");
    d.field("count", &ProposalInfo::count, "The count, when it is closed.");
    d.field("decision", &ProposalInfo::decision, "The option that holds; empty: none.");
    d.field("decided_by", &ProposalInfo::decided_by, "`vote`, or the person.");
    d.field("opened_us", &ProposalInfo::opened_us, "When it began, UTC.").required();
    d.field("deadline_us", &ProposalInfo::deadline_us, "When it is closed at the latest, UTC.");
    d.field("closed_us", &ProposalInfo::closed_us, "When it ended, UTC.");
  }
};

struct ProposalOpenRequest {
  std::optional<std::string> run;
  std::string title;
  std::string body;
  VoteMethod method = VoteMethod::majority;
  std::vector<std::string> options;
  std::vector<std::string> voters;
  std::map<std::string, double> weights;
  double threshold = 2.0 / 3.0;
  double quorum = 0.5;
  TieBreak tie_break = TieBreak::none;
  bool veto = false;
  std::optional<std::chrono::milliseconds> deadline_ms;
  bool operator==(const ProposalOpenRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProposalOpenRequest", "A question to vote on.");
    d.field("run", &ProposalOpenRequest::run, "The run; absent: the one that is under way.")
        .non_empty()
        .max_length(100);
    d.field("title", &ProposalOpenRequest::title, "The question.").required().non_empty().max_length(300);
    d.field("body", &ProposalOpenRequest::body, "What one has to know.").max_length(65536);
    d.field("method", &ProposalOpenRequest::method, "How it is counted.");
    d.field("options", &ProposalOpenRequest::options, "What can be voted for; none: `yes` and `no`.").max_length(20);
    d.field("voters", &ProposalOpenRequest::voters, "Who may vote; none: every agent of the run.").max_length(200);
    d.field("weights", &ProposalOpenRequest::weights,
            "Of `weighted`: what votes weigh, by agent or role; 1 for those that are not named.")
        .max_length(200);
    d.field("threshold", &ProposalOpenRequest::threshold, "Of `supermajority`: the share that wins.").min(0.5).max(1);
    d.field("quorum", &ProposalOpenRequest::quorum, "The share of those who may vote that has to.").min(0).max(1);
    d.field("tie_break", &ProposalOpenRequest::tie_break, "What decides between equals.");
    d.field("veto", &ProposalOpenRequest::veto, "Whether a person has the last word.");
    d.field("deadline_ms", &ProposalOpenRequest::deadline_ms,
            "How long votes are taken at most; absent: as the workflow says.");
  }
};

struct ProposalRef {
  std::string proposal;
  bool operator==(const ProposalRef&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProposalRef", "Which proposal.");
    d.field("proposal", &ProposalRef::proposal, "The proposal: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
  }
};

struct ProposalListRequest {
  std::optional<std::string> run;
  bool open = false;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const ProposalListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProposalListRequest", "Which proposals.");
    d.field("run", &ProposalListRequest::run, "Of this run; absent: the newest of the swarm.")
        .non_empty()
        .max_length(100);
    d.field("open", &ProposalListRequest::open, "Only those that take votes.");
    d.field("limit", &ProposalListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &ProposalListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct ProposalListReply {
  std::vector<ProposalInfo> proposals;
  std::optional<std::string> next_cursor;
  bool operator==(const ProposalListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProposalListReply", "Proposals, oldest first.");
    d.field("proposals", &ProposalListReply::proposals, "The proposals.").required();
    d.field("next_cursor", &ProposalListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct ProposalVoteRequest {
  std::string proposal;
  std::vector<std::string> choice;
  bool abstain = false;
  std::string reason;
  std::vector<std::string> evidence;
  bool operator==(const ProposalVoteRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProposalVoteRequest", "A vote; replaces the caller's vote before.");
    d.field("proposal", &ProposalVoteRequest::proposal, "The proposal: its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("choice", &ProposalVoteRequest::choice,
            "The option; with `ranked` the best first, with `approval` all that will do.")
        .max_length(20);
    d.field("abstain", &ProposalVoteRequest::abstain, "Counts for the quorum alone; without a choice.");
    d.field("reason", &ProposalVoteRequest::reason, "Why.").max_length(8192);
    d.field("evidence", &ProposalVoteRequest::evidence, "What it rests on: commits, files, outputs.").max_length(50);
  }
};

struct ProposalChanged {
  std::string proposal;
  std::string title;
  ProposalState state = ProposalState::unknown;
  std::string agent;
  std::string decision;
  std::string why;
  bool operator==(const ProposalChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProposalChanged", "A proposal went on.");
    d.field("proposal", &ProposalChanged::proposal, "The proposal.").required();
    d.field("title", &ProposalChanged::title, "The question.").required();
    d.field("state", &ProposalChanged::state, "Where it is now.").required();
    d.field("agent", &ProposalChanged::agent, "Who voted.");
    d.field("decision", &ProposalChanged::decision, "The option that holds.");
    d.field("why", &ProposalChanged::why, "The outcome in a sentence.");
  }
};

inline constexpr Method<FromAgent<ProposalOpenRequest>, ProposalInfo> kProposalOpen{{
    .name = "proposal.open",
    .doc = "Opens a vote.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such run or voter"}, {Code::failed_precondition, "the run is over"}},
}};
inline constexpr Method<FromAgent<ProposalRef>, ProposalInfo> kProposalShow{{
    .name = "proposal.show",
    .doc = "Shows a proposal with its votes and count.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no such proposal"}},
}};
inline constexpr Method<FromAgent<ProposalListRequest>, ProposalListReply> kProposalList{{
    .name = "proposal.list",
    .doc = "Lists proposals.",
    .caller = Caller::both,
}};
inline constexpr Method<FromAgent<ProposalVoteRequest>, ProposalInfo> kProposalVote{{
    .name = "proposal.vote",
    .doc = "Votes, as the calling agent. Answered means that the vote is counted, durably.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such proposal"},
               {Code::failed_precondition, "it is closed"},
               {Code::permission_denied, "the caller has no vote"}},
}};
inline constexpr Method<FromAgent<ProposalRef>, ProposalInfo> kProposalClose{{
    .name = "proposal.close",
    .doc = "Closes a vote before its deadline and counts: by who opened it, or a person.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such proposal"},
               {Code::failed_precondition, "it is closed"},
               {Code::permission_denied, "another opened it"}},
}};

inline constexpr EventType<ProposalChanged> kProposalChanged{
    {.name = "proposal.changed", .doc = "A vote was opened, cast or closed."}};

std::span<const MethodInfo* const> proposal_methods();
std::span<const EventInfo* const> proposal_events();

}  // namespace swarm::api
