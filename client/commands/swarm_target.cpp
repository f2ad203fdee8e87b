#include "client/commands/swarm_target.hpp"

#include <fmt/format.h>

#include "client/commands/arguments.hpp"

namespace swarm::client {

void add_swarm_target(CLI::App& command, SwarmTarget& target) {
  CLI::Option* swarm =
      command.add_option("SWARM", target.swarm, "Its name, its id or a beginning of that; else the only one");
  command.add_option("--sandbox-id", target.sandbox, "The swarm of this sandbox")
      ->type_name("SANDBOX")
      ->excludes(swarm);
}

async::Task<Result<api::SwarmInfo>> find_swarm(Client& client, SwarmTarget target) {
  if (!target.sandbox.empty()) {
    const Result<api::SwarmListReply> list =
        co_await client.call(api::kSwarmList, {.all = true, .sandbox = target.sandbox});
    if (!list) co_return fail(list.error());
    if (list->swarms.empty()) {
      co_return fail(Code::not_found, fmt::format("sandbox '{}' is no swarm's; 'swarmctl swarm ls --all' shows what "
                                                  "there is",
                                                  target.sandbox));
    }
    co_return list->swarms.front();
  }
  Result<api::SwarmInfo> found = co_await client.call(api::kSwarmInfo, in_swarm<api::SwarmRequest>(target.swarm));
  co_return found;
}

}  // namespace swarm::client
