#include "daemon/team/chronicle.hpp"

#include <catch2/catch.hpp>

#include "protocol/api/codec.hpp"
#include "protocol/api/human.hpp"
#include "protocol/api/message.hpp"
#include "protocol/wire/msgpack.hpp"

using namespace swarm;
using namespace swarm::team;

namespace {

api::TeamLogReply reply_of(std::vector<api::TeamLogEvent> events) {
  return {.store = "log", .epoch = 3, .swarm = "swm_one", .events = std::move(events)};
}

template <class T>
T read(const std::string& data) {
  return *api::decode_reply<T>(*wire::decode(std::as_bytes(std::span(data)), wire::Limits{}));
}

}  // namespace

TEST_CASE("an event of a team is recorded as of its sandbox and swarm, from where it came") {
  const api::MessageReminded data{.id = "msg_1", .recipient = "agent-1", .reminder = 2};
  const auto entries = checked_entries(
      reply_of({{.seq = 7, .time_us = 1, .type = "message.reminded", .agent = "agent-1", .data = api::encode(data)}}),
      "sbox", "swm_one");
  REQUIRE(entries.size() == 1);
  const store::NewEvent& event = entries[0].event;
  CHECK(event.type == "message.reminded");
  CHECK(event.swarm == "swm_one");
  CHECK(event.sandbox == "sbox");
  CHECK(event.agent == "agent-1");
  CHECK(event.origin == store::EventOrigin{"sbox/log", 3, 7});
  CHECK(read<api::MessageReminded>(event.data) == data);
  CHECK_FALSE(entries[0].notice);
}

TEST_CASE("what stands for a person, or is no event of a team, is not taken from a sandbox") {
  const auto event = [](std::string type, Value data) {
    return api::TeamLogEvent{.seq = 1, .time_us = 0, .type = std::move(type), .agent = {}, .data = std::move(data)};
  };
  CHECK(checked_entries(reply_of({event("human.notice", Value::Map{{"kind", "stalled"}, {"text", "pay here"}}),
                                  event("sandbox.state", Value::Map{{"to", "gone"}}), event("daemon.stopped", Value()),
                                  event("message.reminded", Value("no map")), event("", Value())}),
                        "sbox", "swm_one")
            .empty());
}

TEST_CASE("a person is told of what nobody acknowledged, of what did not arrive, and of who does not go on") {
  const auto told = [](std::string type, Value data) -> std::optional<api::HumanNotice> {
    const auto entries = checked_entries(
        reply_of({{.seq = 1, .time_us = 0, .type = std::move(type), .agent = "agent-2", .data = std::move(data)}}),
        "sbox", "swm_one");
    if (entries.empty() || !entries[0].notice) return std::nullopt;
    CHECK(entries[0].notice->swarm == "swm_one");
    CHECK(entries[0].notice->agent == "agent-2");
    CHECK_FALSE(entries[0].notice->origin);
    return read<api::HumanNotice>(entries[0].notice->data);
  };
  const auto escalated = [](const char* to) {
    return api::encode(api::MessageEscalated{.id = "msg_1", .recipient = "agent-2", .to = to});
  };
  CHECK_FALSE(told("message.escalated", escalated("lead")));
  const auto late = told("message.escalated", escalated("human"));
  REQUIRE(late);
  CHECK(late->kind == api::NoticeKind::unacknowledged);
  CHECK(late->about == "msg_1");
  const auto state = [](api::DeliveryState to) {
    return api::encode(
        api::MessageStateChanged{.id = "msg_1", .recipient = "agent-2", .state = to, .by = "10 attempts"});
  };
  CHECK_FALSE(told("message.state", state(api::DeliveryState::delivered)));
  CHECK(told("message.state", state(api::DeliveryState::expired))->kind == api::NoticeKind::undeliverable);
  CHECK(told("message.state", state(api::DeliveryState::dead))->text.find("10 attempts") != std::string::npos);
  const auto stalled = [](api::StallRung rung) {
    return api::encode(api::AgentStalled{.kind = api::StallKind::silent, .rung = rung, .seen = "nothing"});
  };
  CHECK_FALSE(told("agent.stalled", stalled(api::StallRung::nudge)));
  CHECK(told("agent.stalled", stalled(api::StallRung::human))->kind == api::NoticeKind::stalled);
}
