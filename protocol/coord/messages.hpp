#pragma once
// The post office of a swarm. What is accepted stands in the queue of each recipient exactly once, in the order of its
// sender, until it is proven to have arrived.
//
//   queued --take--> in hand --confirm--> delivered --confirm--> seen --ack--> acknowledged
//     ^                 | failed, or no word within `hand_timeout`; the next time it is marked as a repeat
//     '-----------------'
//   queued -> expired (its time passed), dead (too many attempts, or the stored text is not what was signed)
//
// An unacknowledged message is repeated after 30, 90 and 210 s, then the lead is told, then a person. Order: urgent
// ones first, but never past an older message of the same sender, which is lifted with them; what has waited for
// `aging` counts as urgent, so that nothing starves.

#include <deque>
#include <map>
#include <span>

#include "protocol/coord/message.hpp"
#include "protocol/coord/registry.hpp"
#include "protocol/coord/turn.hpp"

namespace swarm::coord {

struct MessageOptions {
  std::size_t most_bytes = 10'240;         ///< of a body; longer texts are files
  std::size_t most_recipients = 100;       ///< of one message
  std::int64_t most_queued = 5'000;        ///< of one recipient
  std::int64_t most_unacknowledged = 200;  ///< of one sender
  /// Messages that an agent may send in each window; each recipient counts.
  std::int64_t rate = 120;
  Span rate_window = std::chrono::seconds(60);
  Span expires_after = std::chrono::hours(24);
  Span hand_timeout = std::chrono::seconds(30);
  int most_attempts = 10;
  Span aging = std::chrono::seconds(60);
  /// When an unacknowledged message is repeated, counted from its sending; growing.
  std::vector<Span> reminders = {std::chrono::seconds(30), std::chrono::seconds(90), std::chrono::seconds(210)};
  /// From the last reminder to telling the lead, and from there to telling a person.
  Span escalate_after = std::chrono::seconds(120);
  Span human_after = std::chrono::seconds(300);
  std::string lead_role = "lead";
  /// Messages that are over are kept this long.
  Span keep = std::chrono::days(7);
};

struct MessageQuery {
  std::optional<std::string> text;  ///< all of its words, in any case
  std::optional<std::string> sender;
  std::optional<std::string> recipient;
  std::optional<MessageKind> kind;
  std::optional<std::string> thread;
  std::optional<std::int64_t> before_seq;
  int limit = 100;
};

class Messages {
 public:
  Messages(MessageOptions options, RegistryOptions registry, std::string mac_key)
      : options_(std::move(options)), registry_(registry), mac_key_(std::move(mac_key)) {}

  /// Accepts a message. `invalid_argument`: empty, too long, bad or repeated recipients (with their index);
  /// `not_found`: an unknown or dead recipient, with who is alive; `resource_exhausted`: too many messages in too short
  /// a time (with when to try again), or no queue had room.
  Result<Sent> send(const Turn& turn, const Actor& sender, const Draft& draft);

  /// The next messages for `recipient`, up to `limit` and to about `bytes` of text; they are in hand until confirmed,
  /// failed, or `hand_timeout` is over. Nothing while others are in hand: two hooks at once must not mix up the order.
  Result<std::vector<Letter>> take(const Turn& turn, const std::string& recipient, int limit, std::size_t bytes);
  /// What waits for `recipient`, without taking it.
  Result<std::vector<Letter>> peek(const Turn& turn, const std::string& recipient, int limit) const;
  /// What a hook delivered to `recipient` (its proof begins with "hook:"), and nothing shows yet that the model has it:
  /// the newest of them, oldest first, marked as repeats.
  Result<std::vector<Letter>> unproven(const Turn& turn, const std::string& recipient, int limit) const;
  Result<void> confirm(const Turn& turn, const std::string& recipient, const std::string& id, const Proof& proof);
  /// It could not be delivered: back into the queue, or dead after too many attempts.
  Result<void> failed(const Turn& turn, const std::string& recipient, const std::string& id, std::string_view why);

  /// Acknowledges; with `text` an ACK message goes to the sender. `permission_denied` for anybody but a recipient,
  /// `failed_precondition` the second time.
  Result<void> acknowledge(const Turn& turn, const Actor& recipient, const std::string& id,
                           const std::optional<std::string>& text);
  /// Puts expired and dead copies back into their queues; how many.
  Result<int> send_again(const Turn& turn, const std::string& id, const std::optional<std::string>& recipient);

  /// The whole id of a unique beginning.
  Result<std::string> full_id(const Turn& turn, const std::string& id) const;
  Result<Message> find(const Turn& turn, const std::string& id) const;
  Result<std::vector<Delivery>> deliveries(const Turn& turn, std::int64_t seq) const;
  /// Newest first.
  Result<std::vector<Message>> search(const Turn& turn, const MessageQuery& query) const;
  /// Queued messages by recipient.
  Result<std::map<std::string, std::int64_t>> unread(const Turn& turn) const;

  /// Serves every timer that is due: hand-backs, expiry, reminders, escalation.
  Result<void> advance(const Turn& turn);
  Result<std::optional<Moment>> next_deadline(const Turn& turn) const;
  /// Deletes up to `limit` messages that are over and older than `keep`; how many.
  Result<std::int64_t> prune(const Turn& turn, int limit) const;

  /// Forgets what is cached of a state that was undone.
  void forget() { windows_.clear(); }

 private:
  struct Window {
    std::deque<std::pair<std::int64_t, std::int64_t>> sent;  // when, how many
    std::int64_t total = 0;
  };
  struct Due;

  Result<std::vector<std::string>> addressees(const Turn& turn, const Actor& sender, const Draft& draft) const;
  Result<Sent> accept(const Turn& turn, const Actor& sender, const Draft& draft);
  Result<Window*> window(const Turn& turn, const std::string& agent);
  Result<void> spend(const Turn& turn, const std::string& agent, std::int64_t count);
  Result<void> room_for_acks(const Turn& turn, const std::string& sender) const;
  Result<void> store(const Turn& turn, Message& message, std::span<const std::string> recipients);
  Result<void> from_swarm(const Turn& turn, std::vector<std::string> to, std::string body, const Message& about);
  Result<void> serve(const Turn& turn, const Due& due);
  Result<void> remind(const Turn& turn, const Due& due, const Message& message);
  Result<void> end(const Turn& turn, const Message& message, const std::string& recipient, DeliveryState state,
                   std::string_view reason);
  [[nodiscard]] Bytes mac(const Turn& turn, const Message& message) const;

  MessageOptions options_;
  Registry registry_;
  std::string mac_key_;
  std::map<std::string, Window> windows_;
};

/// A message and its copies as `message.queued` tells it: all that is needed to restore it elsewhere.
Value message_value(const Message& message, std::span<const std::string> recipients, Span paused);

}  // namespace swarm::coord
