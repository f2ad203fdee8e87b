#include "agentd/team/far.hpp"

#include <fmt/format.h>

namespace swarm::agentd {

std::string random_key() {
  SystemRandom random;
  return fmt::format("{:016x}{:016x}", random.next(), random.next());
}

async::Task<Result<Value>> relay_to_host(Team& team, std::optional<std::string> agent, const api::MethodInfo& method,
                                         Value params) {
  Result<Value> arguments = api::named_arguments(std::move(params));
  if (!arguments) co_return fail(arguments.error());
  api::RelayCallRequest relay{.agent = std::move(agent), .method = std::string(method.name), .arguments = {}};
  relay.arguments = std::move(*arguments);
  // A key of the caller's own goes along with the arguments: the method may honour it. One that stands in line for a
  // lock leaves it when it goes, so its call must end with it; a lock that was taken twice is renewed.
  api::CommonFields common;
  if (method.effect == api::Effect::changes && !method.name.starts_with("lock.")) common.idempotency_key = random_key();
  auto asking = team.ask(std::string(api::kRelayCall.name), api::encode_call(api::kRelayCall, relay, common));
  Result<Value> answer = co_await std::move(asking);
  if (!answer) co_return fail(answer.error());
  Result<api::RelayCallReply> reply = api::decode_reply<api::RelayCallReply>(std::move(*answer));
  if (!reply) co_return fail(Code::internal, "the daemon's answer: " + reply.error().message);
  co_return std::move(reply->answer);
}

async::Task<Result<void>> tell_host(Team& team, api::RelayReportRequest report) {
  auto asking = ask_host(team, api::kRelayReport, std::move(report), std::nullopt);
  const Result<api::Empty> done = co_await std::move(asking);
  if (!done) co_return fail(done.error());
  co_return {};
}

}  // namespace swarm::agentd
