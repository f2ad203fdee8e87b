#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sodium.h>

#include <algorithm>
#include <set>

#include "protocol/coord/message_rows.hpp"
#include "protocol/coord/messages.hpp"
#include "protocol/coord/text.hpp"
#include "protocol/core/units.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/store/answers.hpp"

namespace swarm::coord {
namespace {

using store::Sql;

constexpr Sql kWindow{"messages.window",
                      "SELECT sent_us, counted FROM coord_messages WHERE swarm = ? AND sender = ? AND sent_us > ?"
                      " ORDER BY sent_us"};
constexpr Sql kUnacknowledged{"messages.unacknowledged",
                              "SELECT count(*) FROM coord_deliveries d INDEXED BY coord_unacknowledged"
                              " JOIN coord_messages m ON m.seq = d.seq"
                              " WHERE d.swarm = ? AND d.ack_next_us IS NOT NULL AND m.sender = ?"};
constexpr Sql kQueued{"messages.queued", "SELECT queued FROM coord_queued WHERE swarm = ? AND recipient = ?"};
constexpr Sql kInsert{
    "messages.insert",
    "INSERT INTO coord_messages (swarm, id, sender, proven, kind, priority, thread, reply_to, address,"
    " body, file, file_bytes, sent_us, expires_us, ack, counted, mac)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr Sql kDeliver{
    "messages.deliver",
    "INSERT INTO coord_deliveries (swarm, recipient, seq, state, attempts, given, ack_tries, ack_next_us,"
    " escalated, expires_us) VALUES (?, ?, ?, 0, 0, 0, 0, ?, 0, ?)"};

Result<std::string> checked_body(const Draft& draft, std::size_t most) {
  // What is removed does not count, but nobody shall make us look through megabytes.
  if (draft.body.size() <= 16 * most) {
    std::string body = clean_text(draft.body);
    const bool blank = body.find_first_not_of(" \t\n") == std::string::npos;
    if (blank && !draft.file) return fail(Code::invalid_argument, "the message is empty");
    if (body.size() <= most) return body;
  }
  return fail(
      Code::invalid_argument,
      fmt::format("the message has {} bytes; up to {} travel as text: write a file, send a summary, and name the "
                  "file",
                  draft.body.size(), most));
}

std::string address_of(const Draft& draft) {
  if (draft.all) return "all";
  if (draft.role) return "role:" + *draft.role;
  return fmt::format("{}", fmt::join(draft.to, ", "));
}

/// Every argument with its length in front, so that no two drafts look the same.
std::string canonical(const Draft& draft) {
  std::string out;
  const auto put = [&out](std::string_view part) { out += fmt::format("{}:{};", part.size(), part); };
  for (const std::string& to : draft.to) put(to);
  out += fmt::format("|{}{}{}{}{}|", draft.role.has_value(), draft.all, draft.include_self,
                     static_cast<int>(draft.kind), static_cast<int>(draft.priority));
  put(draft.role.value_or(""));
  put(draft.body);
  put(draft.file ? draft.file->path : "");
  put(draft.reply_to.value_or(""));
  out += fmt::format("{}|{}|{}", draft.file ? draft.file->size_bytes : -1,
                     draft.expires_after ? draft.expires_after->count() : -1, draft.ack ? (*draft.ack ? 1 : 0) : 2);
  return out;
}

/// Lines: id, thread, then "agent<TAB>why not"; none of these holds a line end or a tab.
std::string encoded(const Sent& sent) {
  std::string out = sent.id + '\n' + sent.thread + '\n';
  for (const Sent::Recipient& r : sent.recipients)
    out += r.agent + '\t' + (r.queued ? "" : clean_line(r.why_not)) + '\n';
  return out;
}

Sent decoded(std::string_view text) {
  const auto line = [&text] {
    const std::string_view out = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(out.size() + 1, text.size()));
    return std::string(out);
  };
  Sent sent{.id = line(), .thread = line(), .recipients = {}, .repeated = true};
  while (!text.empty()) {
    const std::string one = line();
    const std::size_t tab = one.find('\t');
    sent.recipients.push_back({one.substr(0, tab), tab + 1 == one.size(), one.substr(tab + 1)});
  }
  return sent;
}

}  // namespace

