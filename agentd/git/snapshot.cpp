#include "agentd/git/snapshot.hpp"

#include <fmt/format.h>
#include <git2.h>
#include <git2/sys/repository.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include "protocol/core/utf8.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Diff;
using swarm::git::failed;
using swarm::git::Index;
using swarm::git::made;
using swarm::git::Staging;
using swarm::git::Tree;

constexpr std::time_t kStaleLock = 60;

/// Looks at each file before it is read.
struct Gate {
  std::string root;
  std::uint64_t limit = 0;
  std::optional<Error> refused;

  static int look(const char* path, const char* /*matched*/, void* self) {
    Gate& gate = *static_cast<Gate*>(self);
    struct stat info{};
    const std::string at = gate.root + "/" + path;
    if (::lstat(at.c_str(), &info) != 0) return 0;  // gone, or not to be seen: libgit2 finds out
    if (S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) > gate.limit) {
      gate.refused = Error{.code = Code::resource_exhausted,
                           .message = fmt::format("'{}' has {} bytes; more than {} are not committed: add it to "
                                                  ".gitignore or make it smaller",
                                                  shown(path), info.st_size, gate.limit)};
      return GIT_EUSER;
    }
    return 0;
  }
};

/// A submodule's directory is empty here, since nothing is fetched into a sandbox. That is no reason to drop the link.
Result<void> keep_submodules(git_repository* repository, git_index* index, const Oid& head_tree,
                             const std::string& root) {
  const Result<Index> before = made<Index>("index", [](git_index** out) { return git_index_new(out); });
  if (!before) return fail(before.error());
  const Result<Tree> tree =
      made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, head_tree.get()); });
  if (!tree) return fail(tree.error());
  if (const int code = git_index_read_tree(before->get(), tree->get()); code < 0) return failed(code, "index");
  for (std::size_t i = 0; i < git_index_entrycount(before->get()); ++i) {
    const git_index_entry* entry = git_index_get_byindex(before->get(), i);
    if (entry->mode != GIT_FILEMODE_COMMIT || git_index_get_bypath(index, entry->path, 0) != nullptr) continue;
    struct stat info{};
    const std::string at = root + "/" + entry->path;
    if (::lstat(at.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    if (const int code = git_index_add(index, entry); code < 0) return failed(code, "submodule");
  }
  return {};
}

Result<void> add_all(git_index* index, const std::vector<std::string>& paths, Gate& gate, const Staging& staging) {
  std::vector<char*> pointers;
  pointers.reserve(paths.size());
  for (const std::string& path : paths) pointers.push_back(const_cast<char*>(path.c_str()));  // NOLINT: libgit2 reads
  const git_strarray limited{.strings = pointers.data(), .count = pointers.size()};
  const unsigned flags = paths.empty() ? GIT_INDEX_ADD_DEFAULT : GIT_INDEX_ADD_DISABLE_PATHSPEC_MATCH;
  const int code = git_index_add_all(index, paths.empty() ? nullptr : &limited, flags, &Gate::look, &gate);
  if (code < 0 && gate.refused) return fail(*gate.refused);
  if (code < 0 && staging.trouble()) return fail(*staging.trouble());
  if (code < 0) return failed(code, "read the worktree");
  return {};
}

/// The index of the snapshot, and its tree. With the agent's rights.
Result<void> read_files(const Worktree& worktree, const SnapshotLimits& limits, Snapshot& snapshot) {
  git_repository* repository = snapshot.staging->repository();
  if (const int code = git_repository_set_workdir(repository, worktree.path().c_str(), 0); code < 0) {
    return failed(code, fmt::format("worktree '{}'", worktree.path()));
  }
  const auto& paths = snapshot.limited_to;
  if (paths.empty()) {
    Result<Index> index = open_index(worktree, repository, snapshot.head_tree);
    if (!index) return fail(index.error());
    snapshot.index = std::move(*index);
  } else {  // what else is in git(1)'s index is not asked for
    Result<Index> index = made<Index>("index", [](git_index** out) { return git_index_new(out); });
    if (!index) return fail(index.error());
    snapshot.index = std::move(*index);
    const Result<Tree> tree =
        made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, snapshot.head_tree.get()); });
    if (!tree) return fail(tree.error());
    if (const int code = git_index_read_tree(snapshot.index.get(), tree->get()); code < 0) return failed(code, "index");
    git_repository_set_index(repository, snapshot.index.get());
  }
  git_index* index = snapshot.index.get();
  Gate gate{.root = worktree.path(), .limit = limits.file_bytes, .refused = {}};
  if (const Result<void> added = add_all(index, paths, gate, *snapshot.staging); !added) return fail(added.error());
  git_index_conflict_cleanup(index);
  if (const Result<void> kept = keep_submodules(repository, index, snapshot.head_tree, worktree.path()); !kept) {
    return fail(kept.error());
  }
  git_oid tree{};
  if (const int code = git_index_write_tree_to(&tree, index, repository); code < 0) {
    if (snapshot.staging->trouble()) return fail(*snapshot.staging->trouble());
    return failed(code, "write tree");
  }
  snapshot.tree = Oid(tree);
  return {};
}

void write_index(const std::string& path, git_index* index) {
  if (git_index_write(index) != GIT_ELOCKED) return;
  struct stat info{};
  const std::string lock = path + ".lock";
  if (::lstat(lock.c_str(), &info) != 0 || info.st_mtime + kStaleLock > std::time(nullptr)) return;
  ::unlink(lock.c_str());  // of a git that was killed
  git_index_write(index);
}

}  // namespace

