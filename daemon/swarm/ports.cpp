#include "daemon/swarm/ports.hpp"

#include <fmt/format.h>

#include "daemon/log/log.hpp"
#include "daemon/swarm/agents.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/api/git.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/team.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::swarms {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr Duration kPortCallLimit = 2min;
constexpr std::size_t kHunkBytes = 16'384;
constexpr std::size_t kEventOutput = 2000;

/// FNV-1a over what a patch changes, whatever stands around it and wherever it moved to.
std::string patch_id(std::string_view patch) {
  std::uint64_t hash = 14695981039346656037ULL;
  bool any = false;
  while (!patch.empty()) {
    const auto end = std::min(patch.find('\n'), patch.size());
    const std::string_view line = patch.substr(0, end);
    patch.remove_prefix(std::min(end + 1, patch.size()));
    const bool counts = line.starts_with('+') || line.starts_with('-') || line.starts_with("diff --git ") ||
                        line.starts_with("new file") || line.starts_with("deleted file") ||
                        line.starts_with("old mode") || line.starts_with("new mode") || line.starts_with("rename ");
    if (!counts) continue;
    any = true;
    for (const char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ 10U) * 1099511628211ULL;
  }
  return any ? fmt::format("{:016x}", hash) : std::string();
}

std::string tail(const std::string& text, std::size_t bytes) {
  return to_utf8(text.size() <= bytes ? text : text.substr(text.size() - bytes));
}

/// As whom merged trees are tested: the integrator, or whoever there is where all have one uid.
std::string tester(const api::SwarmInfo& info) {
  for (const api::SwarmAgentInfo& agent : info.agents) {
    if (agent.uid && *agent.uid < api::kFirstAgentUid && !agent.user.empty()) return agent.user;
  }
  return "2000";
}

}  // namespace

async::Task<Result<Ports::Reached>> Ports::reach(workflow::StepKey key) {
  const std::shared_ptr<Swarm> swarm = swarms_.living(key.swarm);
  if (swarm == nullptr) {
    co_return fail(Code::not_found, fmt::format("swarm {} is over", key.swarm));
  }
  Result<Reached> reached = co_await reach_at(swarm, spans(swarm->record.info) ? kIntegrationPlace : "");
  co_return reached;
}

async::Task<Result<Ports::Reached>> Ports::reach(workflow::StepKey key, std::string agent) {
  const std::shared_ptr<Swarm> swarm = swarms_.living(key.swarm);
  if (swarm == nullptr) {
    co_return fail(Code::not_found, fmt::format("swarm {} is over", key.swarm));
  }
  Result<Reached> reached = co_await reach_at(swarm, place_of(swarm->record.info, agent));
  co_return reached;
}

async::Task<Result<Ports::Reached>> Ports::reach_at(std::shared_ptr<Swarm> swarm, std::string place) {
  auto connection = co_await swarms_.agentd_at(swarm, std::move(place));
  // It may get another sandbox: whatever is wrong with this one, it is worth another try.
  if (!connection) co_return fail(Code::unavailable, connection.error().message);
  co_return Reached{.swarm = swarm, .agentd = std::move(*connection)};
}

async::Task<Result<void>> Ports::start_agent(workflow::StepKey key, workflow::StartAgent what) {
  Result<Reached> in = co_await reach(key, what.agent);
  if (!in) co_return fail(in.error());
  Result<void> started =
      co_await swarms_.agents().start(in->swarm, in->agentd, std::move(what.agent), std::move(what.brief));
  co_return started;
}

async::Task<Result<void>> Ports::stop_agent(workflow::StepKey key, std::string agent) {
  Result<Reached> in = co_await reach(key, agent);
  if (!in) co_return in.error().code == Code::not_found ? Result<void>() : Result<void>(fail(in.error()));
  Result<void> stopped = co_await swarms_.agents().stop(in->swarm, in->agentd, std::move(agent));
  co_return stopped;
}

