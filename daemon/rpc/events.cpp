// Subscriptions to the durable log. One keeps its place by number: it reads what is recorded, tells it, and waits for
// more; a client that is slow makes only itself wait, and one that is too slow for retention is told what it missed.
#include <fmt/format.h>

#include "daemon/rpc/services.hpp"
#include "protocol/api/events.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::rpc {
namespace {

constexpr int kBatch = 256;

bool type_matches(const std::vector<std::string>& types, std::string_view type) {
  return types.empty() || std::ranges::any_of(types, [&](const std::string& wanted) {
           return wanted.ends_with('*') ? type.starts_with(std::string_view(wanted).substr(0, wanted.size() - 1))
                                        : type == wanted;
         });
}

api::Event to_api(const store::Event& from) {
  Result<Value> data =
      from.data.empty() ? Result<Value>(Value()) : wire::decode(std::as_bytes(std::span(from.data)), wire::Limits{});
  return {
      .seq = static_cast<std::uint64_t>(from.seq),
      .time_us = from.time_us,
      .type = from.type,
      .swarm = from.swarm,
      .sandbox = from.sandbox,
      .agent = from.agent,
      .run = from.run,
      .task = from.task,
      .origin = api::EventOrigin{.store = from.origin.store,
                                 .epoch = static_cast<std::uint64_t>(from.origin.epoch),
                                 .seq = static_cast<std::uint64_t>(from.origin.seq)},
      .data = data ? std::move(*data) : Value(),
  };
}

struct Subscription {
  const wire::Connection* client = nullptr;
  api::EventsSubscribeRequest wanted;
  std::int64_t next = 0;
  bool ended = false;
};

/// Those of all connections, by id. Shared by the methods and by the tasks that tell clients; each takes its own out
/// when it ends, also when its connection does.
struct Subscriptions {
  std::map<std::string, std::shared_ptr<Subscription>> by_id;
  std::uint64_t given = 0;
};

struct Entry {
  std::shared_ptr<Subscriptions> all;
  std::string id;
  ~Entry() { all->by_id.erase(id); }
};

/// Tells one client what it asked for, for as long as its connection lives.
async::Task<> tell(Services& services, wire::Connection& client, std::shared_ptr<Subscriptions> all, std::string id,
                   std::shared_ptr<Subscription> subscription) {
  const Entry entry{.all = std::move(all), .id = std::move(id)};
  async::Event more(services.loop);
  const auto listening = services.store.subscribe([&more](const std::vector<store::Event>&) { more.set(); });
  while (!subscription->ended) {
    more.reset();  // before the read: what is committed during it sets it again
    Result<std::vector<store::Event>> events = co_await services.store.events(subscription->next, kBatch);
    if (!events && events.error().code == Code::out_of_range) {
      // Retention was faster than the client. It is told which numbers it will never see.
      const Result<std::vector<store::Event>> oldest = co_await services.store.events(std::nullopt, 1);
      if (!oldest || oldest->empty()) co_return;
      const auto first = static_cast<std::uint64_t>(oldest->front().seq);
      const api::EventsGap gap{.first = static_cast<std::uint64_t>(subscription->next), .last = first - 1};
      const api::Event told{.type = std::string(api::kEventsGap.name), .data = api::encode(gap)};
      const Result<void> sent = client.notify(subscription->wanted.notify.method,
                                              api::notify_params(subscription->wanted.notify, api::encode(told)));
      if (!sent) co_return;
      subscription->next = oldest->front().seq;
      continue;
    }
    if (!events) co_return;
    for (const store::Event& event : *events) {
      subscription->next = event.seq + 1;
      if (subscription->ended) co_return;
      if (!type_matches(subscription->wanted.types, event.type)) continue;
      if (subscription->wanted.sandbox && subscription->wanted.sandbox != event.sandbox) continue;
      const Value params = api::notify_params(subscription->wanted.notify, api::encode(to_api(event)));
      for (;;) {
        const Result<void> sent = client.notify(subscription->wanted.notify.method, params);
        if (sent) break;
        if (sent.error().code != Code::resource_exhausted) co_return;
        co_await client.output_drained();
      }
    }
    if (events->size() < kBatch) co_await more.wait();
  }
}

async::Task<Result<api::EventsSubscribeReply>> subscribe(Services& services, wire::Connection& client,
                                                         std::shared_ptr<Subscriptions> all,
                                                         api::EventsSubscribeRequest request) {
  if (request.sandbox) {
    Result<api::SandboxInfo> known = co_await services.sandboxes.info(*request.sandbox);
    if (!known) co_return fail(known.error());
    request.sandbox = known->id;
  }
  const Result<store::EventRange> range = store::event_range(services.store.reader());
  if (!range) co_return fail(range.error());
  auto subscription = std::make_shared<Subscription>();
  subscription->next = request.from ? static_cast<std::int64_t>(*request.from) : range->newest + 1;
  if (request.from && subscription->next < range->oldest) {
    co_return fail(Code::out_of_range,
                   fmt::format("event {} is no longer kept; the oldest is {}", subscription->next, range->oldest));
  }
  if (subscription->next > range->newest + 1) {
    co_return fail(Code::out_of_range,
                   fmt::format("there is no event {} yet; the next is {}", subscription->next, range->newest + 1));
  }
  subscription->wanted = std::move(request);
  subscription->client = &client;
  const std::string id = fmt::format("sub{}", ++all->given);
  all->by_id.emplace(id, subscription);
  client.tasks().spawn(tell(services, client, all, id, subscription));
  co_return api::EventsSubscribeReply{
      .subscription = id,
      .next_seq = static_cast<std::uint64_t>(subscription->next),
      .oldest_seq = static_cast<std::uint64_t>(std::max<std::int64_t>(range->oldest, 1))};
}

async::Task<Result<api::EventsListReply>> list(Services& services, api::EventsListRequest request) {
  const Result<store::EventRange> range = store::event_range(services.store.reader());
  if (!range) co_return fail(range.error());
  std::int64_t next = std::max<std::int64_t>(range->newest - request.limit + 1, range->oldest);
  if (request.from) next = static_cast<std::int64_t>(*request.from);
  if (request.cursor) next = std::max<std::int64_t>(std::strtoll(request.cursor->c_str(), nullptr, 10), range->oldest);
  api::EventsListReply reply;
  while (reply.events.size() < request.limit) {
    Result<std::vector<store::Event>> events = co_await services.store.events(next, kBatch);
    if (!events) co_return fail(events.error());
    if (events->empty()) co_return reply;
    for (const store::Event& event : *events) {
      next = event.seq + 1;
      if (!type_matches(request.types, event.type)) continue;
      if (request.sandbox && request.sandbox != event.sandbox) continue;
      reply.events.push_back(to_api(event));
      if (reply.events.size() == request.limit) break;
    }
  }
  if (next <= range->newest) reply.next_cursor = std::to_string(next);
  co_return reply;
}

}  // namespace

void add_events_methods(wire::Router& router, Services& services) {
  const auto all = std::make_shared<Subscriptions>();
  router.bind(api::kEventsSubscribe, [&services, all](wire::CallContext& call, api::EventsSubscribeRequest request) {
    return subscribe(services, call.connection, all, std::move(request));
  });
  router.bind(api::kEventsUnsubscribe,
              [all](wire::CallContext& call, api::EventsUnsubscribeRequest request) -> Result<api::Empty> {
                const auto found = all->by_id.find(request.subscription);
                if (found == all->by_id.end() || found->second->client != &call.connection) {
                  return fail(Code::not_found,
                              fmt::format("this connection has no subscription '{}'", request.subscription));
                }
                found->second->ended = true;
                return api::Empty{};
              });
  router.bind(api::kEventsList, [&services](wire::CallContext&, api::EventsListRequest request) {
    return list(services, std::move(request));
  });
}

}  // namespace swarm::rpc