Result<Index> open_index(const Worktree& worktree, git_repository* repository, const Oid& tree) {
  const std::string path = worktree.admin() + "/index";
  struct stat info{};
  const bool there = ::lstat(path.c_str(), &info) == 0;
  Result<Index> index = made<Index>("index", [&](git_index** out) { return git_index_open(out, path.c_str()); });
  if (!index) {  // damaged: begin again
    ::unlink(path.c_str());
    index = made<Index>("index", [&](git_index** out) { return git_index_open(out, path.c_str()); });
    if (!index) return index;
  }
  if (!there || git_index_entrycount(index->get()) == 0) {
    const Result<Tree> content =
        made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, tree.get()); });
    if (!content) return fail(content.error());
    if (const int code = git_index_read_tree(index->get(), content->get()); code < 0) return failed(code, "index");
  }
  git_repository_set_index(repository, index->get());
  return index;
}

Result<Snapshot> take_snapshot(const Worktree& worktree, const std::vector<std::string>& paths,
                               const SnapshotLimits& limits) {
  if (const Result<void> ok = check_repository(worktree.layout, worktree.record.repo); !ok) return fail(ok.error());
  Snapshot snapshot;
  for (const std::string& path : paths) {
    Result<std::string> clean = clean_path(path);
    if (!clean) return fail(clean.error());
    if (!clean->empty()) snapshot.limited_to.push_back(std::move(*clean));
  }
  Result<std::unique_ptr<Staging>> staging = Staging::open(worktree.git_dir(), limits.total_bytes);
  if (!staging) return fail(staging.error());
  snapshot.staging = std::move(*staging);
  const Result<Oid> head = resolve(snapshot.staging->repository(), worktree.record.ref());
  if (!head) return fail(head.error());
  snapshot.head = *head;
  const Result<Oid> tree = tree_of(snapshot.staging->repository(), *head);
  if (!tree) return fail(tree.error());
  snapshot.head_tree = *tree;
  const Result<void> read = as(worktree.who, [&]() -> Result<void> { return read_files(worktree, limits, snapshot); });
  if (!read) return fail(read.error());
  return snapshot;
}

void refresh_index(const Worktree& worktree, Snapshot& snapshot) {
  const Result<void> done = as(worktree.who, [&]() -> Result<void> {
    const std::string path = worktree.admin() + "/index";
    if (snapshot.limited_to.empty()) {
      write_index(path, snapshot.index.get());
      return {};
    }
    const Result<Index> whole =
        made<Index>("index", [&](git_index** out) { return git_index_open(out, path.c_str()); });
    if (!whole) return fail(whole.error());
    const Result<std::vector<api::GitChange>> changes =
        changed_paths(snapshot.staging->repository(), snapshot.head_tree, snapshot.tree);
    if (!changes) return fail(changes.error());
    for (const api::GitChange& change : *changes) {
      const git_index_entry* entry = git_index_get_bypath(snapshot.index.get(), change.path.bytes.c_str(), 0);
      if (entry == nullptr) {
        git_index_remove(whole->get(), change.path.bytes.c_str(), 0);
      } else {
        git_index_add(whole->get(), entry);
      }
    }
    write_index(path, whole->get());
    return {};
  });
  static_cast<void>(done);  // git(1) compares for itself then
}

Result<std::vector<api::GitChange>> changed_paths(git_repository* repository, const std::optional<Oid>& from,
                                                  const Oid& to) {
  const auto lookup = [repository](const Oid& id) {
    return made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, id.get()); });
  };
  Tree before;
  if (from) {
    Result<Tree> found = lookup(*from);
    if (!found) return fail(found.error());
    before = std::move(*found);
  }
  const Result<Tree> after = lookup(to);
  if (!after) return fail(after.error());
  git_diff_options options{};
  git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
  options.flags = GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_SKIP_BINARY_CHECK;
  const Result<Diff> diff = made<Diff>("compare", [&](git_diff** out) {
    return git_diff_tree_to_tree(out, repository, before.get(), after->get(), &options);
  });
  if (!diff) return fail(diff.error());
  std::vector<api::GitChange> changes;
  for (std::size_t i = 0; i < git_diff_num_deltas(diff->get()); ++i) {
    const git_diff_delta* delta = git_diff_get_delta(diff->get(), i);
    api::GitChange change{.path =
                              api::Path(delta->new_file.path != nullptr ? delta->new_file.path : delta->old_file.path)};
    switch (delta->status) {
      case GIT_DELTA_ADDED:
        change.kind = api::GitChangeKind::added;
        break;
      case GIT_DELTA_DELETED:
        change.kind = api::GitChangeKind::deleted;
        break;
      case GIT_DELTA_TYPECHANGE:
        change.kind = api::GitChangeKind::type_changed;
        break;
      default:
        change.kind = api::GitChangeKind::modified;
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

Result<std::string> clean_path(const std::string& path) {
  std::string out;
  std::string_view rest = path;
  const auto refused = [&path] {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no path in the repository; give one relative to its root", shown(path)));
  };
  if (path.empty() || path.starts_with('/') || path.contains('\0')) return refused();
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") return refused();
    if (!out.empty()) out += '/';
    out += name;
  }
  return out;
}

}  // namespace swarm::agentd::git
