#include "agentd/git/worktree.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <git2.h>
#include <git2/sys/repository.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "protocol/async/file.hpp"
#include "protocol/core/unique_fd.hpp"
#include "protocol/git/staging.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Commit;
using swarm::git::failed;
using swarm::git::made;
using swarm::git::Repository;

namespace fs = std::filesystem;

/// A new file of ours, never through a link.
Result<void> write_new(const std::string& path, const std::string& text) {
  ::unlink(path.c_str());
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return fail_errno("write", path);
  }
  if (::fchmod(fd.get(), 0644) != 0) return fail_errno("chmod", path);
  return {};
}

/// The directory in which git(1) keeps its state of the worktree: made by us, then given to the agent.
Result<void> make_admin(const Worktree& worktree) {
  const std::string admin = worktree.admin();
  if (const Result<void> made_dir = own_directory(worktree.git_dir() + "/worktrees", 0755); !made_dir) return made_dir;
  struct stat info{};
  if (::lstat(admin.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode) && info.st_uid == worktree.who.uid) return {};
    return fail(Code::already_exists,
                fmt::format("'{}' is in the way: it is not a directory of uid {}", admin, worktree.who.uid));
  }
  const std::string draft = fmt::format("{}/worktrees/.{}.draft", worktree.git_dir(), worktree.record.agent);
  std::error_code ignored;
  fs::remove_all(draft, ignored);
  if (::mkdir(draft.c_str(), 0755) != 0) return fail_errno("mkdir", draft);
  for (const auto& [name, text] : {std::pair<const char*, std::string>("gitdir", worktree.path() + "/.git\n"),
                                   {"commondir", "../..\n"},
                                   {"HEAD", "ref: " + worktree.record.ref() + "\n"}}) {
    if (const Result<void> written = write_new(draft + "/" + name, text); !written) return written;
  }
  if (::chmod(draft.c_str(), 0755) != 0) return fail_errno("chmod", draft);
  if (worktree.who.uid != ::geteuid() && ::chown(draft.c_str(), worktree.who.uid, worktree.who.gid) != 0) {
    return fail_errno("chown", draft);
  }
  if (::rename(draft.c_str(), admin.c_str()) != 0) return fail_errno("rename", draft);
  return {};
}

/// `.worktrees` is ours, the directory of the agent in it is the agent's.
Result<void> make_home(const Worktree& worktree) {
  const std::string all = worktree.layout.workspace + "/.worktrees";
  if (const Result<void> made_dir = own_directory(all, 0755); !made_dir) return made_dir;
  const std::string home = all + "/" + worktree.record.agent;
  if (::mkdir(home.c_str(), 0755) == 0) {
    if (::chmod(home.c_str(), 0755) != 0) return fail_errno("chmod", home);
    if (worktree.who.uid != ::geteuid() && ::lchown(home.c_str(), worktree.who.uid, worktree.who.gid) != 0) {
      return fail_errno("chown", home);
    }
  } else if (errno != EEXIST) {
    return fail_errno("mkdir", home);
  }
  struct stat info{};
  if (::lstat(home.c_str(), &info) != 0) return fail_errno("stat", home);
  if (!S_ISDIR(info.st_mode) || info.st_uid != worktree.who.uid) {
    return fail(Code::already_exists,
                fmt::format("'{}' is in the way: it is not a directory of uid {}", home, worktree.who.uid));
  }
  return {};
}

/// The tree's root and its pointer to the repository. With the agent's rights.
Result<bool> make_root(const Worktree& worktree) {
  const std::string path = worktree.path();
  bool is_new = true;
  if (::mkdir(path.c_str(), 0755) != 0) {
    if (errno != EEXIST) return fail_errno("mkdir", path);
    is_new = ::access((path + "/.git").c_str(), F_OK) != 0;
  }
  if (is_new) {
    const Result<void> written = write_new(path + "/.git", fmt::format("gitdir: {}\n", worktree.admin()));
    if (!written) return fail(written.error());
  }
  return is_new;
}

/// Whether a tree says anywhere how content is to be changed on its way out.
Result<bool> has_attributes(git_commit* commit) {
  const auto tree = made<swarm::git::Tree>("tree", [&](git_tree** out) { return git_commit_tree(out, commit); });
  if (!tree) return fail(tree.error());
  bool found = false;
  const auto look = [](const char* /*root*/, const git_tree_entry* entry, void* into) -> int {
    if (std::string_view(git_tree_entry_name(entry)) != ".gitattributes") return 0;
    *static_cast<bool*>(into) = true;
    return GIT_EUSER;
  };
  const int code = git_tree_walk(tree->get(), GIT_TREEWALK_PRE, look, &found);
  if (code < 0 && code != GIT_EUSER) return failed(code, "read the tree");
  return found;
}

}  // namespace

