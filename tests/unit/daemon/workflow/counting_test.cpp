#include "daemon/workflow/counting.hpp"

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::workflow;
using api::TieBreak;
using api::VoteMethod;

namespace {

VoteRules rules(VoteMethod method, std::vector<std::string> options, int voters) {
  VoteRules out{.proposal = "prp_1", .method = method, .options = std::move(options), .quorum = 0};
  for (int i = 0; i < voters; ++i) out.voters["v" + std::to_string(100 + i)] = 1;
  return out;
}

/// So many ballots with each ranking, by voters in order.
std::vector<Ballot> ballots(const std::vector<std::pair<int, std::vector<std::string>>>& groups) {
  std::vector<Ballot> out;
  for (const auto& [count, choice] : groups) {
    for (int i = 0; i < count; ++i) out.push_back({.voter = "v" + std::to_string(100 + out.size()), .choice = choice});
  }
  return out;
}

rc::Gen<std::vector<std::string>> some_choice(const std::vector<std::string>& options, VoteMethod method) {
  return rc::gen::apply(
      [=](std::vector<int> keys, int length) {
        std::vector<std::string> out = options;
        std::vector<std::size_t> order(out.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(keys.at(i), i); });
        std::vector<std::string> ranked;
        for (const std::size_t i : order) ranked.push_back(out.at(i));
        const bool many = method == VoteMethod::ranked || method == VoteMethod::approval;
        ranked.resize(many ? static_cast<std::size_t>(length) : 1);
        return ranked;
      },
      rc::gen::container<std::vector<int>>(options.size(), rc::gen::inRange(0, 100)),
      rc::gen::inRange(1, static_cast<int>(options.size()) + 1));
}

struct Election {
  VoteRules rules;
  std::vector<Ballot> cast;
};

Election some_election() {
  const auto method = *rc::gen::element(VoteMethod::majority, VoteMethod::supermajority, VoteMethod::unanimous,
                                        VoteMethod::weighted, VoteMethod::ranked, VoteMethod::approval);
  const int voters = *rc::gen::inRange(1, 12);
  Election out{.rules = rules(method, {"a", "b", "c", "d"}, voters), .cast = {}};
  out.rules.tie_break = *rc::gen::element(TieBreak::none, TieBreak::first, TieBreak::lead, TieBreak::lot);
  out.rules.lead = "v100";
  for (auto& [voter, weight] : out.rules.voters) {
    weight = *rc::gen::element(0.1, 0.3, 1.0, 2.5);
    if (*rc::gen::inRange(0, 5) == 0) continue;  // a no-show
    out.cast.push_back({.voter = voter, .choice = *some_choice(out.rules.options, method)});
  }
  return out;
}

}  // namespace

TEST_CASE("instant run-off: Tennessee's capital") {
  // The usual worked example: Memphis leads, Knoxville wins after Chattanooga and Nashville leave.
  VoteRules r = rules(VoteMethod::ranked, {"Memphis", "Nashville", "Chattanooga", "Knoxville"}, 100);
  const auto count = count_votes(r, ballots({{42, {"Memphis", "Nashville", "Chattanooga", "Knoxville"}},
                                             {26, {"Nashville", "Chattanooga", "Knoxville", "Memphis"}},
                                             {15, {"Chattanooga", "Knoxville", "Nashville", "Memphis"}},
                                             {17, {"Knoxville", "Chattanooga", "Nashville", "Memphis"}}}));
  CHECK(count.winner == "Knoxville");
  REQUIRE(count.rounds.size() == 3);
  CHECK(count.rounds[0].left_out == "Chattanooga");
  CHECK(count.rounds[1].votes.at("Knoxville") == 32);
  CHECK(count.rounds[1].left_out == "Nashville");
  CHECK(count.rounds[2].votes.at("Knoxville") == 58);
}

