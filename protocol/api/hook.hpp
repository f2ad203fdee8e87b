#pragma once
// What the hooks of an agent's program tell agentd, and what they get for its conversation: `swarm hook EVENT`.

#include "protocol/api/message.hpp"

namespace swarm::api {

struct HookEventRequest {
  std::string event;
  std::string session;
  std::string tool;
  std::string detail;
  std::vector<Path> paths;
  bool take = true;
  bool wake = false;
  std::uint64_t max_bytes = 32768;
  bool operator==(const HookEventRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HookEventRequest", "Something happened in the caller's program.");
    d.field("event", &HookEventRequest::event, "Its name: `SessionStart`, `PreToolUse`, ...")
        .required()
        .non_empty()
        .max_length(64);
    d.field("session", &HookEventRequest::session, "The program's own name for the conversation.").max_length(200);
    d.field("tool", &HookEventRequest::tool, "The tool that it is about.").max_length(200);
    d.field("detail", &HookEventRequest::detail, "How it began, or what it says.").max_length(500);
    d.field("paths", &HookEventRequest::paths,
            "Files that are about to be changed: those in a repository are locked for the caller, all or none.")
        .max_length(500);
    d.field("take", &HookEventRequest::take, "Whether messages can enter the conversation with the answer.");
    d.field("wake", &HookEventRequest::wake,
            "The prompt is agentd's own, which is there for messages alone; without any the caller stops it.");
    d.field("max_bytes", &HookEventRequest::max_bytes, "About this much text of messages; at least one.").min(1);
  }
};

struct HookEventReply {
  std::string agent;
  std::string role;
  std::string swarm_name;
  std::vector<MessageLetter> letters;
  std::vector<MessageLetter> unproven;
  std::uint64_t waiting = 0;
  bool locked = false;
  std::optional<std::string> refused;
  bool operator==(const HookEventReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HookEventReply", "What is for the caller's conversation.");
    d.field("agent", &HookEventReply::agent, "Who the caller is.").required();
    d.field("role", &HookEventReply::role, "Its role; empty: none.");
    d.field("swarm_name", &HookEventReply::swarm_name, "The name of its swarm.");
    d.field("letters", &HookEventReply::letters,
            "New messages, in hand until confirmed: `message.confirm` once they are written out.");
    d.field("unproven", &HookEventReply::unproven,
            "Messages that were delivered, and nothing shows yet that the model has them.");
    d.field("waiting", &HookEventReply::waiting, "Messages in the queue, these included.");
    d.field("locked", &HookEventReply::locked, "The caller holds the locks on `paths`, as far as they need one.");
    d.field("refused", &HookEventReply::refused, "Why it cannot have them.");
  }
};

namespace inside {

inline constexpr Method<HookEventRequest, HookEventReply> kHookEvent{{
    .name = "hook.event",
    .doc = "Tells what happened in an agent's program, and hands out its messages.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "the caller is no agent of the swarm"}},
}};

}  // namespace inside

}  // namespace swarm::api
