#include "agentd/git/look.hpp"

#include <fmt/format.h>
#include <git2.h>

#include <algorithm>

#include "protocol/core/utf8.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::Commit;
using swarm::git::Diff;
using swarm::git::failed;
using swarm::git::History;
using swarm::git::made;
using swarm::git::Patch;
using swarm::git::Repository;
using swarm::git::Tree;

constexpr std::size_t kMostChanged = 10'000;
constexpr std::size_t kMostShown = 1000;
constexpr std::size_t kMostMessage = 65'536;
constexpr git_off_t kMostCompared = git_off_t{16} << 20U;  // of one file; larger ones count as binary

struct Printed {
  std::string text;
  std::uint64_t limit = 0;
  bool cut = false;

  static int line(const git_diff_delta* /*delta*/, const git_diff_hunk* /*hunk*/, const git_diff_line* line,
                  void* self) {
    Printed& printed = *static_cast<Printed*>(self);
    const bool marked = line->origin == ' ' || line->origin == '+' || line->origin == '-';
    if (printed.text.size() + line->content_len + 1 > printed.limit) {
      printed.cut = true;
      return GIT_EUSER;
    }
    if (marked) printed.text += line->origin;
    printed.text.append(line->content, line->content_len);
    return 0;
  }
};

api::GitChangeKind kind_of(git_delta_t status) {
  switch (status) {
    case GIT_DELTA_ADDED:
      return api::GitChangeKind::added;
    case GIT_DELTA_DELETED:
      return api::GitChangeKind::deleted;
    case GIT_DELTA_TYPECHANGE:
      return api::GitChangeKind::type_changed;
    default:
      return api::GitChangeKind::modified;
  }
}

api::GitCommitInfo info_of(git_commit* commit) {
  api::GitCommitInfo info{.id = Oid(*git_commit_id(commit)).text(), .time_us = git_commit_time(commit) * 1'000'000};
  for (unsigned i = 0; i < git_commit_parentcount(commit); ++i) {
    info.parents.push_back(Oid(*git_commit_parent_id(commit, i)).text());
  }
  const git_signature* author = git_commit_author(commit);
  info.author_name.bytes = author->name;
  info.author_email.bytes = author->email;
  std::string_view message(git_commit_message(commit));
  info.trailers = trailers_of(message);
  info.subject.bytes = message.substr(0, message.find('\n'));
  info.message.bytes = message.substr(0, kMostMessage);
  return info;
}

}  // namespace

Result<api::GitDiffReply> diff_trees(git_repository* repository, const Oid& from, const Oid& to,
                                     const api::GitDiffRequest& request) {
  const auto lookup = [repository](const Oid& id) {
    return made<Tree>("tree", [&](git_tree** out) { return git_tree_lookup(out, repository, id.get()); });
  };
  const Result<Tree> before = lookup(from);
  const Result<Tree> after = lookup(to);
  if (!before) return fail(before.error());
  if (!after) return fail(after.error());
  std::vector<std::string> paths;
  for (const api::Path& path : request.paths) {
    Result<std::string> clean = clean_path(path.bytes);
    if (!clean) return fail(clean.error());
    if (!clean->empty()) paths.push_back(std::move(*clean));
  }
  std::vector<char*> pointers;
  pointers.reserve(paths.size());
  for (std::string& path : paths) pointers.push_back(path.data());
  git_diff_options options{};
  git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
  options.flags = GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_DISABLE_PATHSPEC_MATCH;
  options.context_lines = request.context;
  options.max_size = kMostCompared;
  options.pathspec = {.strings = pointers.data(), .count = pointers.size()};
  const Result<Diff> compared = made<Diff>("compare", [&](git_diff** out) {
    return git_diff_tree_to_tree(out, repository, before->get(), after->get(), &options);
  });
  if (!compared) return fail(compared.error());

  api::GitDiffReply reply;
  Printed printed{.text = {}, .limit = request.limit_bytes};
  const std::size_t count = git_diff_num_deltas(compared->get());
  for (std::size_t i = 0; i < count; ++i) {
    if (reply.files.size() == kMostChanged) {
      reply.truncated = true;
      break;
    }
    const Result<Patch> patch =
        made<Patch>("compare", [&](git_patch** out) { return git_patch_from_diff(out, compared->get(), i); });
    if (!patch) return fail(patch.error());
    const git_diff_delta* delta = git_diff_get_delta(compared->get(), i);
    api::GitChange change{.path = api::Path(delta->new_file.path), .kind = kind_of(delta->status)};
    change.binary = (delta->flags & GIT_DIFF_FLAG_BINARY) != 0;
    std::size_t added = 0;
    std::size_t removed = 0;
    if (*patch != nullptr && git_patch_line_stats(nullptr, &added, &removed, patch->get()) == 0) {
      change.added = added;
      change.removed = removed;
    }
    reply.files.push_back(std::move(change));
    if (request.patch && !printed.cut && *patch != nullptr) git_patch_print(patch->get(), &Printed::line, &printed);
  }
  reply.truncated = reply.truncated || printed.cut;
  reply.patch.bytes = std::move(printed.text);
  return reply;
}

