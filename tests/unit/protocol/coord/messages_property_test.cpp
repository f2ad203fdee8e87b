// Random histories of sending, taking, confirming, failing, time and restarts: each message is queued exactly once for
// each recipient, comes in the order of its sender, and is never lost.

#include <rapidcheck/catch.h>

#include <map>
#include <set>

#include "tests/unit/protocol/coord/world.hpp"

using namespace swarm;
using namespace swarm::coord;
using namespace std::chrono_literals;

namespace {

constexpr int kAgents = 4;

std::string agent(std::uint64_t n) { return "agent-" + std::to_string(n % kAgents); }

struct History {
  World world;
  SeededRandom random;
  int next = 0;
  struct Known {
    std::string body;
    std::string sender;
    int number;
    std::set<std::string> to;
    std::optional<std::string> key;
    Draft draft;
  };
  std::map<std::string, Known> sent;                            // by id
  std::map<std::string, std::vector<std::string>> first_taken;  // by recipient: ids in the order of their first taking
  std::map<std::string, std::vector<std::string>> in_hand;

  explicit History(std::uint64_t seed) : world(options()), random(seed) {
    for (int i = 0; i < kAgents; ++i) world.add_agent(agent(static_cast<std::uint64_t>(i)));
  }
  static CoordOptions options() {
    CoordOptions o;
    o.messages.rate = 1'000'000;
    o.messages.most_attempts = 1'000'000;
    o.messages.expires_after = std::chrono::hours(1000);
    o.registry.stale_after = std::chrono::hours(1000);
    return o;
  }

  void send() {
    const std::string from = agent(random.next());
    // A client that lost the answer asks again with the same key.
    if (!sent.empty() && random.below(4) == 0) {
      auto it = sent.begin();
      std::advance(it, random.below(sent.size()));
      if (it->second.key) {
        const Sent again = must(world.send(it->second.sender, it->second.draft));
        RC_ASSERT(again.id == it->first);
        RC_ASSERT(again.repeated);
        return;
      }
    }
    Draft draft;
    draft.body = "body " + std::to_string(next);
    draft.priority = static_cast<Priority>(random.below(4));
    if (random.below(3) == 0) {
      draft.all = true;
    } else {
      draft.to = {agent(random.next())};
    }
    draft.ack = random.below(4) == 0;
    if (random.below(2) == 0) draft.idempotency_key = "key " + std::to_string(next);
    const Sent done = must(world.send(from, draft));
    Known known{draft.body, from, next++, {}, draft.idempotency_key, draft};
    for (const Sent::Recipient& r : done.recipients) {
      RC_ASSERT(r.queued);
      known.to.insert(r.agent);
    }
    RC_ASSERT(sent.emplace(done.id, known).second);
  }

  void take() {
    const std::string who = agent(random.next());
    std::map<std::string, int> last;  // within one batch: by sender
    for (const Letter& letter : world.take(who, 1 + static_cast<int>(random.below(5)))) {
      const auto known = sent.find(letter.message.id);
      if (letter.message.sender == kSystemName) {
        in_hand[who].push_back(letter.message.id);
        continue;
      }
      RC_ASSERT(known != sent.end());
      RC_ASSERT(known->second.body == letter.message.body);
      RC_ASSERT(known->second.to.contains(who));
      auto& order = first_taken[who];
      const bool before = std::ranges::find(order, letter.message.id) != order.end();
      RC_ASSERT(before == letter.repeat);
      if (!before) {
        for (const std::string& earlier : order) {
          const Known& other = sent.at(earlier);
          if (other.sender == known->second.sender) RC_ASSERT(other.number < known->second.number);
        }
        order.push_back(letter.message.id);
      }
      const auto [place, fresh] = last.try_emplace(known->second.sender, known->second.number);
      if (!fresh) RC_ASSERT(std::exchange(place->second, known->second.number) < known->second.number);
      in_hand[who].push_back(letter.message.id);
    }
  }

  void settle_hand() {
    const std::string who = agent(random.next());
    auto& hand = in_hand[who];
    if (hand.empty()) return;
    const std::string id = hand.front();
    hand.erase(hand.begin());
    if (random.below(4) == 0) {
      must(world.step([&](Step& s) { return s.messages.failed(s.turn, who, id, "pane busy"); }));
      // What was taken with it is behind it in the order; a hook that fails drops the rest too.
      for (const std::string& rest : std::exchange(hand, {})) {
        must(world.step([&](Step& s) { return s.messages.failed(s.turn, who, rest, "pane busy"); }));
      }
      return;
    }
    must(world.confirm(who, id, random.below(2) == 0 ? Proof::Stage::delivered : Proof::Stage::seen));
    if (random.below(3) == 0) static_cast<void>(world.ack(who, id));
  }

  void step(std::uint64_t die) {
    switch (die % 12) {
      case 0:
      case 1:
      case 2:
        return send();
      case 3:
      case 4:
      case 5:
        return take();
      case 6:
      case 7:
      case 8:
        return settle_hand();
      case 9:
        return world.start();
      case 10:
        in_hand.clear();  // those who held them died
        return world.advance(Span(random.below(40'000'000)));
      default:
        return world.advance(Span(random.below(1'000'000)));
    }
  }

  /// At the end every queue is emptied: what was accepted and not taken yet comes, once.
  void finish() {
    in_hand.clear();
    world.advance(std::chrono::seconds(31));
    for (int i = 0; i < kAgents; ++i) {
      const std::string who = agent(static_cast<std::uint64_t>(i));
      std::multiset<std::string> taken(first_taken[who].begin(), first_taken[who].end());
      while (true) {
        const auto letters = world.take(who);
        if (letters.empty()) break;
        for (const Letter& letter : letters) {
          if (letter.message.sender != kSystemName && !letter.repeat) taken.insert(letter.message.id);
          must(world.confirm(who, letter.message.id));
        }
      }
      std::multiset<std::string> wanted;
      for (const auto& [id, known] : sent) {
        if (known.to.contains(who)) wanted.insert(id);
      }
      RC_ASSERT(taken == wanted);
    }
  }
};

}  // namespace

TEST_CASE("messages keep their promises in every history") {
  rc::prop("random steps", [] {
    // A history is its seed and its length: a failing one is shortened in a few tries.
    const int steps = *rc::gen::inRange(0, 400);
    History history(*rc::gen::arbitrary<std::uint64_t>());
    for (int i = 0; i < steps; ++i) history.step(history.random.next());
    history.finish();
  });
}
