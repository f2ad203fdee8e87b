#pragma once
// Kinds of agents: which program it is, how it is installed, started and configured, and how its screen tells what it
// does. Each kind is a data file (data/NAME.toml, compiled in); `cmd:PROGRAM` is any line for the shell. It knows no
// sandbox and no wire: it says what to run and which files have to be there.
//
// In words, environment and files a data file may write {agent} {role} {brief} {home} {worktree} {model_url}
// {model_key} {model_key_tail} {model} {swarm}; in files of format "json" and "toml" they are escaped for a string
// there. A word or variable whose placeholder is empty is left out, and so is the word before it where that is its
// flag.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/api/pane_types.hpp"
#include "protocol/core/error.hpp"

namespace swarm::kinds {

enum class Mode : std::uint8_t {
  full_screen,  ///< in a pane, for as long as there is work
  one_shot,     ///< does its brief and ends
  resume,       ///< in a pane, going on with the conversation that it had before it ended
};

/// What an agent is started with.
struct StartSpec {
  std::string agent;     ///< "agent-0"
  std::string role;      ///< "implement"
  std::string brief;     ///< its first turn; for `resume` what it is told when it comes back, may be empty
  std::string home;      ///< "/home/agent-0"
  std::string worktree;  ///< where it works
  Mode mode = Mode::full_screen;
  std::string model_url;                           ///< base URL of the model as seen inside; empty: the program's own
  std::string model_key = "sk-swarm-placeholder";  ///< no secret: the real one is added on the host
  std::string model;                               ///< empty: the program's own choice
  std::string swarm = "/opt/swarm/bin/swarm";      ///< the command that hooks and MCP call
};

/// A file that has to be there before the program starts.
struct File {
  std::string path;
  std::string content;
  std::uint32_t mode = 0644;
  bool root = false;  ///< owned by uid 0, so that the agent cannot change it; else the agent's
  bool keep = false;  ///< one that is there already stays: the program keeps things of its own in it
};

/// What to run, complete.
struct Start {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::vector<File> files;
};

/// How it comes into a sandbox.
struct Install {
  std::string tool;     ///< for `swarmctl template install TOOL@VERSION`; empty: nothing is to be installed
  std::string version;  ///< that this kind was tried with
  std::string program;  ///< what has to be in PATH
};

class Kind {
 public:
  /// Reads a data file; `invalid_argument` says the line and what is wrong there.
  static Result<Kind> parse(std::string_view name, std::string_view toml);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& summary() const { return summary_; }
  [[nodiscard]] const Install& install() const { return install_; }
  /// Whose interface its model speaks: "anthropic", "openai", "google"; empty: it asks none.
  [[nodiscard]] const std::string& model_provider() const { return model_provider_; }

  /// `unimplemented` for a mode that it does not have.
  [[nodiscard]] Result<Start> start(const StartSpec& spec) const;

  /// What a pane has to know of it: for `pane.open {program}`.
  [[nodiscard]] const api::PaneProgram& program() const { return program_; }

 private:
  friend Result<Kind> find(std::string_view name);
  struct Template {
    std::string path;
    std::string content;
    std::string format = "raw";
    std::uint32_t mode = 0644;
    bool root = false;
    bool keep = false;
  };
  struct Reader;

  std::string name_;
  std::string summary_;
  Install install_;
  std::string model_provider_;
  std::vector<std::string> full_screen_;
  std::vector<std::string> one_shot_;
  std::vector<std::string> resume_;
  std::vector<std::pair<std::string, std::string>> env_;
  std::vector<Template> files_;
  api::PaneProgram program_;
};

/// "claude", or "cmd:PROGRAM". `not_found` names the nearest and all that there are.
Result<Kind> find(std::string_view name);

/// The names of all kinds with a data file, sorted.
std::vector<std::string> names();

}  // namespace swarm::kinds
