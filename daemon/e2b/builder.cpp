#include <fmt/format.h>
#include <sodium.h>

#include <filesystem>
#include <fstream>

#include "daemon/e2b/builds.hpp"
#include "daemon/e2b/programs.hpp"
#include "protocol/api/json.hpp"

namespace swarm::e2b_endpoint {

/// Where a build is: its sandbox, and what the steps before have set.
struct Builds::Inside {
  std::shared_ptr<wire::Connection> agent;
  BuildPtr build;
  Built made;
  std::string user = "user";
  std::string directory = "/home/user";
  std::string number;  ///< of the step
};

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kBuildReadyWithin = 10min;  // as the service has it
constexpr std::chrono::milliseconds kBuildLease = 2h;

// $1: where the archive lies unpacked; $2: what of it; $3: where to; $4: whose; $5: mode. A directory's content goes to
// the destination, as Docker does it.
constexpr const char* kCopy = R"sh(set -e
cd "$1"
count=0; for each in $2; do [ -e "$each" ] && count=$((count + 1)); done
[ $count -gt 0 ] || { echo "COPY: there is no '$2' in the files" >&2; exit 1; }
place() {
  if [ -n "$4" ]; then chown -R "$4" "$2"; else chown -R "$3" "$2"; fi
  [ -z "$5" ] || chmod -R "$5" "$2"
  mkdir -p "$(dirname "$1")"
  if [ -d "$2" ]; then mkdir -p "$1"; cp -a "$2/." "$1/"; else cp -a "$2" "$1"; fi
}
for each in $2; do
  to=$3
  case $3 in */) many=1 ;; *) many= ;; esac
  if [ ! -d "$each" ] && { [ $count -gt 1 ] || [ -n "$many" ] || [ -d "$3" ]; }; then mkdir -p "$3"; to=${3%/}/$(basename "$each"); fi
  place "$to" "$each" "$6" "$4" "$5"
done
)sh";

// What a sandbox has of its own, but for what agentd keeps there.
constexpr const char* kPack =
    "cd / && exec tar --create --gzip --file=- --exclude='root/.swarm*' --exclude='home/.swarm*' "
    "--exclude='home/agent-*' --exclude='workspace/.worktrees' --one-file-system home root workspace";
constexpr const char* kUnpack = "cd / && exec tar --extract --gzip --preserve-permissions --file=-";

Refusal build_failed(std::string sentence) { return {.status = 500, .message = std::move(sentence)}; }

std::string how(const api::ExecStatus& status) {
  if (status.exit_code) return fmt::format("exit status {}", *status.exit_code);
  return fmt::format("signal {}", status.signal.value_or(0));
}

std::string digest_of(const BuildPlan& plan) {
  Value::Array steps;
  for (const BuildStep& step : plan.steps) {
    Value one;
    one.set("type", step.type);
    Value::Array args;
    for (const std::string& arg : step.args) args.emplace_back(arg);
    one.set("args", std::move(args));
    one.set("files", step.files);
    steps.push_back(std::move(one));
  }
  Value all;
  all.set("base", plan.base);
  all.set("steps", std::move(steps));
  all.set("start", plan.start);
  all.set("ready", plan.ready);
  const std::string text = api::to_json(all);
  std::array<unsigned char, 32> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     nullptr, 0);
  std::string out;
  for (const unsigned char byte : hash) out += fmt::format("{:02x}", byte);
  return out;
}

std::string sentence_of(const BuildStep& step) {
  std::string text = step.type;
  for (const std::string& arg : step.args) {
    if (!arg.empty()) text += " " + arg;
  }
  return text.substr(0, 500);
}

bool is_gzip(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return file.get() == 0x1f && file.get() == 0x8b;
}

}  // namespace

