#pragma once
// The tools of `swarm mcp`: methods of agentd under the names of the verbs. What a tool takes is not written here: it
// is what agentd says of the method (`rpc.discover`).

#include <span>
#include <string_view>

#include "protocol/core/value.hpp"

namespace swarm::cli {

struct Tool {
  std::string_view name;    ///< "task_next"
  std::string_view method;  ///< "task.next"
  std::string_view hint;    ///< behind what the method's documentation says; may be empty
};

std::span<const Tool> all_tools();

/// The tool as `tools/list` tells it, from the answer of `rpc.discover`; nil where agentd does not have the method.
Value tool_info(const Tool& tool, const Value& discovered);

}  // namespace swarm::cli
