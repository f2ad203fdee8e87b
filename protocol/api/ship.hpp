#pragma once
// How a swarm's result leaves the machine: a push to the remote of the user's repository, and a pull request there.
// Both go out from the host with the host's credentials.

#include "protocol/api/agent.hpp"

namespace swarm::api {

enum class ShipmentState : std::uint8_t { approval, pushing, opening, done, rejected, failed, unknown };

template <class D>
void describe_enum(D& d, ShipmentState*) {
  d.type("ShipmentState", "Where a shipment is.");
  d.value("approval", ShipmentState::approval, "It changes protected paths, and waits for a person.");
  d.value("pushing", ShipmentState::pushing, "Its branches are pushed.");
  d.value("opening", ShipmentState::opening, "Its pull requests are opened, or those that are there are updated.");
  d.value("done", ShipmentState::done, "It has arrived.");
  d.value("rejected", ShipmentState::rejected, "A person refused it.");
  d.value("failed", ShipmentState::failed, "It could not be done; asked again, it is tried again.");
  d.value("unknown", ShipmentState::unknown, "A state of a newer version.");
  d.unknown(ShipmentState::unknown);
}

/// What goes out, as it is asked for.
struct ShipmentWish {
  bool pull_request = false;
  std::string remote = "origin";
  std::string into;
  std::string title;
  std::string body;
  std::vector<std::string> labels;
  bool draft = false;
  bool operator==(const ShipmentWish&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ShipmentWish", "What goes out, and how.");
    d.field("pull_request", &ShipmentWish::pull_request, "Also open a pull request, or update the one that is there.");
    d.field("remote", &ShipmentWish::remote, "A remote of the user's repository, or an http(s) URL.")
        .non_empty()
        .max_length(2000);
    d.field("into", &ShipmentWish::into,
            "The branch there that it is for; else the one that the swarm began from, else the default branch there.")
        .max_length(300);
    d.field("title", &ShipmentWish::title, "Title of the pull request; else from what the swarm was to do.")
        .max_length(250);
    d.field("body", &ShipmentWish::body, "Its text; else from the run's record.").max_length(60'000);
    d.field("labels", &ShipmentWish::labels, "Labels that it gets.").max_length(50);
    d.field("draft", &ShipmentWish::draft, "Open it as a draft.");
  }
};

/// One repository of a shipment.
struct ShipmentPart {
  std::string repo;
  std::string remote;
  std::string branch;
  std::string into;
  std::string commit;
  std::string before;
  bool pushed = false;
  std::optional<std::uint32_t> number;
  std::string url;
  bool created = false;
  bool operator==(const ShipmentPart&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ShipmentPart", "One repository of a shipment.");
    d.field("repo", &ShipmentPart::repo, "The repository, as it is called inside.").required();
    d.field("remote", &ShipmentPart::remote, "Where it goes, without credentials.");
    d.field("branch", &ShipmentPart::branch, "The branch there.").required();
    d.field("into", &ShipmentPart::into, "The branch that its pull request is for.");
    d.field("commit", &ShipmentPart::commit, "What is pushed.").required();
    d.field("before", &ShipmentPart::before, "Where the branch stood there; empty: it was not there.");
    d.field("pushed", &ShipmentPart::pushed, "The branch there stands at `commit`.");
    d.field("number", &ShipmentPart::number, "Number of the pull request.");
    d.field("url", &ShipmentPart::url, "Where people see it.");
    d.field("created", &ShipmentPart::created, "It was made by this shipment; else one that was there was updated.");
  }
};

struct ShipmentInfo {
  std::string id;
  std::string swarm;
  std::string swarm_name;
  ShipmentState state = ShipmentState::unknown;
  ShipmentWish wish;
  std::string title;
  std::vector<ShipmentPart> parts;
  std::vector<std::string> protected_paths;
  std::string decided_by;
  std::string decision;
  std::string reason;
  std::optional<std::int64_t> waits_until_us;
  std::int64_t created_us = 0;
  std::int64_t updated_us = 0;
  std::optional<std::int64_t> ended_us;
  bool operator==(const ShipmentInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ShipmentInfo", "A result on its way out.");
    d.field("id", &ShipmentInfo::id, "Its id.").required();
    d.field("swarm", &ShipmentInfo::swarm, "The swarm.").required();
    d.field("swarm_name", &ShipmentInfo::swarm_name, "Its name.");
    d.field("state", &ShipmentInfo::state, "Where it is.").required();
    d.field("wish", &ShipmentInfo::wish, "What was asked for.");
    d.field("title", &ShipmentInfo::title, "Title of its pull requests.");
    d.field("parts", &ShipmentInfo::parts, "Its repositories: all of them arrive, or none.").required();
    d.field("protected_paths", &ShipmentInfo::protected_paths, "Protected paths that it changes.");
    d.field("decided_by", &ShipmentInfo::decided_by, "Who approved or rejected it.");
    d.field("decision", &ShipmentInfo::decision, "Their words.");
    d.field("reason", &ShipmentInfo::reason, "Why it failed, or what it waits for.");
    d.field("waits_until_us", &ShipmentInfo::waits_until_us, "When it is tried again, UTC.");
    d.field("created_us", &ShipmentInfo::created_us, "When it was asked for, UTC.").required();
    d.field("updated_us", &ShipmentInfo::updated_us, "When its record changed last, UTC.");
    d.field("ended_us", &ShipmentInfo::ended_us, "When it was over, UTC.");
  }
};

struct SwarmShipRequest {
  ShipmentWish wish;
  std::chrono::milliseconds wait_ms{600'000};
  bool operator==(const SwarmShipRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmShipRequest", "Sends what a swarm has merged out.");
    d.field("wish", &SwarmShipRequest::wish, "What goes out, and how.");
    d.field("wait_ms", &SwarmShipRequest::wait_ms,
            "How long this call waits until it is over or waits for a person; it goes on without the call.")
        .max(86'400'000);
  }
};

struct SwarmDecideRequest {
  std::string shipment;
  bool approve = false;
  std::string reason;
  bool operator==(const SwarmDecideRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmDecideRequest", "A person's word on a shipment.");
    d.field("shipment", &SwarmDecideRequest::shipment, "Its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("approve", &SwarmDecideRequest::approve, "Let it go; else it is refused.").required();
    d.field("reason", &SwarmDecideRequest::reason, "Why.").max_length(8192);
  }
};

struct SwarmShipmentsRequest {
  std::optional<std::string> shipment;
  bool open = false;
  std::uint32_t limit = 100;
  bool operator==(const SwarmShipmentsRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmShipmentsRequest", "Which shipments.");
    d.field("shipment", &SwarmShipmentsRequest::shipment, "Only this one: its id or a unique prefix of it.")
        .non_empty()
        .max_length(40);
    d.field("open", &SwarmShipmentsRequest::open, "Only those that are not over.");
    d.field("limit", &SwarmShipmentsRequest::limit, "Most entries of the answer.").min(1).max(1000);
  }
};

struct SwarmShipmentsReply {
  std::vector<ShipmentInfo> shipments;
  bool operator==(const SwarmShipmentsReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SwarmShipmentsReply", "Shipments, newest first.");
    d.field("shipments", &SwarmShipmentsReply::shipments, "The shipments.").required();
  }
};

struct ShipmentChanged {
  std::string shipment;
  ShipmentState state = ShipmentState::unknown;
  std::string reason;
  std::vector<std::string> urls;
  bool operator==(const ShipmentChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ShipmentChanged", "A shipment went from one state to another, or waits.");
    d.field("shipment", &ShipmentChanged::shipment, "Its id.").required();
    d.field("state", &ShipmentChanged::state, "Where it is now.").required();
    d.field("reason", &ShipmentChanged::reason, "Why it failed, or what it waits for.");
    d.field("urls", &ShipmentChanged::urls, "Its pull requests.");
  }
};

inline constexpr Method<InSwarm<SwarmShipRequest>, ShipmentInfo> kSwarmShip{{
    .name = "swarm.ship",
    .doc = "Pushes what a swarm has merged to the remote of the user's repository, and opens or updates its pull "
           "request. Recorded first: it goes on after a crash, and is never done twice. One that is under way is not "
           "begun again. Changes of protected paths wait for `swarm.decide`.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such swarm or remote"},
               {Code::failed_precondition, "nothing was merged yet, or the remote is of a kind that is not supported"}},
}};
inline constexpr Method<InSwarm<SwarmShipmentsRequest>, SwarmShipmentsReply> kSwarmShipments{{
    .name = "swarm.shipments",
    .doc = "Lists what was sent out, of one swarm or of all.",
    .errors = {{Code::not_found, "no such swarm or shipment"}},
}};

inline constexpr Method<SwarmDecideRequest, ShipmentInfo> kSwarmDecide{{
    .name = "swarm.decide",
    .doc = "Approves or rejects a shipment that waits for a person because it changes protected paths. The word is for "
           "the commits that it carries, and holds over restarts.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such shipment"}, {Code::failed_precondition, "it does not wait for a person"}},
}};

inline constexpr EventType<ShipmentChanged> kShipmentChanged{
    {.name = "swarm.shipment", .doc = "A push or pull request went on, waits for a person, or is over."}};

std::span<const MethodInfo* const> ship_methods();
std::span<const EventInfo* const> ship_events();

}  // namespace swarm::api
