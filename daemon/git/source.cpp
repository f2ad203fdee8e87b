#include "daemon/git/source.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "daemon/git/text.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/async/file.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::git {
namespace {

namespace fs = std::filesystem;

/// Where git's complaint becomes ours.
Error explained(const std::string& path, const std::string& words) {
  if (words.contains("dubious ownership")) {
    return {.code = Code::permission_denied,
            .message = fmt::format("the repository '{}' belongs to another user; run swarmctl as that user", path)};
  }
  if (words.contains("not a git repository")) {
    return {.code = Code::not_found,
            .message = fmt::format("'{}' is not in a git repository; 'git init' makes one", path)};
  }
  return {.code = Code::failed_precondition, .message = fmt::format("'{}': {}", path, words)};
}

/// Where git's configuration of the user is.
std::string user_configuration() {
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): nobody sets variables after the start
  return std::string(home == nullptr ? "" : home) + "/.gitconfig";
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

}  // namespace

GitCall Source::call(std::vector<std::string> arguments) const {
  GitCall out{.git_dir = info_.git_dir, .arguments = std::move(arguments)};
  if (exists(scratch_ + "/objects")) out.env.push_back("GIT_ALTERNATE_OBJECT_DIRECTORIES=" + scratch_ + "/objects");
  return out;
}

Source::~Source() {
  std::error_code ignored;
  fs::remove_all(scratch_, ignored);
}

async::Task<Result<std::unique_ptr<Source>>> Source::open(const Program& program, std::string path,
                                                          std::string scratch) {
  std::error_code problem;
  const fs::path absolute = fs::canonical(path, problem);
  if (problem) co_return fail(Code::not_found, fmt::format("there is no directory '{}'", shown(path)));
  if (!fs::is_directory(absolute, problem)) {
    co_return fail(Code::not_found, fmt::format("'{}' is not a directory", shown(path)));
  }
  std::unique_ptr<Source> source(new Source(program, std::move(scratch)));
  const Result<void> looked = co_await source->look(absolute.string());
  if (!looked) co_return fail(looked.error());
  co_return std::move(source);
}

async::Task<Result<void>> Source::look(std::string path) {
  const Result<async::CommandOutput> places =
      co_await program_.ask({.cwd = path,
                             .arguments = {"rev-parse", "--path-format=absolute", "--show-object-format",
                                           "--is-bare-repository", "--absolute-git-dir", "--git-common-dir"}});
  if (!places) co_return fail(places.error());
  if (places->status != async::ExitStatus{}) co_return fail(explained(path, trimmed(places->err)));
  const std::vector<std::string> lines = split(places->out, '\n');
  if (lines.size() != 4) co_return fail(Code::internal, "git rev-parse answered something unexpected");
  if (lines[0] != "sha1") {
    co_return fail(Code::failed_precondition,
                   fmt::format("'{}' is a {} repository; only SHA-1 repositories can be taken into a sandbox "
                               "('git init --object-format=sha1' and a fast-export make one)",
                               path, lines[0]));
  }
  info_.git_dir = lines[2];
  info_.common_dir = lines[3];
  if (lines[1] == "false") {
    const Result<async::CommandOutput> top =
        co_await program_.ask({.cwd = path, .arguments = {"rev-parse", "--show-toplevel"}});
    if (!top) co_return fail(top.error());
    info_.work_tree = trimmed(top->out);  // empty inside .git
    // A repository may name any directory as its tree; only one that points back counts.
    if (!info_.work_tree.empty() && !exists(info_.work_tree + "/.git")) info_.work_tree.clear();
  }

  const Result<async::CommandOutput> head =
      co_await program_.ask(call({"rev-parse", "--verify", "--quiet", "HEAD^{commit}"}));
  if (!head) co_return fail(head.error());
  info_.head = trimmed(head->out);
  const Result<async::CommandOutput> branch =
      co_await program_.ask(call({"symbolic-ref", "--quiet", "--short", "HEAD"}));
  if (!branch) co_return fail(branch.error());
  info_.head_branch = trimmed(branch->out);

  const Result<std::string> refs =
      co_await program_.run(call({"for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"}));
  if (!refs) co_return fail(refs.error());
  info_.refs = parse_refs(*refs);
  const Result<std::vector<std::string>> shallow = read_shallow(info_.common_dir + "/shallow");
  if (!shallow) co_return fail(shallow.error());
  info_.shallow = *shallow;
  const Result<async::CommandOutput> promisor =
      co_await program_.ask(call({"config", "--get-regexp", R"(^(remote\..*\.promisor|extensions\.partialclone)$)"}));
  if (!promisor) co_return fail(promisor.error());
  info_.partial = !promisor->out.empty();

  if (!info_.head.empty()) {
    const Result<std::string> tree = co_await program_.run(call({"ls-tree", "-r", "-z", "HEAD"}));
    if (!tree) co_return fail(tree.error());
    for (const std::string& entry : split(*tree, '\0')) {
      if (entry.starts_with("160000 ")) info_.submodules.push_back(entry.substr(entry.find('\t') + 1));
    }
  }
  if (!info_.work_tree.empty()) {
    const Result<GitCall> status = co_await in_work_tree(
        {"status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=dirty"});
    if (!status) co_return fail(status.error());
    const Result<std::string> changes = co_await program_.run(*status);
    if (!changes) co_return fail(changes.error());
    info_.dirty_paths = split(*changes, '\0').size();
  }
  co_return {};
}

