#include "agentd/cli/git.hpp"

#include <unistd.h>

#include <array>
#include <climits>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/body.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

constexpr std::chrono::minutes kGitPatience{10};  // of a repository with very many files
constexpr std::string_view kWorktrees = "/workspace/.worktrees/";

/// Where in which worktree the caller is, as far as its directory tells.
struct Here {
  std::string repo;
  std::string below;  ///< "src/" in the repository; empty at its root
};

Here here() {
  char place[PATH_MAX] = {};
  if (getcwd(place, sizeof place) == nullptr) return {};
  std::string_view rest(place);
  if (!rest.starts_with(kWorktrees)) return {};
  rest.remove_prefix(kWorktrees.size());
  const std::size_t agent = rest.find('/');
  if (agent == std::string_view::npos) return {};
  rest.remove_prefix(agent + 1);
  const std::size_t repo = rest.find('/');
  Here found{.repo = std::string(rest.substr(0, repo)), .below = {}};
  if (repo != std::string_view::npos) found.below = std::string(rest.substr(repo + 1)) + "/";
  return found;
}

/// A path as typed, from the root of the repository.
std::string from_root(const Here& at, std::string_view path) {
  std::string whole = at.below;
  if (path.starts_with('/')) {  // below the worktree it may be written in full
    whole.clear();
    const std::size_t found = path.find("/" + at.repo + "/");
    if (path.starts_with(kWorktrees) && found != std::string_view::npos) path.remove_prefix(found + at.repo.size() + 2);
  }
  while (path.starts_with("../") || path == ".." || path.starts_with("./") || path == ".") {
    if (path.starts_with("..") && !whole.empty()) {
      whole.pop_back();
      whole.erase(whole.find_last_of('/') + 1);  // npos + 1 is 0
    } else if (path.starts_with("..")) {
      return std::string(path);  // out of the repository: agentd says so
    }
    const std::size_t slash = path.find('/');
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  whole += path;
  return whole.empty() ? "." : whole;
}

/// What every call says: the repository, when it is clear.
Value::Map place_of(const Arguments& args, const Here& at) {
  Value::Map arguments;
  if (auto repo = args.value("--repo")) {
    arguments.emplace_back("repo", std::move(*repo));
  } else if (!at.repo.empty()) {
    arguments.emplace_back("repo", at.repo);
  }
  return arguments;
}

Value::Array paths_of(const Arguments& args, const Here& at) {
  Value::Array paths;
  for (const std::string& path : args.rest()) paths.emplace_back(from_root(at, path));
  return paths;
}

std::string short_id(const std::string& id) { return id.substr(0, 10); }

std::string letter_of(const std::string& kind) {
  if (kind == "added") return "A";
  if (kind == "deleted") return "D";
  if (kind == "type_changed") return "T";
  return kind == "conflicted" ? "U" : "M";
}

void print_changes(const Value::Array& changes, std::int64_t total) {
  for (const Value& change : changes)
    print_line("  " + letter_of(text_of(change, "kind")) + " " + text_of(change, "path"));
  const std::int64_t more = total - static_cast<std::int64_t>(changes.size());
  if (more > 0) print_line("  and " + std::to_string(more) + " more");
}

void print_commit(const Value& answer) {
  if (!truth_of(answer, "created")) {
    print_line("nothing to commit on " + text_of(answer, "branch") + " at " + short_id(text_of(answer, "commit")));
    return;
  }
  print_line(text_of(answer, "branch") + " is now " + short_id(text_of(answer, "commit")) + ", " +
             text_of(answer, "total_files") + " path(s) changed");
  print_changes(list_of(answer, "files"), number_of(answer, "total_files"));
}

void print_status(const Value& answer) {
  print_line("branch       " + text_of(answer, "branch") + " at " + short_id(text_of(answer, "head")));
  print_line("integration  " + text_of(answer, "ahead") + " commit(s) ahead, " + text_of(answer, "behind") + " behind" +
             (number_of(answer, "behind") > 0 ? " ('swarm sync' takes them over)" : ""));
  const std::string merging = text_of(answer, "merging");
  if (!merging.empty()) {
    print_line("merging      " + short_id(merging) +
               ": resolve the conflicts and 'swarm commit', or 'swarm sync --abort'");
  }
  const std::int64_t total = number_of(answer, "total_changes");
  print_line("changes      " + (total == 0 ? std::string("none") : std::to_string(total) + " path(s), not committed"));
  print_changes(list_of(answer, "changes"), total);
}

void print_diff(const Value& answer) {
  const Value* patch = answer.find("patch");
  const Bytes* bytes = patch != nullptr ? patch->as_bytes() : nullptr;
  const std::string text = bytes != nullptr ? bytes->data : text_of(answer, "patch");
  if (!text.empty()) {
    print_text(text);
  } else {
    for (const Value& file : list_of(answer, "files")) {
      print_line(
          letter_of(text_of(file, "kind")) + " " + text_of(file, "path") +
          (truth_of(file, "binary") ? "  binary" : "  +" + text_of(file, "added") + " -" + text_of(file, "removed")));
    }
  }
  if (truth_of(answer, "truncated")) print_line("(there is more: name paths, or raise '--limit')");
}

void print_log(const Value& answer) {
  std::vector<std::vector<std::string>> rows = {{"COMMIT", "AUTHOR", "WHEN", "SUBJECT"}};
  for (const Value& commit : list_of(answer, "commits")) {
    rows.push_back({short_id(text_of(commit, "id")), text_of(commit, "author_name"), ago(number_of(commit, "time_us")),
                    text_of(commit, "subject")});
  }
  print_table(rows, "no commits");
}

void print_sync(const Value& answer) {
  const std::string outcome = text_of(answer, "outcome");
  if (outcome == "conflict") {
    print_line("conflicts: resolve the markers and 'swarm commit', or give up with 'swarm sync --abort'");
    for (const Value& conflict : list_of(answer, "conflicts")) {
      print_line("  " + text_of(conflict, "path") + ": " + text_of(conflict, "reason"));
    }
    return;
  }
  print_line((outcome == "up_to_date" ? "nothing new" : outcome) + ", at " + short_id(text_of(answer, "head")));
}

void print_rebase(const Value& answer) {
  const std::string outcome = text_of(answer, "outcome");
  if (outcome == "conflict") {
    print_line("nothing was changed: " + short_id(text_of(answer, "commit")) + " (" + text_of(answer, "subject") +
               ") does not fit on the integration branch. 'swarm sync' merges instead, and lets you resolve it");
    for (const Value& conflict : list_of(answer, "conflicts")) {
      print_line("  " + text_of(conflict, "path") + ": " + text_of(conflict, "reason"));
      for (const Value& hunk : list_of(conflict, "hunks")) {
        const Value* text = hunk.find("text");
        const Bytes* bytes = text != nullptr ? text->as_bytes() : nullptr;
        print_text(bytes != nullptr ? bytes->data : text_of(hunk, "text"));
      }
    }
    return;
  }
  if (outcome == "up_to_date") {
    print_line("nothing new, at " + short_id(text_of(answer, "head")));
    return;
  }
  const std::string left_out = text_of(answer, "left_out");
  print_line(text_of(answer, "replayed") + " commit(s) on top of " + short_id(text_of(answer, "onto")) + ", at " +
             short_id(text_of(answer, "head")) + " (was " + short_id(text_of(answer, "before")) + ")" +
             (left_out == "0" ? "" : "; " + left_out + " left out, the integration branch has what they did"));
}

int commit(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words,
                                                 {{"-m", Takes::value},
                                                  {"--message", Takes::value},
                                                  kFileOption,
                                                  {"--task", Takes::value},
                                                  {"--run", Takes::value},
                                                  {"--repo", Takes::value}},
                                                 {});
  if (!args) return misused(call, args.error());
  std::optional<std::string> message = args->value("-m");
  if (!message) message = args->value("--message");
  if (!message) {
    if (!args->has(kFileOption.name)) {
      return misused(call, {.code = Code::invalid_argument, .message = "the message is missing"});
    }
    Result<std::string> text = read_text(*args, args->rest().size(), 65'536);
    if (!text) return misused(call, text.error());
    message = std::move(*text);
  }
  const Here at = here();
  Value::Map arguments = place_of(*args, at);
  arguments.emplace_back("message", std::move(*message));
  arguments.emplace_back("paths", paths_of(*args, at));
  for (const char* field : {"task", "run"}) {
    if (auto value = args->value(std::string("--") + field)) arguments.emplace_back(field, std::move(*value));
  }
  // The same files committed again are nothing to commit.
  return answer(
      call, *args,
      {.method = "git.commit", .arguments = std::move(arguments), .again = Again::safe, .patience = kGitPatience},
      print_commit);
}

int changes(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {{"--repo", Takes::value}}, {.most = 0});
  if (!args) return misused(call, args.error());
  return answer(
      call, *args,
      {.method = "git.status", .arguments = place_of(*args, here()), .again = Again::safe, .patience = kGitPatience},
      print_status);
}

