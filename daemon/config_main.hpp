#pragma once

namespace swarm {

/// `swarmd config check|show [--json] [--prefix P] [--changed] [--config FILE] [--system] [--set KEY=VALUE]...`: what a
/// configuration says, without starting anything. `argv[1]` is "config". The exit status: 0, 1 when it has mistakes, 2
/// for a wrong command line.
int config_main(int argc, const char* const* argv);

}  // namespace swarm
