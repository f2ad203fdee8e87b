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

  /// The exchange as the rules make it: what it answers may get lost or be cut. Must not outlive `inner`.
  std::unique_ptr<http::Exchange> around(http::Exchange& inner);
  /// What happens before the request is looked at; false when it was answered, or never will be.
  async::Task<bool> before(http::Exchange& exchange);

 private:
  class Faulty;
  struct Rule {
    api::E2bFault fault;
    std::uint32_t hits = 0;
  };
  const api::E2bFault* choose(const http::Request& request);

  async::Loop& loop_;
  SeededRandom random_;
  std::list<Rule> rules_;
};

}  // namespace swarm::e2b_endpoint