TEST_CASE("instant run-off: Burlington 2009 elects Kiss, although Montroll beats each in a pair") {
  VoteRules r = rules(VoteMethod::ranked, {"Montroll", "Kiss", "Wright"}, 8976);
  const auto count = count_votes(r, ballots({{1332, {"Montroll", "Kiss", "Wright"}},
                                             {767, {"Montroll", "Wright", "Kiss"}},
                                             {455, {"Montroll"}},
                                             {2043, {"Kiss", "Montroll", "Wright"}},
                                             {371, {"Kiss", "Wright", "Montroll"}},
                                             {568, {"Kiss"}},
                                             {1513, {"Wright", "Montroll", "Kiss"}},
                                             {495, {"Wright", "Kiss", "Montroll"}},
                                             {1289, {"Wright"}}}));
  CHECK(count.rounds[0].left_out == "Montroll");
  CHECK(count.winner == "Kiss");
  CHECK(count.rounds[1].votes.at("Kiss") == 4314);
  CHECK(count.rounds[1].votes.at("Wright") == 4064);
  CHECK(count.rounds[1].exhausted == 455);
}

TEST_CASE("a Condorcet cycle is settled, the same way by everybody who counts") {
  VoteRules r = rules(VoteMethod::ranked, {"a", "b", "c"}, 3);
  const auto cycle = ballots({{1, {"a", "b", "c"}}, {1, {"b", "c", "a"}}, {1, {"c", "a", "b"}}});
  const auto none = count_votes(r, cycle);
  CHECK(none.winner.empty());
  CHECK(none.tied == std::vector<std::string>{"a", "b", "c"});
  r.tie_break = TieBreak::lead;
  r.lead = "v101";
  CHECK(count_votes(r, cycle).winner == "b");
  r.tie_break = TieBreak::lot;
  const auto drawn = count_votes(r, cycle).winner;
  CHECK_FALSE(drawn.empty());
  CHECK(count_votes(r, {cycle[2], cycle[0], cycle[1]}).winner == drawn);
  r.tie_break = TieBreak::first;
  CHECK(count_votes(r, cycle).winner == "a");
}

TEST_CASE("quorum counts abstentions, and its edge is met") {
  VoteRules r = rules(VoteMethod::majority, {"yes", "no"}, 4);
  r.quorum = 0.5;
  CHECK_FALSE(count_votes(r, {{.voter = "v100", .choice = {"yes"}}}).quorum_met);
  CHECK(count_votes(r, {{.voter = "v100", .choice = {"yes"}}}).winner.empty());
  const auto edge = count_votes(r, {{.voter = "v100", .choice = {"yes"}}, {.voter = "v101", .abstain = true}});
  CHECK(edge.quorum_met);
  CHECK(edge.winner == "yes");
  CHECK(edge.abstained == 1);
  r.quorum = 2.0 / 3.0;
  r.voters = {{"v100", 1}, {"v101", 1}, {"v102", 1}};
  CHECK(count_votes(r, {{.voter = "v100", .choice = {"no"}}, {.voter = "v101", .choice = {"no"}}}).quorum_met);
  // Nobody at all is no quorum, even where none is asked for.
  r.quorum = 0;
  CHECK_FALSE(count_votes(r, {}).quorum_met);
}

TEST_CASE("two thirds of three are two; unanimity breaks on one; a half is no majority") {
  VoteRules r = rules(VoteMethod::supermajority, {"yes", "no"}, 3);
  CHECK(count_votes(r, ballots({{2, {"yes"}}, {1, {"no"}}})).winner == "yes");
  r = rules(VoteMethod::unanimous, {"yes", "no"}, 3);
  CHECK(count_votes(r, ballots({{2, {"yes"}}, {1, {"no"}}})).winner.empty());
  CHECK(count_votes(r, ballots({{3, {"no"}}})).winner == "no");
  r = rules(VoteMethod::majority, {"yes", "no"}, 4);
  const auto tie = count_votes(r, ballots({{2, {"yes"}}, {2, {"no"}}}));
  CHECK(tie.winner.empty());
  CHECK(tie.tied == std::vector<std::string>{"yes", "no"});
  // A plurality is no majority, and no tie either.
  r = rules(VoteMethod::majority, {"a", "b", "c"}, 5);
  const auto plurality = count_votes(r, ballots({{2, {"a"}}, {2, {"b"}}, {1, {"c"}}}));
  CHECK(plurality.winner.empty());
  CHECK(plurality.tied.empty());
}

