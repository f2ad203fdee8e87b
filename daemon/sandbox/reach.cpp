#include "daemon/sandbox/reach.hpp"

#include <fmt/format.h>

namespace swarm::sandbox {
namespace {

/// Goes by what the link tells the sandbox of itself: the link may be gone at any wake.
async::Task<Result<std::shared_ptr<wire::Connection>>> wait_up(std::shared_ptr<Sandbox> sandbox) {
  while (sandbox->link != nullptr && !is_final(sandbox->state()) && sandbox->state() != State::stopping) {
    if (auto connection = sandbox->link->current(); connection != nullptr && !connection->closed()) {
      co_return connection;
    }
    co_await sandbox->changed.wait();
  }
  co_return fail(Code::unavailable, fmt::format("it is {}", state_name(sandbox->state())));
}

}  // namespace

async::Task<Result<std::shared_ptr<wire::Connection>>> reach(async::Loop& loop, std::shared_ptr<Sandbox> sandbox,
                                                             Duration patience) {
  auto connection = co_await async::with_timeout(loop, wait_up(sandbox), patience, "tunnel");
  if (connection) co_return connection;
  if (connection.error().code != Code::deadline_exceeded) co_return connection;
  co_return fail(Code::unavailable, fmt::format("the sandbox cannot be reached within {}; it may be ending, try again",
                                                async::format_duration(patience)));
}

}  // namespace swarm::sandbox
