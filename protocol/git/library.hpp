#pragma once
// libgit2 as values that clean up after themselves. All of it blocks and belongs on the thread pool; an object is used
// by one thread at a time. The library is initialised by the first call of `library()`, not at the start of a program.
//
// Nothing outside the repository is read (no system, global or user configuration) and nobody's ownership is checked
// here: callers decide whose rights they use before they open anything.

#include <git2/types.h>

#include <string>
#include <string_view>

#include "protocol/core/deleter.hpp"
#include "protocol/core/error.hpp"

struct git_diff;
struct git_patch;

// Declared here so that headers need no more of libgit2 than its types.
extern "C" {
void git_blob_free(git_blob*);
void git_commit_free(git_commit*);
void git_config_free(git_config*);
void git_diff_free(git_diff*);
void git_index_conflict_iterator_free(git_index_conflict_iterator*);
void git_index_free(git_index*);
void git_object_free(git_object*);
void git_odb_free(git_odb*);
void git_odb_object_free(git_odb_object*);
void git_packbuilder_free(git_packbuilder*);
void git_patch_free(git_patch*);
void git_reference_free(git_reference*);
void git_reference_iterator_free(git_reference_iterator*);
void git_repository_free(git_repository*);
void git_signature_free(git_signature*);
void git_tree_free(git_tree*);
}

namespace swarm::git {

using Blob = CPtr<git_blob, git_blob_free>;
using Commit = CPtr<git_commit, git_commit_free>;
using Config = CPtr<git_config, git_config_free>;
using Diff = CPtr<git_diff, git_diff_free>;
using ConflictIterator = CPtr<git_index_conflict_iterator, git_index_conflict_iterator_free>;
using Index = CPtr<git_index, git_index_free>;
using Odb = CPtr<git_odb, git_odb_free>;
using OdbObject = CPtr<git_odb_object, git_odb_object_free>;
using PackBuilder = CPtr<git_packbuilder, git_packbuilder_free>;
using Patch = CPtr<git_patch, git_patch_free>;
using Reference = CPtr<git_reference, git_reference_free>;
using ReferenceIterator = CPtr<git_reference_iterator, git_reference_iterator_free>;
using Repository = CPtr<git_repository, git_repository_free>;
using Signature = CPtr<git_signature, git_signature_free>;
using Tree = CPtr<git_tree, git_tree_free>;

/// Initialises the library once. Call it before anything else of libgit2; cheap afterwards.
void library();

/// What libgit2 said went wrong in this thread, just now: `what: words`. Codes by libgit2's: not_found, already_exists,
/// failed_precondition (conflicts, locks, damage), invalid_argument, else internal.
[[nodiscard]] std::unexpected<Error> failed(int code, std::string_view what);

/// An object id. Ordered by its bytes.
struct Oid {
  git_oid raw{};
  Oid() = default;
  explicit Oid(const git_oid& from) : raw(from) {}

  /// From 40 hexadecimal digits; `invalid_argument` for anything else.
  static Result<Oid> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_zero() const;
  [[nodiscard]] const git_oid* get() const { return &raw; }

  bool operator==(const Oid& other) const;
  bool operator<(const Oid& other) const;
};

struct OidHash {
  std::size_t operator()(const Oid& id) const noexcept;
};

/// Owns what a call of libgit2 put into `*out`.
template <class P, class F>
Result<P> made(std::string_view what, F call) {
  typename P::pointer raw = nullptr;
  if (const int code = call(&raw); code < 0) return failed(code, what);
  return P(raw);
}

}  // namespace swarm::git
