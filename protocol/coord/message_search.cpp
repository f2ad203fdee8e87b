#include <fmt/format.h>

#include <algorithm>

#include "protocol/coord/message_rows.hpp"
#include "protocol/coord/messages.hpp"
#include "protocol/coord/words.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

using store::Sql;

constexpr Sql kFindMessage{"messages.find",
                           "SELECT " SWARM_MESSAGE_COLUMNS " FROM coord_messages m WHERE m.swarm = ? AND m.id = ?"};
constexpr Sql kPrefix{"messages.prefix",
                      "SELECT id FROM coord_messages WHERE swarm = ? AND id >= ? AND id < ? ORDER BY id LIMIT 2"};
constexpr Sql kDeliveries{"messages.deliveries",
                          "SELECT recipient, state, attempts, delivered_us, delivered_by, seen_us, seen_by, ended_us,"
                          " reason, ack_tries, ack_next_us, escalated FROM coord_deliveries WHERE seq = ?"
                          " ORDER BY recipient"};
constexpr Sql kSearch{"messages.search",
                      "SELECT " SWARM_MESSAGE_COLUMNS
                      " FROM coord_messages m WHERE m.swarm = ? AND m.seq < ?"
                      " AND (?3 IS NULL OR m.sender = ?3) AND (?4 IS NULL OR m.kind = ?4)"
                      " AND (?5 IS NULL OR m.thread = ?5)"
                      " AND (?6 IS NULL OR EXISTS (SELECT 1 FROM coord_deliveries d WHERE d.seq = m.seq"
                      "   AND d.recipient = ?6)) ORDER BY m.seq DESC LIMIT ?"};
constexpr Sql kUnread{"messages.unread", "SELECT recipient, queued FROM coord_queued WHERE swarm = ? AND queued > 0"};

std::optional<Moment> moment(std::optional<std::int64_t> us) {
  if (!us) return std::nullopt;
  return Moment{*us};
}

}  // namespace

Result<std::string> Messages::full_id(const Turn& turn, const std::string& id) const {
  // People and models leave out the prefix.
  const std::string start = id.starts_with("msg_") ? id : "msg_" + id;
  const auto rows = turn.db.all<std::string>(kPrefix, turn.swarm, start, start + "{");
  if (!rows) return fail(rows.error());
  if (rows->empty()) return fail(Code::not_found, fmt::format("no message '{}'", shown(id)));
  if (rows->size() > 1 && std::get<0>(rows->front()) != start) {
    return fail(Code::invalid_argument, fmt::format("'{}' begins several ids; give more of it", shown(id)));
  }
  return std::get<0>(rows->front());
}

Result<Message> Messages::find(const Turn& turn, const std::string& id) const {
  std::optional<Message> found;
  auto read = detail::each_message<>(
      turn.db, kFindMessage, [&](detail::MessageRow row) { found = std::move(row.message); }, turn.swarm, id);
  if (!read) return fail(read.error());
  if (!found) return fail(Code::not_found, fmt::format("no message '{}'", shown(id)));
  return std::move(*found);
}

Result<std::vector<Delivery>> Messages::deliveries(const Turn& turn, std::int64_t seq) const {
  using Time = std::optional<std::int64_t>;
  using Text = std::optional<std::string>;
  auto rows = turn.db.all<std::string, int, int, Time, Text, Time, Text, Time, Text, int, Time, int>(kDeliveries, seq);
  if (!rows) return fail(rows.error());
  std::vector<Delivery> out;
  for (auto& [recipient, state, attempts, delivered, by, seen, seen_by, ended, reason, tries, next, escalated] :
       *rows) {
    out.push_back({.recipient = std::move(recipient),
                   .state = static_cast<DeliveryState>(state),
                   .attempts = attempts,
                   .delivered = moment(delivered),
                   .delivered_by = by.value_or(""),
                   .seen = moment(seen),
                   .seen_by = seen_by.value_or(""),
                   .ended = moment(ended),
                   .reason = reason.value_or(""),
                   .reminders = tries,
                   .next_reminder = moment(next),
                   .escalated = escalated});
  }
  return out;
}

Result<std::vector<Message>> Messages::search(const Turn& turn, const MessageQuery& query) const {
  const std::vector<std::string> words = words_of(query.text.value_or(""));
  std::optional<int> kind;
  if (query.kind) kind = static_cast<int>(*query.kind);
  std::vector<Message> out;
  const auto limit = static_cast<std::size_t>(std::max(query.limit, 1));
  std::int64_t before = query.before_seq.value_or(std::numeric_limits<std::int64_t>::max());
  // Words are compared here, letters of all scripts without case; SQLite would know ASCII alone.
  while (out.size() < limit) {
    constexpr int kPage = 500;
    int seen = 0;
    auto read = detail::each_message<>(
        turn.db, kSearch,
        [&](detail::MessageRow row) {
          ++seen;
          before = row.message.seq;
          if (out.size() < limit && has_words(row.message.body, words)) out.push_back(std::move(row.message));
        },
        turn.swarm, before, query.sender, kind, query.thread, query.recipient, kPage);
    if (!read) return fail(read.error());
    if (seen < kPage) break;
  }
  return out;
}

Result<std::map<std::string, std::int64_t>> Messages::unread(const Turn& turn) const {
  const auto rows = turn.db.all<std::string, std::int64_t>(kUnread, turn.swarm);
  if (!rows) return fail(rows.error());
  std::map<std::string, std::int64_t> out;
  for (const auto& [recipient, count] : *rows) out.emplace(recipient, count);
  return out;
}

}  // namespace swarm::coord
