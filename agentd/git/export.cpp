#include "agentd/git/export.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <git2.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "agentd/git/import.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/git/staging.hpp"

namespace swarm::agentd::git {
namespace {

using swarm::git::failed;
using swarm::git::History;
using swarm::git::made;
using swarm::git::OidHash;
using swarm::git::PackBuilder;
using swarm::git::Repository;
using swarm::git::Tree;

/// Puts what a commit adds to its parents into the pack: of two trees only what differs is looked at.
class Collector {
 public:
  Collector(git_repository* repository, git_packbuilder* pack) : repository_(repository), pack_(pack) {}

  Result<void> add(const Oid& id, const char* name) {
    if (!seen_.insert(id).second) return {};
    if (const int code = git_packbuilder_insert(pack_, id.get(), name); code < 0) return failed(code, "pack");
    return {};
  }

  Result<void> add_tree(const Oid& id, const std::vector<Oid>& known, int depth) {
    if (depth > kDeepest) return fail(Code::failed_precondition, "a directory is nested too deeply to be packed");
    if (seen_.contains(id) || std::ranges::find(known, id) != known.end()) return {};
    if (const Result<void> ok = add(id, ""); !ok) return ok;
    const Result<Tree> tree = look(id);
    if (!tree) return fail(tree.error());
    std::vector<Tree> before;
    for (const Oid& one : known) {
      Result<Tree> found = look(one);
      if (!found) return fail(found.error());
      before.push_back(std::move(*found));
    }
    for (std::size_t i = 0; i < git_tree_entrycount(tree->get()); ++i) {
      const git_tree_entry* entry = git_tree_entry_byindex(tree->get(), i);
      const git_object_t type = git_tree_entry_type(entry);
      if (type != GIT_OBJECT_TREE && type != GIT_OBJECT_BLOB) continue;  // a submodule's commit is elsewhere
      const char* name = git_tree_entry_name(entry);
      const Oid at(*git_tree_entry_id(entry));
      std::vector<Oid> same_name;
      bool unchanged = false;
      for (const Tree& one : before) {
        const git_tree_entry* old = git_tree_entry_byname(one.get(), name);
        if (old == nullptr) continue;
        unchanged = unchanged || Oid(*git_tree_entry_id(old)) == at;
        if (git_tree_entry_type(old) == GIT_OBJECT_TREE) same_name.emplace_back(*git_tree_entry_id(old));
      }
      if (unchanged) continue;
      const Result<void> added = type == GIT_OBJECT_TREE ? add_tree(at, same_name, depth + 1) : add(at, name);
      if (!added) return added;
    }
    return {};
  }

 private:
  static constexpr int kDeepest = 2000;
  Result<Tree> look(const Oid& id) {
    return made<Tree>("tree " + id.text(), [&](git_tree** out) { return git_tree_lookup(out, repository_, id.get()); });
  }

  git_repository* repository_;
  git_packbuilder* pack_;
  std::unordered_set<Oid, OidHash> seen_;
};

struct Output {
  int fd = -1;
  std::uint64_t bytes = 0;
  int error = 0;

  static int write(void* data, std::size_t size, void* self) {
    Output& out = *static_cast<Output*>(self);
    const char* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t done = ::write(out.fd, at, size);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) {
        out.error = errno;
        return GIT_EUSER;
      }
      at += done;
      size -= static_cast<std::size_t>(done);
      out.bytes += static_cast<std::uint64_t>(done);
    }
    return 0;
  }
};

Result<std::vector<api::GitRef>> wanted_refs(const Layout& layout, const api::GitExportRequest& request) {
  const Result<api::GitRefsReply> all = list_refs(layout, {.repo = request.repo, .prefix = "refs/"});
  if (!all) return fail(all.error());
  std::vector<api::GitRef> wanted;
  for (const std::string& name : request.refs) {
    bool any = false;
    for (const api::GitRef& ref : all->refs) {
      if (ref.name != name && !(name.ends_with('/') && ref.name.starts_with(name))) continue;
      any = true;
      if (std::ranges::find(wanted, ref) == wanted.end()) wanted.push_back(ref);
    }
    if (!any && !name.ends_with('/')) {
      return fail(Code::not_found, fmt::format("no name '{}' in '{}'", shown(name), request.repo));
    }
  }
  return wanted;
}

}  // namespace