Value message_value(const Message& message, std::span<const std::string> recipients, Span paused) {
  Value out = Value::Map{{"id", message.id},
                         {"sender", message.sender},
                         {"proven", message.proven},
                         {"kind", kind_name(message.kind)},
                         {"priority", priority_name(message.priority)},
                         {"thread", message.thread},
                         {"address", message.address},
                         {"recipients", Value::Array(recipients.begin(), recipients.end())},
                         {"body", message.body},
                         {"sent_us", message.sent.us + paused.count()},
                         {"expires_us", message.expires.us + paused.count()},
                         {"ack", message.ack}};
  if (message.reply_to) out.set("reply_to", *message.reply_to);
  if (message.file) {
    out.set("file", Value::Map{{"path", message.file->path}, {"size_bytes", message.file->size_bytes}});
  }
  return out;
}

Bytes Messages::mac(const Turn& turn, const Message& message) const {
  crypto_generichash_state state;
  Bytes out{std::string(crypto_generichash_BYTES, '\0')};
  crypto_generichash_init(&state, reinterpret_cast<const unsigned char*>(mac_key_.data()), mac_key_.size(),
                          out.data.size());
  const auto put = [&state](std::string_view part) {
    const std::uint64_t size = part.size();
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(&size), sizeof size);
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()), part.size());
  };
  put(turn.swarm);
  put(message.id);
  put(message.sender);
  put(kind_name(message.kind));
  put(message.thread);
  put(message.reply_to.value_or(""));
  put(message.address);
  put(message.body);
  put(message.file ? message.file->path : "");
  put(std::to_string(message.sent.us));
  crypto_generichash_final(&state, reinterpret_cast<unsigned char*>(out.data.data()), out.data.size());
  return out;
}

Result<std::vector<std::string>> Messages::addressees(const Turn& turn, const Actor& sender, const Draft& draft) const {
  if (static_cast<int>(!draft.to.empty()) + static_cast<int>(draft.role.has_value()) + static_cast<int>(draft.all) !=
      1) {
    return fail(Code::invalid_argument, "a message goes to agents by name, to a role, or to all: name one of these");
  }
  const bool is_agent = sender.kind == Actor::Kind::agent;
  if (!draft.to.empty()) {
    std::set<std::string> seen;
    std::vector<std::string> out;
    for (std::size_t i = 0; i < draft.to.size(); ++i) {
      Result<std::string> name = checked_name(draft.to[i], "recipient");
      if (!name) return fail(name.error(), fmt::format("to[{}]", i));
      if (!seen.insert(*name).second) {
        return fail(Code::invalid_argument, fmt::format("to[{}]: '{}' is there twice", i, *name));
      }
      const Result<std::optional<AgentState>> state = registry_.state_of(turn, *name);
      if (!state) return fail(state.error());
      if (!*state || !is_live(**state)) {
        const Result<AgentRecord> known = registry_.find(turn, *name);
        if (!known) return fail(known.error(), fmt::format("to[{}]", i));
        const Result<std::vector<std::string>> alive = registry_.live(turn);
        if (!alive) return fail(alive.error());
        return fail(Code::not_found, fmt::format("to[{}]: '{}' is {}; alive: {}", i, *name, state_name(known->state),
                                                 alive->empty() ? "none" : fmt::format("{}", fmt::join(*alive, ", "))));
      }
      out.push_back(std::move(*name));
    }
    return out;
  }
  Result<std::vector<std::string>> alive = registry_.live(turn, draft.role);
  if (!alive) return fail(alive.error());
  if (is_agent && !draft.include_self) std::erase(*alive, sender.name);
  if (alive->empty()) {
    return fail(Code::not_found, draft.role ? fmt::format("no other living agent has the role '{}'", shown(*draft.role))
                                            : std::string("no other agent is alive"));
  }
  return alive;
}