TEST_CASE("weights count, to the last millionth; those who may not vote do not") {
  VoteRules r = rules(VoteMethod::weighted, {"yes", "no"}, 0);
  r.voters = {{"a", 0.1}, {"b", 0.2}, {"c", 0.3}};
  const std::vector<Ballot> cast = {{.voter = "a", .choice = {"yes"}},
                                    {.voter = "b", .choice = {"yes"}},
                                    {.voter = "c", .choice = {"no"}},
                                    {.voter = "z", .choice = {"no"}}};
  // 0.1 + 0.2 is exactly 0.3 here.
  CHECK(count_votes(r, cast).tied.size() == 2);
  r.voters["a"] = 0.100001;
  CHECK(count_votes(r, cast).winner == "yes");
}

TEST_CASE("approval: the most named wins") {
  const VoteRules r = rules(VoteMethod::approval, {"a", "b", "c"}, 4);
  CHECK(count_votes(r, ballots({{2, {"a", "b"}}, {1, {"b"}}, {1, {"c", "a", "b"}}})).winner == "b");
}

TEST_CASE("what cannot be counted is refused with the reason") {
  VoteRules r = rules(VoteMethod::majority, {"yes", "no"}, 2);
  CHECK_THAT(check_ballot(r, {.voter = "v100", .choice = {"yse"}}).error().message,
             Catch::Contains("did you mean 'yes'?"));
  CHECK(check_ballot(r, {.voter = "x", .choice = {"yes"}}).error().code == Code::permission_denied);
  CHECK_FALSE(check_ballot(r, {.voter = "v100", .choice = {"yes", "no"}}));
  CHECK_FALSE(check_ballot(r, {.voter = "v100", .choice = {"yes"}, .abstain = true}));
  CHECK_FALSE(check_ballot(r, {.voter = "v100"}));
  CHECK_FALSE(check_rules(rules(VoteMethod::majority, {"one"}, 2)));
  CHECK_FALSE(check_rules(rules(VoteMethod::majority, {"one", "one"}, 2)));
  CHECK_FALSE(check_rules(rules(VoteMethod::majority, {"one", "two"}, 0)));
}

TEST_CASE("counts do not depend on the order of votes") {
  rc::prop("permutation", [] {
    const Election election = some_election();
    std::vector<Ballot> shuffled = election.cast;
    for (std::size_t i = shuffled.size(); i > 1; --i) {
      std::swap(shuffled[i - 1], shuffled[*rc::gen::inRange<std::size_t>(0, i)]);
    }
    RC_ASSERT(count_votes(election.rules, election.cast) == count_votes(election.rules, shuffled));
  });
}

TEST_CASE("an abstention changes no votes and no winner") {
  rc::prop("abstention", [] {
    Election election = some_election();
    RC_PRE(!election.cast.empty());
    election.rules.voters["zz"] = 1;
    const api::VoteCount before = count_votes(election.rules, election.cast);
    election.cast.push_back({.voter = "zz", .abstain = true});
    const api::VoteCount after = count_votes(election.rules, election.cast);
    RC_ASSERT(before.winner == after.winner);
    RC_ASSERT(before.rounds == after.rounds);
    RC_ASSERT(after.abstained == before.abstained + 1);
  });
}

TEST_CASE("whoever wins has what was needed, and every vote is somewhere in every round") {
  rc::prop("soundness", [] {
    const Election election = some_election();
    const api::VoteCount count = count_votes(election.rules, election.cast);
    if (!count.winner.empty()) {
      RC_ASSERT(count.quorum_met);
      RC_ASSERT(count.tied.empty());
      RC_ASSERT(std::ranges::find(election.rules.options, count.winner) != election.rules.options.end());
      if (election.rules.method == VoteMethod::unanimous) {
        for (const Ballot& ballot : election.cast) RC_ASSERT(ballot.choice.front() == count.winner);
      }
    }
    if (election.rules.method != VoteMethod::ranked) return;
    for (const api::CountRound& round : count.rounds) {
      double sum = round.exhausted;
      for (const auto& [option, votes] : round.votes) sum += votes;
      RC_ASSERT(sum == static_cast<double>(election.cast.size()));
    }
  });
}