async::Task<> Builds::run(BuildPtr build, BuildPlan plan) {
  const BuildPtr kept = std::move(build);
  Built made{.name = kept->name,
             .base = plan.base == "base" && !with_.config.templates.contains("base") ? "" : plan.base,
             .build = kept->id,
             .digest = digest_of(plan),
             .start = plan.start,
             .ready = plan.ready,
             .user = "user",
             .cpus = kept->cpus,
             .memory_mib = kept->memory_mib,
             .created_us = kept->created_us};
  Answered<bool> done = true;
  // Copies: the table may change at every wait.
  const Built* at = find(plan.base);
  const std::optional<Built> below = at == nullptr ? std::nullopt : std::optional(*at);
  at = find(kept->name);
  const std::optional<Built> before = at == nullptr ? std::nullopt : std::optional(*at);
  if (before) made.created_us = before->created_us;
  // A template below that was built again is another one.
  if (below) {
    made.base = below->base;
    made.env = below->env;
    made.digest += below->digest;
  }
  if (before && before->digest == made.digest && !plan.force) {
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      say(*kept, "info", fmt::format("CACHED {}", sentence_of(plan.steps[i])), std::to_string(i + 1));
    }
    made = *before;
    made.build = kept->id;
    made.cpus = kept->cpus;
    made.memory_mib = kept->memory_mib;
  } else {
    api::SandboxCreateRequest request;
    if (!made.base.empty()) request.template_name = made.base;
    request.labels["e2b.build"] = kept->id;
    request.lease_ms = kBuildLease;
    const Result<api::SandboxInfo> sandbox = co_await with_.sandboxes.create(std::move(request), std::nullopt);
    if (!sandbox) {
      done = std::unexpected(refusal_of(sandbox.error()));
    } else {
      kept->sandbox = sandbox->id;
      done = co_await run_in(kept, std::move(plan), sandbox->id, made);
      const auto finished = find(kept->name);
      if (done && finished != nullptr) made = *finished;
      kept->sandbox.clear();
      co_await end_sandbox(sandbox->id);
    }
  }
  if (done) {
    made.updated_us = with_.loop.clock().wall().us;
    built_[kept->name] = made;
    if (const Result<void> written = record(made); !written) done = std::unexpected(refusal_of(written.error()));
  }
  if (done) {
    say(*kept, "info", "the template is built");
    kept->state = BuildState::ready;
  } else {
    say(*kept, "error", done.error().message, kept->reason_step);
    kept->reason = done.error().message;
    kept->state = BuildState::error;
  }
  running_.erase(kept->name);
}

async::Task<> Builds::end_sandbox(std::string sandbox) {
  api::SandboxKillRequest kill;
  kill.grace_ms = 0ms;
  kill.reason = "the build of its template is over";
  const Result<api::SandboxInfo> killed = co_await with_.sandboxes.kill(sandbox, kill);
  static_cast<void>(killed);  // its lease ends it otherwise
}

async::Task<Answered<bool>> Builds::run_in(BuildPtr build, BuildPlan plan, std::string sandbox, Built made) {
  auto use = co_await with_.sandboxes.use(sandbox);
  if (!use) co_return std::unexpected(refusal_of(use.error()));
  Inside inside{.agent = use->connection(), .build = std::move(build), .made = std::move(made)};
  if (find(plan.base) != nullptr) {
    const Result<void> begun = co_await restore(inside.agent, plan.base);
    if (!begun) co_return std::unexpected(refusal_of(begun.error()));
  }
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    inside.number = std::to_string(i + 1);
    say(*inside.build, "info", fmt::format("[{}/{}] {}", i + 1, plan.steps.size(), sentence_of(plan.steps[i])),
        inside.number);
    const Answered<bool> done = co_await step(inside, plan.steps[i]);
    if (!done) {
      inside.build->reason_step = inside.number;
      co_return std::unexpected(done.error());
    }
  }
  inside.number.clear();
  inside.made.user = inside.user;
  // Beside the one that sandboxes begin with, which stays until this is whole.
  const std::string archive = archive_path(inside.made.name).native();
  const std::string fresh = archive + ".new";
  const Result<api::ExecStatus> packed =
      co_await run_program(inside.agent, {.argv = {"/bin/sh", "-c", kPack}, .output = fresh});
  if (!packed) co_return std::unexpected(refusal_of(packed.error()));
  if (packed->exit_code.value_or(2) > 1) {  // 1: a file changed while it was read
    co_return std::unexpected(build_failed("what the steps left could not be packed: tar ends with " + how(*packed)));
  }
  const Answered<bool> ready = co_await check_ready(inside, plan);
  if (!ready) co_return std::unexpected(ready.error());
  std::error_code error;
  std::filesystem::rename(fresh, archive, error);
  if (error) co_return std::unexpected(refusal_of(fail_errno("rename", archive, error.value()).error()));
  built_[inside.made.name] = inside.made;
  co_return true;
}

