#include "agentd/rpc/upward.hpp"

#include <fmt/format.h>

#include "agentd/rpc/edit_lock.hpp"
#include "agentd/team/far.hpp"
#include "protocol/api/artifact.hpp"
#include "protocol/api/human.hpp"
#include "protocol/api/proposal.hpp"
#include "protocol/api/review.hpp"
#include "protocol/api/task.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/random.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/carry.hpp"

namespace swarm::agentd {
namespace {

using wire::CallContext;

/// Below the patience of those who call.
constexpr std::chrono::seconds kPatience{8};
/// Streams of one agent at once: those of the tunnel are for all.
constexpr std::size_t kMostContents = 4;

bool has_field(const api::MethodInfo& method, std::string_view name) {
  return std::ranges::find(method.request().fields, name, &api::FieldInfo::name) != method.request().fields.end();
}

/// Which way a method's stream goes.
api::StreamUse content_of(const api::MethodInfo& method) {
  const auto& fields = method.request().fields;
  const auto found = std::ranges::find(fields, "content", &api::FieldInfo::name);
  return found == fields.end() ? api::StreamUse::none : found->stream;
}

/// The parameters as the daemon gets them: `swarm` is the tunnel's own, `agent` the kernel's word.
Result<Value> with_agent(const api::MethodInfo& method, Value params, const std::string& agent) {
  Result<Value> named = api::named_arguments(std::move(params));
  if (!named) return named;
  Value::Map* fields = named->as_map();
  if (fields == nullptr) return fail(Code::invalid_argument, "the parameters must be an array of one map");
  if (const Value* said = named->find("agent"); said != nullptr && !said->is_nil() && *said != Value(agent)) {
    const std::string* text = said->as_string();
    return fail(Code::permission_denied,
                fmt::format("you are '{}', and nobody speaks for '{}'", agent, text == nullptr ? "" : shown(*text)));
  }
  std::erase_if(*fields, [](const Value::Member& field) { return field.first == "agent" || field.first == "swarm"; });
  if (has_field(method, "agent")) named->set("agent", agent);
  // So that it can be asked again when the answer is cut off; what passes through a stream cannot be.
  const bool keyed = named->find("idempotency_key") != nullptr || content_of(method) != api::StreamUse::none;
  if (method.effect == api::Effect::changes && !keyed) named->set("idempotency_key", random_key());
  return named;
}

/// With its task an agent gives up what it changed for it.
async::Task<Result<Value>> give_up(TeamService& service, Upward& upward, std::string agent, std::string method,
                                   Value params) {
  Result<Value> answer = co_await upward.call(std::move(method), std::move(params));
  if (answer) co_await drop_edit_locks(service, std::move(agent));
  co_return answer;
}

/// Carries everything, and says when it is over.
async::Task<> carry_until(std::unique_ptr<wire::ByteSource> source, std::unique_ptr<wire::ByteSink> sink,
                          async::Event& over) {
  co_await wire::carry(std::move(source), std::move(sink));
  over.set();
}

/// A call with a stream `content`, which is connected through: the stream ends with a call that fails or is dropped,
/// and the answer comes behind it. `client` lives as long as the call.
async::Task<Result<Value>> with_content(Upward& upward, const api::MethodInfo& method, wire::Connection& client,
                                        api::StreamUse use, std::string agent, Value request) {
  const Value* said = request.find("content");
  const std::int64_t* number = said == nullptr ? nullptr : said->as_int();
  if (number == nullptr || *number < 1 || *number > UINT32_MAX) {
    co_return fail(Code::invalid_argument, "'content' is no stream: give the number of one");
  }
  const auto outer = static_cast<std::uint32_t>(*number);
  const auto place = upward.place_for_content(agent);
  if (!place) co_return fail(place.error());
  auto reaching = upward.reached(std::string(method.name));
  const auto up = co_await std::move(reaching);
  if (!up) co_return fail(up.error());
  const std::uint32_t inner = (*up)->new_stream_id();
  const bool in = use == api::StreamUse::from_caller;
  auto source = in ? client.open_source(outer) : (*up)->open_source(inner);
  if (!source) co_return fail(source.error());
  auto sink = in ? (*up)->open_sink(inner) : client.open_sink(outer);
  if (!sink) co_return fail(sink.error());
  async::Event over(client.loop());
  async::TaskSet carrying(client.loop());
  carrying.spawn(carry_until(std::move(*source), std::move(*sink), over));
  request.set("content", static_cast<std::int64_t>(inner));
  auto asking = (*up)->call(std::string(method.name), Value(Value::Array{std::move(request)}));
  Result<Value> answer = co_await std::move(asking);
  if (answer) co_await over.wait();
  co_return answer;
}

wire::Reply pass_up(const api::MethodInfo& method, TeamService& service, Upward& upward, const CallContext& context,
                    Value params) {
  std::optional<std::string> swarm;
  if (const Value::Array* list = params.as_array(); list != nullptr && !list->empty()) {
    const Value* named = list->front().find("swarm");
    if (named != nullptr && named->as_string() != nullptr) swarm = *named->as_string();
  }
  const Result<coord::Actor> caller = agent_of(service, context, swarm);
  if (!caller) return Result<Value>(fail(caller.error()));
  Result<Value> request = with_agent(method, std::move(params), caller->name);
  if (!request) return Result<Value>(fail(request.error()));
  if (const api::StreamUse use = content_of(method); use != api::StreamUse::none) {
    return with_content(upward, method, context.connection, use, caller->name, std::move(*request));
  }
  Value passed(Value::Array{std::move(*request)});
  const bool gives_up = method.name == api::kTaskFail.name || method.name == api::kTaskRelease.name;
  if (gives_up) return give_up(service, upward, caller->name, std::string(method.name), std::move(passed));
  return upward.call(std::string(method.name), std::move(passed));
}

}  // namespace

void Upward::stands(const std::shared_ptr<wire::Connection>& connection) {
  connection_ = connection;
  came_up_.notify_all();
}

async::Task<Result<std::shared_ptr<wire::Connection>>> Upward::connection() {
  for (;;) {
    if (auto now = connection_.lock(); now != nullptr && !now->closed()) co_return now;
    co_await came_up_.wait();
  }
}

async::Task<Result<std::shared_ptr<wire::Connection>>> Upward::reached(std::string method) {
  auto waiting = async::with_timeout(loop_, connection(), kPatience, "the tunnel");
  auto up = co_await std::move(waiting);
  if (up) co_return up;
  const bool far = method.starts_with("relay.");
  co_return fail(Code::unavailable,
                 fmt::format("'{}' is answered by the daemon on the host, which is not connected now; {}", method,
                             far ? "so are the locks, messages and notes of this swarm"
                                 : "locks, messages and notes work meanwhile"));
}

Result<std::shared_ptr<void>> Upward::place_for_content(const std::string& agent) {
  std::erase_if(contents_, [](const auto& one) { return one.second.expired(); });
  if (contents_.count(agent) >= kMostContents) {
    return fail(Code::resource_exhausted,
                fmt::format("{} files of yours are on their way; try again when one is there", kMostContents));
  }
  auto place = std::make_shared<char>();
  contents_.emplace(agent, place);
  return place;
}

async::Task<Result<Value>> Upward::call(std::string method, Value params) {
  for (;;) {
    auto reaching = reached(method);
    const auto up = co_await std::move(reaching);
    if (!up) co_return fail(up.error());
    auto asking = (*up)->call(method, params);
    Result<Value> answer = co_await std::move(asking);
    // Cut off before the answer: the daemon was restarted. Whatever it did is found again by the key.
    const bool cut = !answer && answer.error().code == Code::unavailable && (*up)->closed();
    if (!cut) co_return answer;
  }
}

void bind_upward(wire::Router& router, TeamService& service, Upward& upward) {
  for (const auto& domain : {api::artifact_methods(), api::task_methods(), api::review_methods(),
                             api::proposal_methods(), api::human_methods()}) {
    for (const api::MethodInfo* method : domain) {
      if (method->caller != api::Caller::tunnel && method->caller != api::Caller::both) continue;
      router.bind_raw(*method, [method, &service, &upward](const CallContext& context, Value params) {
        return pass_up(*method, service, upward, context, std::move(params));
      });
    }
  }
}

}  // namespace swarm::agentd
