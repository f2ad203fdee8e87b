#include "protocol/coord/notes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>

#include "protocol/coord/path.hpp"
#include "protocol/coord/text.hpp"
#include "protocol/coord/words.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

using store::Sql;

constexpr std::size_t kMaxKey = 200;
constexpr std::size_t kMaxTitle = 300;
constexpr std::array<std::string_view, 4> kDecisionKinds = {"decision", "context", "memory", "learning"};

constexpr Sql kGet{"notes.get",
                   "SELECT key, value, revision, author, changed_us FROM coord_notes WHERE swarm = ? AND key = ?"};
constexpr Sql kPutNote{
    "notes.put",
    "INSERT INTO coord_notes (swarm, key, value, revision, author, changed_us) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (swarm, key) DO UPDATE SET value = excluded.value, revision = excluded.revision,"
    " author = excluded.author, changed_us = excluded.changed_us"};
constexpr Sql kNoteRevision{"notes.revision", "SELECT note_revision FROM coord_swarms WHERE swarm = ?"};
constexpr Sql kSetRevision{"notes.set_revision", "UPDATE coord_swarms SET note_revision = ? WHERE swarm = ?"};
constexpr Sql kCountNotes{"notes.count", "SELECT count(*) FROM coord_notes WHERE swarm = ?"};
constexpr Sql kListNotes{"notes.list",
                         "SELECT key, value, revision, author, changed_us FROM coord_notes WHERE swarm = ?"
                         " AND substr(key, 1, length(?2)) = ?2 AND value IS NOT NULL ORDER BY key LIMIT ?"};
constexpr Sql kSince{"notes.since",
                     "SELECT key, value, revision, author, changed_us FROM coord_notes WHERE swarm = ? AND revision > ?"
                     " AND substr(key, 1, length(?3)) = ?3 ORDER BY revision LIMIT ?"};
constexpr Sql kRecord{"decisions.record",
                      "INSERT INTO coord_decisions (swarm, id, kind, author, title, body, files, recorded_us)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr Sql kOfKind{"decisions.count", "SELECT count(*) FROM coord_decisions WHERE swarm = ? AND kind = ?"};
constexpr Sql kFindDecision{"decisions.find",
                            "SELECT seq, id, kind, author, title, body, files, recorded_us FROM coord_decisions"
                            " WHERE swarm = ? AND id = ?"};
constexpr Sql kDecisionSearch{"decisions.search",
                              "SELECT seq, id, kind, author, title, body, files, recorded_us FROM coord_decisions"
                              " WHERE swarm = ? AND seq < ? AND (?3 IS NULL OR kind = ?3) ORDER BY seq DESC LIMIT ?"};
constexpr Sql kLink{"decisions.link", "INSERT OR IGNORE INTO coord_links (swarm, one, other) VALUES (?, ?, ?)"};
constexpr Sql kLinks{"decisions.links", "SELECT other FROM coord_links WHERE swarm = ? AND one = ? ORDER BY other"};

using NoteRow = std::tuple<std::string, std::optional<std::string>, std::int64_t, std::string, std::int64_t>;
using DecisionRow =
    std::tuple<std::int64_t, std::string, int, std::string, std::string, std::string, std::string, std::int64_t>;

Note note_of(NoteRow row) {
  auto& [key, value, revision, author, changed] = row;
  return {std::move(key), std::move(value), revision, std::move(author), {changed}};
}

Result<std::vector<Note>> notes_of(Result<std::vector<NoteRow>> rows) {
  if (!rows) return fail(rows.error());
  std::vector<Note> out;
  for (NoteRow& row : *rows) out.push_back(note_of(std::move(row)));
  return out;
}

Decision decision_of(DecisionRow row) {
  auto& [seq, id, kind, author, title, body, files, recorded] = row;
  Decision out{.seq = seq,
               .id = std::move(id),
               .kind = static_cast<DecisionKind>(kind),
               .author = std::move(author),
               .title = std::move(title),
               .body = std::move(body),
               .files = {},
               .links = {},
               .recorded = {recorded}};
  for (std::string_view rest = files; !rest.empty();) {
    const std::string_view file = rest.substr(0, rest.find('\n'));
    out.files.emplace_back(file);
    rest.remove_prefix(std::min(file.size() + 1, rest.size()));
  }
  return out;
}

Result<std::string> checked_key(std::string_view key) {
  const bool fine = !key.empty() && key.size() <= kMaxKey && is_utf8(key) && clean_line(key) == key &&
                    key.front() != ' ' && key.back() != ' ';
  if (fine) return std::string(key);
  return fail(Code::invalid_argument,
              fmt::format("'{}' is no key: 1 to {} bytes of text in one line", shown(key), kMaxKey));
}

Result<void> read_links(const Turn& turn, Decision& decision) {
  const auto rows = turn.db.all<std::string>(kLinks, turn.swarm, decision.id);
  if (!rows) return fail(rows.error());
  for (const auto& [other] : *rows) decision.links.push_back(other);
  return {};
}

}  // namespace