Result<void> check_out(const Worktree& worktree, const Oid& commit, Others others, const std::optional<Oid>& before) {
  if (const Result<void> ok = check_repository(worktree.layout, worktree.record.repo); !ok) return ok;
  const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
  if (!opened) return fail(opened.error());
  git_repository* repository = opened->get();
  const Result<Oid> tree = tree_of(repository, commit);
  if (!tree) return fail(tree.error());
  swarm::git::Tree baseline;
  if (before) {
    auto found =
        made<swarm::git::Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, before->get()); });
    if (!found) return fail(found.error());
    baseline = std::move(*found);
  }
  return as(worktree.who, [&]() -> Result<void> {
    if (const int code = git_repository_set_workdir(repository, worktree.path().c_str(), 0); code < 0) {
      return failed(code, fmt::format("worktree '{}'", worktree.path()));
    }
    if (worktree.record.agent == kIntegrator)
      ::unlink((worktree.admin() + "/index.lock").c_str());  // merges take turns
    // An index that is not there yet stays empty, so that every file is written.
    const auto index = made<swarm::git::Index>(
        "index", [&](git_index** out) { return git_index_open(out, (worktree.admin() + "/index").c_str()); });
    if (!index) return fail(index.error());
    git_repository_set_index(repository, index->get());
    const Result<Commit> content =
        made<Commit>("commit", [&](git_commit** out) { return git_commit_lookup(out, repository, commit.get()); });
    if (!content) return fail(content.error());
    git_checkout_options options{};
    git_checkout_options_init(&options, GIT_CHECKOUT_OPTIONS_VERSION);
    options.checkout_strategy = GIT_CHECKOUT_FORCE;
    options.baseline = baseline.get();
    // Looking for attributes costs several system calls for each directory above each file.
    if (git_index_entrycount(index->get()) == 0) {
      const Result<bool> attributes = has_attributes(content->get());
      if (!attributes) return fail(attributes.error());
      options.disable_filters = *attributes ? 0 : 1;
    }
    if (others != Others::keep) options.checkout_strategy |= GIT_CHECKOUT_REMOVE_UNTRACKED;
    if (others == Others::remove_all) options.checkout_strategy |= GIT_CHECKOUT_REMOVE_IGNORED;
    const auto* object = reinterpret_cast<const git_object*>(content->get());  // NOLINT: libgit2's own inheritance
    if (const int code = git_checkout_tree(repository, object, &options); code < 0) return failed(code, "check out");
    // What is tested is not on the branch yet; git(1) in a test shall see the commit that it stands on all the same.
    if (worktree.record.agent == kIntegrator) return write_new(worktree.admin() + "/HEAD", commit.text() + "\n");
    return {};
  });
}

Result<api::GitWorktreeReply> make_worktree(const Worktree& worktree, const std::optional<std::string>& base) {
  const Record& record = worktree.record;
  for (const auto& [what, name] : {std::pair("an agent", record.agent), std::pair("a swarm", record.swarm)}) {
    if (const Result<void> ok = check_name(what, name); !ok) return fail(ok.error());
  }
  if (const Result<void> ok = check_repository(worktree.layout, record.repo); !ok) return fail(ok.error());
  const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
  if (!opened) return fail(opened.error());
  const Result<Record> before = load_record(worktree.layout, record.repo, record.agent);
  if (before && (before->swarm != record.swarm || before->user != record.user)) {
    return fail(Code::already_exists,
                fmt::format("'{}' has a worktree of '{}' for swarm '{}' and uid {}; remove it first", record.agent,
                            record.repo, before->swarm, before->user));
  }

  const Result<std::optional<Oid>> branch = find_ref(opened->get(), record.ref());
  if (!branch) return fail(branch.error());
  std::optional<Oid> head = *branch;
  if (!head) {
    const Result<Oid> start = base ? resolve(opened->get(), *base) : integration_or_base(opened->get(), record.swarm);
    if (!start) return fail(start.error());
    if (const Result<void> set = set_ref(opened->get(), record.ref(), *start, std::nullopt); !set) {
      return fail(set.error());
    }
    head = *start;
  }
  if (const Result<void> ok = make_admin(worktree); !ok) return fail(ok.error());
  if (const Result<void> ok = make_home(worktree); !ok) return fail(ok.error());
  const Result<bool> is_new = as(worktree.who, [&] { return make_root(worktree); });
  if (!is_new) return fail(is_new.error());
  // Without a record it was not finished the last time.
  const bool fill = *is_new || !before;
  if (fill) {
    if (const Result<void> filled = check_out(worktree, *head, Others::keep); !filled) return fail(filled.error());
  }
  if (!before) {
    if (const Result<void> saved = save_record(worktree.layout, record); !saved) return fail(saved.error());
  }
  return api::GitWorktreeReply{
      .path = worktree.path(), .branch = record.branch(), .head = head->text(), .created = fill};
}

Result<void> remove_worktree(const Worktree& worktree, Branch branch) {
  const Record& record = worktree.record;
  if (const Result<void> ok = check_repository(worktree.layout, record.repo); !ok) return ok;
  // What agents own is removed with their rights; the emptied directories are ours to take away.
  const Result<void> emptied = as(worktree.who, [&]() -> Result<void> {
    std::error_code problem;
    fs::remove_all(worktree.path(), problem);
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(worktree.admin(), ignored)) fs::remove_all(entry.path(), problem);
    if (problem) return fail(Code::internal, fmt::format("remove '{}': {}", worktree.path(), problem.message()));
    return {};
  });
  if (!emptied) return fail(emptied.error());
  ::rmdir(worktree.admin().c_str());
  ::rmdir(fmt::format("{}/.worktrees/{}", worktree.layout.workspace, record.agent).c_str());
  if (branch == Branch::drop) {
    const Result<Repository> opened = swarm::git::open_bare(worktree.git_dir());
    if (!opened) return fail(opened.error());
    const int code = git_reference_remove(opened->get(), record.ref().c_str());
    if (code < 0 && code != GIT_ENOTFOUND) return failed(code, "remove branch");
  }
  remove_record(worktree.layout, record);
  return {};
}

}  // namespace swarm::agentd::git
