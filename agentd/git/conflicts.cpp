#include <fmt/format.h>
#include <git2.h>

#include "agentd/git/merge.hpp"
#include "agentd/git/merge_parts.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::ConflictIterator;
using swarm::git::failed;
using swarm::git::made;

constexpr std::size_t kMostHunks = 50;
constexpr std::size_t kMostHunkBytes = 16384;
constexpr std::size_t kMostText = std::size_t{4} << 20U;

std::string reason_of(const git_index_entry* before, const git_index_entry* ours, const git_index_entry* theirs,
                      const Sides& labels) {
  if (ours == nullptr && theirs != nullptr)
    return fmt::format("{} deleted it, {} changed it", labels.ours, labels.theirs);
  if (theirs == nullptr && ours != nullptr)
    return fmt::format("{} changed it, {} deleted it", labels.ours, labels.theirs);
  if (ours == nullptr) return "both renamed or deleted it";
  if (before == nullptr) return fmt::format("{} and {} both added it", labels.ours, labels.theirs);
  return fmt::format("{} and {} both changed it", labels.ours, labels.theirs);
}

std::vector<api::GitHunk> hunks_of(std::string_view text) {
  std::vector<api::GitHunk> hunks;
  std::uint64_t number = 0;
  bool inside = false;
  while (!text.empty() && hunks.size() <= kMostHunks) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
    text.remove_prefix(line.size());
    ++number;
    if (!inside && line.starts_with("<<<<<<< ")) {
      if (hunks.size() == kMostHunks) break;
      inside = true;
      hunks.push_back({.line = number, .text = {}});
    }
    if (!inside) continue;
    std::string& kept = hunks.back().text.bytes;
    if (kept.size() < kMostHunkBytes) kept += line;
    if (line.starts_with(">>>>>>> ")) inside = false;
  }
  return hunks;
}

bool is_text_file(const git_index_entry* entry) { return entry == nullptr || (entry->mode & 0170000U) == 0100000U; }

/// Both sides of a file with markers; nothing for what is no text.
std::optional<std::string> marked_text(git_repository* repository, const git_index_entry* before,
                                       const git_index_entry* ours, const git_index_entry* theirs,
                                       const Sides& labels) {
  if (ours == nullptr || theirs == nullptr) return std::nullopt;
  if (!is_text_file(before) || !is_text_file(ours) || !is_text_file(theirs)) return std::nullopt;
  git_merge_file_options options{};
  git_merge_file_options_init(&options, GIT_MERGE_FILE_OPTIONS_VERSION);
  options.flags = GIT_MERGE_FILE_STYLE_DIFF3;
  options.ancestor_label = "before";
  options.our_label = labels.ours.c_str();
  options.their_label = labels.theirs.c_str();
  git_merge_file_result result{};
  if (git_merge_file_from_index(&result, repository, before, ours, theirs, &options) < 0) return std::nullopt;
  std::optional<std::string> text;
  if (result.ptr != nullptr && result.len <= kMostText && result.automergeable == 0)
    text.emplace(result.ptr, result.len);
  git_merge_file_result_free(&result);
  return text;
}

}  // namespace

Result<std::vector<ConflictedPath>> read_conflicts(git_repository* repository, git_index* index, const Sides& labels) {
  const Result<ConflictIterator> each = made<ConflictIterator>(
      "conflicts", [&](git_index_conflict_iterator** out) { return git_index_conflict_iterator_new(out, index); });
  if (!each) return fail(each.error());
  std::vector<ConflictedPath> found;
  const git_index_entry* before = nullptr;
  const git_index_entry* ours = nullptr;
  const git_index_entry* theirs = nullptr;
  for (;;) {
    const int code = git_index_conflict_next(&before, &ours, &theirs, each->get());
    if (code == GIT_ITEROVER) break;
    if (code < 0) return failed(code, "conflicts");
    const git_index_entry* any = ours != nullptr ? ours : theirs != nullptr ? theirs : before;
    ConflictedPath one{
        .conflict = {.path = api::Path(any->path), .reason = reason_of(before, ours, theirs, labels), .hunks = {}},
        .marked = marked_text(repository, before, ours, theirs, labels),
        .keep = {},
        .mode = any->mode};
    if (one.marked) {
      one.conflict.hunks = hunks_of(*one.marked);
    } else {  // ours stays for the author to look at; where we have none, theirs
      one.keep = Oid(any->id);
    }
    found.push_back(std::move(one));
  }
  return found;
}

}  // namespace swarm::agentd::git
