#pragma once
// A cloud on a bad day, on purpose: for tests of whoever speaks to the endpoint. Rules are matched in order against
// each request; the seed decides which of those that match are hit, so a run can be repeated.

#include <list>
#include <memory>

#include "daemon/http/exchange.hpp"
#include "protocol/api/e2b.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/random.hpp"

namespace swarm::e2b_endpoint {

class Faults {
 public:
  explicit Faults(async::Loop& loop) : loop_(loop), random_(1) {}

  /// Replaces every rule.
  Result<api::Empty> set(const api::E2bFaultsRequest& request);
  [[nodiscard]] bool any() const { return !rules_.empty(); }

  /// Takes a create's turn in the plan that was set; how soon it may come again where it came too soon.
  std::optional<Duration> take_create();
  /// Running sandboxes that the plan allows; 0: any number.
  [[nodiscard]] std::uint32_t most_sandboxes() const { return most_sandboxes_; }
  /// How many creates and how many refused for their number or their speed since the plan was set.
  struct Refused {
    std::uint64_t too_fast = 0;
    std::uint64_t too_many = 0;
  };
  Refused& refused() { return refused_; }
  [[nodiscard]] const Refused& refused() const { return refused_; }

  /// Requests that a rule has hit since they were set.
  [[nodiscard]] std::uint64_t hits() const { return hits_; }

  /// How late lists are.
  [[nodiscard]] Duration list_delay() const;
  /// How far the service's clock is behind.
  [[nodiscard]] Duration skew() const;
  /// Whether a list leaves out its next entry.
  bool leaves_out();

  /// The exchange as the rules make it: what it answers may get lost or be cut. Must not outlive `inner`.
  std::unique_ptr<http::Exchange> around(http::Exchange& inner);
  /// What happens before the request is looked at; false when it was answered, or never will be.
  async::Task<bool> before(http::Exchange& exchange);

 private:
  class Faulty;
  class FaultyStream;
  struct Rule {
    api::E2bFault fault;
    std::uint32_t hits = 0;
  };
  const api::E2bFault* choose(const http::Request& request);
  [[nodiscard]] const api::E2bFault* of(api::E2bFaultKind kind) const;

  async::Loop& loop_;
  SeededRandom random_;
  std::list<Rule> rules_;
  std::uint32_t most_sandboxes_ = 0;
  Duration create_period_{0};
  std::optional<MonoTime> last_create_;
  Refused refused_;
  std::uint64_t hits_ = 0;
};

}  // namespace swarm::e2b_endpoint
