#include "agentd/git/import.hpp"

#include <fmt/format.h>
#include <git2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "protocol/async/file.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/git/staging.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::failed;
using swarm::git::made;
using swarm::git::Odb;
using swarm::git::ReferenceIterator;
using swarm::git::Repository;

namespace fs = std::filesystem;

constexpr std::size_t kPackHeader = 12;

/// Nothing in it can start a program; `bare` because all files are in worktrees. Submodules are links to what is not
/// here; looking into `.gitmodules` all the same would cost libgit2 1.5 memory that it never gives back.
constexpr std::string_view kConfig =
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tlogallrefupdates = false\n"
    "[diff]\n\tignoreSubmodules = all\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";

/// What an agentd before us left when it was killed. Only one writes here.
void sweep(const std::string& git_dir) {
  std::error_code ignored;
  ::unlink((git_dir + "/packed-refs.lock").c_str());
  std::vector<fs::path> stale;
  for (const auto& entry : fs::recursive_directory_iterator(git_dir + "/refs", ignored)) {
    if (entry.path().extension() == ".lock") stale.push_back(entry.path());
  }
  for (const auto& entry : fs::directory_iterator(git_dir + "/objects/pack", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("pack_") || name.starts_with("tmp_")) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) fs::remove(path, ignored);
}

bool may_be_set(const std::string& name, const std::set<std::string>& of_worktrees) {
  if (of_worktrees.contains(name) || git_reference_is_valid_name(name.c_str()) == 0) return false;
  return std::ranges::any_of(
      std::array<std::string_view, 4>{"refs/heads/", "refs/tags/", "refs/remotes/", "refs/swarm/"},
      [&name](std::string_view prefix) { return name.starts_with(prefix); });
}

Result<void> check_there(git_odb* odb, const Oid& id, std::string_view name) {
  if (git_odb_exists(odb, id.get()) != 0) return {};
  return fail(Code::failed_precondition,
              fmt::format("the pack does not bring commit {} of '{}', and it is not here either", id.text(), name));
}

}  // namespace

struct PackConsumer::State {
  Odb odb;
  git_indexer* indexer = nullptr;
  git_indexer_progress progress{};
  std::string header;  // until it is known whether there are objects at all
};

