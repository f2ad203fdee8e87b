#include "daemon/git/keep.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "daemon/git/quarantine.hpp"
#include "daemon/git/text.hpp"
#include "protocol/async/file.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::git {
namespace {

namespace fs = std::filesystem;

/// Directories and lock files that a crash left. We are the only writer.
void sweep(const std::string& directory) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().filename().string().starts_with("incoming-")) fs::remove_all(entry.path(), ignored);
  }
  for (const char* name : {"/packed-refs.lock", "/HEAD.lock", "/shallow.lock", "/config.lock"}) {
    fs::remove(directory + name, ignored);
  }
  std::vector<fs::path> locks;
  for (const auto& entry : fs::recursive_directory_iterator(directory + "/refs", ignored)) {
    if (entry.path().extension() == ".lock") locks.push_back(entry.path());
  }
  for (const fs::path& lock : locks) fs::remove(lock, ignored);
}

/// Names that may come from there.
Result<void> check_names(const std::vector<Ref>& refs, Trust trust) {
  for (const Ref& ref : refs) {
    const bool ours = ref.name.starts_with("refs/heads/swarm/") || ref.name == "refs/swarm/base";
    const bool users = ref.name.starts_with("refs/heads/") || ref.name.starts_with("refs/tags/");
    const bool member = ref.name.starts_with("refs/swarm/bases/");  // of several repositories
    if (!ours && !(trust == Trust::user && (users || member))) {
      return fail(Code::failed_precondition, fmt::format("a name '{}' may not be set from there", shown(ref.name)));
    }
    if (ref.name.find_first_of(std::string_view("\0\n ", 3)) != std::string::npos || !is_object_id(ref.id)) {
      return fail(Code::invalid_argument,
                  fmt::format("'{}' at '{}' is no name of a commit", shown(ref.name), shown(ref.id)));
    }
  }
  return {};
}

std::string lines_of(const std::vector<Ref>& refs) {
  std::string lines;
  for (const Ref& ref : refs) lines += ref.id + "\n";
  return lines;
}

}  // namespace

GitCall Keep::call(std::vector<std::string> arguments) const {
  GitCall out{.git_dir = directory_, .arguments = {"-c", "core.fsync=all"}};
  out.arguments.insert(out.arguments.end(), std::make_move_iterator(arguments.begin()),
                       std::make_move_iterator(arguments.end()));
  return out;
}

async::Task<Result<std::unique_ptr<Keep>>> Keep::open(const Program& program, std::string directory,
                                                      KeepLimits limits) {
  std::error_code problem;
  if (!fs::exists(directory + "/HEAD", problem)) {
    const std::string draft = directory + ".draft";
    fs::remove_all(draft, problem);
    fs::create_directories(draft, problem);
    if (problem) co_return fail(Code::internal, fmt::format("cannot make '{}': {}", draft, problem.message()));
    fs::permissions(draft, fs::perms::owner_all, problem);
    const Result<std::string> made =
        co_await program.run({.cwd = draft,
                              .arguments = {"init", "--quiet", "--bare", "--template=", "--object-format=sha1",
                                            "--initial-branch=none", "."}});
    if (!made) co_return fail(made.error());
    fs::rename(draft, directory, problem);
    if (problem) {
      co_return fail(Code::already_exists,
                     fmt::format("'{}' is in the way of a repository: {}", directory, problem.message()));
    }
  }
  sweep(directory);
  co_return std::unique_ptr<Keep>(new Keep(program, std::move(directory), limits));
}

