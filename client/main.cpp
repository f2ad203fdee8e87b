#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "client/cli.hpp"
#include "client/exit_codes.hpp"
#include "protocol/core/units.hpp"

namespace {

using namespace swarm;
using namespace swarm::client;

Printer make_printer(const Globals& globals) {
  const char* no_color = std::getenv("NO_COLOR");
  return {standard_output(),
          standard_error(),
          {.form = globals.json ? Printer::Form::json : Printer::Form::people,
           .color = globals.color == "always"  ? Color::always
                    : globals.color == "never" ? Color::never
                                               : Color::automatic,
           .quiet = globals.quiet,
           .no_color_asked = no_color != nullptr && *no_color != '\0'}};
}

int run(ParsedLine parsed) {
  Printer printer = make_printer(parsed.selection.globals);
  if (parsed.exit) {
    printer.text(parsed.out);
    if (parsed.error) printer.error(*parsed.error);
    return *parsed.exit;
  }
  const Selection& selection = parsed.selection;
  const auto failed = [&](const Error& error) {
    printer.error(error);
    return selection.runs_program ? static_cast<int>(kExitOurs) : exit_of(error);
  };
  std::optional<Duration> timeout;
  if (!selection.globals.timeout.empty()) {
    const Result<Duration> read = parse_duration(selection.globals.timeout);
    if (!read) return failed(read.error().with_context("--timeout"));
    timeout = *read;
  }
  const SystemClock clock;
  async::Loop loop(clock);
  Context context{.loop = loop,
                  .printer = printer,
                  .globals = selection.globals,
                  .surroundings = Surroundings::current(Surroundings::Mode::user),
                  .timeout = timeout};
  const Result<int> status = loop.block_on(selection.action(context));
  return status ? *status : failed(status.error());
}

}  // namespace

int main(int argc, char** argv) {
  // A closed pipe shows as EPIPE where it is written to; see `end_for_closed_output`.
  ::signal(SIGPIPE, SIG_IGN);
  ::setenv("UV_THREADPOOL_SIZE", "2", 0);
  try {
    return run(parse_line({argv + 1, argv + argc}));
  } catch (const std::exception& bug) {
    fmt::print(stderr, "swarmctl: internal error: {}\n", bug.what());
    return kExitOurs;
  }
}
