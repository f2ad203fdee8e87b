#include "daemon/git/join.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "daemon/git/text.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::git {
namespace {

constexpr const char* kEmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// A commit of the joined history.
struct JoinedCommit {
  std::string id;
  std::vector<std::string> parents;
  std::string tree;       ///< of the member
  std::string author;     ///< "NAME <EMAIL> TIME ZONE"
  std::string committer;  ///< the same
  std::string message;
};

/// A commit of the member's own history; the first is its base.
struct Made {
  std::string name;  ///< for fast-import: an id, or ":MARK"
  std::string tree;
  std::vector<std::size_t> parents;
};

bool is_ancestor(const std::vector<Made>& made, std::size_t ancestor, std::size_t of) {
  std::vector<std::size_t> open = {of};
  std::vector<bool> seen(made.size());
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    if (at == ancestor) return true;
    if (at < ancestor || seen[at]) continue;  // parents come before their children
    seen[at] = true;
    open.insert(open.end(), made[at].parents.begin(), made[at].parents.end());
  }
  return false;
}

/// The mapped parents without repetitions, and without those that another one contains.
std::vector<std::size_t> heads_of(const std::vector<Made>& made, const std::vector<std::size_t>& parents) {
  std::vector<std::size_t> heads;
  for (const std::size_t parent : parents) {
    const bool within = std::ranges::any_of(
        parents, [&](std::size_t other) { return other != parent && is_ancestor(made, parent, other); });
    if (!within && std::ranges::find(heads, parent) == heads.end()) heads.push_back(parent);
  }
  return heads;
}

/// "author ..." and "committer ..." of a raw commit, and what follows its headers.
Result<void> read_commit(std::string_view raw, JoinedCommit& into) {
  while (!raw.empty() && raw.front() != '\n') {
    const std::string_view line = raw.substr(0, raw.find('\n'));
    if (line.starts_with("author ")) into.author = line.substr(7);
    if (line.starts_with("committer ")) into.committer = line.substr(10);
    raw.remove_prefix(std::min(line.size() + 1, raw.size()));
  }
  if (into.author.empty() || into.committer.empty()) {
    return fail(Code::failed_precondition, fmt::format("commit {} has no author", into.id));
  }
  into.message = raw.empty() ? "" : raw.substr(1);
  return {};
}

/// Output of `cat-file --batch`: "ID TYPE SIZE\n", the object, "\n" for each that was asked for.
Result<void> read_batch(std::string_view output, std::vector<JoinedCommit>& into) {
  for (JoinedCommit& source : into) {
    const std::string_view head = output.substr(0, output.find('\n'));
    const std::size_t space = head.rfind(' ');
    if (!head.starts_with(source.id + " commit ") || space == std::string_view::npos) {
      return fail(Code::internal, fmt::format("cat-file said '{}' of {}", shown(std::string(head)), source.id));
    }
    const std::size_t size = std::strtoull(std::string(head.substr(space + 1)).c_str(), nullptr, 10);
    output.remove_prefix(head.size() + 1);
    if (output.size() <= size) return fail(Code::internal, "cat-file ended early");
    if (const Result<void> read = read_commit(output.substr(0, size), source); !read) return read;
    output.remove_prefix(size + 1);
  }
  return {};
}

}  // namespace

async::Task<Result<std::string>> join_members(const Program& program, std::string directory,
                                              std::vector<Member> members, std::string message, std::int64_t seconds) {
  std::string lines;
  GitCall commit{.git_dir = directory, .arguments = {"-c", "core.fsync=all", "commit-tree"}};
  for (const Member& member : members) {
    if (const Result<void> ok = check_ids({member.base}); !ok) co_return fail(ok.error());
    const Result<std::string> tree =
        co_await program.run({.git_dir = directory, .arguments = {"rev-parse", "--verify", member.base + "^{tree}"}});
    if (!tree) co_return fail(tree.error(), member.name);
    lines += fmt::format("040000 tree {}\t{}\n", trimmed(*tree), member.name);
    commit.arguments.emplace_back("-p");
    commit.arguments.push_back(member.base);
  }
  const Result<std::string> tree =
      co_await program.run({.git_dir = directory, .arguments = {"-c", "core.fsync=all", "mktree"}, .input = lines});
  if (!tree) co_return fail(tree.error());
  commit.arguments.push_back(trimmed(*tree));
  commit.env = {"GIT_AUTHOR_NAME=swarmd", "GIT_AUTHOR_EMAIL=swarmd@localhost",
                fmt::format("GIT_AUTHOR_DATE={} +0000", seconds), fmt::format("GIT_COMMITTER_DATE={} +0000", seconds)};
  commit.input = std::move(message);
  const Result<std::string> made = co_await program.run(std::move(commit));
  if (!made) co_return fail(made.error());
  co_return trimmed(*made);
}

