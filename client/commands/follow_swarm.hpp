#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/connect.hpp"
#include "protocol/api/events.hpp"
#include "protocol/api/swarm.hpp"

namespace swarm::client {

/// The events of one swarm from a number on, over restarts of the daemon: where its connection breaks, another one goes
/// on with the next number.
class SwarmEvents {
 public:
  /// `from`: the first event's number; `swarm` empty takes those of all. `more`: types beside those that everybody
  /// follows. `context` must outlive this.
  SwarmEvents(Context& context, std::string swarm, std::uint64_t from, std::vector<std::string> more = {})
      : context_(context), swarm_(std::move(swarm)), next_(from), more_(std::move(more)) {}

  /// Calls `told` with each event until it gives false. `unavailable` when no daemon can be reached for `patience`.
  async::Task<Result<void>> follow(std::function<bool(const api::Event&)> told, Duration patience);

  /// A connection for other calls, while `follow` runs; null between two of them.
  [[nodiscard]] Client* client() const { return client_.get(); }

 private:
  async::Task<Result<bool>> follow_once(std::function<bool(const api::Event&)> told);

  Context& context_;
  std::string swarm_;
  std::uint64_t next_;
  std::vector<std::string> more_;
  std::unique_ptr<Client> client_;
};

/// The number of the next event that the daemon will record.
async::Task<Result<std::uint64_t>> next_event(Client& client);

}  // namespace swarm::client
