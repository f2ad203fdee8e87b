#include "daemon/serve.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "daemon/providers/e2b/settings.hpp"
#include "daemon/secrets/sources.hpp"
#include "daemon/ship/remote.hpp"
#include "protocol/core/version.hpp"

namespace swarm {
namespace {

// sysexits.h: systemd and people tell a wrong configuration from a crash by them.
constexpr int kExitConfig = 78;
constexpr int kExitFailed = 1;

int complain(const Error& error) {
  fmt::print(stderr, "swarmd: {}\n", error.message);
  return kExitFailed;
}

/// Descriptors are what a daemon with many sandboxes runs out of first; take what the administrator allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int serve(const Options& options, Parts parts) {
  const auto mode = options.system ? Surroundings::Mode::system : Surroundings::Mode::user;
  Result<Places> places = Places::find(Surroundings::current(mode));
  if (!places) return complain(places.error());

  config::Sources sources{
      .path = options.config.value_or(places->config_file),
      .file = options.config ? config::Sources::File::must_exist : config::Sources::File::may_be_missing,
      .environment = config::process_environment(),
      .flags = options.flags};
  auto loaded = config::load(sources);
  if (!loaded) {
    fmt::print(stderr, "{}\n", config::to_string(loaded.error()));
    return kExitConfig;
  }
  if (parts.adjust) parts.adjust(loaded->config);
  e2b::adopt_environment(loaded->config);
  ship::adopt_environment(loaded->config);
  if (!loaded->config.daemon.socket.empty()) places->socket = loaded->config.daemon.socket;
  if (options.socket) places->socket = *options.socket;
  if (Result<void> fits = check_socket_path(places->socket); !fits) return complain(fits.error());
  if (Result<void> made = places->create(); !made) return complain(made.error());

  service::ServiceManager manager = service::ServiceManager::take();
  auto from_environment = secrets::take_from_environment(loaded->config.secrets);
  const std::string threads = std::to_string(loaded->config.daemon.threads);
  setenv("UV_THREADPOOL_SIZE", threads.c_str(), 1);  // before the first job: libuv reads it once
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);

  secrets::Redactor redactor;
  auto logging =
      log::Logging::start(loaded->config.log, options.background ? log::Target::file : log::Target::standard_error,
                          places->log / "swarmd.log", redactor);
  if (!logging) return complain(logging.error());
  const log::Logger logger("daemon");
  for (const config::Problem& warning : loaded->warnings) logger.warn(warning.to_string());

  const SystemClock clock;
  SystemRandom random;
  async::Loop loop(clock);
  Daemon daemon(loop, random,
                {.sources = std::move(sources),
                 .loaded = std::move(*loaded),
                 .places = std::move(*places),
                 .manager = manager,
                 .logging = **logging,
                 .redactor = redactor,
                 .from_environment = std::move(from_environment),
                 .parts = std::move(parts)});
  if (Result<void> opened = daemon.open(); !opened) {
    if (options.background) logger.error("cannot start", {{"error", opened.error()}});
    return complain(opened.error());
  }
  const Result<void> ended = loop.block_on(daemon.run());
  if (!ended) {
    logger.error("ended", {{"error", ended.error()}});
    return complain(ended.error());
  }
  logger.info("stopped");
  return 0;
}

}  // namespace swarm
