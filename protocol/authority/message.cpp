#include "protocol/api/message.hpp"
#include "protocol/authority/steps.hpp"

namespace swarm::authority {
namespace {

using coord::Step;

api::MessageInfo message_info(const coord::Message& message, const coord::Turn& turn) {
  api::MessageInfo info{.id = message.id,
                        .sender = message.sender,
                        .identity = identity_of(message.proven),
                        .address = message.address,
                        .kind = static_cast<api::MessageKind>(message.kind),
                        .priority = static_cast<api::MessagePriority>(message.priority),
                        .thread = message.thread,
                        .reply_to = message.reply_to,
                        .body = message.body,
                        .sent_us = turn.wall_us(message.sent),
                        .expires_us = turn.wall_us(message.expires),
                        .ack = message.ack};
  if (message.file) {
    info.file = api::MessageFile{.path = api::Path(message.file->path),
                                 .size_bytes = static_cast<std::uint64_t>(message.file->size_bytes)};
  }
  return info;
}

Result<api::MessageSendReply> send(Step& step, const Asked<api::InSwarm<api::MessageSendRequest>>& call) {
  const api::MessageSendRequest& request = call.request;
  if (request.kind == api::MessageKind::unknown) {
    return fail(Code::invalid_argument, "a message of kind UNKNOWN cannot be sent");
  }
  coord::Draft draft{.to = request.to.value_or(std::vector<std::string>()),
                     .role = request.role,
                     .all = request.all,
                     .include_self = request.include_self,
                     .kind = static_cast<coord::MessageKind>(request.kind),
                     .priority = static_cast<coord::Priority>(request.priority),
                     .body = request.body,
                     .reply_to = request.reply_to,
                     .ack = request.ack,
                     .idempotency_key = call.key};
  if (request.file) {
    draft.file = coord::FilePointer{.path = request.file->path.bytes,
                                    .size_bytes = static_cast<std::int64_t>(request.file->size_bytes)};
  }
  if (request.expires_ms) draft.expires_after = coord::Span(*request.expires_ms);
  const Result<coord::Sent> sent = step.messages.send(step.turn, call.caller, draft);
  if (!sent) return fail(sent.error());
  api::MessageSendReply reply{.id = sent->id, .thread = sent->thread, .recipients = {}};
  for (const auto& one : sent->recipients) {
    reply.recipients.push_back(
        {.agent = one.agent, .queued = one.queued, .why_not = one.queued ? std::nullopt : std::optional(one.why_not)});
  }
  return reply;
}

Result<api::MessageInboxReply> inbox(Step& step, const Asked<api::InSwarm<api::MessageInboxRequest>>& call) {
  const api::MessageInboxRequest& request = call.request;
  const std::string& self = call.caller.name;
  const int limit = static_cast<int>(request.limit);
  const auto letters = request.peek ? step.messages.peek(step.turn, self, limit)
                                    : step.messages.take(step.turn, self, limit, request.max_bytes);
  if (!letters) return fail(letters.error());
  api::MessageInboxReply reply;
  for (const coord::Letter& letter : *letters) reply.letters.push_back(letter_info(letter, step.turn));
  const auto unread = step.messages.unread(step.turn);
  if (!unread) return fail(unread.error());
  if (const auto at = unread->find(self); at != unread->end()) reply.waiting = static_cast<std::uint64_t>(at->second);
  return reply;
}

Result<api::Empty> confirm(Step& step, const Asked<api::InSwarm<api::MessageConfirmRequest>>& call) {
  const api::MessageConfirmRequest& request = call.request;
  for (const std::string& id : request.ids) {
    const bool seen = request.stage == api::ProofStage::seen;
    const coord::Proof proof{.stage = seen ? coord::Proof::Stage::seen : coord::Proof::Stage::delivered,
                             .by = request.by};
    const Result<void> done = request.failed ? step.messages.failed(step.turn, call.caller.name, id, *request.failed)
                                             : step.messages.confirm(step.turn, call.caller.name, id, proof);
    if (!done) return fail(done.error());
  }
  return api::Empty{};
}

Result<api::Empty> acknowledge(Step& step, const Asked<api::InSwarm<api::MessageAckRequest>>& call) {
  const Result<std::string> id = step.messages.full_id(step.turn, call.request.id);
  if (!id) return fail(id.error());
  const Result<void> done = step.messages.acknowledge(step.turn, call.caller, *id, call.request.body);
  if (!done) return fail(done.error());
  return api::Empty{};
}

std::optional<std::int64_t> wall(const coord::Turn& turn, const std::optional<coord::Moment>& moment) {
  return moment ? std::optional(turn.wall_us(*moment)) : std::nullopt;
}

std::optional<std::string> some(const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); }

api::MessageDelivery delivery(const coord::Delivery& from, const coord::Turn& turn) {
  return {.recipient = from.recipient,
          .state = static_cast<api::DeliveryState>(from.state),
          .attempts = static_cast<std::uint32_t>(from.attempts),
          .delivered_us = wall(turn, from.delivered),
          .delivered_by = some(from.delivered_by),
          .seen_us = wall(turn, from.seen),
          .seen_by = some(from.seen_by),
          .ended_us = wall(turn, from.ended),
          .reason = some(from.reason),
          .reminders = static_cast<std::uint32_t>(from.reminders),
          .next_reminder_us = wall(turn, from.next_reminder),
          .escalated = static_cast<std::uint32_t>(from.escalated)};
}

Result<api::MessageShowReply> show(Step& step, const std::string& beginning) {
  const Result<std::string> id = step.messages.full_id(step.turn, beginning);
  if (!id) return fail(id.error());
  const auto message = step.messages.find(step.turn, *id);
  if (!message) return fail(message.error());
  const auto copies = step.messages.deliveries(step.turn, message->seq);
  if (!copies) return fail(copies.error());
  api::MessageShowReply reply{.message = message_info(*message, step.turn), .deliveries = {}};
  for (const coord::Delivery& copy : *copies) reply.deliveries.push_back(delivery(copy, step.turn));
  return reply;
}

Result<api::MessageSearchReply> search(Step& step, const api::MessageSearchRequest& request) {
  coord::MessageQuery query{.text = request.text,
                            .sender = request.sender,
                            .recipient = request.recipient,
                            .thread = request.thread,
                            .limit = static_cast<int>(request.limit) + 1};
  if (request.kind) query.kind = static_cast<coord::MessageKind>(*request.kind);
  if (request.cursor) {
    // The cursor is the id of the last message of the answer before.
    const auto last = step.messages.find(step.turn, *request.cursor);
    if (!last) return fail(last.error(), "cursor");
    query.before_seq = last->seq;
  }
  const auto found = step.messages.search(step.turn, query);
  if (!found) return fail(found.error());
  api::MessageSearchReply reply;
  for (const coord::Message& message : *found) {
    if (reply.messages.size() == request.limit) {
      reply.next_cursor = reply.messages.back().id;
      break;
    }
    reply.messages.push_back(message_info(message, step.turn));
  }
  return reply;
}

Result<api::MessageAgainReply> again(Step& step, const api::MessageAgainRequest& request) {
  const Result<std::string> id = step.messages.full_id(step.turn, request.id);
  if (!id) return fail(id.error());
  const Result<int> copies = step.messages.send_again(step.turn, *id, request.recipient);
  if (!copies) return fail(copies.error());
  return api::MessageAgainReply{.copies = static_cast<std::uint32_t>(*copies)};
}

}  // namespace

api::MessageLetter letter_info(const coord::Letter& letter, const coord::Turn& turn) {
  return {.message = message_info(letter.message, turn),
          .attempt = static_cast<std::uint32_t>(letter.attempt),
          .repeat = letter.repeat};
}

void add_message(std::vector<Entry>& entries) {
  using store::Durability;
  // Its sender will not say it again.
  add_change(entries, api::kMessageSend, Who::anyone, Durability::power, send, store::Undo::with_batch);
  add_change(entries, api::kMessageInbox, Who::agents, Durability::process, inbox);
  add_change(entries, api::kMessageConfirm, Who::agents, Durability::process, confirm);
  add_change(entries, api::kMessageAck, Who::agents, Durability::power, acknowledge);
  add_look(entries, api::kMessageShow, [](Step& step, const auto& call) { return show(step, call.request.id); });
  add_look(entries, api::kMessageSearch, [](Step& step, const auto& call) { return search(step, call.request); });
  add_change(entries, api::inside::kMessageAgain, Who::anyone, Durability::power,
             [](Step& step, const auto& call) { return again(step, call.request); });
}

}  // namespace swarm::authority
