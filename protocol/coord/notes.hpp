#pragma once
// What a swarm writes down: a small blackboard of keys and values with revisions, and decisions that later agents can
// search.

#include <optional>
#include <string>
#include <vector>

#include "protocol/coord/turn.hpp"

namespace swarm::coord {

struct Note {
  std::string key;
  std::optional<std::string> value;  ///< nothing: it was deleted
  std::int64_t revision = 0;         ///< of this change; larger than all before, over all keys
  std::string author;
  Moment changed{};
};

enum class DecisionKind {
  decision,  ///< what was settled, and why
  context,   ///< what one has to know
  memory,    ///< what happened
  learning,  ///< what turned out to work, or not
};

std::string_view kind_name(DecisionKind kind);

struct Decision {
  std::int64_t seq = 0;
  std::string id;
  DecisionKind kind = DecisionKind::decision;
  std::string author;
  std::string title;
  std::string body;
  std::vector<std::string> files;  ///< relative to the repository
  std::vector<std::string> links;  ///< ids of related ones; both know of the link
  Moment recorded{};
};

struct NoteOptions {
  std::size_t most_value_bytes = 65'536;
  std::int64_t most_notes = 10'000;
  std::int64_t most_decisions = 10'000;  ///< of each kind
  std::size_t most_files = 50;
  std::size_t most_links = 100;
};

/// The notes of one swarm, in its tables. No state of its own.
class Notes {
 public:
  explicit Notes(NoteOptions options = {}) : options_(options) {}

  /// Writes a key, or deletes it when `value` is nothing. With `expected` only if that is its revision now (0: it must
  /// not be there), else `failed_precondition` with the revision and author it has.
  Result<Note> put(const Turn& turn, const Actor& author, std::string_view key, const std::optional<std::string>& value,
                   std::optional<std::int64_t> expected) const;
  /// `not_found` when it is not there.
  Result<Note> get(const Turn& turn, std::string_view key) const;
  /// Keys that begin with `prefix`, in order.
  Result<std::vector<Note>> list(const Turn& turn, std::string_view prefix, int limit) const;
  /// What changed after a revision, deletions too, in the order of the changes.
  Result<std::vector<Note>> since(const Turn& turn, std::int64_t revision, std::string_view prefix, int limit) const;
  Result<std::int64_t> revision(const Turn& turn) const;

  /// Records a decision; seq, id, author and recorded are filled in. `invalid_argument`: a file that is absolute or
  /// leaves the repository, an empty title; `not_found`: an unknown link.
  Result<Decision> record(const Turn& turn, const Actor& author, Decision decision) const;
  Result<Decision> decision(const Turn& turn, const std::string& id) const;
  /// Links two decisions, in both directions. `invalid_argument` for a decision with itself.
  Result<void> link(const Turn& turn, const std::string& one, const std::string& other) const;
  /// Those with all of the words in title or body, newest first.
  Result<std::vector<Decision>> search(const Turn& turn, std::string_view text, std::optional<DecisionKind> kind,
                                       std::optional<std::int64_t> before_seq, int limit) const;

 private:
  NoteOptions options_;
};

}  // namespace swarm::coord