std::string_view kind_name(DecisionKind kind) { return kDecisionKinds.at(static_cast<std::size_t>(kind)); }

Result<std::int64_t> Notes::revision(const Turn& turn) const {
  const auto row = turn.db.one<std::int64_t>(kNoteRevision, turn.swarm);
  if (!row) return fail(row.error());
  return *row ? std::get<0>(**row) : 0;
}

Result<Note> Notes::put(const Turn& turn, const Actor& author, std::string_view key,
                        const std::optional<std::string>& value, std::optional<std::int64_t> expected) const {
  const Result<std::string> name = checked_key(key);
  if (!name) return fail(name.error());
  if (value && value->size() > options_.most_value_bytes) {
    return fail(Code::invalid_argument, fmt::format("the value of '{}' has {} bytes; the limit is {}", *name,
                                                    value->size(), options_.most_value_bytes));
  }
  auto before = turn.db.one<std::string, std::optional<std::string>, std::int64_t, std::string, std::int64_t>(
      kGet, turn.swarm, *name);
  if (!before) return fail(before.error());
  const bool there = *before && std::get<1>(**before).has_value();
  const std::int64_t now = there ? std::get<2>(**before) : 0;
  if (expected && *expected != now) {
    if (!there) {
      return fail(Code::failed_precondition,
                  fmt::format("'{}' is not there, expected was its revision {}", *name, *expected));
    }
    return fail(Code::failed_precondition, fmt::format("'{}' is at revision {}, by {}; expected was {}: read it again",
                                                       *name, now, std::get<3>(**before), *expected));
  }
  if (!value && !there) return fail(Code::not_found, fmt::format("no note '{}'", *name));
  if (!*before) {
    const auto count = turn.db.one<std::int64_t>(kCountNotes, turn.swarm);
    if (!count) return fail(count.error());
    if (std::get<0>(**count) >= options_.most_notes) {
      return fail(Code::resource_exhausted, fmt::format("the swarm has {} notes, its limit", options_.most_notes));
    }
  }
  const Result<std::int64_t> last = revision(turn);
  if (!last) return fail(last.error());
  Note note{*name, value ? std::optional(to_utf8(*value)) : std::nullopt, *last + 1, author.name, turn.now};
  if (auto set = turn.db.run(kSetRevision, note.revision, turn.swarm); !set) return fail(set.error());
  auto put = turn.db.run(kPutNote, turn.swarm, note.key, note.value, note.revision, note.author, note.changed.us);
  if (!put) return fail(put.error());
  turn.tell("note.changed", author.name,
            Value::Map{{"key", note.key},
                       {"value", note.value ? Value(*note.value) : Value()},
                       {"revision", note.revision},
                       {"author", note.author}});
  return note;
}

Result<Note> Notes::get(const Turn& turn, std::string_view key) const {
  auto row = turn.db.one<std::string, std::optional<std::string>, std::int64_t, std::string, std::int64_t>(
      kGet, turn.swarm, key);
  if (!row) return fail(row.error());
  if (!*row || !std::get<1>(**row)) return fail(Code::not_found, fmt::format("no note '{}'", shown(key)));
  return note_of(std::move(**row));
}

Result<std::vector<Note>> Notes::list(const Turn& turn, std::string_view prefix, int limit) const {
  return notes_of(turn.db.all<std::string, std::optional<std::string>, std::int64_t, std::string, std::int64_t>(
      kListNotes, turn.swarm, prefix, limit));
}

Result<std::vector<Note>> Notes::since(const Turn& turn, std::int64_t revision, std::string_view prefix,
                                       int limit) const {
  return notes_of(turn.db.all<std::string, std::optional<std::string>, std::int64_t, std::string, std::int64_t>(
      kSince, turn.swarm, revision, prefix, limit));
}

