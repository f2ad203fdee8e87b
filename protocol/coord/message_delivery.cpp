#include <fmt/format.h>

#include <algorithm>

#include "protocol/coord/message_rows.hpp"
#include "protocol/coord/messages.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

using store::Sql;
using Row = detail::MessageRow;

// A message counts as urgent as the most urgent one of its sender that is behind it: so it is never overtaken by what
// its own sender wrote later. The newest of a very long queue are looked at when it is shorter.
constexpr Sql kQueue{"messages.queue", "SELECT " SWARM_MESSAGE_COLUMNS
                                       ", q.attempts, q.given <> 0,"
                                       " max(CASE WHEN m.sent_us <= ? THEN 3 ELSE m.priority END)"
                                       "   OVER (PARTITION BY m.sender ORDER BY m.seq DESC) AS rank"
                                       " FROM (SELECT seq, attempts, given FROM coord_deliveries"
                                       "   WHERE swarm = ? AND recipient = ? AND state = 0 ORDER BY seq LIMIT 500) q"
                                       " JOIN coord_messages m ON m.seq = q.seq ORDER BY rank DESC, m.seq LIMIT ?"};
constexpr Sql kInHand{"messages.in_hand",
                      "SELECT 1 FROM coord_deliveries WHERE swarm = ? AND recipient = ? AND state = 0"
                      " AND given_until_us > ? LIMIT 1"};
constexpr Sql kUnproven{"messages.unproven", "SELECT " SWARM_MESSAGE_COLUMNS
                                             ", q.attempts FROM coord_deliveries q JOIN coord_messages m"
                                             " ON m.seq = q.seq WHERE q.swarm = ? AND q.recipient = ? AND q.state = 1"
                                             " AND q.delivered_by GLOB 'hook:*' ORDER BY q.seq DESC LIMIT ?"};
constexpr Sql kGive{"messages.give",
                    "UPDATE coord_deliveries SET given_until_us = ?, given = 1, attempts = attempts + 1"
                    " WHERE swarm = ? AND recipient = ? AND seq = ?"};
constexpr Sql kState{"messages.delivery",
                     "SELECT d.seq, d.state, d.attempts FROM coord_messages m JOIN coord_deliveries d ON d.seq = m.seq"
                     " AND d.swarm = m.swarm AND d.recipient = ? WHERE m.swarm = ? AND m.id = ?"};
constexpr Sql kDelivered{"messages.delivered",
                         "UPDATE coord_deliveries SET state = max(CASE WHEN state IN (4, 5) THEN 0 ELSE state END, 1),"
                         " given_until_us = NULL, reason = NULL, delivered_us = coalesce(delivered_us, ?),"
                         " delivered_by = coalesce(delivered_by, ?) WHERE swarm = ? AND recipient = ? AND seq = ?"};
constexpr Sql kSeen{"messages.seen",
                    "UPDATE coord_deliveries SET state = max(state, 2), seen_us = coalesce(seen_us, ?),"
                    " seen_by = coalesce(seen_by, ?) WHERE swarm = ? AND recipient = ? AND seq = ?"};
constexpr Sql kBack{"messages.back",
                    "UPDATE coord_deliveries SET given_until_us = NULL, reason = ? WHERE swarm = ? AND recipient = ?"
                    " AND seq = ?"};
constexpr Sql kAcknowledged{"messages.acknowledged",
                            "UPDATE coord_deliveries SET state = 3, ended_us = ?, ack_next_us = NULL, reason = NULL"
                            " WHERE swarm = ? AND recipient = ? AND seq = ?"};
constexpr Sql kAgain{"messages.again",
                     "UPDATE coord_deliveries SET state = 0, attempts = 0, given_until_us = NULL, ended_us = NULL,"
                     " reason = NULL, expires_us = ? WHERE seq = ? AND state IN (4, 5) AND coalesce(?, recipient) ="
                     " recipient AND swarm = ?"};

struct Copy {
  std::int64_t seq;
  DeliveryState state;
  int attempts;
};

/// `recipient`'s copy of the message, or why there is none.
Result<Copy> copy_of(const Turn& turn, const Messages& messages, const std::string& recipient, const std::string& id) {
  const auto row = turn.db.one<std::int64_t, int, int>(kState, recipient, turn.swarm, id);
  if (!row) return fail(row.error());
  if (*row) {
    const auto& [seq, state, attempts] = **row;
    return Copy{seq, static_cast<DeliveryState>(state), attempts};
  }
  if (const Result<Message> known = messages.find(turn, id); !known) return fail(known.error());
  return fail(Code::permission_denied, fmt::format("the message '{}' was not sent to '{}'", id, recipient));
}

void tell_state(const Turn& turn, const std::string& id, const std::string& recipient, DeliveryState state,
                std::string_view by) {
  turn.tell("message.state", recipient,
            Value::Map{{"id", id}, {"recipient", recipient}, {"state", state_name(state)}, {"by", by}});
}

}  // namespace

Result<std::vector<Letter>> Messages::peek(const Turn& turn, const std::string& recipient, int limit) const {
  std::vector<Letter> out;
  auto read = detail::each_message<int, bool, int>(
      turn.db, kQueue,
      [&](Row row, int attempts, bool given, int) {
        out.push_back(
            {.message = std::move(row.message), .recipient = recipient, .attempt = attempts + 1, .repeat = given});
      },
      (turn.now - options_.aging).us, turn.swarm, recipient, limit);
  if (!read) return fail(read.error());
  return out;
}

