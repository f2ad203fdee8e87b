#include "client/commands/follow_swarm.hpp"

#include <deque>

#include "protocol/api/codec.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

constexpr auto kPause = std::chrono::milliseconds(200);

async::Task<> wait_for_end(Client& client, async::Condition& news) {
  co_await client.ended();
  news.notify_all();
}

}  // namespace

async::Task<Result<std::uint64_t>> next_event(Client& client) {
  const Result<api::EventsSubscribeReply> reply = co_await client.call(api::kEventsSubscribe, {.types = {"none"}});
  if (!reply) co_return fail(reply.error());
  const Result<api::Empty> ended = co_await client.call(api::kEventsUnsubscribe, {.subscription = reply->subscription});
  if (!ended) co_return fail(ended.error());
  co_return reply->next_seq;
}

async::Task<Result<bool>> SwarmEvents::follow_once(std::function<bool(const api::Event&)> told) {
  Result<std::unique_ptr<Client>> opened = co_await Client::open(context_);
  if (!opened) co_return fail(opened.error());
  client_ = std::move(*opened);
  std::deque<api::Event> waiting;
  async::Condition news(context_.loop);
  client_->on_notification([&](const std::string& method, Value params) {
    if (method != api::kEvent.name) return;
    Result<Value> argument = api::named_arguments(std::move(params));
    if (!argument) return;
    Result<api::Event> event = api::decode_reply<api::Event>(std::move(*argument));
    if (!event) return;
    waiting.push_back(std::move(*event));
    news.notify_all();
  });
  std::vector<std::string> types = {"swarm.*",    "run.*",   "task.*",  "review.*",
                                    "proposal.*", "human.*", "agent.*", "message.*"};
  types.insert(types.end(), more_.begin(), more_.end());
  const Result<api::EventsSubscribeReply> subscribed =
      co_await client_->call(api::kEventsSubscribe, {.types = std::move(types), .sandbox = {}, .from = next_});
  if (!subscribed) co_return fail(subscribed.error());
  async::TaskSet watching(context_.loop);
  watching.spawn(wait_for_end(*client_, news));
  for (;;) {
    while (!waiting.empty()) {
      const api::Event event = std::move(waiting.front());
      waiting.pop_front();
      next_ = event.seq + 1;
      if (!swarm_.empty() && event.swarm != swarm_) continue;
      if (!told(event)) co_return false;
    }
    if (client_->end()) co_return true;
    co_await news.wait();
  }
}

async::Task<Result<void>> SwarmEvents::follow(std::function<bool(const api::Event&)> told, Duration patience) {
  MonoTime until = context_.loop.clock().now() + patience;
  for (;;) {
    const std::uint64_t before = next_;
    const Result<bool> again = co_await follow_once(told);
    // The client goes from outside of its own tasks.
    client_.reset();
    if (again && !*again) co_return {};
    if (!again && !again.error().retryable) co_return fail(again.error());
    if (again || next_ != before) until = context_.loop.clock().now() + patience;
    if (context_.loop.clock().now() > until) {
      co_return again ? Result<void>(fail(Code::unavailable, "the daemon went away"))
                      : Result<void>(fail(again.error()));
    }
    co_await async::sleep_for(context_.loop, kPause);
  }
}

}  // namespace swarm::client
