#pragma once
// The project as the demo agent sees it: wishes in `features/`, tests that Python's unittest runs.

#include <map>
#include <string>
#include <vector>

#include "agentd/demo/process.hpp"
#include "agentd/demo/wish.hpp"

namespace swarm::demo {

/// How a test or a check went.
struct Checked {
  bool good = false;
  std::string output;               ///< the end of what it printed
  std::vector<std::string> failed;  ///< names of the test methods that failed
};

/// Every wish of the tree at `directory`, the urgent ones first.
Result<std::vector<Wish>> read_wishes(const std::string& directory);

/// The wish that a text names by its path; `not_found` where it names none.
Result<Wish> wish_of(const std::string& directory, const std::string& text);

/// Runs one test module in `directory`.
Result<Checked> run_test(const std::string& directory, const std::string& test_name);

/// What the code in `directory` makes of each example of a wish that it does not fulfil: "apply('x') is 'y', wished for
/// is 'z'". Empty: it fulfils all.
Result<std::vector<std::string>> broken_examples(const std::string& directory, const Wish& wish);

/// Which of a wish's choices the code in `directory` made; empty where none of them alone explains what it does.
Result<std::string> choice_made(const std::string& directory, const Wish& wish);

/// Makes the files those of the newest commit again.
Result<void> put_away_changes(const std::string& directory);

/// Id of the newest commit, and in the lines behind it the body of its message.
Result<std::string> newest_commit(const std::string& directory);

/// A file as it was when the swarm began; `not_found` where it was not there.
Result<std::string> base_file(const std::string& directory, const std::string& path);

/// The tree of a commit in a directory of its own, below the temporary directory; removed with the object.
class Tree {
 public:
  static Result<Tree> of(const std::string& worktree, const std::string& commit);
  Tree(Tree&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}
  Tree& operator=(Tree&&) = delete;
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree();
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  explicit Tree(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace swarm::demo