async::Task<Result<void>> Keep::receive(Delivery delivery) {
  const auto turn = co_await turn_.take();
  if (removed_) co_return fail(Code::not_found, fmt::format("'{}' was removed", directory_));
  if (const Result<void> ok = check_names(delivery.refs, delivery.trust); !ok) co_return fail(ok.error());
  if (const Result<void> ok = check_ids(delivery.shallow); !ok) co_return fail(ok.error());

  Result<std::vector<std::string>> boundary = shallow();
  if (!boundary) co_return fail(boundary.error());
  const std::size_t known_boundary = boundary->size();
  boundary->insert(boundary->end(), delivery.shallow.begin(), delivery.shallow.end());
  std::ranges::sort(*boundary);
  const auto repeated = std::ranges::unique(*boundary);
  boundary->erase(repeated.begin(), repeated.end());

  Result<Quarantine> quarantine = Quarantine::make(directory_, directory_ + "/objects");
  if (!quarantine) co_return fail(quarantine.error());
  if (const Result<void> written = quarantine->set_shallow(*boundary); !written) co_return fail(written.error());
  if (delivery.pack) {
    const Result<void> indexed = co_await quarantine->index(
        program_, call({}), std::move(delivery.pack), limits_.pack_bytes,
        delivery.trust == Trust::sandbox ? Quarantine::Check::forms : Quarantine::Check::hashes);
    if (!indexed) co_return fail(indexed.error(), "the pack was not taken");
  }
  const Result<void> complete = co_await quarantine->check_complete(program_, call({}), lines_of(delivery.refs));
  if (!complete) co_return fail(complete.error(), "the pack was not taken");

  const Result<std::vector<Ref>> before = co_await refs();
  if (!before) co_return fail(before.error());
  if (const Result<void> moved = quarantine->release(); !moved) co_return fail(moved.error());
  if (boundary->size() != known_boundary) {
    std::string text;
    for (const std::string& id : *boundary) text += id + "\n";
    const Result<void> written = async::write_file_atomic_now(directory_ + "/shallow", text, 0600, async::Sync::power);
    if (!written) co_return fail(written.error());
  }

  std::map<std::string, std::string> there;
  for (const Ref& ref : *before) there.emplace(ref.name, ref.id);
  std::map<std::string, std::string> updates;
  for (const Ref& ref : delivery.refs) {
    const auto old = there.find(ref.name);
    if (old != there.end() && old->second == ref.id) continue;
    updates[ref.name] = ref.id;
    if (old == there.end()) continue;
    const Result<async::CommandOutput> forward =
        co_await program_.ask(call({"merge-base", "--is-ancestor", old->second, ref.id}));
    if (!forward) co_return fail(forward.error());
    if (forward->status != async::ExitStatus{}) updates["refs/swarm/kept/" + old->second] = old->second;
  }
  if (updates.empty()) co_return {};
  GitCall update = call({"update-ref", "--stdin"});
  update.input = "start\n";
  for (const auto& [name, id] : updates) update.input += fmt::format("update {} {}\n", name, id);
  update.input += "prepare\ncommit\n";
  const Result<std::string> updated = co_await program_.run(std::move(update));
  if (!updated) co_return fail(updated.error(), "names");
  co_return {};
}

async::Task<Result<std::vector<Ref>>> Keep::refs(std::string prefix) const {
  const Result<std::string> all = co_await program_.run(call({"for-each-ref", "--format=%(objectname) %(refname)"}));
  if (!all) co_return fail(all.error());
  std::vector<Ref> found = parse_refs(*all);
  std::erase_if(found, [&prefix](const Ref& ref) { return !ref.name.starts_with(prefix); });
  co_return found;
}

async::Task<Result<std::string>> Keep::resolve(std::string name) const {
  const Result<async::CommandOutput> found =
      co_await program_.ask(call({"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"}));
  if (!found) co_return fail(found.error());
  if (found->status != async::ExitStatus{}) {
    co_return fail(Code::not_found, fmt::format("no commit '{}' came back from the swarm", shown(name)));
  }
  std::string id = trimmed(found->out);
  if (id.starts_with("--end-of-options\n")) id.erase(0, id.find('\n') + 1);  // git 2.39 repeats it
  co_return id;
}

Result<std::vector<std::string>> Keep::shallow() const { return read_shallow(directory_ + "/shallow"); }

async::Task<Result<std::unique_ptr<wire::ByteSource>>> Keep::pack(std::vector<std::string> want,
                                                                  std::vector<std::string> have) const {
  if (const Result<void> ok = check_ids(want); !ok) co_return fail(ok.error());
  if (const Result<void> ok = check_ids(have); !ok) co_return fail(ok.error());
  const Result<std::vector<std::string>> known = co_await known_ids(program_, call({}), std::move(have));
  if (!known) co_return fail(known.error());
  co_return pack_objects(program_, call({}), want, *known);
}

async::Task<Result<std::vector<std::string>>> Keep::changed_paths(std::string from, std::string to) const {
  if (const Result<void> ok = check_ids({from, to}); !ok) co_return fail(ok.error());
  const Result<std::string> paths =
      co_await program_.run(call({"diff-tree", "-r", "-z", "--name-only", "--no-renames", from, to}));
  if (!paths) co_return fail(paths.error());
  co_return split(*paths, '\0');
}

Result<std::unique_ptr<wire::ByteSource>> Keep::diff(std::string from, std::string to, std::string below) const {
  if (const Result<void> ok = check_ids({from, to}); !ok) return fail(ok.error());
  std::vector<std::string> words = {"diff", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames"};
  if (!below.empty()) words.push_back("--relative=" + below);
  words.push_back(std::move(from));
  words.push_back(std::move(to));
  return program_.stream_out(call(std::move(words)));
}

async::Task<Result<void>> Keep::check() const {
  const Result<std::string> checked =
      co_await program_.run(call({"fsck", "--full", "--strict", "--no-dangling", "--no-progress"}));
  if (!checked) co_return fail(checked.error());
  co_return {};
}

}  // namespace swarm::git
