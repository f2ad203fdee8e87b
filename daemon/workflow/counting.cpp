#include "daemon/workflow/counting.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using api::TieBreak;
using api::VoteMethod;
using Micro = std::int64_t;

constexpr Micro kOne = 1'000'000;
constexpr double kMaxWeight = 1e6;

Micro micro(double weight) { return std::llround(weight * static_cast<double>(kOne)); }
double plain(Micro weight) { return static_cast<double>(weight) / static_cast<double>(kOne); }

bool holds(const std::vector<std::string>& list, const std::string& text) {
  return std::ranges::find(list, text) != list.end();
}

bool single_choice(VoteMethod method) { return method != VoteMethod::ranked && method != VoteMethod::approval; }

/// FNV-1a: a lot that everybody can draw again from the proposal's id.
std::uint64_t lot(std::string_view proposal, std::string_view option) {
  std::uint64_t hash = 14695981039346656037U;
  for (const std::string_view part : {proposal, std::string_view("\n"), option}) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return hash;
}

struct Counter {
  const VoteRules& rules;
  std::vector<const Ballot*> cast;  ///< no abstentions
  const Ballot* lead = nullptr;

  [[nodiscard]] Micro weight(const Ballot& ballot) const {
    return rules.method == VoteMethod::weighted ? micro(rules.voters.at(ballot.voter)) : kOne;
  }

  /// The one of `tied` that the rule puts first; nothing where it does not say. `tied` is in the order of the options.
  [[nodiscard]] std::optional<std::string> best(const std::vector<std::string>& tied) const {
    switch (rules.tie_break) {
      case TieBreak::first:
        return tied.front();
      case TieBreak::lot:
        return *std::ranges::min_element(
            tied, {}, [&](const std::string& option) { return std::pair(lot(rules.proposal, option), option); });
      case TieBreak::lead: {
        if (lead == nullptr) return std::nullopt;
        std::vector<std::string> named;
        for (const std::string& option : lead->choice) {
          if (holds(tied, option)) named.push_back(option);
        }
        if (named.empty()) return std::nullopt;
        // With `approval` the lead's ballot has no order: it decides only where it names one of them.
        if (rules.method == VoteMethod::approval && named.size() > 1) return std::nullopt;
        return named.front();
      }
      default:
        return std::nullopt;
    }
  }

  /// Settles who is first among equals, in `count`.
  void settle_tie(api::VoteCount& count, std::vector<std::string> tied) const {
    if (const auto winner = best(tied)) {
      count.winner = *winner;
      count.rounds.back().rule = fmt::format("equal: {}; decided by {}", fmt::join(tied, ", "), rule_name());
      count.why = fmt::format("'{}' won the tie by {}", *winner, rule_name());
      return;
    }
    count.why = fmt::format("a tie between {}", fmt::join(tied, ", "));
    count.tied = std::move(tied);
  }
  [[nodiscard]] std::string_view rule_name() const {
    return rules.tie_break == TieBreak::first  ? "the order of the options"
           : rules.tie_break == TieBreak::lead ? "the lead's ballot"
                                               : "lot";
  }

  void simple(api::VoteCount& count) const;
  void approval(api::VoteCount& count) const;
  void ranked(api::VoteCount& count) const;
  [[nodiscard]] std::string who_leaves(const std::vector<std::string>& tied,
                                       const std::vector<std::map<std::string, Micro>>& history,
                                       std::string& rule) const;
};

std::map<std::string, double> shown_votes(const std::map<std::string, Micro>& votes) {
  std::map<std::string, double> out;
  for (const auto& [option, sum] : votes) out[option] = plain(sum);
  return out;
}

void Counter::simple(api::VoteCount& count) const {
  std::map<std::string, Micro> votes;
  for (const std::string& option : rules.options) votes[option] = 0;
  Micro total = 0;
  for (const Ballot* ballot : cast) {
    votes[ballot->choice.front()] += weight(*ballot);
    total += weight(*ballot);
  }
  count.rounds.push_back({.votes = shown_votes(votes)});
  if (total == 0) {
    count.why = "nobody voted for anything";
    return;
  }
  // A share is compared as a number of millionths; a third of three votes must not fail by a rounding.
  const auto reaches = [&](Micro sum) {
    if (rules.method == VoteMethod::unanimous) return sum == total;
    if (rules.method == VoteMethod::supermajority) {
      return static_cast<double>(sum) + 1 >= rules.threshold * static_cast<double>(total);
    }
    return 2 * sum > total;
  };
  count.needed = rules.method == VoteMethod::unanimous       ? plain(total)
                 : rules.method == VoteMethod::supermajority ? plain(total) * rules.threshold
                                                             : plain(total) / 2;
  std::vector<std::string> reached;
  std::vector<std::string> halves;
  for (const std::string& option : rules.options) {
    if (votes[option] > 0 && reaches(votes[option])) reached.push_back(option);
    if (2 * votes[option] == total) halves.push_back(option);
  }
  if (reached.size() == 1) {
    count.winner = reached.front();
    count.why = fmt::format("'{}' has {} of {}", count.winner, plain(votes[count.winner]), plain(total));
  } else if (reached.size() > 1) {
    settle_tie(count, std::move(reached));
  } else if ((rules.method == VoteMethod::majority || rules.method == VoteMethod::weighted) && halves.size() == 2) {
    settle_tie(count, std::move(halves));
  } else {
    count.why = rules.method == VoteMethod::unanimous
                    ? "not all agree"
                    : fmt::format("no option has the {} {} that it needs",
                                  rules.method == VoteMethod::supermajority ? "at least" : "more than", count.needed);
  }
}

