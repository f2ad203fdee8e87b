// agentd: `agentd init ...` is PID 1 of a sandbox, `agentd run ...` serves it.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "agentd/init/init.hpp"
#include "agentd/init/protocol.hpp"
#include "agentd/run/agentd.hpp"

namespace {

using namespace swarm;

constexpr int kUsage = 2;

int complain(std::string_view what, int status) {
  fmt::print(stderr, "agentd: {}\n", what);
  return status;
}

UniqueFd inherited(int number) {
  return UniqueFd(fcntl(number, F_SETFD, FD_CLOEXEC) == 0 ? number : -1);  // handed over, so ours to own
}

/// The secret's file: one that nobody but us could have read.
Result<UniqueFd> open_secret(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return fail_errno("open", path);
  struct stat facts{};
  if (fstat(file.get(), &facts) != 0) return fail_errno("stat", path);
  if (!S_ISREG(facts.st_mode) || facts.st_uid != geteuid() || (facts.st_mode & 077U) != 0) {
    return fail(Code::failed_precondition, fmt::format("{}: not a file of mode 0600 that belongs to us", path));
  }
  return file;
}

int run(const std::vector<std::string>& words) {
  // Programs start with the environment that the sandbox was given, not with what we set for ourselves.
  std::vector<std::string> environment = async::current_environment();
  setenv("UV_THREADPOOL_SIZE", "4", 1);
  // The tunnel's secret is in our memory: no other process of the same uid may look into it.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  const Result<agentd::RunOptions> options = agentd::parse_run_options(words);
  if (!options) return complain(options.error().message, kUsage);
  agentd::Agentd::Inherited handed;
  if (options->listen != 0) {
    Result<UniqueFd> secret = open_secret(options->secret_file);
    if (!secret) return complain(secret.error().to_string(), EXIT_FAILURE);
    handed.secret = std::move(*secret);
  } else {
    handed = {.listener = inherited(agentd::kListenFd),
              .secret = inherited(agentd::kSecretFd),
              .control = inherited(agentd::kControlFd)};
    if (!handed.listener || !handed.secret) {
      return complain("descriptors 3 and 4 are missing; 'agentd init' starts 'agentd run' with them", kUsage);
    }
  }
  SystemClock clock;
  SystemRandom random;
  async::Loop loop(clock);
  agentd::Agentd daemon(loop, random, *options, std::move(handed), std::move(environment));
  const Result<int> status = loop.block_on(daemon.run());
  if (!status) return complain(status.error().to_string(), EXIT_FAILURE);
  return *status;
}

int init(const std::vector<std::string>& words) {
  std::string error;
  const agentd::InitOptions options = agentd::parse_init_options(words, error);
  if (!error.empty()) return complain("init: " + error, kUsage);
  return agentd::run_init(options);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 2), argv + argc);
  const std::string_view verb = argc > 1 ? argv[1] : "";
  try {
    if (verb == "run") return run(words);
    if (verb == "init") return init(words);
  } catch (const std::exception& bug) {
    return complain(bug.what(), EXIT_FAILURE);
  }
  if (verb == "version") {
    fmt::print("agentd {}\n", SWARM_VERSION);
    return 0;
  }
  return complain("usage: agentd run --sandbox ID [options] | agentd init [options] -- PROGRAM ... | agentd version",
                  kUsage);
}
