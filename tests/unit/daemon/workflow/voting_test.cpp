// Worked examples from the literature on voting, with what is known of them, and what holds for every election of a
// method. Counting itself is tested in counting_test.cpp.

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "daemon/workflow/counting.hpp"

using namespace swarm;
using namespace swarm::workflow;
using api::TieBreak;
using api::VoteMethod;

namespace {

using Ranking = std::vector<std::string>;
using Groups = std::vector<std::pair<int, Ranking>>;

struct Poll {
  VoteRules rules;
  std::vector<Ballot> cast;
};

/// So many voters with each ballot, and `silent` who have a vote and do not use it.
Poll poll(VoteMethod method, std::vector<std::string> options, const Groups& groups, int silent = 0) {
  Poll out{.rules = {.proposal = "prp_1", .method = method, .options = std::move(options), .quorum = 0}, .cast = {}};
  for (const auto& [count, choice] : groups) {
    for (int i = 0; i < count; ++i) {
      out.cast.push_back({.voter = "v" + std::to_string(10'000 + out.cast.size()), .choice = choice});
      out.rules.voters[out.cast.back().voter] = 1;
    }
  }
  for (int i = 0; i < silent; ++i) out.rules.voters["w" + std::to_string(i)] = 1;
  return out;
}

api::VoteCount count(const Poll& poll) { return count_votes(poll.rules, poll.cast); }

api::VoteCount ranked(std::vector<std::string> options, const Groups& groups) {
  return count(poll(VoteMethod::ranked, std::move(options), groups));
}

/// How many put `a` before `b`; who names neither has no opinion, who names one prefers it.
int prefer(const std::vector<Ballot>& cast, const std::string& a, const std::string& b) {
  return static_cast<int>(std::ranges::count_if(cast, [&](const Ballot& ballot) {
    const auto first = std::ranges::find(ballot.choice, a);
    return first != ballot.choice.end() && first < std::ranges::find(ballot.choice, b);
  }));
}

const Ranking kAbc = {"a", "b", "c"};
const std::vector<std::string> kFour = {"a", "b", "c", "d"};

/// Complete rankings of four options by a few voters.
Poll some_ranked_poll() {
  const int voters = *rc::gen::inRange(1, 16);
  Groups groups;
  for (int i = 0; i < voters; ++i) {
    Ranking all = kFour;
    for (std::size_t at = all.size(); at > 1; --at) std::swap(all[at - 1], all[*rc::gen::inRange<std::size_t>(0, at)]);
    groups.emplace_back(1, std::move(all));
  }
  return poll(VoteMethod::ranked, kFour, groups);
}

}  // namespace

TEST_CASE("instant run-off is not monotonic: more first places make the winner lose") {
  // The textbook's hundred voters: ten who move `a` to the top take the victory from it.
  CHECK(ranked({"a", "b", "c"}, {{39, {"a", "b", "c"}}, {35, {"b", "c", "a"}}, {26, {"c", "a", "b"}}}).winner == "a");
  const auto raised = ranked({"a", "b", "c"}, {{49, {"a", "b", "c"}}, {25, {"b", "c", "a"}}, {26, {"c", "a", "b"}}});
  CHECK(raised.rounds[0].left_out == "b");
  CHECK(raised.winner == "c");
  CHECK(raised.rounds[1].votes == std::map<std::string, double>{{"a", 49}, {"c", 51}});
}

TEST_CASE("instant run-off: two who stay at home help the one they like better") {
  const Groups with = {{4, {"a", "b", "c"}}, {3, {"b", "c", "a"}}, {4, {"c", "b", "a"}}};
  const Groups without = {{2, {"a", "b", "c"}}, {3, {"b", "c", "a"}}, {4, {"c", "b", "a"}}};
  CHECK(ranked(kAbc, with).winner == "c");
  CHECK(ranked(kAbc, without).winner == "b");
}

TEST_CASE("instant run-off: two districts elect the same, both together another") {
  const Groups east = {{4, {"a", "b", "c"}}, {4, {"b", "c", "a"}}, {1, {"c", "a", "b"}}};
  const Groups west = {{3, {"a", "b", "c"}}, {2, {"b", "a", "c"}}, {3, {"c", "b", "a"}}};
  CHECK(ranked(kAbc, east).winner == "a");
  CHECK(ranked(kAbc, west).winner == "a");
  Groups whole = east;
  whole.insert(whole.end(), west.begin(), west.end());
  CHECK(ranked(kAbc, whole).rounds[0].left_out == "c");
  CHECK(ranked(kAbc, whole).winner == "b");
}

TEST_CASE("instant run-off: the one in the middle, who beats each in a pair, is squeezed out") {
  const Groups groups = {{5, {"a", "b", "c"}}, {2, {"b", "a", "c"}}, {4, {"c", "b", "a"}}};
  CHECK(ranked(kAbc, groups).winner == "a");
  const Poll all = poll(VoteMethod::ranked, kAbc, groups);
  CHECK(prefer(all.cast, "b", "a") > prefer(all.cast, "a", "b"));
  CHECK(prefer(all.cast, "b", "c") > prefer(all.cast, "c", "b"));
}

TEST_CASE("instant run-off: exhausted ballots lower what a majority is") {
  // Twelve vote; when `c` leaves, those who named nobody else are out: five of nine decide, not seven of twelve.
  const auto result = ranked(kAbc, {{5, {"a"}}, {4, {"b", "c"}}, {3, {"c"}}});
  CHECK(result.rounds[0].left_out == "c");
  CHECK(result.rounds[1].exhausted == 3);
  CHECK(result.needed == 4.5);
  CHECK(result.winner == "a");
  // Two of eight are out in the end, and the six that are left are even: who is out breaks no tie.
  const auto last = ranked(kFour, {{3, {"a"}}, {2, {"b"}}, {2, {"c", "b"}}, {1, {"d", "c"}}});
  CHECK(last.rounds[0].left_out == "d");
  CHECK(last.rounds[1].left_out == "b");
  CHECK(last.rounds[2].exhausted == 2);
  CHECK(last.tied == std::vector<std::string>{"a", "c"});
}

TEST_CASE("instant run-off: who had fewer before leaves, when two are last") {
  // `c` and `b` are equal in round 2; in round 1 `c` was behind.
  const auto result = ranked(kFour, {{5, {"a"}}, {3, {"b"}}, {2, {"c"}}, {1, {"d", "c", "b"}}});
  CHECK(result.rounds[0].left_out == "d");
  CHECK(result.rounds[1].votes.at("b") == result.rounds[1].votes.at("c"));
  CHECK(result.rounds[1].left_out == "c");
  CHECK(result.rounds[1].rule.contains("fewer before"));
}

TEST_CASE("one electorate, four winners: Tennessee by each method") {
  const std::vector<std::string> towns = {"Memphis", "Nashville", "Chattanooga", "Knoxville"};
  const Groups ranking = {{42, {"Memphis", "Nashville", "Chattanooga", "Knoxville"}},
                          {26, {"Nashville", "Chattanooga", "Knoxville", "Memphis"}},
                          {15, {"Chattanooga", "Knoxville", "Nashville", "Memphis"}},
                          {17, {"Knoxville", "Chattanooga", "Nashville", "Memphis"}}};
  Groups first;
  Groups best_two;
  for (const auto& [voters, order] : ranking) {
    first.push_back({voters, {order[0]}});
    best_two.push_back({voters, {order[0], order[1]}});
  }
  CHECK(ranked(towns, ranking).winner == "Knoxville");
  // Memphis is ahead with 42 of 100, which is no majority.
  const auto plurality = count(poll(VoteMethod::majority, towns, first));
  CHECK(plurality.winner.empty());
  CHECK(plurality.tied.empty());
  CHECK(plurality.rounds[0].votes.at("Memphis") == 42);
  // The two nearest will do: Nashville, which also beats each in a pair.
  const auto approval = count(poll(VoteMethod::approval, towns, best_two));
  CHECK(approval.winner == "Nashville");
  CHECK(approval.rounds[0].votes ==
        std::map<std::string, double>{{"Memphis", 42}, {"Nashville", 68}, {"Chattanooga", 58}, {"Knoxville", 32}});
  const Poll pairs = poll(VoteMethod::ranked, towns, ranking);
  for (const char* other : {"Memphis", "Chattanooga", "Knoxville"}) CHECK(prefer(pairs.cast, "Nashville", other) > 50);
}

TEST_CASE("weights are not power: Nassau County's three small districts never decide") {
  // Banzhaf 1965: 9, 9, 7, 3, 1, 1 of 30 votes, 16 decide. Whatever the last three do, two of the first three win.
  Poll board{.rules = {.proposal = "prp_1", .method = VoteMethod::weighted, .options = {"yes", "no"}, .quorum = 0},
             .cast = {}};
  const std::vector<std::pair<std::string, double>> districts = {{"Hempstead 1", 9}, {"Hempstead 2", 9},
                                                                 {"Oyster Bay", 7},  {"North Hempstead", 3},
                                                                 {"Long Beach", 1},  {"Glen Cove", 1}};
  for (const auto& [name, weight] : districts) board.rules.voters[name] = weight;
  for (unsigned votes = 0; votes < 64; ++votes) {
    board.cast.clear();
    int large = 0;
    for (std::size_t i = 0; i < districts.size(); ++i) {
      const bool yes = ((votes >> i) & 1U) != 0;
      board.cast.push_back({.voter = districts[i].first, .choice = {yes ? "yes" : "no"}});
      if (yes && i < 3) ++large;
    }
    INFO(votes);
    CHECK(count(board).winner == (large >= 2 ? "yes" : "no"));
  }
}

TEST_CASE("quorum: who votes against may make it pass, who stays at home may stop it") {
  // The paradox of referendums that ask for half of all: 49 who agree are too few, and one who objects makes them
  // enough.
  Poll referendum = poll(VoteMethod::majority, {"yes", "no"}, {{49, {"yes"}}}, 51);
  referendum.rules.quorum = 0.5;
  CHECK_FALSE(count(referendum).quorum_met);
  CHECK(count(referendum).winner.empty());
  referendum.cast.push_back({.voter = "w0", .choice = {"no"}});
  CHECK(count(referendum).quorum_met);
  CHECK(count(referendum).winner == "yes");
  // By weight: one that weighs half is a quorum of its own.
  Poll weighted{.rules = {.proposal = "prp_1", .method = VoteMethod::weighted, .options = {"yes", "no"}, .quorum = 0.5},
                .cast = {{.voter = "large", .choice = {"no"}}}};
  weighted.rules.voters = {{"large", 2}, {"b", 1}, {"c", 1}};
  CHECK(count(weighted).winner == "no");
  weighted.cast = {{.voter = "b", .choice = {"no"}}};
  CHECK_FALSE(count(weighted).quorum_met);
  // All have to come, and one does not.
  Poll all = poll(VoteMethod::unanimous, {"yes", "no"}, {{9, {"yes"}}}, 1);
  all.rules.quorum = 1;
  CHECK_FALSE(count(all).quorum_met);
  all.cast.push_back({.voter = "w0", .abstain = true});
  CHECK(count(all).winner == "yes");
}

TEST_CASE("supermajorities at their edge: of those who vote, not of those who could") {
  // Sixty of a hundred end a debate, fifty-nine do not.
  for (const int yes : {59, 60}) {
    Poll cloture = poll(VoteMethod::supermajority, {"yes", "no"}, {{yes, {"yes"}}, {100 - yes, {"no"}}});
    cloture.rules.threshold = 0.6;
    CHECK(count(cloture).winner == (yes == 60 ? "yes" : ""));
  }
  // Two thirds: 67 of 100, and 60 of 90 when ten abstain.
  for (const int yes : {66, 67}) {
    const Poll veto = poll(VoteMethod::supermajority, {"yes", "no"}, {{yes, {"yes"}}, {100 - yes, {"no"}}});
    CHECK(count(veto).winner == (yes == 67 ? "yes" : ""));
  }
  Poll some = poll(VoteMethod::supermajority, {"yes", "no"}, {{60, {"yes"}}, {30, {"no"}}}, 10);
  for (int i = 0; i < 10; ++i) some.cast.push_back({.voter = "w" + std::to_string(i), .abstain = true});
  CHECK(count(some).winner == "yes");
  some.cast.back() = {.voter = "w9", .choice = {"no"}};
  CHECK(count(some).winner.empty());
}

TEST_CASE("nobody votes, all abstain, or a tie has no rule: there is no winner, and it is said why") {
  Poll none = poll(VoteMethod::ranked, kAbc, {}, 3);
  CHECK_FALSE(count(none).quorum_met);
  for (int i = 0; i < 3; ++i) none.cast.push_back({.voter = "w" + std::to_string(i), .abstain = true});
  for (const VoteMethod method : {VoteMethod::majority, VoteMethod::supermajority, VoteMethod::unanimous,
                                  VoteMethod::weighted, VoteMethod::ranked, VoteMethod::approval}) {
    none.rules.method = method;
    CHECK(count(none).winner.empty());
    CHECK(count(none).quorum_met);
    CHECK(count(none).abstained == 3);
    CHECK_FALSE(count(none).why.empty());
  }
  Poll even = poll(VoteMethod::approval, kAbc, {{2, {"a", "b"}}, {1, {"c"}}});
  CHECK(count(even).tied == std::vector<std::string>{"a", "b"});
  // A lead that approves of both has not decided; one that approves of one has.
  even.rules.tie_break = TieBreak::lead;
  even.rules.lead = even.cast[0].voter;
  CHECK(count(even).winner.empty());
  even.cast.push_back({.voter = "lead", .choice = {"b"}});
  even.cast.push_back({.voter = "other", .choice = {"a"}});
  even.rules.voters["lead"] = even.rules.voters["other"] = 1;
  even.rules.lead = "lead";
  CHECK(count(even).winner == "b");
}

TEST_CASE("who is first for more than half wins, whatever the method") {
  rc::prop("majority criterion", [] {
    const Poll election = some_ranked_poll();
    std::map<std::string, int> first;
    for (const Ballot& ballot : election.cast) ++first[ballot.choice.front()];
    Poll single = election;
    single.rules.method = VoteMethod::majority;
    for (Ballot& ballot : single.cast) ballot.choice.resize(1);
    const bool any = std::ranges::any_of(
        first, [&](const auto& entry) { return 2 * entry.second > static_cast<int>(election.cast.size()); });
    RC_ASSERT(any == !count(single).winner.empty());
    if (!any) return;
    RC_ASSERT(count(election).winner == count(single).winner);
    RC_ASSERT(count(election).rounds.size() == 1U);
  });
}

TEST_CASE("instant run-off never elects who loses to each in a pair") {
  rc::prop("Condorcet loser", [] {
    for (int again = 0; again < 10; ++again) {
      const Poll election = some_ranked_poll();
      for (const std::string& option : kFour) {
        const bool loses = std::ranges::all_of(kFour, [&](const std::string& other) {
          return option == other || prefer(election.cast, other, option) > prefer(election.cast, option, other);
        });
        if (loses) RC_ASSERT(count(election).winner != option);
      }
    }
  });
}

TEST_CASE("instant run-off: every ballot counts for one option or is exhausted, in every round") {
  rc::prop("short ballots", [] {
    for (int again = 0; again < 10; ++again) {
      Poll election = some_ranked_poll();
      for (Ballot& ballot : election.cast) ballot.choice.resize(*rc::gen::inRange<std::size_t>(1, 3));
      for (const api::CountRound& round : count(election).rounds) {
        double sum = round.exhausted;
        for (const auto& [option, votes] : round.votes) sum += votes;
        RC_ASSERT(sum == static_cast<double>(election.cast.size()));
      }
    }
  });
}

TEST_CASE("instant run-off: what stands behind the winner on a ballot does not matter") {
  rc::prop("later no harm", [] {
    Poll election = some_ranked_poll();
    const api::VoteCount before = count(election);
    RC_PRE(!before.winner.empty());
    for (Ballot& ballot : election.cast) {
      if (*rc::gen::arbitrary<bool>()) continue;
      ballot.choice.erase(std::ranges::find(ballot.choice, before.winner) + 1, ballot.choice.end());
    }
    RC_ASSERT(count(election).winner == before.winner);
    RC_ASSERT(count(election).rounds == before.rounds);
  });
}

TEST_CASE("more approval never hurts, and options that nobody names change nothing") {
  rc::prop("approval is monotonic", [] {
    Poll election = some_ranked_poll();
    election.rules.method = VoteMethod::approval;
    for (Ballot& ballot : election.cast) ballot.choice.resize(*rc::gen::inRange<std::size_t>(1, 4));
    const std::string winner = count(election).winner;
    RC_PRE(!winner.empty());
    for (Ballot& ballot : election.cast) {
      if (std::ranges::find(ballot.choice, winner) == ballot.choice.end()) {
        ballot.choice.push_back(winner);
        break;
      }
    }
    RC_ASSERT(count(election).winner == winner);
  });
  rc::prop("an option without votes", [] {
    Poll election = some_ranked_poll();
    const auto before = count(election);
    election.rules.options.emplace_back("nobody's");
    const auto after = count(election);
    RC_ASSERT(before.winner == after.winner);
    RC_ASSERT(before.tied == after.tied);
  });
}

TEST_CASE("a tie is settled by its rule, and never by who came first") {
  rc::prop("permutation of ties", [] {
    Poll election = some_ranked_poll();
    RC_PRE(election.cast.size() > 1U && election.cast.size() < 9U);
    election.rules.method = *rc::gen::element(VoteMethod::ranked, VoteMethod::approval, VoteMethod::majority);
    const std::size_t named = election.rules.method == VoteMethod::majority ? 1 : 2;
    for (Ballot& ballot : election.cast) ballot.choice.resize(named);
    election.rules.tie_break = *rc::gen::element(TieBreak::lead, TieBreak::lot, TieBreak::first, TieBreak::none);
    election.rules.voters["lead"] = 1;
    election.rules.lead = "lead";  // who does not come
    const auto before = count(election);
    std::ranges::reverse(election.cast);
    RC_ASSERT(count(election) == before);
  });
}

TEST_CASE("an abstention may make a quorum, and changes no vote that was counted") {
  rc::prop("abstention and quorum", [] {
    Poll election = some_ranked_poll();
    election.rules.quorum = *rc::gen::element(0.0, 0.25, 0.5, 2.0 / 3.0, 1.0);
    for (int i = *rc::gen::inRange(1, 10); i > 0; --i) election.rules.voters["w" + std::to_string(i)] = 1;
    const auto before = count(election);
    election.cast.push_back({.voter = "w1", .abstain = true});
    const auto after = count(election);
    RC_ASSERT(after.rounds == before.rounds);
    RC_ASSERT(after.quorum_met || !before.quorum_met);
    // Met exactly when as many have come as were asked for, whether or not they had an opinion.
    RC_ASSERT(after.quorum_met == (after.present + 1e-6 >= election.rules.quorum * after.eligible));
    if (before.quorum_met) {
      RC_ASSERT(after.winner == before.winner);
      RC_ASSERT(after.tied == before.tied);
    }
  });
}