void Counter::approval(api::VoteCount& count) const {
  std::map<std::string, Micro> votes;
  for (const std::string& option : rules.options) votes[option] = 0;
  for (const Ballot* ballot : cast) {
    for (const std::string& option : ballot->choice) votes[option] += kOne;
  }
  count.rounds.push_back({.votes = shown_votes(votes)});
  Micro most = 0;
  for (const auto& [option, sum] : votes) most = std::max(most, sum);
  count.needed = plain(most);
  if (most == 0) {
    count.why = "nobody voted for anything";
    return;
  }
  std::vector<std::string> top;
  for (const std::string& option : rules.options) {
    if (votes[option] == most) top.push_back(option);
  }
  if (top.size() > 1) return settle_tie(count, std::move(top));
  count.winner = top.front();
  count.why = fmt::format("'{}' will do for {} of {}", count.winner, plain(most), cast.size());
}

/// Which of those that are last leaves: who had least in the latest round in which they differed, else whom the rule
/// for ties puts last, else the lot.
std::string Counter::who_leaves(const std::vector<std::string>& tied,
                                const std::vector<std::map<std::string, Micro>>& history, std::string& rule) const {
  std::vector<std::string> left = tied;
  for (auto round = history.rbegin(); round != history.rend() && left.size() > 1; ++round) {
    Micro least = round->at(left.front());
    for (const std::string& option : left) least = std::min(least, round->at(option));
    std::erase_if(left, [&](const std::string& option) { return round->at(option) > least; });
  }
  if (left.size() == 1) {
    if (tied.size() > 1) rule = fmt::format("equal: {}; the one with fewer before leaves", fmt::join(tied, ", "));
    return left.front();
  }
  if (rules.tie_break == TieBreak::first) {
    rule = fmt::format("equal: {}; the one listed last leaves", fmt::join(left, ", "));
    return left.back();
  }
  if (rules.tie_break == TieBreak::lead && lead != nullptr) {
    const auto place = [&](const std::string& option) { return std::ranges::find(lead->choice, option); };
    const auto last = std::ranges::max_element(left, {}, place);
    // Several that the lead does not name are equal still.
    if (place(*last) != lead->choice.end() ||
        std::ranges::count_if(left, [&](const auto& o) { return place(o) == lead->choice.end(); }) == 1) {
      rule = fmt::format("equal: {}; the one that the lead puts last leaves", fmt::join(left, ", "));
      return *last;
    }
  }
  rule = fmt::format("equal: {}; by lot", fmt::join(left, ", "));
  return *std::ranges::max_element(
      left, {}, [&](const std::string& option) { return std::pair(lot(rules.proposal, option), option); });
}

void Counter::ranked(api::VoteCount& count) const {
  std::vector<std::string> running = rules.options;
  std::vector<std::map<std::string, Micro>> history;
  for (;;) {
    std::map<std::string, Micro> votes;
    for (const std::string& option : running) votes[option] = 0;
    Micro total = 0;
    Micro exhausted = 0;
    for (const Ballot* ballot : cast) {
      const auto next =
          std::ranges::find_if(ballot->choice, [&](const std::string& option) { return votes.contains(option); });
      if (next == ballot->choice.end()) {
        exhausted += kOne;
      } else {
        votes[*next] += kOne;
        total += kOne;
      }
    }
    count.rounds.push_back({.votes = shown_votes(votes), .exhausted = plain(exhausted)});
    count.needed = plain(total) / 2;
    if (total == 0) {
      count.why = "nobody voted for anything";
      return;
    }
    Micro most = 0;
    Micro least = total;
    for (const auto& [option, sum] : votes) {
      most = std::max(most, sum);
      least = std::min(least, sum);
    }
    if (2 * most > total) {
      count.winner = std::ranges::find_if(votes, [&](const auto& entry) { return entry.second == most; })->first;
      count.why =
          fmt::format("'{}' has {} of {} in round {}", count.winner, plain(most), plain(total), count.rounds.size());
      return;
    }
    // All that are left are equal: nobody is last, so the rule for ties decides who is first.
    if (most == least) return settle_tie(count, std::move(running));
    std::vector<std::string> last;
    for (const std::string& option : running) {
      if (votes[option] == least) last.push_back(option);
    }
    const std::string leaves = who_leaves(last, history, count.rounds.back().rule);
    count.rounds.back().left_out = leaves;
    std::erase(running, leaves);
    history.push_back(std::move(votes));
  }
}

}  // namespace

