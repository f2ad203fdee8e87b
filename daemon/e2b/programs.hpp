#pragma once
// A program in a sandbox, run to its end, with files of the host as its input and output.

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

}  // namespace swarm::e2b_endpoint
