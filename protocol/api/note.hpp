#pragma once
// What a swarm writes down: a blackboard of keys and values, and decisions that can be searched.

#include "protocol/api/agent.hpp"

namespace swarm::api {

enum class DecisionKind : std::uint8_t { decision, context, memory, learning, unknown };

template <class D>
void describe_enum(D& d, DecisionKind*) {
  d.type("DecisionKind", "What is written down.");
  d.value("decision", DecisionKind::decision, "What was settled, and why.");
  d.value("context", DecisionKind::context, "What one has to know.");
  d.value("memory", DecisionKind::memory, "What happened.");
  d.value("learning", DecisionKind::learning, "What turned out to work, or not.");
  d.value("unknown", DecisionKind::unknown, "A kind of a newer version; cannot be recorded.");
  d.unknown(DecisionKind::unknown);
}

struct NoteInfo {
  std::string key;
  std::optional<std::string> value;
  std::int64_t revision = 0;
  std::string author;
  std::int64_t changed_us = 0;
  bool operator==(const NoteInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteInfo", "A key of the blackboard.");
    d.field("key", &NoteInfo::key, "The key.").required();
    d.field("value", &NoteInfo::value, "Its value; absent: it was deleted.");
    d.field("revision", &NoteInfo::revision, "Of its last change; larger than of all changes before, over all keys.")
        .required();
    d.field("author", &NoteInfo::author, "Who changed it.").required();
    d.field("changed_us", &NoteInfo::changed_us, "When, UTC.").required();
  }
};

struct NotePutRequest {
  std::string key;
  std::optional<std::string> value;
  std::optional<std::int64_t> expected_revision;
  bool operator==(const NotePutRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NotePutRequest", "What to write.");
    d.field("key", &NotePutRequest::key, "The key: one line of text.").required().non_empty().max_length(200);
    d.field("value", &NotePutRequest::value, "Its value; absent: delete it.").max_length(65536);
    d.field("expected_revision", &NotePutRequest::expected_revision,
            "Only if this is its revision now; 0: only if it is not there.")
        .min(0);
  }
};

struct NoteGetRequest {
  std::string key;
  bool operator==(const NoteGetRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteGetRequest", "Which key.");
    d.field("key", &NoteGetRequest::key, "The key.").required().non_empty().max_length(200);
  }
};

struct NoteListRequest {
  std::string prefix;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const NoteListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteListRequest", "Which keys.");
    d.field("prefix", &NoteListRequest::prefix, "Those that begin so.").max_length(200);
    d.field("limit", &NoteListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &NoteListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct NoteListReply {
  std::vector<NoteInfo> notes;
  std::int64_t revision = 0;
  std::optional<std::string> next_cursor;
  bool operator==(const NoteListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteListReply", "Notes, by key.");
    d.field("notes", &NoteListReply::notes, "The notes.").required();
    d.field("revision", &NoteListReply::revision, "Of the newest change in the swarm.").required();
    d.field("next_cursor", &NoteListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct NoteWatchRequest {
  std::int64_t after = 0;
  std::string prefix;
  std::chrono::milliseconds wait_ms{60000};
  std::uint32_t limit = 100;
  bool operator==(const NoteWatchRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteWatchRequest", "Which changes to wait for.");
    d.field("after", &NoteWatchRequest::after, "Those behind this revision.").min(0);
    d.field("prefix", &NoteWatchRequest::prefix, "Of keys that begin so.").max_length(200);
    d.field("wait_ms", &NoteWatchRequest::wait_ms, "How long to wait for the first.").max(3'600'000);
    d.field("limit", &NoteWatchRequest::limit, "Most entries of one answer.").min(1).max(1000);
  }
};

struct NoteWatchReply {
  std::vector<NoteInfo> changes;
  std::int64_t revision = 0;
  bool operator==(const NoteWatchReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteWatchReply", "Changes, in their order.");
    d.field("changes", &NoteWatchReply::changes, "The newest state of each changed key; none: nothing changed in time.")
        .required();
    d.field("revision", &NoteWatchReply::revision, "`after` of the next call.").required();
  }
};

struct DecisionInfo {
  std::string id;
  DecisionKind kind = DecisionKind::unknown;
  std::string author;
  std::string title;
  std::string body;
  std::vector<Path> files;
  std::vector<std::string> links;
  std::int64_t recorded_us = 0;
  bool operator==(const DecisionInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DecisionInfo", "Something that was written down for later.");
    d.field("id", &DecisionInfo::id, "Its id.").required();
    d.field("kind", &DecisionInfo::kind, "What it is.").required();
    d.field("author", &DecisionInfo::author, "Who wrote it.").required();
    d.field("title", &DecisionInfo::title, "In one line.").required();
    d.field("body", &DecisionInfo::body, "The text.");
    d.field("files", &DecisionInfo::files, "Files that it is about, relative to the repository.");
    d.field("links", &DecisionInfo::links, "Related ones; both know of a link.");
    d.field("recorded_us", &DecisionInfo::recorded_us, "When, UTC.").required();
  }
};

struct NoteDecideRequest {
  DecisionKind kind = DecisionKind::decision;
  std::string title;
  std::string body;
  std::vector<Path> files;
  std::vector<std::string> links;
  bool operator==(const NoteDecideRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteDecideRequest", "What to record.");
    d.field("kind", &NoteDecideRequest::kind, "What it is.");
    d.field("title", &NoteDecideRequest::title, "In one line.").required().non_empty().max_length(300);
    d.field("body", &NoteDecideRequest::body, "The text.").max_length(65536);
    d.field("files", &NoteDecideRequest::files, "Files that it is about, relative to the repository.").max_length(50);
    d.field("links", &NoteDecideRequest::links, "Ids of related ones.").max_length(100);
  }
};

struct NoteDecisionsRequest {
  std::optional<std::string> text;
  std::optional<DecisionKind> kind;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const NoteDecisionsRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteDecisionsRequest", "Which records.");
    d.field("text", &NoteDecisionsRequest::text, "With all of these words in title or text, in any case.")
        .non_empty()
        .max_length(1000);
    d.field("kind", &NoteDecisionsRequest::kind, "Of this kind.");
    d.field("limit", &NoteDecisionsRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &NoteDecisionsRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct NoteDecisionsReply {
  std::vector<DecisionInfo> decisions;
  std::optional<std::string> next_cursor;
  bool operator==(const NoteDecisionsReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteDecisionsReply", "Records, newest first.");
    d.field("decisions", &NoteDecisionsReply::decisions, "The records.").required();
    d.field("next_cursor", &NoteDecisionsReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct NoteLinkRequest {
  std::string one;
  std::string other;
  bool operator==(const NoteLinkRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteLinkRequest", "What belongs together.");
    d.field("one", &NoteLinkRequest::one, "A record.").required().non_empty().max_length(40);
    d.field("other", &NoteLinkRequest::other, "Another one.").required().non_empty().max_length(40);
  }
};

struct NoteChanged {
  std::string key;
  std::optional<std::string> value;
  std::int64_t revision = 0;
  std::string author;
  bool operator==(const NoteChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteChanged", "A key changed.");
    d.field("key", &NoteChanged::key, "The key.").required();
    d.field("value", &NoteChanged::value, "Its value; absent: deleted.");
    d.field("revision", &NoteChanged::revision, "Of the change.").required();
    d.field("author", &NoteChanged::author, "Who changed it.").required();
  }
};

struct NoteDecided {
  std::string id;
  DecisionKind kind = DecisionKind::unknown;
  std::string title;
  std::string body;
  std::string author;
  std::vector<Path> files;
  std::vector<std::string> links;
  bool operator==(const NoteDecided&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("NoteDecided", "Something was recorded.");
    d.field("id", &NoteDecided::id, "Its id.").required();
    d.field("kind", &NoteDecided::kind, "What it is.").required();
    d.field("title", &NoteDecided::title, "In one line.").required();
    d.field("body", &NoteDecided::body, "The text.");
    d.field("author", &NoteDecided::author, "Who wrote it.").required();
    d.field("files", &NoteDecided::files, "Files that it is about.");
    d.field("links", &NoteDecided::links, "Related ones.");
  }
};

inline constexpr Method<InSwarm<NotePutRequest>, NoteInfo> kNotePut{{
    .name = "note.put",
    .doc = "Writes or deletes a key.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "it has another revision; the message says which and whose"},
               {Code::not_found, "there is nothing to delete"},
               {Code::resource_exhausted, "too many notes"}},
}};
inline constexpr Method<InSwarm<NoteGetRequest>, NoteInfo> kNoteGet{{
    .name = "note.get",
    .doc = "Reads a key.",
    .caller = Caller::both,
    .errors = {{Code::not_found, "no such key"}},
}};
inline constexpr Method<InSwarm<NoteListRequest>, NoteListReply> kNoteList{{
    .name = "note.list",
    .doc = "Lists keys and values.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<NoteWatchRequest>, NoteWatchReply> kNoteWatch{{
    .name = "note.watch",
    .doc = "Waits for changes.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<NoteDecideRequest>, DecisionInfo> kNoteDecide{{
    .name = "note.decide",
    .doc = "Records a decision, or what is to be remembered.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such record to link"},
               {Code::resource_exhausted, "too many records of this kind"}},
}};
inline constexpr Method<InSwarm<NoteDecisionsRequest>, NoteDecisionsReply> kNoteDecisions{{
    .name = "note.decisions",
    .doc = "Searches what was recorded.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<NoteLinkRequest>, Empty> kNoteLink{{
    .name = "note.link",
    .doc = "Links two records, in both directions.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such record"}},
}};

inline constexpr EventType<NoteChanged> kNoteChanged{
    {.name = "note.changed", .doc = "A key of the blackboard changed."}};
inline constexpr EventType<NoteDecided> kNoteDecided{{.name = "note.decided", .doc = "A decision was recorded."}};

std::span<const MethodInfo* const> note_methods();
std::span<const EventInfo* const> note_events();

}  // namespace swarm::api
