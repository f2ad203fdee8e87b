#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace swarm::agentd {

/// Who a program runs as.
struct ExecUser {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< supplementary ones
  std::string home = "/";
  std::string shell = "/bin/sh";
};

struct TerminalSize {
  std::uint32_t cols = 80;
  std::uint32_t rows = 24;
};

/// One resource limit of setrlimit(2).
struct ResourceLimit {
  int resource = 0;
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

/// Whether an exec ends with the call that started it. One in a pane is no exec of ours at all: the pane keeps it.
enum class Lifetime { foreground, background, pane };

/// Where a program's input comes from.
enum class Input {
  none,    ///< it is empty
  bytes,   ///< all of it is known: `ExecSpec::input`
  stream,  ///< it is given while the program runs
};

/// What to run, completely decided: nothing is looked up or defaulted below this.
struct ExecSpec {
  std::vector<std::string> argv;
  std::optional<std::string> command;  ///< the shell line that `argv` was made from
  std::vector<std::string> env;        ///< the whole environment, "NAME=value"
  std::string cwd = "/";
  ExecUser user;
  std::optional<TerminalSize> terminal;
  std::optional<std::chrono::milliseconds> timeout;
  std::chrono::milliseconds grace{5000};  ///< between TERM and KILL
  Lifetime lifetime = Lifetime::foreground;
  Input input_from = Input::none;
  std::string input;
  std::vector<ResourceLimit> limits;
  std::map<std::string, std::string> labels;
  std::string caller;  ///< for the record: "uid:1000", "daemon"
};

}  // namespace swarm::agentd
