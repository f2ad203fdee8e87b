#include "client/start_daemon.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>

#include "client/connect.hpp"
#include "protocol/api/rpc.hpp"
#include "protocol/async/process.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

namespace fs = std::filesystem;

bool runnable(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

/// What the daemon wrote to its standard error before it ended, without control sequences.
std::string said(int fd) {
  std::string text(4096, '\0');
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  text = safe(text);
  text.erase(text.find_last_not_of("\n ") + 1);
  return text;
}

std::string how_it_ended(const async::ExitStatus& status) {
  return status.signal != 0 ? fmt::format("signal {} ended it", status.signal)
                            : fmt::format("it ended with status {}", status.code);
}

/// Who listens, from the kernel.
Started started_at(const Reached& reached, bool already) {
  const auto peer = reached.stream->peer();
  return {.already = already, .pid = peer ? static_cast<std::uint32_t>(peer->pid) : 0, .socket = reached.path};
}

/// Whether the daemon answers. Its socket is there a moment before it has opened all that it needs.
async::Task<Result<Started>> greet(Context& context, bool already) {
  Result<Reached> reached = co_await reach(context);
  if (!reached) co_return fail(reached.error());
  const Started started = started_at(*reached, already);
  Client client(context, std::move(*reached));
  const Result<api::RpcPingReply> answer = co_await client.call_patiently(api::kRpcPing, {});
  if (!answer) co_return fail(answer.error());
  co_return started;
}

async::Task<Result<async::ExitStatus>> wait_for(async::Process& process) {
  const async::ExitStatus status = co_await process.wait();
  co_return status;
}

}  // namespace

Result<std::string> find_daemon_program(const Context& context) {
  if (const auto named = context.surroundings.environment("SWARMD_BIN")) {
    if (runnable(*named)) return *named;
    return fail(Code::not_found, fmt::format("SWARMD_BIN names '{}', which is no program that can be run", *named));
  }
  std::error_code ignored;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  if (runnable(self.parent_path() / "swarmd")) return (self.parent_path() / "swarmd").native();
  const std::string path = context.surroundings.environment("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const fs::path candidate = fs::path(path.substr(at, end - at)) / "swarmd";
    if (end > at && runnable(candidate)) return candidate.native();
    at = end + 1;
  }
  return fail(Code::not_found,
              fmt::format("the daemon's program 'swarmd' is neither in '{}' nor in PATH; install it, or name it with "
                          "SWARMD_BIN",
                          self.parent_path().native()));
}

async::Task<Result<Started>> start_daemon(Context& context, StartOptions options) {
  Result<Reached> there = co_await reach(context);
  if (there) co_return started_at(*there, true);
  if (there.error().code != Code::unavailable) co_return fail(there.error());

  const Result<std::string> program = find_daemon_program(context);
  if (!program) co_return fail(program.error(), "start the daemon");
  async::SpawnOptions spawn{.argv = {*program, "--background"}, .env = async::current_environment(), .cwd = "/"};
  if (!context.globals.socket.empty()) spawn.argv.insert(spawn.argv.end(), {"--socket", context.globals.socket});
  if (!options.config.empty()) {
    spawn.argv.insert(spawn.argv.end(), {"--config", fs::absolute(options.config).native()});
  }
  // A file in memory rather than a pipe: a daemon that outlives us must not find its standard error broken.
  const UniqueFd complaints(::memfd_create("swarmd-start", MFD_CLOEXEC));
  if (complaints) spawn.fds.emplace_back(STDERR_FILENO, complaints.get());
  spawn.new_session = true;
  Result<std::unique_ptr<async::Process>> process = async::Process::spawn(context.loop, spawn);
  if (!process) co_return fail(process.error(), "start the daemon");
  async::Process& daemon = **process;
  daemon.detach();

  const MonoTime deadline = context.loop.clock().now() + options.patience;
  Duration pause = std::chrono::milliseconds(2);
  for (;;) {
    const Duration left = deadline - context.loop.clock().now();
    if (left <= Duration(0)) break;
    Result<Started> started = co_await async::with_timeout(context.loop, greet(context, false), left, "daemon");
    if (started) co_return started;
    const auto ended = co_await async::with_timeout(context.loop, wait_for(daemon), pause, "daemon");
    pause = std::min(pause * 2, Duration(std::chrono::milliseconds(50)));
    if (!ended) continue;
    // Another client may have been faster; then ours refuses to run beside it, and that is fine.
    const Duration patience = std::max(deadline - context.loop.clock().now(), Duration(std::chrono::seconds(1)));
    Result<Started> other = co_await async::with_timeout(context.loop, greet(context, true), patience, "daemon");
    if (other) co_return other;
    const std::string why = said(complaints.get());
    co_return fail(Code::unavailable,
                   fmt::format("the daemon did not start: {}. 'swarmctl doctor' looks for the reason",
                               why.empty() ? how_it_ended(*ended) : why));
  }
  const std::string why = said(complaints.get());
  co_return fail(
      Code::deadline_exceeded,
      fmt::format("the daemon (pid {}) does not answer within {}{}{}; 'swarmctl daemon logs' shows what it does",
                  daemon.pid(), async::format_duration(options.patience), why.empty() ? "" : ": ", why));
}

}  // namespace swarm::client
