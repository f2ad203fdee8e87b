#include "client/exit_codes.hpp"

namespace swarm::client {

int exit_of(const Error& error) { return swarm::exit_of(error.code); }

int exit_of(const api::ExecStatus& status) {
  if (status.exit_code) return static_cast<int>(*status.exit_code & 0xffU);
  if (status.signal) return kExitSignal + static_cast<int>(*status.signal & 0x7fU);
  return kExitOurs;
}

std::string exit_codes_page() {
  return R"(Exit statuses of swarmctl

Every command:
    0  it worked
    1  it was refused or failed; the message says why
    2  the command line or an argument is wrong
    3  the daemon cannot be reached, or went away meanwhile
    4  what was named does not exist
    5  the time allowed (--timeout) ran out; what was asked may still happen
    6  not allowed
  130  ended by Ctrl-C
  141  whoever read our output has gone

exec, shell, ps attach and ps wait give the status of the program that ran:
    n  the program's own status, 0 to 255
  125  swarmctl or the daemon failed, not the program
  126  the program exists but could not be run
  127  there is no such program in the sandbox
  128+s  signal s ended the program: 137 is KILL, 143 is TERM

doctor and config check: 1 when something is wrong, 0 when there are only warnings.
)";
}

}  // namespace swarm::client
