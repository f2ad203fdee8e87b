#include "agentd/demo/project.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>

namespace swarm::demo {
namespace {

constexpr std::size_t kShownOutput = 3000;

std::string tail(const std::string& text) {
  return text.size() <= kShownOutput ? text : text.substr(text.size() - kShownOutput);
}

/// The repository belongs to nobody in particular, which git(1) takes for dangerous unless told otherwise.
std::vector<std::string> git(std::initializer_list<std::string> words) {
  std::vector<std::string> all{"git", "-c", "safe.directory=*"};
  all.insert(all.end(), words);
  return all;
}

std::string example_check(const Wish& wish) {
  std::string code = "import sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, '.')\nfrom " + wish.module_name() +
                     " import apply\n";
  const auto add = [&](const Example& example) {
    code += "got = apply(" + example.input + ")\nif got not in [";
    for (const std::string& result : example.results) code += result + ", ";
    code += "]:\n    print('apply(' + repr(" + example.input +
            ") + ') is ' + repr(got) + ', wished for is ' + ' or '.join(map(repr, [";
    for (const std::string& result : example.results) code += result + ", ";
    code += "])))\n";
  };
  for (const Example& example : wish.examples) add(example);
  return code;
}

}  // namespace

Result<std::vector<Wish>> read_wishes(const std::string& directory) {
  std::vector<Wish> wishes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/features", error)) {
    if (entry.path().extension() != ".feature") continue;
    const Result<std::string> content = read_file(entry.path());
    if (!content) return fail(content.error());
    Result<Wish> wish = parse_wish("features/" + entry.path().filename().string(), *content);
    if (!wish) return fail(wish.error());
    wishes.push_back(std::move(*wish));
  }
  std::ranges::sort(wishes, {}, [](const Wish& w) { return std::tuple(w.kind != "fix", !w.urgent, w.name); });
  return wishes;
}

Result<Wish> wish_of(const std::string& directory, const std::string& text) {
  static const std::regex kPath("features/[A-Za-z0-9_-]+\\.feature");
  std::smatch found;
  if (!std::regex_search(text, found, kPath)) {
    return fail(Code::not_found, "the task names no file in features/, and the demo agent understands nothing else");
  }
  const Result<std::string> content = read_file(directory + "/" + found.str());
  if (!content) return fail(content.error());
  return parse_wish(found.str(), *content);
}

Result<Checked> run_test(const std::string& directory, const std::string& test_name) {
  const Result<Ran> ran = run({"python3", "-B", "-m", "unittest", test_name}, directory);
  if (!ran) return fail(ran.error());
  Checked checked{.good = ran->ok(), .output = tail(ran->err + ran->out), .failed = {}};
  static const std::regex kFailed("^(?:FAIL|ERROR): (\\w+) ");
  std::istringstream lines(ran->err);
  for (std::string line; std::getline(lines, line);) {
    std::smatch name;
    if (std::regex_search(line, name, kFailed)) checked.failed.push_back(name[1]);
  }
  return checked;
}

Result<std::vector<std::string>> broken_examples(const std::string& directory, const Wish& wish) {
  std::vector<std::string> broken;
  if (wish.examples.empty()) return broken;
  const Result<Ran> ran = run({"python3", "-B", "-c", example_check(wish)}, directory);
  if (!ran) return fail(ran.error());
  std::istringstream lines(ran->out);
  for (std::string line; std::getline(lines, line);) broken.push_back(line);
  if (!ran->ok()) broken.push_back("the code cannot be called: " + tail(ran->err));
  return broken;
}

Result<std::string> choice_made(const std::string& directory, const Wish& wish) {
  for (std::size_t i = 0; i < wish.choices.size(); ++i) {
    Wish narrow = wish;
    for (Example& example : narrow.examples) {
      if (i < example.results.size()) example.results = {example.results[i]};
    }
    const auto broken = broken_examples(directory, narrow);
    if (!broken) return fail(broken.error());
    if (broken->empty()) return wish.choices[i];
  }
  return std::string();
}

Result<std::string> base_file(const std::string& directory, const std::string& path) {
  const Result<Ran> ran = run(git({"show", "refs/swarm/base:" + path}), directory);
  if (!ran) return fail(ran.error());
  if (!ran->ok()) return fail(Code::not_found, "git show " + path + ": " + ran->err);
  return ran->out;
}

Result<void> put_away_changes(const std::string& directory) {
  // The repository's own files are not the agent's to write, so git(1) cannot do it.
  const Result<Ran> others = run(git({"ls-files", "--others", "--exclude-standard", "-z"}), directory);
  if (!others) return fail(others.error());
  if (!others->ok()) return fail(Code::internal, "git ls-files: " + others->err);
  for (std::size_t at = 0; at < others->out.size();) {
    const std::size_t end = std::min(others->out.find('\0', at), others->out.size());
    std::error_code ignored;
    std::filesystem::remove(std::filesystem::path(directory) / others->out.substr(at, end - at), ignored);
    at = end + 1;
  }
  const Result<Ran> packed = run(git({"archive", "--format=tar", "HEAD"}), directory);
  if (!packed) return fail(packed.error());
  if (!packed->ok()) return fail(Code::internal, "git archive: " + packed->err);
  const Result<Ran> unpacked = run({"tar", "-xf", "-", "-C", directory}, {}, packed->out);
  if (!unpacked) return fail(unpacked.error());
  if (!unpacked->ok()) return fail(Code::internal, "tar: " + unpacked->err);
  return {};
}

Result<std::string> newest_commit(const std::string& directory) {
  const Result<Ran> ran = run(git({"log", "-1", "--format=%H%n%b"}), directory);
  if (!ran) return fail(ran.error());
  if (!ran->ok()) return fail(Code::internal, "git log: " + ran->err);
  return ran->out;
}

Result<Tree> Tree::of(const std::string& worktree, const std::string& commit) {
  std::string name = std::filesystem::temp_directory_path() / "review-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) return fail_errno("make directory", name);
  Tree tree(name);
  const Result<Ran> packed = run(git({"archive", "--format=tar", commit}), worktree);
  if (!packed) return fail(packed.error());
  if (!packed->ok()) return fail(Code::not_found, "git archive " + commit + ": " + packed->err);
  const Result<Ran> unpacked = run({"tar", "-xf", "-", "-C", name}, {}, packed->out);
  if (!unpacked) return fail(unpacked.error());
  if (!unpacked->ok()) return fail(Code::internal, "tar: " + unpacked->err);
  return tree;
}

Tree::~Tree() {
  if (directory_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace swarm::demo
