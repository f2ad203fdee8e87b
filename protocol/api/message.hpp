#pragma once
// What agents tell each other.

#include "protocol/api/message_types.hpp"

namespace swarm::api {

struct MessageSendRequest {
  std::optional<std::vector<std::string>> to;
  std::optional<std::string> role;
  bool all = false;
  bool include_self = false;
  MessageKind kind = MessageKind::info;
  MessagePriority priority = MessagePriority::normal;
  std::string body;
  std::optional<MessageFile> file;
  std::optional<std::string> reply_to;
  std::optional<std::chrono::milliseconds> expires_ms;
  std::optional<bool> ack;
  bool operator==(const MessageSendRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageSendRequest", "A message and whom it is for.");
    d.field("to", &MessageSendRequest::to, "Agents by name.").non_empty().max_length(1000);
    d.field("role", &MessageSendRequest::role, "All living agents of this role.").non_empty().max_length(64);
    d.field("all", &MessageSendRequest::all, "All living agents.");
    d.field("include_self", &MessageSendRequest::include_self, "With `role` or `all`: the sender too.");
    d.field("kind", &MessageSendRequest::kind, "What it wants.");
    d.field("priority", &MessageSendRequest::priority, "How soon it is to be read.");
    d.field("body", &MessageSendRequest::body,
            "The text, up to 10,240 bytes. Control characters and what deceives a reader are removed.")
        .max_length(163840);
    d.field("file", &MessageSendRequest::file, "Where a longer text is.");
    d.field("reply_to", &MessageSendRequest::reply_to,
            "The message that it answers; a unique beginning of its id is enough.")
        .non_empty()
        .max_length(40);
    d.field("expires_ms", &MessageSendRequest::expires_ms, "It is not delivered later than this; else 24 hours.")
        .min(1000);
    d.field("ack", &MessageSendRequest::ack,
            "Whether to wait for an acknowledgement; else questions, review requests and challenges do.");
  }
};

struct MessageRecipient {
  std::string agent;
  bool queued = true;
  std::optional<std::string> why_not;
  bool operator==(const MessageRecipient&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageRecipient", "What became of one recipient's copy.");
    d.field("agent", &MessageRecipient::agent, "The recipient.").required();
    d.field("queued", &MessageRecipient::queued, "It is in the queue, durably.").required();
    d.field("why_not", &MessageRecipient::why_not, "Why it is not.");
  }
};

struct MessageSendReply {
  std::string id;
  std::string thread;
  std::vector<MessageRecipient> recipients;
  bool operator==(const MessageSendReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageSendReply", "A message that was accepted.");
    d.field("id", &MessageSendReply::id, "Its id.").required();
    d.field("thread", &MessageSendReply::thread, "Its thread.").required();
    d.field("recipients", &MessageSendReply::recipients, "Its recipients.").required();
  }
};

struct MessageInboxRequest {
  std::uint32_t limit = 20;
  std::uint64_t max_bytes = 65536;
  bool peek = false;
  bool operator==(const MessageInboxRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageInboxRequest", "How much to read.");
    d.field("limit", &MessageInboxRequest::limit, "Most messages.").min(1).max(1000);
    d.field("max_bytes", &MessageInboxRequest::max_bytes, "About this much text; at least one message.").min(1);
    d.field("peek", &MessageInboxRequest::peek, "Look only; they stay in the queue.");
  }
};

struct MessageLetter {
  MessageInfo message;
  std::uint32_t attempt = 1;
  bool repeat = false;
  bool operator==(const MessageLetter&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageLetter", "A message on its way to the caller.");
    d.field("message", &MessageLetter::message, "The message.").required();
    d.field("attempt", &MessageLetter::attempt, "How often it was handed out.").required();
    d.field("repeat", &MessageLetter::repeat, "The text may have arrived before.").required();
  }
};

struct MessageInboxReply {
  std::vector<MessageLetter> letters;
  std::uint64_t waiting = 0;
  bool operator==(const MessageInboxReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageInboxReply", "Messages for the caller, in the order in which to read them.");
    d.field("letters", &MessageInboxReply::letters,
            "The messages; in hand for 30 seconds unless confirmed or acknowledged. Empty while others are in hand.")
        .required();
    d.field("waiting", &MessageInboxReply::waiting, "Messages in the queue, these included.").required();
  }
};

struct MessageConfirmRequest {
  std::vector<std::string> ids;
  ProofStage stage = ProofStage::delivered;
  std::string by;
  std::optional<std::string> failed;
  bool operator==(const MessageConfirmRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageConfirmRequest", "Proof that messages arrived, or that they did not.");
    d.field("ids", &MessageConfirmRequest::ids, "The messages.").required().non_empty().max_length(1000);
    d.field("stage", &MessageConfirmRequest::stage, "What is proven.");
    d.field("by", &MessageConfirmRequest::by, "What proves it: `hook:PostToolUse`.")
        .required()
        .non_empty()
        .max_length(200);
    d.field("failed", &MessageConfirmRequest::failed, "They did not arrive, and this is why.").max_length(500);
  }
};

struct MessageAckRequest {
  std::string id;
  std::optional<std::string> body;
  bool operator==(const MessageAckRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageAckRequest", "Which message is acknowledged.");
    d.field("id", &MessageAckRequest::id, "The message; a unique beginning of its id is enough.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("body", &MessageAckRequest::body, "Words for the sender; they travel as an ACK message.")
        .non_empty()
        .max_length(163840);
  }
};

struct MessageShowRequest {
  std::string id;
  bool operator==(const MessageShowRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageShowRequest", "Which message.");
    d.field("id", &MessageShowRequest::id, "The message; a unique beginning of its id is enough.")
        .required()
        .non_empty()
        .max_length(40);
  }
};

struct MessageDelivery {
  std::string recipient;
  DeliveryState state = DeliveryState::unknown;
  std::uint32_t attempts = 0;
  std::optional<std::int64_t> delivered_us;
  std::optional<std::string> delivered_by;
  std::optional<std::int64_t> seen_us;
  std::optional<std::string> seen_by;
  std::optional<std::int64_t> ended_us;
  std::optional<std::string> reason;
  std::uint32_t reminders = 0;
  std::optional<std::int64_t> next_reminder_us;
  std::uint32_t escalated = 0;
  bool operator==(const MessageDelivery&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageDelivery", "Where one recipient's copy is, and what proves it.");
    d.field("recipient", &MessageDelivery::recipient, "The recipient.").required();
    d.field("state", &MessageDelivery::state, "Where it is.").required();
    d.field("attempts", &MessageDelivery::attempts, "How often it was handed out.");
    d.field("delivered_us", &MessageDelivery::delivered_us, "When it was delivered, UTC.");
    d.field("delivered_by", &MessageDelivery::delivered_by, "What proves it.");
    d.field("seen_us", &MessageDelivery::seen_us, "When it was seen, UTC.");
    d.field("seen_by", &MessageDelivery::seen_by, "What proves it.");
    d.field("ended_us", &MessageDelivery::ended_us, "When it was acknowledged, expired or died, UTC.");
    d.field("reason", &MessageDelivery::reason, "Why it could not be delivered.");
    d.field("reminders", &MessageDelivery::reminders, "How often its recipient was reminded.");
    d.field("next_reminder_us", &MessageDelivery::next_reminder_us, "When the next reminder is due, UTC.");
    d.field("escalated", &MessageDelivery::escalated, "1: the lead was told; 2: a person.");
  }
};

struct MessageShowReply {
  MessageInfo message;
  std::vector<MessageDelivery> deliveries;
  bool operator==(const MessageShowReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageShowReply", "A message and where it is.");
    d.field("message", &MessageShowReply::message, "The message.").required();
    d.field("deliveries", &MessageShowReply::deliveries, "Its copies.").required();
  }
};

struct MessageSearchRequest {
  std::optional<std::string> text;
  std::optional<std::string> sender;
  std::optional<std::string> recipient;
  std::optional<MessageKind> kind;
  std::optional<std::string> thread;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const MessageSearchRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageSearchRequest", "Which messages.");
    d.field("text", &MessageSearchRequest::text, "With all of these words, in any case.").non_empty().max_length(1000);
    d.field("sender", &MessageSearchRequest::sender, "From this agent.").non_empty().max_length(64);
    d.field("recipient", &MessageSearchRequest::recipient, "To this agent.").non_empty().max_length(64);
    d.field("kind", &MessageSearchRequest::kind, "Of this kind.");
    d.field("thread", &MessageSearchRequest::thread, "Of this thread.").non_empty().max_length(40);
    d.field("limit", &MessageSearchRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &MessageSearchRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct MessageSearchReply {
  std::vector<MessageInfo> messages;
  std::optional<std::string> next_cursor;
  bool operator==(const MessageSearchReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageSearchReply", "Messages, newest first.");
    d.field("messages", &MessageSearchReply::messages, "The messages.").required();
    d.field("next_cursor", &MessageSearchReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct MessageAgainRequest {
  std::string id;
  std::optional<std::string> recipient;
  bool operator==(const MessageAgainRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageAgainRequest", "What is to be sent again.");
    d.field("id", &MessageAgainRequest::id, "The message; a unique beginning of its id is enough.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("recipient", &MessageAgainRequest::recipient, "This copy only; else all that expired or died.")
        .non_empty()
        .max_length(64);
  }
};

struct MessageAgainReply {
  std::uint32_t copies = 0;
  bool operator==(const MessageAgainReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageAgainReply", "Sent again.");
    d.field("copies", &MessageAgainReply::copies, "How many copies are in their queues again.").required();
  }
};

struct MessageQueued {
  std::string id;
  std::string sender;
  bool proven = true;
  MessageKind kind = MessageKind::unknown;
  MessagePriority priority = MessagePriority::normal;
  std::string thread;
  std::string address;
  std::vector<std::string> recipients;
  std::string body;
  std::int64_t sent_us = 0;
  std::int64_t expires_us = 0;
  bool ack = false;
  std::optional<std::string> reply_to;
  std::optional<MessageFile> file;
  bool operator==(const MessageQueued&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageQueued", "A message that was accepted, whole.");
    d.field("id", &MessageQueued::id, "Its id.").required();
    d.field("sender", &MessageQueued::sender, "Who wrote it.").required();
    d.field("proven", &MessageQueued::proven, "The kernel says so.");
    d.field("kind", &MessageQueued::kind, "What it wants.").required();
    d.field("priority", &MessageQueued::priority, "How soon it is to be read.");
    d.field("thread", &MessageQueued::thread, "Its thread.").required();
    d.field("address", &MessageQueued::address, "As it was addressed.").required();
    d.field("recipients", &MessageQueued::recipients, "In whose queues it is.").required();
    d.field("body", &MessageQueued::body, "The text.").required();
    d.field("sent_us", &MessageQueued::sent_us, "When, UTC.").required();
    d.field("expires_us", &MessageQueued::expires_us, "When it expires, UTC.");
    d.field("ack", &MessageQueued::ack, "Its sender waits for an acknowledgement.");
    d.field("reply_to", &MessageQueued::reply_to, "The message that it answers.");
    d.field("file", &MessageQueued::file, "Where a longer text is.");
  }
};

struct MessageStateChanged {
  std::string id;
  std::string recipient;
  DeliveryState state = DeliveryState::unknown;
  std::string by;
  bool operator==(const MessageStateChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageStateChanged", "A copy of a message went on.");
    d.field("id", &MessageStateChanged::id, "The message.").required();
    d.field("recipient", &MessageStateChanged::recipient, "Whose copy.").required();
    d.field("state", &MessageStateChanged::state, "Where it is now.").required();
    d.field("by", &MessageStateChanged::by, "What proves it, or why.");
  }
};

struct MessageReminded {
  std::string id;
  std::string recipient;
  std::uint32_t reminder = 0;
  bool operator==(const MessageReminded&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageReminded", "A recipient is reminded.");
    d.field("id", &MessageReminded::id, "The message.").required();
    d.field("recipient", &MessageReminded::recipient, "Who did not acknowledge it.").required();
    d.field("reminder", &MessageReminded::reminder, "The how many-th time.").required();
  }
};

struct MessageEscalated {
  std::string id;
  std::string recipient;
  std::string to;
  bool operator==(const MessageEscalated&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageEscalated", "Nobody acknowledged.");
    d.field("id", &MessageEscalated::id, "The message.").required();
    d.field("recipient", &MessageEscalated::recipient, "Who did not acknowledge it.").required();
    d.field("to", &MessageEscalated::to, "Who is told: `lead` or `human`.").required();
  }
};

struct MessageSentAgain {
  std::string id;
  std::uint32_t copies = 0;
  bool operator==(const MessageSentAgain&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("MessageSentAgain", "Copies that expired or died are in their queues again.");
    d.field("id", &MessageSentAgain::id, "The message.").required();
    d.field("copies", &MessageSentAgain::copies, "How many.").required();
  }
};

inline constexpr Method<InSwarm<MessageSendRequest>, MessageSendReply> kMessageSend{{
    .name = "message.send",
    .doc = "Sends a message. The sender is who the kernel says calls. Answered means that it is in the queues, "
           "durably, exactly once.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "an unknown or dead recipient; the message names those alive"},
               {Code::resource_exhausted,
                "too many messages in too short a time, too many unanswered questions, or a full queue; the message "
                "says when to try again"}},
}};
inline constexpr Method<InSwarm<MessageInboxRequest>, MessageInboxReply> kMessageInbox{{
    .name = "message.inbox",
    .doc = "Hands the caller its next messages.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "the caller is no agent of the swarm"}},
}};
inline constexpr Method<InSwarm<MessageConfirmRequest>, Empty> kMessageConfirm{{
    .name = "message.confirm",
    .doc = "Records the proof that messages reached the caller, or puts them back.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such message"}, {Code::permission_denied, "it was not sent to the caller"}},
}};
inline constexpr Method<InSwarm<MessageAckRequest>, Empty> kMessageAck{{
    .name = "message.ack",
    .doc = "Acknowledges a message that was sent to the caller.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such message"},
               {Code::permission_denied, "it was not sent to the caller"},
               {Code::failed_precondition, "it is acknowledged already"}},
}};
inline constexpr Method<InSwarm<MessageShowRequest>, MessageShowReply> kMessageShow{{
    .name = "message.show",
    .doc = "Shows a message and where each copy is.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no such message"}},
}};
inline constexpr Method<InSwarm<MessageSearchRequest>, MessageSearchReply> kMessageSearch{{
    .name = "message.search",
    .doc = "Finds messages.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<MessageAgainRequest>, MessageAgainReply> kMessageAgain{{
    .name = "message.again",
    .doc = "Sends copies again that expired or could not be delivered.",
    .caller = Caller::host,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such message"}},
}};

/// As agentd serves it.
namespace inside {
inline constexpr Method<InSwarm<MessageAgainRequest>, MessageAgainReply> kMessageAgain{
    for_the_daemon(api::kMessageAgain)};
}  // namespace inside

inline constexpr EventType<MessageQueued> kMessageQueued{{.name = "message.queued", .doc = "A message was accepted."}};
inline constexpr EventType<MessageStateChanged> kMessageState{
    {.name = "message.state", .doc = "A copy was delivered, seen, acknowledged, expired or died."}};
inline constexpr EventType<MessageReminded> kMessageReminded{
    {.name = "message.reminded", .doc = "A message was not acknowledged in time; it is delivered again."}};
inline constexpr EventType<MessageEscalated> kMessageEscalated{
    {.name = "message.escalated",
     .doc = "A message was not acknowledged after all reminders; the lead, then a person, is told."}};
inline constexpr EventType<MessageSentAgain> kMessageSentAgain{
    {.name = "message.again", .doc = "Copies that expired or died are in their queues again."}};

std::span<const MethodInfo* const> message_methods();
std::span<const EventInfo* const> message_events();

}  // namespace swarm::api
