#pragma once
// A program in a sandbox, run to its end, with files of the host as its input and output.

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "protocol/api/exec.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::e2b_endpoint {

struct Program {
  std::vector<std::string> argv;
  std::string user = "root";
  std::string cwd = "/";
  std::map<std::string, std::string> env;
  std::string input;   ///< a file of the host; empty: none
  std::string output;  ///< where standard output goes, a file that is made; empty: to `line`
  /// Every line of output, and whether it is of standard error.
  std::function<void(std::string line, bool error)> line;
};

/// How it ended. Fails when it could not be started, or its input or output broke.
async::Task<Result<api::ExecStatus>> run_program(std::shared_ptr<wire::Connection> agent, Program program);

/// What a template begins with.
struct Beginning {
  std::string command;  ///< goes on running
  std::string ready;    ///< a command that ends well when it may be used; empty: at once
  std::string user;
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> labels;  ///< of `command`
  std::chrono::seconds within;                ///< so long it may take to be ready
};

/// Starts it and waits until it is ready; gives the number of its process. An error says which of the two commands
/// failed, and what it said last.
async::Task<Result<std::uint32_t>> begin_template(std::shared_ptr<wire::Connection> agent, Beginning what);

}  // namespace swarm::e2b_endpoint