Result<Export> make_export(const Layout& layout, const api::GitExportRequest& request) {
  if (const Result<void> ok = check_repository(layout, request.repo); !ok) return fail(ok.error());
  const std::string git_dir = layout.git_dir(request.repo);
  const Result<Repository> opened = swarm::git::open_bare(git_dir);
  if (!opened) return fail(opened.error());
  git_repository* repository = opened->get();
  Export out;
  Result<std::vector<api::GitRef>> refs = wanted_refs(layout, request);
  if (!refs) return fail(refs.error());
  out.reply.refs = std::move(*refs);
  const Result<std::vector<Oid>> shallow = shallow_commits(git_dir);
  if (!shallow) return fail(shallow.error());
  for (const Oid& id : *shallow) out.reply.shallow.push_back(id.text());

  std::vector<Oid> have;
  for (const std::string& text : request.have) {
    const Result<Oid> id = Oid::parse(text);
    if (!id) return fail(id.error(), "have");
    const Result<Oid> commit = resolve(repository, text);
    if (commit) have.push_back(*commit);
  }
  const Result<PackBuilder> pack = made<PackBuilder>(
      "pack", [&](git_packbuilder** made_pack) { return git_packbuilder_new(made_pack, repository); });
  if (!pack) return fail(pack.error());
  git_packbuilder_set_threads(pack->get(), 1);
  Collector collector(repository, pack->get());
  std::vector<Oid> want;
  for (const api::GitRef& ref : out.reply.refs) {
    const Result<Oid> commit = resolve(repository, ref.id);
    if (!commit) return fail(commit.error(), ref.name);
    want.push_back(*commit);
    if (commit->text() == ref.id || std::ranges::find(request.have, ref.id) != request.have.end()) continue;
    const Result<Oid> tag = Oid::parse(ref.id);
    if (const Result<void> added = collector.add(*tag, ""); !added) return fail(added.error());
  }
  History history(repository, *shallow);
  const Result<History::Compared> compared = history.compare(want, have);
  if (!compared) return fail(compared.error());
  for (auto commit = compared->ours.rbegin(); commit != compared->ours.rend(); ++commit) {  // oldest first
    if (const Result<void> added = collector.add(*commit, ""); !added) return fail(added.error());
    const Result<std::vector<Oid>> parents = history.parents(*commit);
    if (!parents) return fail(parents.error());
    std::vector<Oid> known;
    for (const Oid& parent : *parents) {
      const Result<Oid> tree = tree_of(repository, parent);
      if (!tree) return fail(tree.error());
      known.push_back(*tree);
    }
    const Result<Oid> tree = tree_of(repository, *commit);
    if (!tree) return fail(tree.error());
    if (const Result<void> added = collector.add_tree(*tree, known, 0); !added) return fail(added.error());
  }
  out.reply.objects = git_packbuilder_object_count(pack->get());
  if (out.reply.objects == 0) return out;
  // In the repository, because that is where there is room for objects.
  out.pack = UniqueFd(::open(git_dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!out.pack) {
    std::string path = git_dir + "/export-XXXXXX";
    out.pack = UniqueFd(::mkostemp(path.data(), O_CLOEXEC));
    if (!out.pack) return fail_errno("make file in", git_dir);
    ::unlink(path.c_str());
  }
  Output output{.fd = out.pack.get()};
  if (const int code = git_packbuilder_foreach(pack->get(), &Output::write, &output); code < 0) {
    if (output.error != 0) return fail_errno("write pack in", git_dir, output.error);
    return failed(code, "pack");
  }
  if (::lseek(out.pack.get(), 0, SEEK_SET) < 0) return fail_errno("seek", git_dir);
  out.reply.size_bytes = output.bytes;
  return out;
}

}  // namespace swarm::agentd::git
