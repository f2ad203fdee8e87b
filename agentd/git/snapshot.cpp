#include "agentd/git/snapshot.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <git2.h>
#include <git2/sys/repository.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include "protocol/core/utf8.hpp"
#include "protocol/tree/file_ends.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Diff;
using swarm::git::failed;
using swarm::git::Index;
using swarm::git::made;
using swarm::git::Staging;
using swarm::git::Tree;

constexpr std::time_t kStaleLock = 60;
constexpr std::string_view kAttributes = ".gitattributes";

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

/// Whether content may have to be changed on its way in (line ends). Then libgit2 reads the files; else we do, which
/// spares looking for attributes in every directory above each file.
bool has_attributes(git_index* index, git_diff* diff) {
  const auto is_one = [](std::string_view path) { return path == kAttributes || path.ends_with("/.gitattributes"); };
  for (std::size_t i = 0; i < git_index_entrycount(index); ++i) {
    if (is_one(git_index_get_byindex(index, i)->path)) return true;
  }
  for (std::size_t i = 0; i < git_diff_num_deltas(diff); ++i) {
    if (is_one(git_diff_get_delta(diff, i)->new_file.path)) return true;
  }
  return false;
}

/// A regular file as it is; false where it is something else, or changes while it is read.
Result<bool> add_plain(git_repository* repository, git_index* index, const std::string& root, const char* path) {
  const UniqueFd fd(::open((root + "/" + path).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  std::string content;
  const Result<std::size_t> got = tree::append_from(fd.get(), content, static_cast<std::size_t>(info.st_size) + 1);
  if (!got || content.size() != static_cast<std::size_t>(info.st_size)) return false;
  git_index_entry entry{};
  if (git_blob_create_from_buffer(&entry.id, repository, content.data(), content.size()) < 0) return false;
  entry.path = path;
  entry.mode = (info.st_mode & S_IXUSR) != 0 ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
  entry.ctime = {.seconds = static_cast<std::int32_t>(info.st_ctim.tv_sec),
                 .nanoseconds = static_cast<std::uint32_t>(info.st_ctim.tv_nsec)};
  entry.mtime = {.seconds = static_cast<std::int32_t>(info.st_mtim.tv_sec),
                 .nanoseconds = static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
  entry.dev = static_cast<std::uint32_t>(info.st_dev);
  entry.ino = static_cast<std::uint32_t>(info.st_ino);
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  entry.file_size = static_cast<std::uint32_t>(info.st_size);
  if (const int code = git_index_add(index, &entry); code < 0) return failed(code, path);
  return true;
}

Result<void> add_all(git_repository* repository, git_index* index, const std::vector<std::string>& paths, Gate& gate,
                     const Staging& staging) {
  std::vector<char*> pointers;
  pointers.reserve(paths.size());
  for (const std::string& path : paths) pointers.push_back(const_cast<char*>(path.c_str()));  // NOLINT: libgit2 reads
  const auto refused = [&](int code, const char* what) -> Result<void> {
    if (gate.refused) return fail(*gate.refused);
    if (staging.trouble()) return fail(*staging.trouble());
    return failed(code, what);
  };
  git_diff_options options{};
  git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
  options.flags = GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_INCLUDE_UNTRACKED | GIT_DIFF_RECURSE_UNTRACKED_DIRS |
                  GIT_DIFF_DISABLE_PATHSPEC_MATCH | GIT_DIFF_SKIP_BINARY_CHECK;
  options.ignore_submodules = GIT_SUBMODULE_IGNORE_ALL;
  options.pathspec = {.strings = pointers.data(), .count = pointers.size()};
  const Result<Diff> diff = made<Diff>(
      "read the worktree", [&](git_diff** out) { return git_diff_index_to_workdir(out, repository, index, &options); });
  if (!diff) return fail(diff.error());
  const bool plain = !has_attributes(index, diff->get());
  for (std::size_t i = 0; i < git_diff_num_deltas(diff->get()); ++i) {
    const git_diff_delta* delta = git_diff_get_delta(diff->get(), i);
    const char* path = delta->new_file.path;
    if (delta->status == GIT_DELTA_DELETED) {
      if (const int code = git_index_remove_bypath(index, path); code < 0) return refused(code, path);
      continue;
    }
    if (Gate::look(path, nullptr, &gate) != 0) return refused(GIT_EUSER, path);
    if (plain && std::string_view(path).back() != '/') {
      const Result<bool> added = add_plain(repository, index, gate.root, path);
      if (!added) return fail(added.error());
      if (*added) continue;
      if (staging.trouble()) return fail(*staging.trouble());
    }
    if (const int code = git_index_add_bypath(index, path); code < 0) return refused(code, path);
  }
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
  if (const Result<void> added = add_all(repository, index, paths, gate, *snapshot.staging); !added)
    return fail(added.error());
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