Result<Decision> Notes::record(const Turn& turn, const Actor& author, Decision decision) const {
  decision.title = clean_line(utf8_prefix(decision.title, kMaxTitle));
  decision.body = clean_text(decision.body);
  if (decision.title.find_first_not_of(' ') == std::string::npos) {
    return fail(Code::invalid_argument, "a decision needs a title");
  }
  if (decision.body.size() > options_.most_value_bytes || decision.files.size() > options_.most_files ||
      decision.links.size() > options_.most_links) {
    return fail(Code::invalid_argument,
                fmt::format("a decision has up to {} bytes, {} files and {} links", options_.most_value_bytes,
                            options_.most_files, options_.most_links));
  }
  for (std::string& file : decision.files) {
    Result<std::string> path = normalise(file, {});
    if (!path) return fail(path.error());
    file = std::move(*path);
  }
  const auto count = turn.db.one<std::int64_t>(kOfKind, turn.swarm, static_cast<int>(decision.kind));
  if (!count) return fail(count.error());
  if (std::get<0>(**count) >= options_.most_decisions) {
    return fail(Code::resource_exhausted, fmt::format("{} of kind {} are recorded, the limit", options_.most_decisions,
                                                      kind_name(decision.kind)));
  }
  decision.id = turn.make_id("dec");
  decision.author = author.name;
  decision.recorded = turn.now;
  auto recorded =
      turn.db.run(kRecord, turn.swarm, decision.id, static_cast<int>(decision.kind), decision.author, decision.title,
                  decision.body, fmt::format("{}", fmt::join(decision.files, "\n")), decision.recorded.us);
  if (!recorded) return fail(recorded.error());
  decision.seq = turn.db.last_insert_rowid();
  for (const std::string& other : decision.links) {
    if (Result<void> linked = link(turn, decision.id, other); !linked) return fail(linked.error());
  }
  turn.tell("note.decided", author.name,
            Value::Map{{"id", decision.id},
                       {"kind", kind_name(decision.kind)},
                       {"title", decision.title},
                       {"body", decision.body},
                       {"author", decision.author},
                       {"files", Value::Array(decision.files.begin(), decision.files.end())},
                       {"links", Value::Array(decision.links.begin(), decision.links.end())}});
  return decision;
}

Result<Decision> Notes::decision(const Turn& turn, const std::string& id) const {
  auto row =
      turn.db.one<std::int64_t, std::string, int, std::string, std::string, std::string, std::string, std::int64_t>(
          kFindDecision, turn.swarm, id);
  if (!row) return fail(row.error());
  if (!*row) return fail(Code::not_found, fmt::format("no decision '{}'", shown(id)));
  Decision out = decision_of(std::move(**row));
  if (Result<void> read = read_links(turn, out); !read) return fail(read.error());
  return out;
}

Result<void> Notes::link(const Turn& turn, const std::string& one, const std::string& other) const {
  if (one == other) return fail(Code::invalid_argument, fmt::format("'{}' cannot be linked with itself", shown(one)));
  for (const std::string& id : {one, other}) {
    if (const Result<Decision> known = decision(turn, id); !known) return fail(known.error());
  }
  if (auto linked = turn.db.run(kLink, turn.swarm, one, other); !linked) return linked;
  return turn.db.run(kLink, turn.swarm, other, one);
}

Result<std::vector<Decision>> Notes::search(const Turn& turn, std::string_view text, std::optional<DecisionKind> kind,
                                            std::optional<std::int64_t> before_seq, int limit) const {
  const std::vector<std::string> words = words_of(text);
  std::optional<int> number;
  if (kind) number = static_cast<int>(*kind);
  std::vector<Decision> out;
  std::int64_t before = before_seq.value_or(std::numeric_limits<std::int64_t>::max());
  constexpr std::size_t kPage = 500;
  while (true) {
    auto rows =
        turn.db.all<std::int64_t, std::string, int, std::string, std::string, std::string, std::string, std::int64_t>(
            kDecisionSearch, turn.swarm, before, number, kPage);
    if (!rows) return fail(rows.error());
    for (DecisionRow& row : *rows) {
      before = std::get<0>(row);
      Decision found = decision_of(std::move(row));
      if (!has_words(found.title + "\n" + found.body, words)) continue;
      if (Result<void> read = read_links(turn, found); !read) return fail(read.error());
      out.push_back(std::move(found));
      if (out.size() >= static_cast<std::size_t>(std::max(limit, 1))) return out;
    }
    if (rows->size() < kPage) return out;
  }
}

}  // namespace swarm::coord
