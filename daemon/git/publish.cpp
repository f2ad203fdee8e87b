#include <fmt/format.h>

#include <filesystem>

#include "daemon/git/keep.hpp"
#include "daemon/git/quarantine.hpp"
#include "daemon/git/text.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::git {
namespace {

namespace fs = std::filesystem;

/// The worktree that has `ref` checked out; empty when none has.
std::string checked_out_at(const std::string& listing, const std::string& ref) {
  std::string place;
  for (const std::string& line : split(listing, '\0')) {
    if (line.starts_with("worktree ")) place = line.substr(9);
    if (line == "branch " + ref) return place;
  }
  return {};
}

Result<void> check_branch(const Publication& publication) {
  const std::string& branch = publication.branch;
  if (branch.starts_with("swarm/") && branch.find_first_of(std::string_view("\0\n ", 3)) == std::string::npos) {
    return check_ids({publication.commit});
  }
  return fail(Code::invalid_argument,
              fmt::format("'{}' is no branch of a swarm; results go to 'swarm/<name>' alone", shown(branch)));
}

}  // namespace

async::Task<Result<Published>> Keep::publish(Publication publication) const {
  if (const Result<void> ok = check_branch(publication); !ok) co_return fail(ok.error());
  // Without a scratch directory nothing can be written through it; it only looks.
  const auto user = co_await Source::open(program_, publication.repository, directory_ + "/unused");
  if (!user) co_return fail(user.error());
  const SourceInfo& info = (*user)->info();
  const GitCall there{.git_dir = info.common_dir,
                      .arguments = {"-c", "core.fsync=all", "-c", "core.logAllRefUpdates=true"}};
  const auto call_there = [&there](std::initializer_list<const char*> arguments) {
    GitCall call = there;
    call.arguments.insert(call.arguments.end(), arguments.begin(), arguments.end());
    return call;
  };
  const std::string ref = "refs/heads/" + publication.branch;
  const std::string& commit = publication.commit;

  const Result<async::CommandOutput> old =
      co_await program_.ask(call_there({"rev-parse", "--verify", "--quiet", ref.c_str()}));
  if (!old) co_return fail(old.error());
  Published done{.branch = publication.branch, .commit = commit, .before = trimmed(old->out)};
  if (done.before == commit) co_return done;
  if (publication.before && done.before != *publication.before) {
    co_return fail(Code::failed_precondition, fmt::format("branch '{}' was moved meanwhile, to {}", publication.branch,
                                                          done.before.empty() ? "nothing" : done.before.substr(0, 12)));
  }

  const Result<std::string> worktrees = co_await program_.run(call_there({"worktree", "list", "--porcelain", "-z"}));
  if (!worktrees) co_return fail(worktrees.error());
  const std::string place = checked_out_at(*worktrees, ref);
  if (!place.empty()) {
    co_return fail(
        Code::failed_precondition,
        fmt::format("'{}' is checked out in '{}'; its files would not follow: switch to another branch there",
                    publication.branch, shown(place)));
  }
  if (!done.before.empty() && publication.existing == Publication::Existing::refuse) {
    const Result<async::CommandOutput> forward =
        co_await program_.ask(call({"merge-base", "--is-ancestor", done.before, commit}));
    if (!forward) co_return fail(forward.error());
    if (forward->status != async::ExitStatus{}) {
      co_return fail(Code::failed_precondition,
                     fmt::format("branch '{}' holds commits that the swarm's result does not contain (it is at {}); "
                                 "rename it, or replace it on purpose",
                                 publication.branch, done.before.substr(0, 12)));
    }
  }

  if (publication.depth == Publication::Depth::look) co_return done;

  const Result<std::string> all =
      co_await program_.run(call_there({"for-each-ref", "--format=%(objectname) %(refname)"}));
  if (!all) co_return fail(all.error());
  std::vector<std::string> have;
  for (const Ref& one : parse_refs(*all)) have.push_back(one.id);
  if (!info.head.empty()) have.push_back(info.head);
  Result<std::unique_ptr<wire::ByteSource>> objects = co_await pack({commit}, std::move(have));
  if (!objects) co_return fail(objects.error());

  Result<Quarantine> quarantine = Quarantine::make(info.common_dir + "/objects", info.common_dir + "/objects");
  if (!quarantine) co_return fail(quarantine.error());
  if (const Result<void> set = quarantine->set_shallow(info.shallow); !set) co_return fail(set.error());
  if (*objects) {
    const Result<void> indexed =
        co_await quarantine->index(program_, there, std::move(*objects), limits_.pack_bytes, Quarantine::Check::hashes);
    if (!indexed) co_return fail(indexed.error(), "publish");
  }
  const Result<void> complete = co_await quarantine->check_complete(program_, there, commit + "\n");
  if (!complete) co_return fail(complete.error(), "publish");
  if (const Result<void> moved = quarantine->release(); !moved) co_return fail(moved.error(), "publish");

  GitCall update = call_there({"update-ref", "-m", "swarmd: result of a swarm", "--stdin"});
  const std::string none(40, '0');
  update.input = fmt::format("update {} {} {}\n", ref, commit, done.before.empty() ? none : done.before);
  const Result<std::string> updated = co_await program_.run(std::move(update));
  if (!updated) co_return fail(updated.error(), "publish");
  co_return done;
}

async::Task<Result<void>> Keep::withdraw(std::string repository, Published published) const {
  std::error_code unknown;
  if (published.before == published.commit || (!fs::exists(repository, unknown) && !unknown)) co_return {};
  const auto user = co_await Source::open(program_, repository, directory_ + "/unused");
  if (!user) co_return fail(user.error());
  GitCall update{.git_dir = (*user)->info().common_dir,
                 .arguments = {"-c", "core.logAllRefUpdates=true", "update-ref", "-m", "swarmd: withdrawn", "--stdin"}};
  const std::string ref = "refs/heads/" + published.branch;
  GitCall look = update;
  look.arguments = {"rev-parse", "--verify", "--quiet", ref};
  const Result<async::CommandOutput> stands = co_await program_.ask(std::move(look));
  if (!stands) co_return fail(stands.error());
  if (trimmed(stands->out) != published.commit) co_return {};
  update.input = published.before.empty() ? fmt::format("delete {} {}\n", ref, published.commit)
                                          : fmt::format("update {} {} {}\n", ref, published.before, published.commit);
  const Result<std::string> updated = co_await program_.run(std::move(update));
  if (!updated) co_return fail(updated.error(), "withdraw");
  co_return {};
}

}  // namespace swarm::git