Result<Messages::Window*> Messages::window(const Turn& turn, const std::string& agent) {
  // Those who have been quiet for a window take no memory.
  if (windows_.size() > 1000) {
    std::erase_if(windows_, [&](const auto& entry) {
      return entry.second.sent.empty() || entry.second.sent.back().first <= (turn.now - options_.rate_window).us;
    });
  }
  const auto [place, is_new] = windows_.try_emplace(agent);
  Window& window = place->second;
  if (is_new) {
    const auto rows =
        turn.db.all<std::int64_t, std::int64_t>(kWindow, turn.swarm, agent, (turn.now - options_.rate_window).us);
    if (!rows) {
      windows_.erase(place);
      return fail(rows.error());
    }
    for (const auto& [at, count] : *rows) {
      window.sent.emplace_back(at, count);
      window.total += count;
    }
  }
  while (!window.sent.empty() && window.sent.front().first <= (turn.now - options_.rate_window).us) {
    window.total -= window.sent.front().second;
    window.sent.pop_front();
  }
  return &window;
}

/// Counts `count` more messages of `agent`, or refuses with when there will be room.
Result<void> Messages::spend(const Turn& turn, const std::string& agent, std::int64_t count) {
  Result<Window*> found = window(turn, agent);
  if (!found) return fail(found.error());
  Window& window = **found;
  if (window.total + count <= options_.rate) {
    window.sent.emplace_back(turn.now.us, count);
    window.total += count;
    return {};
  }
  const std::string limit =
      fmt::format("{} messages in {}", options_.rate,
                  format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(options_.rate_window)));
  if (count > options_.rate) {
    return fail(Code::resource_exhausted,
                fmt::format("{} recipients are more than '{}' may reach: {}", count, agent, limit));
  }
  std::int64_t excess = window.total + count - options_.rate;
  Moment free = turn.now;
  for (const auto& [at, n] : window.sent) {
    if (excess <= 0) break;
    excess -= n;
    free = Moment{at} + options_.rate_window;
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(free - turn.now);
  return fail(Error{.code = Code::resource_exhausted,
                    .message = fmt::format("'{}' may send {} (each recipient counts); try again in {}", agent, limit,
                                           format_duration(wait)),
                    .retryable = true});
}

Result<void> Messages::room_for_acks(const Turn& turn, const std::string& sender) const {
  const auto row = turn.db.one<std::int64_t>(kUnacknowledged, turn.swarm, sender);
  if (!row) return fail(row.error());
  if (std::get<0>(**row) < options_.most_unacknowledged) return {};
  return fail(Error{.code = Code::resource_exhausted,
                    .message = fmt::format("{} messages of '{}' wait for an acknowledgement, the limit is {}; wait for "
                                           "answers, or send without asking for one",
                                           std::get<0>(**row), sender, options_.most_unacknowledged),
                    .retryable = true});
}

Result<void> Messages::store(const Turn& turn, Message& message, std::span<const std::string> recipients) {
  std::optional<std::string> file;
  if (message.file) file = message.file->path;
  auto inserted =
      turn.db.run(kInsert, turn.swarm, message.id, message.sender, message.proven, static_cast<int>(message.kind),
                  static_cast<int>(message.priority), message.thread, message.reply_to, message.address, message.body,
                  file, message.file ? message.file->size_bytes : 0, message.sent.us, message.expires.us, message.ack,
                  static_cast<std::int64_t>(recipients.size()), mac(turn, message));
  if (!inserted) return inserted;
  message.seq = turn.db.last_insert_rowid();
  std::optional<std::int64_t> ack_next;
  if (message.ack) {
    ack_next = (turn.now + (options_.reminders.empty() ? options_.escalate_after : options_.reminders.front())).us;
  }
  for (const std::string& recipient : recipients) {
    auto queued = turn.db.run(kDeliver, turn.swarm, recipient, message.seq, ack_next, message.expires.us);
    if (!queued) return queued;
  }
  turn.tell("message.queued", message.sender, message_value(message, recipients, turn.paused));
  return {};
}

