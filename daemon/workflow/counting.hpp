#pragma once
// Counting votes. Pure: the same rules and ballots give the same count, whatever their order; weights are added as
// whole millionths, so that no rounding depends on who came first.

#include "protocol/api/proposal.hpp"

namespace swarm::workflow {

/// One voter's vote.
struct Ballot {
  std::string voter;
  std::vector<std::string> choice;  ///< `ranked`: the best first; `approval`: all that will do; else one
  bool abstain = false;
};

struct VoteRules {
  std::string proposal;  ///< its id: what a lot is drawn from
  api::VoteMethod method = api::VoteMethod::majority;
  std::vector<std::string> options;
  std::map<std::string, double> voters;  ///< who may vote, with the weight that `weighted` counts
  double threshold = 2.0 / 3.0;          ///< of `supermajority`
  double quorum = 0.5;
  api::TieBreak tie_break = api::TieBreak::none;
  std::string lead;  ///< whose ballot `TieBreak::lead` looks at
};

/// `invalid_argument` for rules that cannot be counted: fewer than two options, options or weights that are wrong.
Result<void> check_rules(const VoteRules& rules);

/// `invalid_argument` for a ballot that the method does not take; says what it takes.
Result<void> check_ballot(const VoteRules& rules, const Ballot& ballot);

/// Counts ballots that `check_ballot` has passed, one a voter. Votes of those who may not vote are left out.
api::VoteCount count_votes(const VoteRules& rules, const std::vector<Ballot>& ballots);

}  // namespace swarm::workflow