Result<void> open_repository(const Layout& layout, const std::string& repo) {
  if (const Result<void> ok = check_name("a repository", repo); !ok) return ok;
  if (const Result<void> there = check_repository(layout, repo); there) return there;
  // Whoever may write into the workspace may then still not rename what is ours.
  struct stat info{};
  if (::geteuid() == 0 && ::lstat(layout.workspace.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    ::chmod(layout.workspace.c_str(), (info.st_mode & 07777U) | S_ISVTX);
  }
  const std::string git_dir = layout.git_dir(repo);
  for (const char* directory : {"", "/.git", "/.git/objects", "/.git/objects/pack", "/.git/objects/info", "/.git/refs",
                                "/.git/refs/heads", "/.git/refs/tags", "/.git/info"}) {
    const Result<void> done = own_directory(layout.repository(repo) + directory, 0755);
    if (!done) return done;
  }
  for (const auto& [name, text] : {std::pair<const char*, std::string_view>("/config", kConfig),
                                   {"/HEAD", "ref: refs/heads/main\n"},
                                   {"/info/exclude", ""}}) {
    const Result<void> done = async::write_file_atomic_now(git_dir + name, text, 0644, async::Sync::none);
    if (!done) return done;
  }
  return own_directory(git_dir + "/swarm", 0755);  // last: it says that the rest is there
}

Result<std::shared_ptr<PackConsumer>> PackConsumer::into(const std::string& git_dir) {
  swarm::git::library();
  sweep(git_dir);
  std::shared_ptr<PackConsumer> consumer(new PackConsumer);
  consumer->state_ = std::make_unique<State>();
  const std::string objects = git_dir + "/objects";
  Result<Odb> odb = made<Odb>("objects", [&](git_odb** out) { return git_odb_open(out, objects.c_str()); });
  if (!odb) return fail(odb.error());
  consumer->state_->odb = std::move(*odb);
  const std::string packs = objects + "/pack";
  git_indexer_options options{};
  git_indexer_options_init(&options, GIT_INDEXER_OPTIONS_VERSION);
  const int code =
      git_indexer_new(&consumer->state_->indexer, packs.c_str(), 0444, consumer->state_->odb.get(), &options);
  if (code < 0) return failed(code, "receive pack");
  return consumer;
}

PackConsumer::~PackConsumer() {
  if (state_ && state_->indexer != nullptr) git_indexer_free(state_->indexer);
}

Result<void> PackConsumer::take(std::span<const char> bytes) {
  bytes_ += bytes.size();
  std::string& header = state_->header;
  std::string_view piece(bytes.data(), bytes.size());
  if (header.size() < kPackHeader) {
    header.append(piece);
    if (header.size() < kPackHeader) return {};
    piece = header;
  }
  const int code = git_indexer_append(state_->indexer, piece.data(), piece.size(), &state_->progress);
  if (header.size() > kPackHeader) header.resize(kPackHeader);
  if (code < 0) {
    const auto error = failed(code, "the pack is damaged");
    return fail(Code::failed_precondition, error.error().message);
  }
  return {};
}

Result<void> PackConsumer::finish() {
  if (bytes_ == 0) return {};
  if (state_->header.size() >= kPackHeader && state_->header.ends_with(std::string_view("\0\0\0\0", 4))) return {};
  const int code = git_indexer_commit(state_->indexer, &state_->progress);
  if (code < 0) {
    const auto error = failed(code, "the pack is damaged, or objects that it builds on are missing");
    return fail(error.error().code == Code::resource_exhausted ? Code::resource_exhausted : Code::failed_precondition,
                error.error().message);
  }
  return {};
}

std::uint64_t PackConsumer::objects() const { return state_->progress.total_objects; }

Result<void> finish_import(const Layout& layout, const api::GitImportRequest& request) {
  const std::string git_dir = layout.git_dir(request.repo);
  const Result<Repository> opened = swarm::git::open_bare(git_dir);
  if (!opened) return fail(opened.error());
  const Result<Odb> odb = made<Odb>("objects", [&](git_odb** out) { return git_repository_odb(out, opened->get()); });
  if (!odb) return fail(odb.error());

  std::set<std::string> of_worktrees;
  for (const Record& record : all_records(layout)) {
    if (record.repo == request.repo) of_worktrees.insert(record.ref());
  }
  std::vector<std::pair<std::string, Oid>> names;
  for (const api::GitRef& ref : request.refs) {
    if (!may_be_set(ref.name, of_worktrees)) {
      return fail(
          Code::invalid_argument,
          fmt::format("'{}' cannot be set by an import: it is no name under refs/heads, refs/tags, refs/remotes "
                      "or refs/swarm, or the branch of a worktree",
                      shown(ref.name)));
    }
    const Result<Oid> id = Oid::parse(ref.id);
    if (!id) return fail(id.error(), ref.name);
    names.emplace_back(ref.name, *id);
  }
  const Result<Oid> head = Oid::parse(request.head);
  if (!head) return fail(head.error(), "head");
  names.emplace_back(std::string(kBaseRef), *head);
  for (const auto& [name, id] : names) {
    if (const Result<void> there = check_there(odb->get(), id, name); !there) return there;
  }
  if (const Result<Oid> commit = resolve(opened->get(), request.head); !commit || !(*commit == *head)) {
    return fail(Code::failed_precondition, fmt::format("head {} is no commit", request.head));
  }

  Result<std::vector<Oid>> shallow = shallow_commits(git_dir);
  if (!shallow) return fail(shallow.error());
  std::set<Oid> edge(shallow->begin(), shallow->end());
  for (const std::string& text : request.shallow) {
    const Result<Oid> id = Oid::parse(text);
    if (!id) return fail(id.error(), "shallow");
    edge.insert(*id);
  }
  if (edge.size() != shallow->size()) {
    std::string text;
    for (const Oid& id : edge) text += id.text() + "\n";
    const Result<void> written = async::write_file_atomic_now(git_dir + "/shallow", text, 0644, async::Sync::none);
    if (!written) return written;
  }
  for (const auto& [name, id] : names) {
    git_reference* raw = nullptr;
    const int code = git_reference_create(&raw, opened->get(), name.c_str(), id.get(), 1, nullptr);
    git_reference_free(raw);
    if (code < 0) return failed(code, "set " + name);
  }
  return async::write_file_atomic_now(git_dir + "/HEAD", head->text() + "\n", 0644, async::Sync::none);
}

Result<api::GitRefsReply> list_refs(const Layout& layout, const api::GitRefsRequest& request) {
  if (const Result<void> ok = check_repository(layout, request.repo); !ok) return fail(ok.error());
  const Result<Repository> opened = swarm::git::open_bare(layout.git_dir(request.repo));
  if (!opened) return fail(opened.error());
  const Result<ReferenceIterator> each = made<ReferenceIterator>(
      "names", [&](git_reference_iterator** out) { return git_reference_iterator_new(out, opened->get()); });
  if (!each) return fail(each.error());
  api::GitRefsReply reply;
  const char* name = nullptr;
  while (git_reference_next_name(&name, each->get()) == 0) {
    if (!std::string_view(name).starts_with(request.prefix)) continue;
    git_oid id{};
    if (git_reference_name_to_id(&id, opened->get(), name) == 0)
      reply.refs.push_back({.name = name, .id = Oid(id).text()});
  }
  std::ranges::sort(reply.refs, {}, &api::GitRef::name);
  return reply;
}

}  // namespace swarm::agentd::git
