#include "daemon/providers/e2b/bring_up.hpp"

#include <fmt/format.h>

namespace swarm::e2b {
namespace {

constexpr std::size_t kOutputMost = std::size_t{64} << 10U;

// What a shell of any image can do, busybox's too. Arguments: none of them is secret. Where agentd belongs may be
// read-only: then a version that the template does not have goes elsewhere.
constexpr const char* kLook = R"sh(umask 077
mkdir -p "$1" && chmod 700 "$1" || exit 1
root=$2
if [ "$(cat "$root/id" 2>/dev/null)" != "$4" ]; then
  { mkdir -p "$root.probe" && rmdir "$root.probe"; } 2>/dev/null || root=$3
fi
echo "$root"
cat "$root/id" 2>/dev/null || echo none
[ -f "$1/secret" ] && echo secret || echo -
[ -f "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null && cat "$1/running" 2>/dev/null || echo stopped
)sh";

// Uploaded beside it first: what runs keeps its files until it is replaced.
constexpr const char* kInstall = R"sh(set -e
umask 022
new=$1; root=$2
chmod 755 "$new"
chmod -R go-w,a+rX "$new"
chmod 755 "$new"/bin/* "$new"/lib/ld.so
rm -rf "$root.old"
if [ -e "$root" ]; then mv "$root" "$root.old"; fi
mv "$new" "$root"
rm -rf "$root.old"
)sh";

constexpr const char* kStart = R"sh(umask 022
private=$1; root=$2; state=/run/swarm-tunnel
if [ -f "$private/secret.new" ]; then
  chmod 600 "$private/secret.new" && mv "$private/secret.new" "$private/secret" || exit 1
fi
if [ -f "$private/pid" ]; then
  old=$(cat "$private/pid")
  kill -9 "$old" 2>/dev/null
  n=0; while kill -0 "$old" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done
fi
mkdir -p /run/swarm "$state" /workspace || exit 1
[ -n "$(ls -A /workspace)" ] || chown 1000:1000 /workspace
ln -sfn "$state/agentd.sock" /run/swarm/agentd.sock
echo $$ >"$private/pid"
cp "$root/id" "$private/running" 2>/dev/null
exec </dev/null >>"$state/agentd.log" 2>&1
exec "$root/lib/ld.so" --argv0 agentd --library-path "$root/lib" "$root/bin/agentd" run \
  --sandbox "$3" --listen "$4" --secret-file "$private/secret" --state "$state" --store /root/.swarm-store \
  --shim "$root/bin/swarm-shim"
)sh";

struct Found {
  std::string root;  ///< where agentd is, or shall be put
  std::string bundle;
  bool secret = false;
  std::string running;  ///< the id of the bundle that runs, or "stopped"
};

ProcessSpec shell(const char* script, std::vector<std::string> words) {
  ProcessSpec spec{.cmd = "/bin/sh", .args = {"-c", script, "sh"}};
  std::ranges::move(words, std::back_inserter(spec.args));
  return spec;
}

async::Task<Result<RunResult>> run(Envd& envd, ProcessSpec spec, std::string what) {
  Result<RunResult> done = co_await envd.run(std::move(spec), "root", kOutputMost);
  if (!done) co_return fail(done.error(), what);
  if (done->exit_code != 0) {
    co_return fail(Code::failed_precondition, fmt::format("{}: the sandbox's shell ends with {}: {}", what,
                                                          done->exit_code, done->err.substr(0, 300)));
  }
  co_return done;
}

async::Task<Result<Found>> look(Envd& envd, std::string wanted) {
  const Result<RunResult> told =
      co_await run(envd, shell(kLook, {kPrivate, kAgentRoot, kOtherRoot, std::move(wanted)}), "look for agentd");
  if (!told) co_return fail(told.error());
  std::vector<std::string> lines;
  std::string_view rest = told->out;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (lines.size() < 4 || (lines[0] != kAgentRoot && lines[0] != kOtherRoot)) {
    co_return fail(Code::internal, "look for agentd: the sandbox's shell says something else");
  }
  co_return Found{.root = lines[0], .bundle = lines[1], .secret = lines[2] == "secret", .running = lines[3]};
}

async::Task<Result<void>> install(async::Loop& loop, Envd& envd, std::shared_ptr<const Bundle> bundle,
                                  std::string root) {
  const std::string fresh = fmt::format("{}-{}", root, bundle->id.substr(0, 16));
  const Result<void> sent = co_await envd.upload(upload_of(loop, *bundle, fresh));
  if (!sent) co_return fail(sent.error(), "upload agentd");
  const Result<RunResult> placed = co_await run(envd, shell(kInstall, {fresh, root}), "install agentd");
  if (!placed) co_return fail(placed.error());
  co_return {};
}

async::Task<Result<void>> start(Envd& envd, Agent agent, std::string root) {
  ProcessSpec spec = shell(kStart, {kPrivate, root, agent.sandbox, std::to_string(agent.port)});
  spec.tag = "swarm-agentd";
  // Nobody reads what it prints, and it goes on when nobody does: it writes to a file.
  const auto started = co_await envd.start(std::move(spec), "root");
  if (!started) co_return fail(started.error(), "start agentd");
  co_return {};
}

}  // namespace

async::Task<Result<void>> bring_up(async::Loop& loop, Envd& envd, std::shared_ptr<const Bundle> bundle, Agent agent,
                                   std::string secret) {
  const Result<Found> found = co_await look(envd, bundle->id);
  if (!found) co_return fail(found.error());
  // Into a directory that nobody else may enter, so that it is never readable, whatever its first mode is. As a file:
  // envd logs what is in requests for programs.
  const Result<void> hidden = co_await envd.upload(fmt::format("{}/secret.new", kPrivate), std::move(secret));
  if (!hidden) co_return fail(hidden.error(), "upload the tunnel's secret");
  if (found->bundle != bundle->id) {
    const Result<void> installed = co_await install(loop, envd, bundle, found->root);
    if (!installed) co_return fail(installed.error());
  }
  Result<void> started = co_await start(envd, agent, found->root);
  co_return started;
}

async::Task<Result<void>> keep_current(async::Loop& loop, Envd& envd, std::shared_ptr<const Bundle> bundle,
                                       Agent agent) {
  const Result<Found> found = co_await look(envd, bundle->id);
  if (!found) co_return fail(found.error());
  if (!found->secret) {
    co_return fail(Code::failed_precondition, "the sandbox never got its tunnel's secret; end it and make another");
  }
  if (found->bundle == bundle->id && found->running == bundle->id) co_return {};
  if (found->bundle != bundle->id) {
    const Result<void> installed = co_await install(loop, envd, bundle, found->root);
    if (!installed) co_return fail(installed.error());
  }
  Result<void> started = co_await start(envd, agent, found->root);
  co_return started;
}

}  // namespace swarm::e2b