async::Task<Result<std::string>> split_member(const Program& program, std::string directory, Member member,
                                              std::string joined, std::string head) {
  if (const Result<void> ok = check_ids({member.base, joined, head}); !ok) co_return fail(ok.error());
  const Result<std::string> listed = co_await program.run(
      {.git_dir = directory, .arguments = {"rev-list", "--topo-order", "--reverse", "--parents", head, "^" + joined}});
  if (!listed) co_return fail(listed.error());
  std::vector<JoinedCommit> sources;
  std::string ids;
  std::string paths = fmt::format("{}:{}\n", joined, member.name);
  for (const std::string& line : split(*listed, '\n')) {
    std::vector<std::string> words = split(line, ' ');
    if (words.empty() || words.front().empty()) continue;
    JoinedCommit source{.id = words.front(), .parents = {words.begin() + 1, words.end()}};
    ids += source.id + "\n";
    paths += fmt::format("{}:{}\n", source.id, member.name);
    sources.push_back(std::move(source));
  }
  const Result<std::string> trees = co_await program.run(
      {.git_dir = directory, .arguments = {"cat-file", "--batch-check=%(objectname) %(objecttype)"}, .input = paths});
  if (!trees) co_return fail(trees.error());
  std::vector<std::string> tree_lines = split(*trees, '\n');
  tree_lines.resize(sources.size() + 1);
  const auto tree_of = [](const std::string& line) {
    // Whatever else is there, a directory it is not: nothing of the member is left.
    return line.ends_with(" tree") ? line.substr(0, line.find(' ')) : std::string(kEmptyTree);
  };
  for (std::size_t i = 0; i < sources.size(); ++i) sources[i].tree = tree_of(tree_lines[i + 1]);
  const Result<std::string> commits =
      co_await program.run({.git_dir = directory, .arguments = {"cat-file", "--batch"}, .input = ids});
  if (!commits) co_return fail(commits.error());
  if (const Result<void> read = read_batch(*commits, sources); !read) co_return fail(read.error());

  std::vector<Made> made = {{.name = member.base, .tree = tree_of(tree_lines[0]), .parents = {}}};
  std::map<std::string, std::size_t> at;  // by the id in the joined history; what is not there is the base
  const std::string ref = "refs/swarm/split/" + member.name;
  std::string stream = "feature done\n";
  for (const JoinedCommit& source : sources) {
    std::vector<std::size_t> mapped;
    for (const std::string& parent : source.parents) {
      const auto known = at.find(parent);
      mapped.push_back(known == at.end() ? 0 : known->second);
    }
    const std::vector<std::size_t> parents = heads_of(made, mapped);
    if (parents.size() == 1 && made[parents.front()].tree == source.tree) {
      at[source.id] = parents.front();
      continue;
    }
    stream += fmt::format("commit {}\nmark :{}\nauthor {}\ncommitter {}\ndata {}\n{}\n", ref, made.size(),
                          source.author, source.committer, source.message.size(), source.message);
    for (std::size_t i = 0; i < parents.size(); ++i) {
      stream += fmt::format("{} {}\n", i == 0 ? "from" : "merge", made[parents[i]].name);
    }
    stream += fmt::format("M 040000 {} \"\"\n\n", source.tree);
    at[source.id] = made.size();
    made.push_back({.name = fmt::format(":{}", made.size()), .tree = source.tree, .parents = parents});
  }
  const auto last = at.find(head);
  if (last == at.end() || last->second == 0) co_return member.base;
  stream += fmt::format("reset {}\nfrom {}\n\ndone\n", ref, made[last->second].name);
  const Result<std::string> imported = co_await program.run(
      {.git_dir = directory,
       .arguments = {"-c", "core.fsync=all", "fast-import", "--quiet", "--force", "--done", "--date-format=raw"},
       .input = std::move(stream)});
  if (!imported) co_return fail(imported.error(), "split " + member.name);
  const Result<std::string> commit =
      co_await program.run({.git_dir = directory, .arguments = {"rev-parse", "--verify", ref}});
  if (!commit) co_return fail(commit.error());
  co_return trimmed(*commit);
}

}  // namespace swarm::git
