#pragma once

#include <utility>

#include "agentd/exec/shim/protocol.hpp"
#include "agentd/exec/spec.hpp"
#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::agentd {

/// The shim's request as bytes. Errors as of `make_request`.
Result<std::string> encode_request(const ExecSpec& spec);

/// The shim's request as a memory file. `invalid_argument` for text with a NUL inside, no program, too many groups.
Result<UniqueFd> make_request(const ExecSpec& spec);

/// Bytes as a memory file that is read from its start.
Result<UniqueFd> make_memory_file(const char* name, std::string_view bytes);

/// A pipe whose writing and reading end belong to `user`, so that its programs can open /dev/stdout and the like.
struct PipeEnds {
  UniqueFd reading;
  UniqueFd writing;
};
Result<PipeEnds> make_pipe(const ExecUser& user);

/// A terminal: our end, and the one of the program.
struct TerminalEnds {
  UniqueFd master;
  UniqueFd slave;
};
Result<TerminalEnds> make_terminal(const TerminalSize& size, const ExecUser& user);

/// What a state of phase `failed` means for who asked.
Error start_failure(const shim::State& state, const ExecSpec& spec);

}  // namespace swarm::agentd
