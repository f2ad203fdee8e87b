#include <fmt/format.h>

#include <algorithm>

#include "protocol/coord/message_rows.hpp"
#include "protocol/coord/messages.hpp"
#include "protocol/core/units.hpp"

namespace swarm::coord {
namespace {

using store::Sql;

constexpr int kAtOnce = 200;
constexpr Sql kDue{
    "messages.due",
    "SELECT recipient, seq, state, attempts, given_until_us, ack_next_us, ack_tries, escalated, expires_us,"
    " reason FROM coord_deliveries WHERE swarm = ? AND next_us <= ? ORDER BY next_us LIMIT ?"};
constexpr Sql kNext{"messages.next_due",
                    "SELECT min(next_us) FROM coord_deliveries WHERE swarm = ? AND next_us IS NOT NULL"};
constexpr Sql kBySeq{"messages.by_seq", "SELECT " SWARM_MESSAGE_COLUMNS " FROM coord_messages m WHERE m.seq = ?"};
constexpr Sql kTakeBack{
    "messages.take_back",
    "UPDATE coord_deliveries SET given_until_us = NULL WHERE swarm = ? AND recipient = ? AND seq = ?"};
constexpr Sql kRemind{"messages.remind",
                      "UPDATE coord_deliveries SET state = 0, ack_tries = ack_tries + 1, ack_next_us = ?, attempts = 0"
                      " WHERE swarm = ? AND recipient = ? AND seq = ?"};
constexpr Sql kEscalate{"messages.escalate",
                        "UPDATE coord_deliveries SET escalated = ?, ack_next_us = ? WHERE swarm = ? AND recipient = ?"
                        " AND seq = ?"};
constexpr Sql kEnd{"messages.end",
                   "UPDATE coord_deliveries SET state = ?, ended_us = ?, reason = ?, given_until_us = NULL"
                   " WHERE swarm = ? AND recipient = ? AND seq = ?"};
// Over: every copy has ended, or was seen and waits for nothing.
constexpr Sql kOld{"messages.old",
                   "SELECT seq FROM coord_messages m WHERE swarm = ? AND sent_us < ? AND NOT EXISTS (SELECT 1 FROM"
                   " coord_deliveries d WHERE d.seq = m.seq AND (d.state = 0 OR d.ack_next_us IS NOT NULL))"
                   " ORDER BY seq LIMIT ?"};
constexpr Sql kDropCopies{"messages.drop_copies", "DELETE FROM coord_deliveries WHERE seq = ?"};
constexpr Sql kDrop{"messages.drop", "DELETE FROM coord_messages WHERE seq = ?"};

Result<Message> by_seq(const Turn& turn, std::int64_t seq) {
  std::optional<Message> found;
  auto read =
      detail::each_message<>(turn.db, kBySeq, [&](detail::MessageRow row) { found = std::move(row.message); }, seq);
  if (!read) return fail(read.error());
  if (!found) return fail(Code::internal, fmt::format("a delivery of message {} without the message", seq));
  return std::move(*found);
}

std::string title(const Message& message, const std::string& recipient) {
  return fmt::format("{} ({} from {} to {})", message.id, kind_name(message.kind), message.sender, recipient);
}

}  // namespace

struct Messages::Due {
  std::string recipient;
  std::int64_t seq;
  DeliveryState state;
  int attempts;
  std::optional<std::int64_t> given_until;
  std::optional<std::int64_t> ack_next;
  int ack_tries;
  int escalated;
  std::int64_t expires;
  std::optional<std::string> reason;
};

Result<void> Messages::advance(const Turn& turn) {
  // Serving one makes others due only later than now, so each round has fewer; the bound is against a mistake in that.
  for (int round = 0; round < 100; ++round) {
    auto rows =
        turn.db.all<std::string, std::int64_t, int, int, std::optional<std::int64_t>, std::optional<std::int64_t>, int,
                    int, std::int64_t, std::optional<std::string>>(kDue, turn.swarm, turn.now.us, kAtOnce);
    if (!rows) return fail(rows.error());
    for (auto& [recipient, seq, state, attempts, given, ack_next, tries, escalated, expires, reason] : *rows) {
      auto served = serve(turn, Due{std::move(recipient), seq, static_cast<DeliveryState>(state), attempts, given,
                                    ack_next, tries, escalated, expires, std::move(reason)});
      if (!served) return served;
    }
    if (rows->size() < static_cast<std::size_t>(kAtOnce)) return {};
  }
  return {};
}

Result<void> Messages::serve(const Turn& turn, const Due& due) {
  const Result<Message> message = by_seq(turn, due.seq);
  if (!message) return fail(message.error());
  if (due.given_until && *due.given_until <= turn.now.us) {
    if (due.state == DeliveryState::queued && due.attempts >= options_.most_attempts) {
      return end(turn, *message, due.recipient, DeliveryState::dead,
                 fmt::format("{} attempts, none confirmed", due.attempts));
    }
    if (auto back = turn.db.run(kTakeBack, turn.swarm, due.recipient, due.seq); !back) return back;
  }
  if (due.state == DeliveryState::queued && due.expires <= turn.now.us) {
    return end(turn, *message, due.recipient, DeliveryState::expired, "its time passed before it was delivered");
  }
  if (due.ack_next && *due.ack_next <= turn.now.us) return remind(turn, due, *message);
  return {};
}

/// The next rung: the text again, the lead, a person.
Result<void> Messages::remind(const Turn& turn, const Due& due, const Message& message) {
  const auto tries = static_cast<std::size_t>(due.ack_tries);
  if (tries < options_.reminders.size()) {
    const Span wait = tries + 1 < options_.reminders.size() ? options_.reminders[tries + 1] - options_.reminders[tries]
                                                            : options_.escalate_after;
    turn.tell("message.reminded", due.recipient,
              Value::Map{{"id", message.id}, {"recipient", due.recipient}, {"reminder", due.ack_tries + 1}});
    return turn.db.run(kRemind, (turn.now + wait).us, turn.swarm, due.recipient, due.seq);
  }
  std::vector<std::string> leads;
  if (due.escalated == 0) {
    Result<std::vector<std::string>> found = registry_.leads(turn, options_.lead_role);
    if (!found) return fail(found.error());
    leads = std::move(*found);
    std::erase(leads, due.recipient);
    std::erase(leads, message.sender);
  }
  const std::string text =
      fmt::format("{} was not acknowledged, after {} reminders", title(message, due.recipient), due.ack_tries);
  if (!leads.empty()) {
    std::vector<std::string> to = leads;
    const Result<std::vector<std::string>> alive = registry_.live(turn);
    if (!alive) return fail(alive.error());
    if (std::ranges::find(*alive, message.sender) != alive->end()) to.push_back(message.sender);
    turn.tell("message.escalated", due.recipient,
              Value::Map{{"id", message.id}, {"recipient", due.recipient}, {"to", "lead"}});
    if (auto told = from_swarm(turn, std::move(to), text, message); !told) return told;
    return turn.db.run(kEscalate, 1, std::optional((turn.now + options_.human_after).us), turn.swarm, due.recipient,
                       due.seq);
  }
  turn.tell("message.escalated", due.recipient,
            Value::Map{{"id", message.id}, {"recipient", due.recipient}, {"to", "human"}});
  // Without a lead the sender learns of it here.
  if (due.escalated == 0 && message.sender != kSystemName) {
    const Result<std::vector<std::string>> alive = registry_.live(turn);
    if (!alive) return fail(alive.error());
    if (std::ranges::find(*alive, message.sender) != alive->end()) {
      if (auto told = from_swarm(turn, {message.sender}, text + "; a person was told", message); !told) return told;
    }
  }
  return turn.db.run(kEscalate, 2, std::nullopt, turn.swarm, due.recipient, due.seq);
}

Result<void> Messages::end(const Turn& turn, const Message& message, const std::string& recipient, DeliveryState state,
                           std::string_view reason) {
  auto done = turn.db.run(kEnd, static_cast<int>(state), turn.now.us, reason, turn.swarm, recipient, message.seq);
  if (!done) return done;
  turn.tell("message.state", recipient,
            Value::Map{{"id", message.id}, {"recipient", recipient}, {"state", state_name(state)}, {"by", reason}});
  if (message.sender == kSystemName) return {};
  const Result<std::vector<std::string>> alive = registry_.live(turn);
  if (!alive) return fail(alive.error());
  if (std::ranges::find(*alive, message.sender) == alive->end()) return {};
  return from_swarm(turn, {message.sender}, fmt::format("{} did not arrive: {}", title(message, recipient), reason),
                    message);
}

Result<std::optional<Moment>> Messages::next_deadline(const Turn& turn) const {
  const auto row = turn.db.one<std::optional<std::int64_t>>(kNext, turn.swarm);
  if (!row) return fail(row.error());
  if (!*row || !std::get<0>(**row)) return std::optional<Moment>();
  return std::optional(Moment{*std::get<0>(**row)});
}

Result<std::int64_t> Messages::prune(const Turn& turn, int limit) const {
  const auto rows = turn.db.all<std::int64_t>(kOld, turn.swarm, (turn.now - options_.keep).us, limit);
  if (!rows) return fail(rows.error());
  for (const auto& [seq] : *rows) {
    if (auto dropped = turn.db.run(kDropCopies, seq); !dropped) return fail(dropped.error());
    if (auto dropped = turn.db.run(kDrop, seq); !dropped) return fail(dropped.error());
  }
  return static_cast<std::int64_t>(rows->size());
}

}  // namespace swarm::coord