Result<Sent> Messages::accept(const Turn& turn, const Actor& sender, const Draft& draft) {
  Result<std::string> body = checked_body(draft, options_.most_bytes);
  if (!body) return fail(body.error());
  Result<std::vector<std::string>> to = addressees(turn, sender, draft);
  if (!to) return fail(to.error());
  if (to->size() > options_.most_recipients) {
    return fail(Code::invalid_argument,
                fmt::format("{} recipients; one message goes to {} at most", to->size(), options_.most_recipients));
  }
  Message message{.seq = 0,
                  .id = turn.make_id("msg"),
                  .sender = sender.name,
                  .proven = sender.proven,
                  .kind = draft.kind,
                  .priority = draft.priority,
                  .thread = {},
                  .reply_to = {},
                  .address = address_of(draft),
                  .body = std::move(*body),
                  .file = draft.file,
                  .sent = turn.now,
                  .expires = turn.now + draft.expires_after.value_or(options_.expires_after),
                  .ack = draft.ack.value_or(wants_ack(draft.kind))};
  message.thread = message.id;
  if (draft.reply_to) {
    Result<std::string> id = full_id(turn, *draft.reply_to);
    if (!id) return fail(id.error(), "reply_to");
    Result<Message> before = find(turn, *id);
    if (!before) return fail(before.error(), "reply_to");
    message.reply_to = before->id;
    message.thread = before->thread;
  }
  Sent sent{.id = message.id, .thread = message.thread, .recipients = {}, .repeated = false};
  std::vector<std::string> fitting;
  for (std::string& recipient : *to) {
    const auto queued = turn.db.one<std::int64_t>(kQueued, turn.swarm, recipient);
    if (!queued) return fail(queued.error());
    const bool full = *queued && std::get<0>(**queued) >= options_.most_queued;
    sent.recipients.push_back(
        {recipient, !full, full ? fmt::format("{} messages wait there", options_.most_queued) : ""});
    if (!full) fitting.push_back(std::move(recipient));
  }
  if (fitting.empty()) {
    return fail(Error{.code = Code::resource_exhausted,
                      .message = fmt::format("{} messages wait for {} already, the limit; try again when they are read",
                                             options_.most_queued, fmt::join(*to, ", ")),
                      .retryable = true});
  }
  if (message.ack && sender.kind == Actor::Kind::agent) {
    if (Result<void> room = room_for_acks(turn, sender.name); !room) return fail(room.error());
  }
  if (sender.kind == Actor::Kind::agent) {
    const auto count = static_cast<std::int64_t>(fitting.size());
    if (Result<void> spent = spend(turn, sender.name, count); !spent) return fail(spent.error());
  }
  if (Result<void> stored = store(turn, message, fitting); !stored) return fail(stored.error());
  return sent;
}

Result<Sent> Messages::send(const Turn& turn, const Actor& sender, const Draft& draft) {
  if (sender.kind == Actor::Kind::agent) {
    const Result<std::optional<AgentState>> known = registry_.state_of(turn, sender.name);
    if (!known) return fail(known.error());
    if (!*known) return fail(Code::not_found, fmt::format("'{}' is no agent of the swarm", shown(sender.name)));
  }
  if (!draft.idempotency_key) return accept(turn, sender, draft);
  std::optional<Sent> fresh;
  const store::CallKey call{.scope = "swarm:" + turn.swarm + ":" + sender.name,
                            .key = *draft.idempotency_key,
                            .method = "message.send",
                            .arguments = canonical(draft)};
  const WallTime wall{turn.wall_us(turn.now)};
  const Result<std::string> answer = store::answer_once(turn.db, call, wall, [&]() -> Result<std::string> {
    Result<Sent> sent = accept(turn, sender, draft);
    if (!sent) return fail(sent.error());
    fresh = std::move(*sent);
    return encoded(*fresh);
  });
  if (!answer) return fail(answer.error());
  return fresh ? std::move(*fresh) : decoded(*answer);
}

Result<void> Messages::from_swarm(const Turn& turn, std::vector<std::string> to, std::string body,
                                  const Message& about) {
  if (to.empty()) return {};
  Message message{.seq = 0,
                  .id = turn.make_id("msg"),
                  .sender = std::string(kSystemName),
                  .proven = true,
                  .kind = MessageKind::info,
                  .priority = Priority::high,
                  .thread = about.thread,
                  .reply_to = about.id,
                  .address = fmt::format("{}", fmt::join(to, ", ")),
                  .body = std::move(body),
                  .file = {},
                  .sent = turn.now,
                  .expires = turn.now + options_.expires_after,
                  .ack = false};
  return store(turn, message, to);
}

}  // namespace swarm::coord