Result<api::GitDiffReply> diff(const Layout& layout, const std::string& repo, const std::optional<Worktree>& worktree,
                               const api::GitDiffRequest& request, const SnapshotLimits& limits) {
  if (const Result<void> ok = check_repository(layout, repo); !ok) return fail(ok.error());
  std::optional<Snapshot> files;
  Repository opened;
  git_repository* repository = nullptr;
  if (!request.to) {
    if (!worktree)
      return fail(Code::invalid_argument, "'to' is missing: a commit or branch, or 'agent' for a worktree");
    Result<Snapshot> snapshot = take_snapshot(*worktree, {}, limits);
    if (!snapshot) return fail(snapshot.error());
    files.emplace(std::move(*snapshot));
    repository = files->staging->repository();
  } else {
    Result<Repository> bare = swarm::git::open_bare(layout.git_dir(repo));
    if (!bare) return fail(bare.error());
    opened = std::move(*bare);
    repository = opened.get();
  }
  std::optional<Oid> to;
  if (request.to) {
    const Result<Oid> found = resolve(repository, *request.to);
    if (!found) return fail(found.error());
    to = *found;
  }
  Oid from;
  if (request.from) {
    const Result<Oid> found = resolve(repository, *request.from);
    if (!found) return fail(found.error());
    from = *found;
  } else if (worktree) {
    // What the agent did: since it last had the integration branch.
    const Result<Divergence> since =
        divergence(repository, worktree->git_dir(), worktree->record.swarm, to ? *to : files->head);
    if (!since) return fail(since.error());
    from = since->compared.bases.empty() ? since->base : since->compared.bases.front();
  } else {
    return fail(Code::invalid_argument, "'from' is missing: a commit or branch, or 'agent' for where its branch began");
  }
  const Result<Oid> before = tree_of(repository, from);
  if (!before) return fail(before.error());
  const Result<Oid> after = to ? tree_of(repository, *to) : Result<Oid>(files->tree);
  if (!after) return fail(after.error());
  Result<api::GitDiffReply> reply = diff_trees(repository, *before, *after, request);
  if (!reply) return reply;
  reply->from = from.text();
  if (to) reply->to = to->text();
  return reply;
}

Result<api::GitLogReply> log(const Layout& layout, const std::string& repo, const std::string& branch,
                             const api::GitLogRequest& request) {
  if (const Result<void> ok = check_repository(layout, repo); !ok) return fail(ok.error());
  const Result<Repository> opened = swarm::git::open_bare(layout.git_dir(repo));
  if (!opened) return fail(opened.error());
  git_repository* repository = opened->get();
  const Result<std::vector<Oid>> shallow = shallow_commits(layout.git_dir(repo));
  if (!shallow) return fail(shallow.error());
  // The cursor holds where the log began, so that new commits do not move the pages.
  std::string start = request.from.value_or(branch);
  std::size_t skip = 0;
  if (request.cursor) {
    const std::size_t colon = request.cursor->find(':');
    start = request.cursor->substr(0, colon);
    skip = colon == std::string::npos ? 0 : std::strtoul(request.cursor->c_str() + colon + 1, nullptr, 10);
    if (!Oid::parse(start)) return fail(Code::invalid_argument, "the cursor is none of git.log");
  }
  const Result<Oid> first = resolve(repository, start);
  if (!first) return fail(first.error());
  std::vector<Oid> without;
  if (request.exclude) {
    const Result<Oid> other = resolve(repository, *request.exclude);
    if (!other) return fail(other.error());
    without.push_back(*other);
  }
  History history(repository, *shallow);
  const Result<History::Compared> compared = history.compare({*first}, without);
  if (!compared) return fail(compared.error());
  const std::vector<Oid>& all = compared->ours;
  api::GitLogReply reply;
  for (std::size_t i = skip; i < all.size() && reply.commits.size() < request.limit; ++i) {
    const Result<Commit> commit =
        made<Commit>("commit", [&](git_commit** out) { return git_commit_lookup(out, repository, all[i].get()); });
    if (!commit) return fail(commit.error());
    reply.commits.push_back(info_of(commit->get()));
  }
  const std::size_t next = skip + reply.commits.size();
  if (next < all.size()) reply.next_cursor = fmt::format("{}:{}", first->text(), next);
  return reply;
}

Result<api::GitStatusReply> status(const Worktree& worktree, const SnapshotLimits& limits) {
  const Result<Snapshot> snapshot = take_snapshot(worktree, {}, limits);
  if (!snapshot) return fail(snapshot.error());
  git_repository* repository = snapshot->staging->repository();
  Result<std::vector<api::GitChange>> changes = changed_paths(repository, snapshot->head_tree, snapshot->tree);
  if (!changes) return fail(changes.error());
  const Result<Divergence> since = divergence(repository, worktree.git_dir(), worktree.record.swarm, snapshot->head);
  if (!since) return fail(since.error());
  api::GitStatusReply reply{.repo = worktree.record.repo,
                            .path = worktree.path(),
                            .branch = worktree.record.branch(),
                            .head = snapshot->head.text(),
                            .ahead = since->compared.ours.size(),
                            .behind = since->compared.theirs.size(),
                            .merging = worktree.record.merging,
                            .total_changes = changes->size()};
  if (changes->size() > kMostShown) changes->resize(kMostShown);
  reply.changes = std::move(*changes);
  return reply;
}

}  // namespace swarm::agentd::git
