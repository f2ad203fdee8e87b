#pragma once
// git(1) on the host, run so that no repository can make it do anything but what was asked: no hooks, no filters, no
// file system monitor, no transports, no credentials, no pager or editor, and no configuration but the repository's
// own, whose dangerous keys are overridden. (libgit2 1.5 has no thin packs, shallow repositories or fsck.)

#include <memory>
#include <string>
#include <vector>

#include "protocol/async/process.hpp"
#include "protocol/core/error.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::git {

/// One call of git(1).
struct GitCall {
  std::string git_dir;                 ///< GIT_DIR; empty: git finds it from `cwd`
  std::string cwd;                     ///< empty: `git_dir`
  std::vector<std::string> arguments;  ///< after the safe options: "rev-parse", ...
  std::vector<std::string> env;        ///< on top of the safe environment
  std::string input;
  std::vector<std::pair<int, int>> fds{};  ///< for `run` and `ask`: {descriptor in git, descriptor of ours}, beyond 2
};

/// The program and where it may keep what it needs to keep. Outlives what it started.
class Program {
 public:
  Program(async::Loop& loop, std::string path = "git") : loop_(loop), path_(std::move(path)) {}

  /// Runs it to its end. An exit status other than 0 is an error with git's own words: `not_found` and the like are not
  /// told apart.
  async::Task<Result<std::string>> run(GitCall call) const;

  /// The same, for calls whose exit status is an answer.
  async::Task<Result<async::CommandOutput>> ask(GitCall call) const;

  /// Starts it and gives its output as it comes. The end of the stream is clean only if it exited with 0. Dropping it
  /// ends the program.
  Result<std::unique_ptr<wire::ByteSource>> stream_out(GitCall call) const;

  /// Feeds `input` to it, at most `limit_bytes` (0: no limit; `resource_exhausted` beyond), and gives its output.
  async::Task<Result<std::string>> feed(GitCall call, std::unique_ptr<wire::ByteSource> input,
                                        std::uint64_t limit_bytes) const;

  [[nodiscard]] async::Loop& loop() const { return loop_; }

 private:
  [[nodiscard]] async::SpawnOptions options(const GitCall& call) const;
  async::Loop& loop_;
  std::string path_;
};

}  // namespace swarm::git