async::Task<Result<void>> Ports::prompt(workflow::StepKey key, workflow::Prompt what) {
  api::InSwarm<api::MessageSendRequest> message;
  message.to = std::vector<std::string>{what.agent};
  message.body = what.text;
  team::Authorities* authorities = swarms_.with().authorities;
  if (authorities != nullptr && authorities->hosts(key.swarm)) {
    const Result<Value> said = co_await authorities->as_person(
        key.swarm, std::string(api::kMessageSend.name),
        api::encode_call(api::kMessageSend, message, {.idempotency_key = key.run + "/" + key.step}));
    if (!said) co_return fail(said.error());
    co_return {};
  }
  Result<Reached> in = co_await reach(key);
  if (!in) co_return fail(in.error());
  const auto sent =
      co_await wire::call(*in->agentd, api::kMessageSend, message, {.idempotency_key = key.run + "/" + key.step});
  if (!sent) co_return fail(sent.error());
  co_return {};
}

async::Task<Result<workflow::Change>> Ports::inspect(workflow::StepKey key, workflow::Inspect what) {
  Result<Reached> in = co_await reach(key, what.agent);
  if (!in) co_return fail(in.error());
  const std::string repo = in->swarm->record.info.repo_name;
  api::GitLogRequest log;
  log.repo = repo;
  log.agent = what.agent;
  log.from = what.commit;
  log.limit = 1;
  const auto found = co_await wire::call_with_timeout(*in->agentd, api::inside::kGitLog, log, kPortCallLimit);
  if (!found && (found.error().code == Code::not_found || found.error().code == Code::invalid_argument)) {
    co_return workflow::Change{};
  }
  if (!found) co_return fail(found.error());
  if (found->commits.empty()) co_return workflow::Change{};
  workflow::Change change;
  change.commit = found->commits.front().id;
  if (const auto task = found->commits.front().trailers.find("Swarm-Task");
      task != found->commits.front().trailers.end()) {
    change.for_task = task->second;
  }

  api::GitDiffRequest diff;
  diff.repo = repo;
  diff.agent = what.agent;
  diff.to = change.commit;
  diff.context = 0;
  diff.limit_bytes = 8U << 20U;
  const auto differs = co_await wire::call_with_timeout(*in->agentd, api::inside::kGitDiff, diff, kPortCallLimit);
  if (!differs) co_return fail(differs.error());
  change.base = differs->from;
  change.contained = change.base == change.commit;
  change.patch = patch_id(differs->patch.bytes);
  for (const api::GitChange& file : differs->files) change.files.push_back(file.path.bytes);
  if (change.patch.empty() && !change.files.empty()) change.patch = change.commit;

  api::GitStatusRequest status;
  status.repo = repo;
  status.agent = what.agent;
  const auto tree = co_await wire::call_with_timeout(*in->agentd, api::inside::kGitStatus, status, kPortCallLimit);
  if (tree) change.tree_dirty = tree->total_changes > 0;
  // What was handed in shall not be lost with its sandbox.
  std::string place = place_of(in->swarm->record.info, what.agent);
  if (spans(in->swarm->record.info)) {
    // Whoever reviews it looks at it where they are.
    const Result<void> spread = co_await swarms_.spread(in->swarm, std::move(place));
    if (!spread) co_return fail(spread.error());
  } else {
    swarms_.keep_soon(in->swarm, std::move(place));
  }
  co_return change;
}

