#pragma once
// The real swarmctl against the fake daemon: both ends of a command in one test.

#include <catch2/catch.hpp>

#include "protocol/async/process.hpp"
#include "protocol/async/timer.hpp"
#include "tests/fixtures/fake_daemon.hpp"
#include "tests/fixtures/loop_fixture.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::tests {

struct ClientRig : LoopFixture {
  ClientRig() : daemon(loop, directory.path()) {}

  struct Ran {
    std::string out;
    std::string err;
    int status = 0;  ///< as a shell sees it
  };

  /// Runs swarmctl to its end.
  Ran run(std::vector<std::string> arguments, std::string input = {}) {
    arguments.insert(arguments.begin(), {SWARM_BIN_DIR "/swarmctl", "--socket", daemon.socket()});
    async::SpawnOptions options{.argv = std::move(arguments), .env = environment()};
    const auto output = loop.block_on(async::with_timeout(
        loop, async::run_command(loop, std::move(options), std::move(input)), std::chrono::seconds(60), "swarmctl"));
    REQUIRE(output);
    return {.out = output->out,
            .err = output->err,
            .status = output->status.signal != 0 ? 128 + output->status.signal : output->status.code};
  }

  static std::vector<std::string> environment() {
    std::vector<std::string> variables = async::current_environment();
    std::erase_if(variables,
                  [](const std::string& v) { return v.starts_with("SWARMD_") || v.starts_with("NO_COLOR"); });
    return variables;
  }

  test::TemporaryDirectory directory;
  FakeDaemon daemon;
};

}  // namespace swarm::tests
