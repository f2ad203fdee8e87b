#pragma once
// What every command is given. Commands know the protocol and the printer; nothing here knows a single command.

#include <functional>
#include <optional>
#include <string>

#include "client/output/printer.hpp"
#include "protocol/async/loop.hpp"
#include "protocol/places/places.hpp"

namespace swarm::client {

/// The options that every command takes.
struct Globals {
  bool json = false;
  bool quiet = false;
  bool no_start = false;
  std::string socket;    ///< empty: where `client_sockets` says
  std::string provider;  ///< empty: the daemon's choice
  std::string color = "auto";
  std::string timeout;  ///< a duration; empty: as long as it takes
};

struct Context {
  async::Loop& loop;
  Printer& printer;
  Globals globals;
  Surroundings surroundings;
  std::optional<Duration> timeout;  ///< of `globals`, read

  [[nodiscard]] WallTime now() const { return loop.clock().wall(); }
};

/// A command, ready to run: gives the exit status.
using Action = std::function<async::Task<Result<int>>(Context&)>;

/// What the command line asks for.
struct Selection {
  Globals globals;
  Action action;
  /// What followed "--" where a program's own words begin (`exec`); the parser does not see them.
  std::optional<std::vector<std::string>> after_dashes;
  /// The command runs a program: our own failures are 125.
  bool runs_program = false;
};

}  // namespace swarm::client