int diff(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words,
                                                 {{"--from", Takes::value},
                                                  {"--to", Takes::value},
                                                  {"--stat", Takes::nothing},
                                                  {"--limit", Takes::value},
                                                  {"--repo", Takes::value}},
                                                 {});
  if (!args) return misused(call, args.error());
  const Result<std::optional<std::int64_t>> limit = args->number("--limit");
  if (!limit) return misused(call, limit.error());
  const Here at = here();
  Value::Map arguments = place_of(*args, at);
  arguments.emplace_back("paths", paths_of(*args, at));
  for (const char* field : {"from", "to"}) {
    if (auto value = args->value(std::string("--") + field)) arguments.emplace_back(field, std::move(*value));
  }
  if (args->has("--stat")) arguments.emplace_back("patch", false);
  // Below what one message of the inner socket may be.
  arguments.emplace_back("limit_bytes", limit->value_or(512 * 1024));
  return answer(
      call, *args,
      {.method = "git.diff", .arguments = std::move(arguments), .again = Again::safe, .patience = kGitPatience},
      print_diff);
}

int log(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(
      call.words, {{"--limit", Takes::value}, {"--exclude", Takes::value}, {"--repo", Takes::value}}, {.most = 1});
  if (!args) return misused(call, args.error());
  const Result<std::optional<std::int64_t>> limit = args->number("--limit");
  if (!limit) return misused(call, limit.error());
  Value::Map arguments = place_of(*args, here());
  if (!args->rest().empty()) arguments.emplace_back("from", args->rest().front());
  if (auto exclude = args->value("--exclude")) arguments.emplace_back("exclude", std::move(*exclude));
  arguments.emplace_back("limit", limit->value_or(20));
  return answer(
      call, *args,
      {.method = "git.log", .arguments = std::move(arguments), .again = Again::safe, .patience = kGitPatience},
      print_log);
}

