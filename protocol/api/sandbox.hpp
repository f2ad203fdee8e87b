#pragma once
// Sandboxes: their life, what they may use, and what holds them to it.

#include "protocol/api/sandbox_types.hpp"

namespace swarm::api {

struct SandboxCreateRequest {
  std::optional<std::string> template_name;
  std::optional<std::string> provider;
  std::optional<std::string> name;
  std::optional<std::string> swarm;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> env;
  std::optional<std::chrono::milliseconds> lease_ms;
  std::optional<std::chrono::milliseconds> max_lifetime_ms;
  std::optional<std::chrono::milliseconds> idle_pause_ms;
  std::optional<std::chrono::milliseconds> idle_kill_ms;
  SandboxLimits limits;
  std::optional<NetworkPolicy> network;
  bool pooled = true;
  std::chrono::milliseconds queue_ms{0};
  bool wait = true;
  bool operator==(const SandboxCreateRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxCreateRequest", "The sandbox that is wanted.");
    d.field("template", &SandboxCreateRequest::template_name, "What it is made from; else the configured default.")
        .non_empty()
        .max_length(100);
    d.field("provider", &SandboxCreateRequest::provider,
            "Who makes it; else the first of the configured ones that can. With this there is no fallback.")
        .non_empty()
        .max_length(100);
    d.field("name", &SandboxCreateRequest::name, "A name for people, unique among living sandboxes.")
        .non_empty()
        .max_length(63);
    d.field("swarm", &SandboxCreateRequest::swarm,
            "The swarm that it is for: its costs, budgets, places and turns are counted there.")
        .non_empty()
        .max_length(200);
    d.field("labels", &SandboxCreateRequest::labels, "Marks to find it by.").max_length(50);
    d.field("env", &SandboxCreateRequest::env, "Environment of every program in it.").secret().max_length(1000);
    d.field("lease_ms", &SandboxCreateRequest::lease_ms,
            "It ends by itself this long after the last use or `sandbox.extend`; else the configured lease.")
        .min(1000);
    d.field("max_lifetime_ms", &SandboxCreateRequest::max_lifetime_ms, "It ends this long after creation, used or not.")
        .min(1000);
    d.field("idle_pause_ms", &SandboxCreateRequest::idle_pause_ms,
            "It is paused when nothing was run or used in it for so long, whatever its lease, and resumed by the next "
            "use; 0: never. Else as configured.");
    d.field(
        "idle_kill_ms", &SandboxCreateRequest::idle_kill_ms,
        "It ends when nothing was run or used in it for so long, whatever its lease; 0: never. Else as configured.");
    d.field("limits", &SandboxCreateRequest::limits, "What it may use, on top of the template's limits.");
    d.field("network", &SandboxCreateRequest::network,
            "What it may reach; else as the template says (usually nothing).");
    d.field("pooled", &SandboxCreateRequest::pooled, "One that waits in the pool may be handed out.");
    d.field("queue_ms", &SandboxCreateRequest::queue_ms,
            "How long to wait in line for capacity; 0 is refused at once when there is none.")
        .max(86'400'000);
    d.field("wait", &SandboxCreateRequest::wait, "Answer when it can be used. false: answer when it is recorded.");
  }
};

struct SandboxListRequest {
  std::vector<SandboxState> states;
  std::map<std::string, std::string> labels;
  std::optional<std::string> provider;
  std::optional<std::string> template_name;
  bool all = false;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const SandboxListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxListRequest", "Which sandboxes.");
    d.field("states", &SandboxListRequest::states, "Only those in one of these states.").max_length(20);
    d.field("labels", &SandboxListRequest::labels, "Only those with all of these labels.").max_length(50);
    d.field("provider", &SandboxListRequest::provider, "Only those of this provider.").max_length(100);
    d.field("template", &SandboxListRequest::template_name, "Only those made from this template.").max_length(100);
    d.field("all", &SandboxListRequest::all, "Also those that are gone, lost or failed.");
    d.field("limit", &SandboxListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &SandboxListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct SandboxListReply {
  std::vector<SandboxInfo> sandboxes;
  std::optional<std::string> next_cursor;
  bool operator==(const SandboxListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxListReply", "Sandboxes, newest first.");
    d.field("sandboxes", &SandboxListReply::sandboxes, "The sandboxes.").required();
    d.field("next_cursor", &SandboxListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct SandboxKillRequest {
  std::chrono::milliseconds grace_ms{2000};
  std::optional<std::string> reason;
  bool wait = true;
  bool operator==(const SandboxKillRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxKillRequest", "How to end it.");
    d.field("grace_ms", &SandboxKillRequest::grace_ms, "Time for its programs between TERM and KILL.").max(600'000);
    d.field("reason", &SandboxKillRequest::reason, "Why, for the record.").max_length(500);
    d.field("wait", &SandboxKillRequest::wait, "Answer when it is gone. false: answer when it is recorded.");
  }
};

struct SandboxExtendRequest {
  std::chrono::milliseconds lease_ms{0};
  bool operator==(const SandboxExtendRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxExtendRequest", "A longer lease.");
    d.field("lease_ms", &SandboxExtendRequest::lease_ms, "It may live at least this long from now.")
        .required()
        .min(1000);
  }
};

struct SandboxResizeRequest {
  std::uint64_t disk_bytes = 0;
  bool operator==(const SandboxResizeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxResizeRequest", "Other limits.");
    d.field("disk_bytes", &SandboxResizeRequest::disk_bytes, "What it may write.").required().min(1024.0 * 1024);
  }
};

struct SandboxExtendReply {
  std::int64_t lease_expires_us = 0;
  bool operator==(const SandboxExtendReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxExtendReply", "The lease as it stands.");
    d.field("lease_expires_us", &SandboxExtendReply::lease_expires_us, "When it ends unless it is extended, UTC.")
        .required();
  }
};

/// Data of `sandbox.state`.
struct SandboxStateChanged {
  SandboxState from = SandboxState::requested;
  SandboxState to = SandboxState::requested;
  std::optional<std::string> reason;
  bool operator==(const SandboxStateChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxStateChanged", "A step in a sandbox's life.");
    d.field("from", &SandboxStateChanged::from, "The state before.").required();
    d.field("to", &SandboxStateChanged::to, "The state now.").required();
    d.field("reason", &SandboxStateChanged::reason, "Why.");
  }
};

/// Data of `sandbox.limit`.
struct SandboxLimitHit {
  Resource resource = Resource::memory;
  std::uint64_t limit = 0;
  std::string message;
  bool operator==(const SandboxLimitHit&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("SandboxLimitHit", "A sandbox met a limit.");
    d.field("resource", &SandboxLimitHit::resource, "Of what.").required();
    d.field("limit", &SandboxLimitHit::limit, "The limit, in the resource's unit.").required();
    d.field("message", &SandboxLimitHit::message, "What happened.").required();
  }
};

inline constexpr Method<SandboxCreateRequest, SandboxInfo> kSandboxCreate{{
    .name = "sandbox.create",
    .doc = "Makes a sandbox, or hands out one of the pool.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such template or provider"},
               {Code::already_exists, "the name is taken"},
               {Code::resource_exhausted, "no capacity, at once or within `queue_ms`"},
               {Code::failed_precondition,
                "this machine cannot hold such a sandbox; `daemon.doctor` says what is missing"}},
}};
inline constexpr Method<SandboxListRequest, SandboxListReply> kSandboxList{{
    .name = "sandbox.list",
    .doc = "Lists sandboxes.",
}};
inline constexpr Method<InSandbox<Empty>, SandboxInfo> kSandboxInfo{{
    .name = "sandbox.info",
    .doc = "Says everything about one sandbox: state, limits and what holds them, isolation, identity.",
    .errors = {{Code::not_found, "no such sandbox"}},
}};
inline constexpr Method<InSandbox<SandboxKillRequest>, SandboxInfo> kSandboxKill{{
    .name = "sandbox.kill",
    .doc = "Ends a sandbox and removes what it kept. One that is gone already is no error.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox"}},
}};
inline constexpr Method<InSandbox<Empty>, SandboxMetrics> kSandboxMetrics{{
    .name = "sandbox.metrics",
    .doc = "What a sandbox uses now.",
    .errors = {{Code::not_found, "no such sandbox"}, {Code::failed_precondition, "it does not run"}},
}};
inline constexpr Method<InSandbox<SandboxExtendRequest>, SandboxExtendReply> kSandboxExtend{{
    .name = "sandbox.extend",
    .doc = "Extends a sandbox's lease. It is never shortened, nor does it pass `max_lifetime_ms`.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox"}, {Code::failed_precondition, "it is ending or gone"}},
}};
inline constexpr Method<InSandbox<Empty>, SandboxInfo> kSandboxPause{{
    .name = "sandbox.pause",
    .doc = "Stops every program in a sandbox until it is resumed. Leases inside stand still.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox"}, {Code::failed_precondition, "it is neither ready nor claimed"}},
}};
inline constexpr Method<InSandbox<Empty>, SandboxInfo> kSandboxResume{{
    .name = "sandbox.resume",
    .doc = "Lets a paused sandbox go on.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox"}, {Code::failed_precondition, "it is not paused"}},
}};

inline constexpr Method<InSandbox<SandboxResizeRequest>, SandboxInfo> kSandboxResize{{
    .name = "sandbox.resize",
    .doc = "Changes what a sandbox may write. One that was stopped because it had written too much goes on.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox"},
               {Code::failed_precondition, "it is neither running nor paused"},
               {Code::unimplemented, "its provider, or its template, fixes that when it is made"}},
}};

inline constexpr EventType<SandboxStateChanged> kSandboxState{
    {.name = "sandbox.state", .doc = "A sandbox went from one state to another."}};
inline constexpr EventType<SandboxLimitHit> kSandboxLimit{
    {.name = "sandbox.limit", .doc = "A sandbox met one of its limits."}};

std::span<const MethodInfo* const> sandbox_methods();
std::span<const EventInfo* const> sandbox_events();

}  // namespace swarm::api
