#pragma once
// Programs in the background, seen from a person: attaching to their output and input, leaving them again.

#include "client/program/attachment.hpp"

namespace swarm::client {

/// What happens to the program when our terminal goes or we are told to end.
enum class OnHangup : std::uint8_t { leave_program, end_program };

struct InteractiveOptions {
  DetachKeys detach;
  OnHangup on_hangup = OnHangup::leave_program;
  bool output = true;
  bool terminal = false;  ///< the program has one, and ours becomes it
  bool input = true;
  bool raw = false;
  std::optional<std::uint64_t> stdout_from;
  std::optional<std::uint64_t> stderr_from;
};

/// The size and kind of our terminal, for a program that gets one.
api::Pty our_terminal();

/// Attaches to a program in the background until it ends or we leave; the exit status for this command.
async::Task<Result<int>> attach_interactively(Context& context, Client& client, std::string sandbox, std::string exec,
                                              InteractiveOptions options);

}  // namespace swarm::client