int sync(const Invocation& call) {
  const Result<Arguments> args =
      Arguments::read(call.words, {{"--abort", Takes::nothing}, {"--repo", Takes::value}}, {.most = 0});
  if (!args) return misused(call, args.error());
  Value::Map arguments = place_of(*args, here());
  if (args->has("--abort")) arguments.emplace_back("abort", true);
  return answer(call, *args, {.method = "git.sync", .arguments = std::move(arguments), .patience = kGitPatience},
                print_sync);
}

int rebase(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {{"--repo", Takes::value}}, {.most = 0});
  if (!args) return misused(call, args.error());
  return answer(call, *args, {.method = "git.rebase", .arguments = place_of(*args, here()), .patience = kGitPatience},
                print_rebase);
}

constexpr std::array kGitVerbs = {
    Verb{"changes", "changes [--repo NAME]", "what is not committed in your worktree, and how your branch stands", "",
         changes},
    Verb{"commit", "commit -m TEXT [PATH...] [--task ID] [--run ID] [--repo NAME]\ncommit --file FILE [PATH...]",
         "commit what changed in your worktree, in your name",
         "Everything that changed, or only what is at or below the PATHs; ignored files never. A path that another "
         "agent\n"
         "has locked, a line that looks like a secret, and conflict markers stop it and are named. git(1) can look at\n"
         "your worktree, but commits are made here.",
         commit},
    Verb{"diff", "diff [PATH...] [--from COMMIT] [--to COMMIT] [--stat] [--limit BYTES]",
         "what you did since you last had the integration branch, committed or not", "", diff},
    Verb{"log", "log [COMMIT] [--exclude COMMIT] [--limit N]", "commits of your branch, or from COMMIT on",
         "COMMIT is an id or a branch: 'swarm/<swarm>/integration'.", log},
    Verb{"sync", "sync\nsync --abort", "take over what was integrated meanwhile",
         "Your branch and your files get what the integration branch has. Where both changed the same lines the files\n"
         "get markers: resolve them and commit, or `--abort`.",
         sync},
    Verb{"rebase", "rebase [--repo NAME]", "put your commits on top of what was integrated meanwhile",
         "All of them, or none: where a commit does not fit, you are told which and where, and nothing is changed.\n"
         "Authors, messages and trailers stay. `swarm sync` merges instead; take that once others have your commits.",
         rebase},
};

}  // namespace

void print_worktree(const Invocation& call) {
  const Here at = here();
  Value::Map arguments;
  if (!at.repo.empty()) arguments.emplace_back("repo", at.repo);
  const Result<Value> status =
      ask(call,
          {.method = "git.status", .arguments = std::move(arguments), .again = Again::safe, .patience = kGitPatience});
  if (status) print_status(*status);
}

std::span<const Verb> git_verbs() { return kGitVerbs; }

}  // namespace swarm::cli