async::Task<Answered<bool>> Builds::step(Inside& inside, BuildStep step) {
  const auto arg = [&step](std::size_t i) { return i < step.args.size() ? step.args[i] : std::string(); };
  const auto told = [this, &inside](std::string line, bool error) {
    say(*inside.build, error ? "warn" : "info", std::move(line), inside.number);
  };
  if (step.type == "ENV" || step.type == "ARG") {
    for (std::size_t i = 0; i + 1 < step.args.size(); i += 2) inside.made.env[step.args[i]] = step.args[i + 1];
    co_return true;
  }
  if (step.type == "USER") {
    inside.user = arg(0).empty() ? "user" : arg(0);
    co_return true;
  }
  if (step.type == "COPY" || step.type == "ADD") {
    const Answered<bool> copied = co_await copy(inside, step);
    co_return copied;
  }
  Program program{.user = inside.user, .cwd = inside.directory, .env = inside.made.env, .line = told};
  if (step.type == "WORKDIR") {
    std::string wanted = arg(0);
    if (!wanted.starts_with('/')) wanted = inside.directory + "/" + wanted;
    inside.directory = wanted;
    program.argv = {"/bin/sh", "-c", "mkdir -p \"$1\" && { chown \"$2\" \"$1\" || true; }", "sh", wanted, inside.user};
    program.user = "root";
    program.cwd = "/";
  } else if (step.type == "RUN") {
    program.argv = {"/bin/bash", "-l", "-c", arg(0)};
    if (!arg(1).empty()) program.user = arg(1);
    program.env["DEBIAN_FRONTEND"] = "noninteractive";
  } else {
    co_return refuse(400, fmt::format("steps: '{}' is none; RUN, COPY, ENV, ARG, WORKDIR, USER", step.type));
  }
  const Result<api::ExecStatus> ended = co_await run_program(inside.agent, std::move(program));
  if (!ended) co_return std::unexpected(refusal_of(ended.error()));
  if (ended->exit_code != 0) {
    co_return std::unexpected(
        build_failed(fmt::format("{}: {}", sentence_of({.type = step.type, .args = {arg(0)}}), how(*ended))));
  }
  co_return true;
}

async::Task<Answered<bool>> Builds::copy(Inside& inside, BuildStep step) {
  const auto arg = [&step](std::size_t i) { return i < step.args.size() ? step.args[i] : std::string(); };
  const auto told = [this, &inside](std::string line, bool error) {
    say(*inside.build, error ? "warn" : "info", std::move(line), inside.number);
  };
  const std::string unpacked = "/tmp/.build-" + inside.number;
  const std::string archive = files_path(step.files).native();
  const std::string unpack = fmt::format("mkdir -p {0} && cd {0} && exec tar --extract {1} --no-same-owner --file=-",
                                         unpacked, is_gzip(archive) ? "--gzip" : "");
  const Result<api::ExecStatus> taken =
      co_await run_program(inside.agent, {.argv = {"/bin/sh", "-c", unpack}, .input = archive, .line = told});
  if (!taken) co_return std::unexpected(refusal_of(taken.error()));
  if (taken->exit_code != 0) co_return std::unexpected(build_failed("COPY: its files are no tar archive"));
  std::string to = arg(1);
  if (to.starts_with("~/")) to = "/home/user" + to.substr(1);
  if (!to.starts_with('/')) to = inside.directory + "/" + (to == "." || to.empty() ? "" : to);
  std::string from = arg(0);
  while (from.starts_with("./") || from.starts_with('/')) from.erase(0, from.starts_with('/') ? 1 : 2);
  if (from.empty()) from = ".";
  const std::string owner = inside.user + ":";
  const Result<api::ExecStatus> placed = co_await run_program(
      inside.agent, {.argv = {"/bin/sh", "-c", kCopy, "sh", unpacked, from, to, arg(2), arg(3), owner}, .line = told});
  if (!placed) co_return std::unexpected(refusal_of(placed.error()));
  if (placed->exit_code != 0) {
    co_return std::unexpected(build_failed(fmt::format("COPY {} {}: {}", arg(0), arg(1), how(*placed))));
  }
  co_return true;
}

/// The start command once, as the service does, so that a template that cannot begin is not built.
async::Task<Answered<bool>> Builds::check_ready(Inside& inside, const BuildPlan& plan) {
  if (plan.start.empty()) co_return true;
  say(*inside.build, "info", "start command: " + plan.start);
  const Result<std::uint32_t> begun = co_await begin_template(inside.agent, {.command = plan.start,
                                                                             .ready = plan.ready,
                                                                             .user = inside.made.user,
                                                                             .env = inside.made.env,
                                                                             .labels = {},
                                                                             .within = kBuildReadyWithin});
  if (!begun) co_return std::unexpected(build_failed(begun.error().message));
  say(*inside.build, "info", "ready");
  co_return true;
}

async::Task<Result<void>> Builds::restore(std::shared_ptr<wire::Connection> agent, std::string name) {
  const Result<api::ExecStatus> unpacked = co_await run_program(
      std::move(agent), {.argv = {"/bin/sh", "-c", kUnpack}, .input = archive_path(name).native()});
  if (!unpacked) co_return fail(unpacked.error(), fmt::format("template '{}'", name));
  if (unpacked->exit_code != 0) {
    co_return fail(Code::internal,
                   fmt::format("template '{}': what was built could not be put into the sandbox", name));
  }
  co_return {};
}

}  // namespace swarm::e2b_endpoint