async::Task<Result<workflow::Merged>> Ports::merge(workflow::StepKey key, workflow::Merge what) {
  Result<Reached> in = co_await reach(key);
  if (!in) co_return fail(in.error());
  const api::SwarmInfo info = in->swarm->record.info;
  const Result<void> brought = co_await swarms_.bring_candidate(in->swarm, what.agent, what.commit);
  if (!brought) co_return fail(brought.error());
  api::GitMergeRequest request;
  request.repo = info.repo_name;
  request.swarm = info.name;
  request.candidate = what.commit;
  request.message = api::Text{what.message};
  // Of several reviewers one line: trailers inside are a map.
  for (const auto& [name, value] : what.trailers) {
    std::string& line = request.trailers[name];
    line += (line.empty() ? "" : ", ") + value;
  }
  if (!what.test_command.empty()) request.test_command = what.test_command;
  request.timeout_ms = std::max(what.timeout, std::chrono::milliseconds(1000));
  const auto reply = co_await wire::call(*in->agentd, api::inside::kGitMerge, request);
  if (!reply) co_return fail(reply.error());

  workflow::Merged merged;
  merged.commit = reply->commit.value_or(reply->integration);
  for (const api::GitConflict& conflict : reply->conflicts) {
    std::string hunks;
    for (const api::GitHunk& hunk : conflict.hunks) hunks += hunk.text.bytes;
    if (hunks.empty()) hunks = conflict.reason;
    merged.conflicts.push_back(
        {.path = conflict.path.bytes, .hunks = std::string(utf8_prefix(to_utf8(hunks), kHunkBytes))});
  }
  if (reply->exit_status || reply->signal || reply->timed_out) {
    merged.test =
        workflow::TestRun{.id = key.step,
                          .commit = merged.commit,
                          .exit_status = reply->exit_status ? static_cast<int>(*reply->exit_status)
                                                            : 128 + static_cast<int>(reply->signal.value_or(9)),
                          .timed_out = reply->timed_out,
                          .output = to_utf8(reply->output.bytes),
                          .took = reply->duration_ms.value_or(0ms)};
  }
  const std::string title = what.message.substr(0, what.message.find('\n'));
  switch (reply->outcome) {
    case api::GitMergeOutcome::merged:
      merged.outcome = workflow::Merged::Outcome::merged;
      tasks_.spawn(tell(info.id, info.sandbox, std::string(api::kSwarmLanded.name), what.agent, what.task,
                        api::encode(api::SwarmLanded{.commit = merged.commit, .author = what.agent, .title = title})));
      if (spans(info)) {
        // Whoever is told of it can sync with it, and nothing that it was built on is lost with its sandbox.
        const Result<void> spread = co_await swarms_.spread(in->swarm, kIntegrationPlace);
        if (!spread) co_return fail(spread.error());
        co_await swarms_.merged(in->swarm, what.agent, merged.commit);
      } else {
        swarms_.keep_soon(in->swarm);
      }
      co_return merged;
    case api::GitMergeOutcome::conflict:
      merged.outcome = workflow::Merged::Outcome::conflict;
      break;
    case api::GitMergeOutcome::red:
      merged.outcome = workflow::Merged::Outcome::red;
      break;
    case api::GitMergeOutcome::empty: {
      merged.outcome = workflow::Merged::Outcome::empty;
      api::GitDiffRequest diff;
      diff.repo = info.repo_name;
      diff.agent = what.agent;
      diff.to = what.commit;
      diff.patch = false;
      const Result<Reached> author = co_await reach(key, what.agent);
      if (!author) co_return fail(author.error());
      const auto differs =
          co_await wire::call_with_timeout(*author->agentd, api::inside::kGitDiff, diff, kPortCallLimit);
      if (!differs) co_return fail(differs.error());
      merged.contained = differs->from == what.commit;
      break;
    }
    case api::GitMergeOutcome::unknown:
      co_return fail(Code::internal, "the merge ended in a way that this version does not know");
  }
  const Value outcome = api::encode(reply->outcome);
  api::SwarmMergeRefused refused{.agent = what.agent,
                                 .title = title,
                                 .outcome = outcome.as_string() == nullptr ? "" : *outcome.as_string(),
                                 .exit_status = merged.test ? std::optional(merged.test->exit_status) : std::nullopt,
                                 .paths = {},
                                 .output = merged.test ? tail(merged.test->output, kEventOutput) : ""};
  for (const workflow::Conflict& conflict : merged.conflicts) refused.paths.push_back(to_utf8(conflict.path));
  tasks_.spawn(tell(info.id, info.sandbox, std::string(api::kSwarmMergeRefused.name), what.agent, what.task,
                    api::encode(refused)));
  co_return merged;
}

