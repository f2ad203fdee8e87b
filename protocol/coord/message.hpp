#pragma once
// What agents tell each other: the words, without the machinery (messages.hpp).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/coord/moment.hpp"
#include "protocol/core/error.hpp"

namespace swarm::coord {

enum class MessageKind { info, question, review_request, blocked, completed, challenge, ack };

/// "INFO", "REVIEW-REQUEST".
std::string_view kind_name(MessageKind kind);
/// Any case, '-' and '_' alike. `invalid_argument` lists the kinds.
Result<MessageKind> parse_message_kind(std::string_view text);
/// Whether a message of this kind waits for an acknowledgement unless its sender says otherwise.
constexpr bool wants_ack(MessageKind kind) {
  return kind == MessageKind::question || kind == MessageKind::review_request || kind == MessageKind::challenge;
}

enum class Priority { low, normal, high, urgent };

std::string_view priority_name(Priority priority);

/// The numbers are those of the tables.
enum class DeliveryState {
  queued = 0,
  delivered = 1,  ///< written where its recipient reads, and that ended well
  seen = 2,       ///< proven to have reached the recipient's model
  acknowledged = 3,
  expired = 4,  ///< its time passed before it was delivered
  dead = 5,     ///< could not be delivered; kept, can be sent again
};

std::string_view state_name(DeliveryState state);

/// Text that is too long for a message stands in a file.
struct FilePointer {
  std::string path;
  std::int64_t size_bytes = 0;
  bool operator==(const FilePointer&) const = default;
};

struct Message {
  std::int64_t seq = 0;  ///< order in the swarm
  std::string id;
  std::string sender;
  bool proven = true;
  MessageKind kind = MessageKind::info;
  Priority priority = Priority::normal;
  std::string thread;  ///< the id of the message that began it
  std::optional<std::string> reply_to;
  std::string address;  ///< as it was addressed: "agent-1, agent-2", "role:reviewer", "all"
  std::string body;
  std::optional<FilePointer> file;
  Moment sent{};
  Moment expires{};
  bool ack = false;  ///< its sender waits for an acknowledgement
};

/// What is to be sent. Exactly one of `to`, `role`, `all`.
struct Draft {
  std::vector<std::string> to;
  std::optional<std::string> role;
  bool all = false;
  bool include_self = false;
  MessageKind kind = MessageKind::info;
  Priority priority = Priority::normal;
  std::string body;
  std::optional<FilePointer> file;
  std::optional<std::string> reply_to;
  std::optional<Span> expires_after;
  std::optional<bool> ack;
  std::optional<std::string> idempotency_key;
};

struct Sent {
  struct Recipient {
    std::string agent;
    bool queued = true;
    std::string why_not{};
    bool operator==(const Recipient&) const = default;
  };
  std::string id;
  std::string thread;
  std::vector<Recipient> recipients;
  bool repeated = false;  ///< the same idempotency key was used before; this is the first answer
};

/// A message on its way into one recipient's conversation.
struct Letter {
  Message message;
  std::string recipient;
  int attempt = 1;
  /// The text may have reached the recipient before.
  bool repeat = false;
};

/// Where one recipient's copy is.
struct Delivery {
  std::string recipient;
  DeliveryState state = DeliveryState::queued;
  int attempts = 0;
  std::optional<Moment> delivered;
  std::string delivered_by;  ///< the proof: "hook:PostToolUse"
  std::optional<Moment> seen;
  std::string seen_by;  ///< "transcript", "mcp", "model request 12"
  std::optional<Moment> ended;
  std::string reason;
  int reminders = 0;
  std::optional<Moment> next_reminder;
  int escalated = 0;  ///< 0 no, 1 to the lead, 2 to a person
};

/// What shows that a message arrived.
struct Proof {
  enum class Stage { delivered, seen };
  Stage stage = Stage::delivered;
  std::string by;
};

}  // namespace swarm::coord
