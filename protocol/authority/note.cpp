#include "protocol/api/note.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/authority/steps.hpp"

namespace swarm::authority {
namespace {

using coord::Step;

api::NoteInfo note_info(const coord::Note& note, const coord::Turn& turn) {
  return {.key = note.key,
          .value = note.value,
          .revision = note.revision,
          .author = note.author,
          .changed_us = turn.wall_us(note.changed)};
}

Result<api::NoteInfo> put(Step& step, const Asked<api::InSwarm<api::NotePutRequest>>& call) {
  const api::NotePutRequest& request = call.request;
  const auto note = step.notes.put(step.turn, call.caller, request.key, request.value, request.expected_revision);
  if (!note) return fail(note.error());
  return note_info(*note, step.turn);
}

Result<api::NoteInfo> get(Step& step, const std::string& key) {
  const auto note = step.notes.get(step.turn, key);
  if (!note) return fail(note.error());
  return note_info(*note, step.turn);
}

Result<api::NoteListReply> list(Step& step, const api::NoteListRequest& request) {
  // Keys come in order and the domain gives the first of them: those up to the cursor are skipped here.
  const auto all = step.notes.list(step.turn, request.prefix, 10'000);
  if (!all) return fail(all.error());
  const auto revision = step.notes.revision(step.turn);
  if (!revision) return fail(revision.error());
  api::NoteListReply reply{.notes = {}, .revision = *revision, .next_cursor = {}};
  for (const coord::Note& note : *all) {
    if (request.cursor && note.key <= *request.cursor) continue;
    if (reply.notes.size() == request.limit) {
      reply.next_cursor = reply.notes.back().key;
      break;
    }
    reply.notes.push_back(note_info(note, step.turn));
  }
  return reply;
}

Result<api::NoteWatchReply> since(Step& step, const api::NoteWatchRequest& request) {
  const auto changes = step.notes.since(step.turn, request.after, request.prefix, static_cast<int>(request.limit));
  if (!changes) return fail(changes.error());
  const auto revision = step.notes.revision(step.turn);
  if (!revision) return fail(revision.error());
  api::NoteWatchReply reply{.changes = {}, .revision = *revision};
  for (const coord::Note& note : *changes) reply.changes.push_back(note_info(note, step.turn));
  // A full answer may not be the end of what changed.
  if (reply.changes.size() == request.limit) reply.revision = reply.changes.back().revision;
  return reply;
}

async::Task<Result<void>> next_change(Desk& desk) {
  co_await desk.notes_changed.wait();
  co_return {};
}

async::Task<Result<api::NoteWatchReply>> watch(Desk& desk, Asked<api::InSwarm<api::NoteWatchRequest>> asked) {
  const api::NoteWatchRequest request = asked.request;
  const MonoTime until = desk.loop.clock().now() + request.wait_ms;
  for (;;) {
    auto task = desk.host().with_locks("note.watch", [request](Step& step) { return since(step, request); });
    Result<api::NoteWatchReply> reply = co_await std::move(task);
    if (!reply || !reply->changes.empty()) co_return reply;
    const Duration left = until - desk.loop.clock().now();
    if (left <= Duration{0}) co_return reply;
    auto waiting = async::with_timeout(desk.loop, next_change(desk), left, "a change");
    const Result<void> changed = co_await std::move(waiting);
    static_cast<void>(changed);  // late or not, the notes say what there is
  }
}

api::DecisionInfo decision_info(const coord::Decision& decision, const coord::Turn& turn) {
  api::DecisionInfo info{.id = decision.id,
                         .kind = static_cast<api::DecisionKind>(decision.kind),
                         .author = decision.author,
                         .title = decision.title,
                         .body = decision.body,
                         .files = {},
                         .links = decision.links,
                         .recorded_us = turn.wall_us(decision.recorded)};
  for (const std::string& file : decision.files) info.files.emplace_back(file);
  return info;
}

Result<api::DecisionInfo> decide(Step& step, const Asked<api::InSwarm<api::NoteDecideRequest>>& call) {
  const api::NoteDecideRequest& request = call.request;
  if (request.kind == api::DecisionKind::unknown) {
    return fail(Code::invalid_argument, "a record of kind 'unknown' cannot be made");
  }
  coord::Decision decision{.kind = static_cast<coord::DecisionKind>(request.kind),
                           .title = request.title,
                           .body = request.body,
                           .links = request.links};
  for (const api::Path& file : request.files) decision.files.push_back(file.bytes);
  const auto made = step.notes.record(step.turn, call.caller, std::move(decision));
  if (!made) return fail(made.error());
  return decision_info(*made, step.turn);
}

Result<api::NoteDecisionsReply> decisions(Step& step, const api::NoteDecisionsRequest& request) {
  std::optional<coord::DecisionKind> kind;
  if (request.kind && *request.kind != api::DecisionKind::unknown) {
    kind = static_cast<coord::DecisionKind>(*request.kind);
  }
  std::optional<std::int64_t> before;
  if (request.cursor) {
    const auto last = step.notes.decision(step.turn, *request.cursor);
    if (!last) return fail(last.error(), "cursor");
    before = last->seq;
  }
  const auto found =
      step.notes.search(step.turn, request.text.value_or(""), kind, before, static_cast<int>(request.limit) + 1);
  if (!found) return fail(found.error());
  api::NoteDecisionsReply reply;
  for (const coord::Decision& one : *found) {
    if (reply.decisions.size() == request.limit) {
      reply.next_cursor = reply.decisions.back().id;
      break;
    }
    reply.decisions.push_back(decision_info(one, step.turn));
  }
  return reply;
}

Result<api::Empty> link(Step& step, const api::NoteLinkRequest& request) {
  const Result<void> linked = step.notes.link(step.turn, request.one, request.other);
  if (!linked) return fail(linked.error());
  return api::Empty{};
}

}  // namespace

void add_note(std::vector<Entry>& entries) {
  using store::Durability;
  add_change(entries, api::kNotePut, Who::anyone, Durability::process, put);
  add_look(entries, api::kNoteGet, [](Step& step, const auto& call) { return get(step, call.request.key); });
  add_look(entries, api::kNoteList, [](Step& step, const auto& call) { return list(step, call.request); });
  add_task(entries, api::kNoteWatch, Who::anyone, watch);
  add_change(entries, api::kNoteDecide, Who::anyone, Durability::power, decide);
  add_look(entries, api::kNoteDecisions, [](Step& step, const auto& call) { return decisions(step, call.request); });
  add_change(entries, api::kNoteLink, Who::anyone, Durability::process,
             [](Step& step, const auto& call) { return link(step, call.request); });
}

}  // namespace swarm::authority