async::Task<Result<workflow::TestRun>> Ports::test(workflow::StepKey key, workflow::Test what) {
  Result<Reached> in = co_await reach(key);
  if (!in) co_return fail(in.error());
  const api::SwarmInfo info = in->swarm->record.info;
  if (!what.commit.empty()) {
    const Result<void> brought = co_await swarms_.bring_candidate(in->swarm, "", what.commit);
    if (!brought) co_return fail(brought.error());
  }
  // A tree of its own for the commit: nobody else's work is in it, and it goes when the test has ended.
  api::GitWorktreeRequest tree;
  tree.repo = info.repo_name;
  tree.swarm = info.name;
  const std::string commit = what.commit.empty() ? "swarm/" + info.name + "/integration" : what.commit;
  tree.agent = fmt::format("test-{:016x}", std::hash<std::string>{}(key.run + key.step + commit));
  tree.base = commit;
  tree.user = tester(info);
  const auto made = co_await wire::call_with_timeout(*in->agentd, api::inside::kGitWorktree, tree, kPortCallLimit);
  if (!made) co_return fail(made.error(), "a tree to test in");
  api::ExecStartRequest run;
  run.command = what.command;
  run.cwd = made->path;
  run.user = tester(info);
  run.timeout_ms = std::max(what.timeout, std::chrono::milliseconds(1000));
  run.capture = true;
  run.labels = {{"swarm", info.id}, {"step", key.step}};
  const auto ran = co_await wire::call(*in->agentd, api::inside::kExecStart, run);
  const api::GitRemoveWorktreeRequest remove{.repo = info.repo_name, .agent = tree.agent, .keep_branch = false};
  const auto removed =
      co_await wire::call_with_timeout(*in->agentd, api::inside::kGitRemoveWorktree, remove, kPortCallLimit);
  if (!removed) log::logger<"swarm">().warn("a tree that was tested in is left", {{"error", removed.error()}});
  if (!ran) co_return fail(ran.error());
  if (!ran->status || ran->status->state != api::ExecState::exited) {
    co_return fail(Code::unavailable, "it cannot be known how the test ended");
  }
  workflow::TestRun test{.id = key.step,
                         .commit = made->head,
                         .exit_status = ran->status->exit_code
                                            ? static_cast<int>(*ran->status->exit_code)
                                            : 128 + static_cast<int>(ran->status->signal.value_or(9)),
                         .timed_out = ran->status->timed_out,
                         .output = {},
                         .took = ran->status->duration_ms.value_or(0ms)};
  if (ran->stdout_text) test.output += to_utf8(ran->stdout_text->bytes);
  if (ran->stderr_text) test.output += to_utf8(ran->stderr_text->bytes);
  test.output = tail(test.output, 65'536);
  co_return test;
}

async::Task<Result<workflow::Delivered>> Ports::deliver(workflow::StepKey key, workflow::Deliver what) {
  Result<Reached> in = co_await reach(key);
  if (!in) co_return fail(in.error());
  const Result<std::string> head = co_await swarms_.keep_work(in->swarm);
  if (!head) co_return fail(head.error());
  if (head->empty()) co_return fail(Code::failed_precondition, "nothing was merged: there is nothing to deliver");
  if (!what.commit.empty() && what.commit != *head) {
    co_return fail(Code::failed_precondition,
                   fmt::format("the integration branch is at {}, and {} was to be delivered", *head, what.commit));
  }
  const Result<void> said = co_await swarms_.change(in->swarm, [what](Record& record) {
    record.hidden.title = what.title;
    record.hidden.body = what.body;
  });
  if (!said) co_return fail(said.error());
  const Result<git::Published> published = co_await swarms_.publish(in->swarm, false);
  if (!published) co_return fail(published.error());
  co_return workflow::Delivered{.where = "refs/heads/" + published->branch, .commit = published->commit};
}

void Ports::notify(workflow::Notice notice) {
  log::logger<"swarm">().info("a run tells",
                              {{"swarm", notice.swarm}, {"run", notice.run}, {"text", shown(notice.text, 300)}});
}

async::Task<> Ports::tell(std::string swarm, std::string sandbox, std::string type, std::string agent, std::string task,
                          Value data) {
  const Result<void> written = co_await swarms_.with().store.write(
      "swarm.event", store::Durability::process,
      [=, data = wire::encode(data)](store::Changes& changes) -> Result<void> {
        const auto seq = changes.append(
            {.type = type, .swarm = swarm, .sandbox = sandbox, .agent = agent, .task = task, .data = data});
        if (!seq) return fail(seq.error());
        return {};
      });
  if (!written) log::logger<"swarm">().warn("an event could not be recorded", {{"error", written.error()}});
}

}  // namespace swarm::swarms