Result<void> check_rules(const VoteRules& rules) {
  if (rules.options.size() < 2) {
    return fail(Code::invalid_argument, "a vote needs at least two options to choose from");
  }
  std::set<std::string> seen;
  for (const std::string& option : rules.options) {
    if (option.empty() || option.size() > 200) {
      return fail(Code::invalid_argument,
                  fmt::format("the option '{}' has to have 1 to 200 bytes", swarm::shown(option)));
    }
    if (!seen.insert(option).second) {
      return fail(Code::invalid_argument, fmt::format("the option '{}' is listed twice", swarm::shown(option)));
    }
  }
  if (rules.voters.empty()) return fail(Code::invalid_argument, "nobody may vote");
  for (const auto& [voter, weight] : rules.voters) {
    if (!std::isfinite(weight) || weight < 0 || weight > kMaxWeight) {
      return fail(Code::invalid_argument, fmt::format("the weight {} of '{}' is not from 0 to {}", weight,
                                                      swarm::shown(voter), static_cast<int>(kMaxWeight)));
    }
  }
  if (!(rules.quorum >= 0 && rules.quorum <= 1)) {
    return fail(Code::invalid_argument, fmt::format("the quorum {} is not a share from 0 to 1", rules.quorum));
  }
  if (!(rules.threshold >= 0.5 && rules.threshold <= 1)) {
    return fail(Code::invalid_argument, fmt::format("the threshold {} is not a share from 0.5 to 1", rules.threshold));
  }
  return {};
}

Result<void> check_ballot(const VoteRules& rules, const Ballot& ballot) {
  if (!rules.voters.contains(ballot.voter)) {
    return fail(Code::permission_denied, fmt::format("'{}' has no vote here", swarm::shown(ballot.voter)));
  }
  if (ballot.abstain) {
    if (!ballot.choice.empty()) return fail(Code::invalid_argument, "an abstention names no option");
    return {};
  }
  if (ballot.choice.empty()) return fail(Code::invalid_argument, "the vote names no option; or abstain");
  if (single_choice(rules.method) && ballot.choice.size() != 1) {
    return fail(Code::invalid_argument,
                fmt::format("the vote names {} options; this method takes one", ballot.choice.size()));
  }
  std::set<std::string> seen;
  for (const std::string& option : ballot.choice) {
    if (!holds(rules.options, option)) {
      return fail(Code::invalid_argument,
                  fmt::format("'{}' is no option{}; there are: {}", swarm::shown(option),
                              did_you_mean(option, rules.options), fmt::join(rules.options, ", ")));
    }
    if (!seen.insert(option).second) {
      return fail(Code::invalid_argument, fmt::format("the vote names '{}' twice", swarm::shown(option)));
    }
  }
  return {};
}

api::VoteCount count_votes(const VoteRules& rules, const std::vector<Ballot>& ballots) {
  Counter counter{.rules = rules};
  api::VoteCount count;
  const bool weighted = rules.method == VoteMethod::weighted;
  Micro all = 0;
  Micro present = 0;
  for (const auto& [voter, weight] : rules.voters) {
    all += weighted ? micro(weight) : kOne;
    ++count.eligible;
  }
  for (const Ballot& ballot : ballots) {
    const auto voter = rules.voters.find(ballot.voter);
    if (voter == rules.voters.end()) continue;
    ++count.present;
    present += weighted ? micro(voter->second) : kOne;
    if (ballot.abstain) {
      ++count.abstained;
      continue;
    }
    if (ballot.voter == rules.lead) counter.lead = &ballot;
    counter.cast.push_back(&ballot);
  }
  count.quorum_needed = plain(all) * rules.quorum;
  // One millionth of slack: two thirds of three are two.
  count.quorum_met = static_cast<double>(present) + 1 >= rules.quorum * static_cast<double>(all) && count.present > 0;
  if (rules.method == VoteMethod::ranked) {
    counter.ranked(count);
  } else if (rules.method == VoteMethod::approval) {
    counter.approval(count);
  } else {
    counter.simple(count);
  }
  if (!count.quorum_met) {
    count.winner.clear();
    count.tied.clear();
    count.why =
        fmt::format("no quorum: {} of {} have voted, {} had to", plain(present), plain(all), count.quorum_needed);
  }
  return count;
}

}  // namespace swarm::workflow