Result<std::vector<Letter>> Messages::unproven(const Turn& turn, const std::string& recipient, int limit) const {
  std::vector<Letter> out;
  auto read = detail::each_message<int>(
      turn.db, kUnproven,
      [&](Row row, int attempts) {
        if (mac(turn, row.message) != row.mac) return;
        out.push_back({.message = std::move(row.message), .recipient = recipient, .attempt = attempts, .repeat = true});
      },
      turn.swarm, recipient, limit);
  if (!read) return fail(read.error());
  std::ranges::reverse(out);
  return out;
}

Result<std::vector<Letter>> Messages::take(const Turn& turn, const std::string& recipient, int limit,
                                           std::size_t bytes) {
  const auto busy = turn.db.one<int>(kInHand, turn.swarm, recipient, turn.now.us);
  if (!busy) return fail(busy.error());
  if (*busy) return std::vector<Letter>();
  std::vector<Letter> out;
  std::vector<Message> forged;
  std::size_t size = 0;
  bool full = false;
  auto read = detail::each_message<int, bool, int>(
      turn.db, kQueue,
      [&](Row row, int attempts, bool given, int) {
        if (mac(turn, row.message) != row.mac) {
          forged.push_back(std::move(row.message));
          return;
        }
        // At least one, however long.
        full = full || (!out.empty() && size + row.message.body.size() > bytes);
        if (full) return;
        size += row.message.body.size();
        out.push_back(
            {.message = std::move(row.message), .recipient = recipient, .attempt = attempts + 1, .repeat = given});
      },
      (turn.now - options_.aging).us, turn.swarm, recipient, limit);
  if (!read) return fail(read.error());
  for (const Message& message : forged) {
    auto ended = end(turn, message, recipient, DeliveryState::dead, "the stored text is not what its sender wrote");
    if (!ended) return fail(ended.error());
  }
  const Moment until = turn.now + options_.hand_timeout;
  for (const Letter& letter : out) {
    auto given = turn.db.run(kGive, until.us, turn.swarm, recipient, letter.message.seq);
    if (!given) return fail(given.error());
  }
  return out;
}

Result<void> Messages::confirm(const Turn& turn, const std::string& recipient, const std::string& id,
                               const Proof& proof) {
  const Result<Copy> copy = copy_of(turn, *this, recipient, id);
  if (!copy) return fail(copy.error());
  auto done = turn.db.run(kDelivered, turn.now.us, proof.by, turn.swarm, recipient, copy->seq);
  if (!done) return done;
  const bool seen = proof.stage == Proof::Stage::seen;
  if (seen) {
    done = turn.db.run(kSeen, turn.now.us, proof.by, turn.swarm, recipient, copy->seq);
    if (!done) return done;
  }
  const DeliveryState reached = seen ? DeliveryState::seen : DeliveryState::delivered;
  if (copy->state < reached || copy->state > DeliveryState::acknowledged) {
    tell_state(turn, id, recipient, reached, proof.by);
  }
  return {};
}

Result<void> Messages::failed(const Turn& turn, const std::string& recipient, const std::string& id,
                              std::string_view why) {
  const Result<Copy> copy = copy_of(turn, *this, recipient, id);
  if (!copy) return fail(copy.error());
  if (copy->state != DeliveryState::queued) return {};
  if (copy->attempts < options_.most_attempts) {
    return turn.db.run(kBack, shown(why, 300), turn.swarm, recipient, copy->seq);
  }
  const Result<Message> message = find(turn, id);
  if (!message) return fail(message.error());
  return end(turn, *message, recipient, DeliveryState::dead,
             fmt::format("{} attempts, the last: {}", copy->attempts, shown(why, 300)));
}

Result<void> Messages::acknowledge(const Turn& turn, const Actor& recipient, const std::string& id,
                                   const std::optional<std::string>& text) {
  Result<std::string> whole = full_id(turn, id);
  if (!whole) return fail(whole.error());
  const Result<Copy> copy = copy_of(turn, *this, recipient.name, *whole);
  if (!copy) return fail(copy.error());
  if (copy->state == DeliveryState::acknowledged) {
    return fail(Code::failed_precondition, fmt::format("'{}' has acknowledged '{}' already", recipient.name, *whole));
  }
  // Who answers has read.
  auto proven = confirm(turn, recipient.name, *whole, {.stage = Proof::Stage::seen, .by = "acknowledgement"});
  if (!proven) return proven;
  auto done = turn.db.run(kAcknowledged, turn.now.us, turn.swarm, recipient.name, copy->seq);
  if (!done) return done;
  const Result<Message> message = find(turn, *whole);
  if (!message) return fail(message.error());
  const auto sender = registry_.state_of(turn, message->sender);
  if (!sender) return fail(sender.error());
  // A person has no queue: the words are in the event.
  const bool has_queue = sender->has_value();
  tell_state(turn, *whole, recipient.name, DeliveryState::acknowledged, has_queue ? "" : text.value_or(""));
  if (!text || !has_queue) return {};
  Draft answer;
  answer.to = {message->sender};
  answer.kind = MessageKind::ack;
  answer.body = *text;
  answer.reply_to = *whole;
  const Result<Sent> sent = send(turn, recipient, answer);
  if (!sent) return fail(sent.error(), "the answer");
  return {};
}

Result<int> Messages::send_again(const Turn& turn, const std::string& id, const std::optional<std::string>& recipient) {
  Result<std::string> whole = full_id(turn, id);
  if (!whole) return fail(whole.error());
  const Result<Message> message = find(turn, *whole);
  if (!message) return fail(message.error());
  const std::int64_t until = (turn.now + options_.expires_after).us;
  if (auto again = turn.db.run(kAgain, until, message->seq, recipient, turn.swarm); !again) return fail(again.error());
  const auto count = static_cast<int>(turn.db.changes());
  if (count > 0) turn.tell("message.again", message->sender, Value::Map{{"id", *whole}, {"copies", count}});
  return count;
}

}  // namespace swarm::coord