/// A call that looks at files: filters of the repository are switched off, the user's list of ignored files is on.
async::Task<Result<GitCall>> Source::in_work_tree(std::vector<std::string> arguments) const {
  const Result<async::CommandOutput> filters = co_await program_.ask(
      call({"config", "--name-only", "-z", "--get-regexp", R"(^filter\..*\.(clean|smudge|process|required)$)"}));
  if (!filters) co_return fail(filters.error());
  GitCall out = call({});
  out.cwd = info_.work_tree;
  for (const std::string& key : split(filters->out, '\0')) {
    out.arguments.emplace_back("-c");
    out.arguments.push_back(key + (key.ends_with(".required") ? "=false" : "="));
  }
  // The one thing of the user's own configuration that is looked at: which files are never meant to travel.
  const Result<async::CommandOutput> excludes = co_await program_.ask(
      {.git_dir = info_.git_dir,
       .arguments = {"config", "--file", user_configuration(), "--type=path", "core.excludesFile"}});
  if (excludes && excludes->status == async::ExitStatus{}) {
    out.arguments.insert(out.arguments.end(), {"-c", "core.excludesFile=" + trimmed(excludes->out)});
  }
  out.env.push_back("GIT_WORK_TREE=" + info_.work_tree);
  out.arguments.insert(out.arguments.end(), arguments.begin(), arguments.end());
  co_return out;
}

async::Task<Result<std::string>> Source::start_commit(Dirty dirty) {
  const bool changed = dirty == Dirty::include && info_.dirty_paths > 0;
  if (!info_.head.empty() && !changed) co_return info_.head;
  std::error_code problem;
  fs::create_directories(scratch_ + "/objects", problem);
  fs::permissions(scratch_, fs::perms::owner_all, problem);
  if (problem) co_return fail(Code::internal, fmt::format("cannot make '{}': {}", scratch_, problem.message()));

  // New objects go to the scratch directory; what is there already is read where it is.
  const std::vector<std::string> storage = {"GIT_OBJECT_DIRECTORY=" + scratch_ + "/objects",
                                            "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + info_.common_dir + "/objects",
                                            "GIT_INDEX_FILE=" + scratch_ + "/index"};
  if (changed) {
    const Result<std::string> index =
        co_await program_.run(call({"rev-parse", "--path-format=absolute", "--git-path", "index"}));
    if (!index) co_return fail(index.error());
    fs::copy_file(trimmed(*index), scratch_ + "/index", fs::copy_options::overwrite_existing, problem);
    Result<GitCall> add = co_await in_work_tree({"add", "--all", "--", "."});
    if (!add) co_return fail(add.error());
    add->env.insert(add->env.end(), storage.begin(), storage.end());
    const Result<std::string> added = co_await program_.run(std::move(*add));
    if (!added) co_return fail(added.error(), "taking what is not committed");
  }
  GitCall write = call({"write-tree"});
  write.env.insert(write.env.end(), storage.begin(), storage.end());
  const Result<std::string> tree = co_await program_.run(std::move(write));
  if (!tree) co_return fail(tree.error());

  std::string when = "946684800 +0000";  // the first commit of a repository without any
  GitCall commit = call({"commit-tree", trimmed(*tree)});
  if (!info_.head.empty()) {
    const Result<std::string> date = co_await program_.run(call({"show", "-s", "--format=%ct", info_.head}));
    if (!date) co_return fail(date.error());
    when = trimmed(*date) + " +0000";
    commit.arguments.insert(commit.arguments.end(), {"-p", info_.head});
  }
  commit.arguments.insert(commit.arguments.end(),
                          {"-m", changed ? "Work that was not committed" : "Start of an empty repository"});
  commit.env.insert(commit.env.end(), storage.begin(), storage.end());
  // Nothing of now: the same files give the same commit, so that a repeated import finds everything there.
  for (const char* who : {"AUTHOR", "COMMITTER"}) {
    commit.env.push_back(fmt::format("GIT_{}_NAME=swarmd", who));
    commit.env.push_back(fmt::format("GIT_{}_EMAIL=swarmd@localhost", who));
    commit.env.push_back(fmt::format("GIT_{}_DATE={}", who, when));
  }
  const Result<std::string> made = co_await program_.run(std::move(commit));
  if (!made) co_return fail(made.error());
  co_return trimmed(*made);
}

async::Task<Result<std::unique_ptr<wire::ByteSource>>> Source::pack(std::vector<std::string> want,
                                                                    std::vector<std::string> have) const {
  if (const Result<void> ok = check_ids(want); !ok) co_return fail(ok.error());
  if (const Result<void> ok = check_ids(have); !ok) co_return fail(ok.error());
  const Result<std::vector<std::string>> known = co_await known_ids(program_, call({}), std::move(have));
  if (!known) co_return fail(known.error());
  co_return pack_objects(program_, call({}), want, *known);
}

}  // namespace swarm::git
