#pragma once
// Between rows and structs. For the .cpp files of messages.hpp.

#include "protocol/coord/message.hpp"
#include "protocol/store/database.hpp"

namespace swarm::coord::detail {

// Column lists that `message_of` reads; a macro, since the text of a statement is a constant.
#define SWARM_MESSAGE_COLUMNS                                                                              \
  "m.seq, m.id, m.sender, m.proven, m.kind, m.priority, m.thread, m.reply_to, m.address, m.body, m.file, " \
  "m.file_bytes, m.sent_us, m.expires_us, m.ack, m.mac"

struct MessageRow {
  Message message;
  Bytes mac;
};

/// Runs a statement that selects SWARM_MESSAGE_COLUMNS first and `Extra` behind, and calls `visit(MessageRow,
/// extra...)`.
template <class... Extra, class F, class... A>
Result<void> each_message(store::Database& db, store::Sql sql, F visit, const A&... values) {
  using Text = std::optional<std::string>;
  auto rows =
      db.all<std::int64_t, std::string, std::string, bool, int, int, std::string, Text, std::string, std::string, Text,
             std::int64_t, std::int64_t, std::int64_t, bool, Bytes, Extra...>(sql, values...);
  if (!rows) return fail(rows.error());
  for (auto& row : *rows) {
    std::apply(
        [&](auto& seq, auto& id, auto& sender, auto& proven, auto& kind, auto& priority, auto& thread, auto& reply_to,
            auto& address, auto& body, auto& file, auto& file_bytes, auto& sent, auto& expires, auto& ack, auto& mac,
            auto&... extra) {
          MessageRow out{.message = {.seq = seq,
                                     .id = std::move(id),
                                     .sender = std::move(sender),
                                     .proven = proven,
                                     .kind = static_cast<MessageKind>(kind),
                                     .priority = static_cast<Priority>(priority),
                                     .thread = std::move(thread),
                                     .reply_to = std::move(reply_to),
                                     .address = std::move(address),
                                     .body = std::move(body),
                                     .file = {},
                                     .sent = {sent},
                                     .expires = {expires},
                                     .ack = ack},
                         .mac = std::move(mac)};
          if (file) out.message.file = FilePointer{std::move(*file), file_bytes};
          visit(std::move(out), extra...);
        },
        row);
  }
  return {};
}

}  // namespace swarm::coord::detail
