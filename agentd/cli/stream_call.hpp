#pragma once
// A call with a file beside it. The file is opened by `swarm` itself, with the rights of whoever runs it: nothing that
// has more rights ever looks at a name that an agent wrote.

#include "agentd/cli/call.hpp"

namespace swarm::cli {

/// Calls a method with the bytes of `file` as its stream `content`, and waits for the answer. Gives up when nothing
/// moves for `patience`.
Result<Value> call_sending(const std::string& socket, const std::string& method, Value arguments, int file,
                           std::chrono::milliseconds patience);

/// Calls a method and writes its stream `content` into `file`. The answer, when all has come.
Result<Value> call_receiving(const std::string& socket, const std::string& method, Value arguments, int file,
                             std::chrono::milliseconds patience);

}  // namespace swarm::cli
