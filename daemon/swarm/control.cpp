// What a person does with a swarm that is there.
#include <fmt/format.h>

#include "daemon/swarm/swarms.hpp"
#include "daemon/swarm/words.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::swarms {

using api::SwarmState;
using api::SwarmStep;

namespace {

/// One of a swarm's several repositories, by its name inside.
Result<api::SwarmRepo> repo_named(const api::SwarmInfo& info, const std::string& name) {
  std::string known;
  for (const api::SwarmRepo& repo : info.repos) {
    if (repo.name == name) return repo;
    known += (known.empty() ? "" : ", ") + repo.name;
  }
  return fail(Code::not_found,
              known.empty() ? fmt::format("swarm {} works on one repository; leave '{}' away", info.name, shown(name))
                            : fmt::format("swarm {} has no repository '{}', but {}", info.name, shown(name), known));
}

}  // namespace

async::Task<Result<api::SwarmInfo>> Swarms::shutdown(std::optional<std::string> what,
                                                     api::SwarmShutdownRequest request) {
  const Result<Place> place = find(what);
  if (!place) co_return fail(place.error());
  auto swarm = living(place->swarm);
  if (swarm == nullptr) {
    Result<Record> record = co_await load_record(place->swarm);
    if (!record) co_return fail(record.error());
    // One that is over is no error; one that failed may still have its sandbox.
    if (record->info.step == SwarmStep::over || record->info.state != SwarmState::failed) co_return record->info;
    swarm = adopt(std::move(*record));
  }
  const std::string reason = request.reason.value_or("shut down by request");
  if (swarm->record.info.state == SwarmState::paused) {
    const Result<api::SwarmInfo> resumed = co_await resume(place->swarm);
    if (!resumed) co_return fail(resumed.error());
  }
  const Result<void> asked = co_await change(swarm, [reason, publish = request.publish](Record& record) {
    record.hidden.stop_asked = true;
    record.hidden.publish_at_end = publish;
    record.info.reason = reason;
  });
  if (!asked) co_return fail(asked.error());
  if (runs_ != nullptr && !swarm->record.info.run.empty()) {
    const Result<void> cancelled = co_await runs_->cancel(swarm->record.info.run, reason);
    static_cast<void>(cancelled);  // it may be over by itself
  }
  begin(swarm);
  while (request.wait && swarm->record.info.step != SwarmStep::over) co_await swarm->changed.wait();
  co_return swarm->record.info;
}

async::Task<Result<api::SwarmInfo>> Swarms::pause(std::optional<std::string> what) {
  Result<std::shared_ptr<Swarm>> found = co_await living_or_refused(std::move(what), "paused");
  if (!found) co_return fail(found.error());
  const auto swarm = *found;
  if (swarm->record.info.state != SwarmState::working) {
    co_return fail(Code::failed_precondition,
                   fmt::format("swarm {} is {}; only one that works can be paused", swarm->record.info.name,
                               state_name(swarm->record.info.state)));
  }
  const Result<void> halted = co_await runs_->pause(swarm->record.info.run, "paused by request");
  if (!halted) co_return fail(halted.error());
  const Result<void> frozen = co_await at_all(swarm, &Swarms::freeze);
  if (!frozen) {
    const Result<void> goes_on = co_await at_all(swarm, &Swarms::thaw);
    static_cast<void>(goes_on);  // those that stand still; the reason below is the one that matters
    const Result<void> back = co_await runs_->resume(swarm->record.info.run);
    static_cast<void>(back);
    co_return fail(frozen.error());
  }
  const std::int64_t now = with_.loop.clock().wall().us;
  const Result<void> written = co_await change(swarm, [now](Record& record) {
    record.info.state = SwarmState::paused;
    record.hidden.paused_us = now;
  });
  if (!written) co_return fail(written.error());
  const Result<void> rests = attend(*swarm, Stands::still);
  static_cast<void>(rests);  // it only lets go
  co_return swarm->record.info;
}

async::Task<Result<api::SwarmInfo>> Swarms::resume(std::optional<std::string> what) {
  const Result<Place> place = find(what);
  if (!place) co_return fail(place.error());
  auto swarm = living(place->swarm);
  if (swarm == nullptr) {
    Result<Record> record = co_await load_record(place->swarm);
    if (!record) co_return fail(record.error());
    if (record->info.state != SwarmState::failed || record->info.step == SwarmStep::over) {
      co_return fail(Code::failed_precondition, fmt::format("swarm {} is {}; there is nothing to go on with",
                                                            record->info.name, state_name(record->info.state)));
    }
    swarm = adopt(std::move(*record));
  }
  const SwarmState before = swarm->record.info.state;
  if (before != SwarmState::paused && before != SwarmState::failed) {
    co_return fail(Code::failed_precondition, fmt::format("swarm {} is {}, neither paused nor failed",
                                                          swarm->record.info.name, state_name(before)));
  }
  if (before == SwarmState::paused) {
    // Whoever goes on may ask at once.
    const Result<void> attended = attend(*swarm, Stands::not_still);
    if (!attended) co_return fail(attended.error());
    const Result<void> thawed = co_await at_all(swarm, &Swarms::thaw);
    if (!thawed) co_return fail(thawed.error());
  }
  if (before == SwarmState::failed && !swarm->record.info.sandbox.empty()) {
    bool there = true;
    for (const api::SwarmPlace& one : places_of(swarm->record.info)) {
      if (one.sandbox.empty()) continue;
      const Result<api::SandboxInfo> box = co_await with_.sandboxes.info(one.sandbox);
      if (!box && box.error().code != Code::not_found) co_return fail(box.error());
      there = there && box && (box->state == api::SandboxState::claimed || box->state == api::SandboxState::paused);
    }
    if (!there) {
      const Result<void> out = co_await move_out(swarm);
      if (!out) co_return fail(out.error());
    }
  }
  if (!swarm->record.info.run.empty()) {
    const Result<void> again = before == SwarmState::paused ? co_await runs_->resume(swarm->record.info.run)
                                                            : co_await runs_->retry(swarm->record.info.run);
    if (!again) co_return fail(again.error());
  }
  const Result<void> written = co_await change(swarm, [](Record& record) {
    record.info.state = record.info.step == SwarmStep::run ? SwarmState::working : SwarmState::preparing;
    record.info.reason.clear();
    record.info.ended_us.reset();
    record.hidden.paused_us = 0;
  });
  if (!written) co_return fail(written.error());
  begin(swarm);
  co_return swarm->record.info;
}

async::Task<Result<api::SwarmFetchReply>> Swarms::fetch(std::optional<std::string> what) {
  const Result<Place> place = find(what);
  if (!place) co_return fail(place.error());
  auto swarm = living(place->swarm);
  if (swarm == nullptr) {
    Result<Record> record = co_await load_record(place->swarm);
    if (!record) co_return fail(record.error());
    swarm = detached(std::move(*record));
  } else {
    const Result<std::string> kept = co_await keep_work(swarm);
    if (!kept && swarm->record.info.head.empty()) co_return fail(kept.error());
  }
  if (swarm->record.info.head.empty()) {
    co_return fail(Code::failed_precondition, fmt::format("swarm {} has merged nothing yet", place->name));
  }
  Result<git::Published> published = co_await publish(swarm, false);
  if (!published) co_return fail(published.error());
  api::SwarmFetchReply reply{.ref = "refs/heads/" + published->branch,
                             .commit = published->commit,
                             .moved = published->before != published->commit};
  for (const api::SwarmRepo& repo : swarm->record.info.repos) {
    reply.repos.push_back({.name = repo.name, .repo = repo.repo, .commit = repo.published});
  }
  co_return reply;
}

std::shared_ptr<Swarm> Swarms::detached(Record record) {
  std::string repository = keep_of(record.info.id);
  return std::make_shared<Swarm>(with_.loop, keeps_, std::move(repository), std::move(record));
}

std::string Swarms::keep_of(const std::string& swarm) const { return (with_.repos / swarm).string(); }

async::Task<Result<Goods>> Swarms::goods(std::optional<std::string> what) {
  const Result<Place> place = find(what);
  if (!place) co_return fail(place.error());
  if (const auto swarm = living(place->swarm)) {
    const Result<std::string> kept = co_await keep_work(swarm);
    if (!kept && swarm->record.info.head.empty()) co_return fail(kept.error());
  }
  Result<Record> record = co_await load_record(place->swarm);
  if (!record) co_return fail(record.error());
  const api::SwarmInfo& info = record->info;
  if (info.head.empty()) {
    co_return fail(Code::failed_precondition, fmt::format("swarm {} has merged nothing yet", info.name));
  }
  Goods goods{
      .swarm = info.id,
      .name = info.name,
      .branch = info.branch,
      .title = record->hidden.title.empty() ? info.feature.substr(0, info.feature.find('\n')) : record->hidden.title,
      .body = record->hidden.body,
      .cargoes = {}};
  if (goods.body.empty()) {
    auto swarm = living(info.id);
    if (swarm == nullptr) {
      swarm = detached(*record);
    }
    const Result<std::vector<api::SwarmCommit>> commits =
        co_await swarm->repository.log(info.base_commit, info.head, 100);
    if (!commits) co_return fail(commits.error());
    goods.body = info.feature + "\n\n";
    for (const api::SwarmCommit& commit : *commits) {
      if (commit.parents.size() < 2) goods.body += fmt::format("- {} ({})\n", commit.subject, commit.author);
    }
  }
  if (info.repos.empty()) {
    goods.cargoes.push_back({.name = info.repo_name,
                             .repository = info.repo,
                             .git_dir = record->hidden.git_dir.empty() ? info.repo : record->hidden.git_dir,
                             .keep = keep_of(info.id),
                             .base_branch = record->hidden.base_branch,
                             .base_commit = info.base_commit,
                             .head = info.head});
  }
  for (const api::SwarmRepo& repo : info.repos) {
    const HiddenRepo& hidden = record->hidden.repos[repo.name];
    goods.cargoes.push_back({.name = repo.name,
                             .repository = repo.repo,
                             .git_dir = hidden.git_dir,
                             .keep = keep_of(info.id),
                             .base_branch = hidden.base_branch,
                             .base_commit = repo.base_commit,
                             .head = repo.head});
  }
  co_return goods;
}

async::Task<Result<api::SwarmDiffReply>> Swarms::diff(std::optional<std::string> what, api::SwarmDiffRequest request) {
  Result<Record> record = co_await load_record(std::move(what));
  if (!record) co_return fail(record.error());
  if (record->info.state == SwarmState::discarded) {
    co_return fail(Code::failed_precondition, fmt::format("the work of swarm {} was discarded", record->info.name));
  }
  auto swarm = living(record->info.id);
  if (swarm == nullptr) {
    swarm = detached(*record);
  } else {
    const Result<std::string> kept = co_await keep_work(swarm);
    static_cast<void>(kept);  // what was fetched before is shown, too
  }
  std::string to = swarm->record.info.head;
  if (request.agent) {
    Result<std::string> branch = co_await swarm->repository.branch_of(record->info.name, *request.agent);
    if (!branch) co_return fail(branch.error());
    to = std::move(*branch);
  }
  if (to.empty()) {
    co_return fail(Code::failed_precondition, fmt::format("swarm {} has merged nothing yet", record->info.name));
  }
  std::string below;
  if (request.repo) {
    const Result<api::SwarmRepo> repo = repo_named(swarm->record.info, *request.repo);
    if (!repo) co_return fail(repo.error());
    below = repo->name + "/";
  }
  Result<api::SwarmDiffReply> reply =
      co_await swarm->repository.diff(record->info.base_commit, to, request.stat, request.max_bytes, std::move(below));
  co_return reply;
}

async::Task<Result<api::SwarmLogReply>> Swarms::log(std::optional<std::string> what, api::SwarmLogRequest request) {
  Result<Record> record = co_await load_record(std::move(what));
  if (!record) co_return fail(record.error());
  std::string from = record->info.base_commit;
  std::string to = record->info.head;
  if (request.repo) {
    Result<api::SwarmRepo> repo = repo_named(record->info, *request.repo);
    if (!repo) co_return fail(repo.error());
    from = std::move(repo->base_commit);
    to = std::move(repo->head);
  }
  api::SwarmLogReply reply;
  if (to.empty()) co_return reply;
  Repository repository(keeps_, keep_of(record->info.id));
  Result<std::vector<api::SwarmCommit>> commits = co_await repository.log(from, to, request.limit);
  if (!commits) co_return fail(commits.error());
  reply.commits = std::move(*commits);
  if (request.repo) co_return reply;
  for (const api::SwarmRepo& repo : record->info.repos) {
    const Result<std::set<std::string>> about = co_await repository.commits_about(from, to, repo.name + "/");
    if (!about) co_return fail(about.error());
    for (api::SwarmCommit& commit : reply.commits) {
      if (about->contains(commit.commit)) commit.repos.push_back(repo.name);
    }
  }
  co_return reply;
}

async::Task<Result<api::SwarmInfo>> Swarms::discard(std::optional<std::string> what, api::SwarmDiscardRequest request) {
  Result<Record> record = co_await load_record(std::move(what));
  if (!record) co_return fail(record.error());
  if (record->info.state == SwarmState::discarded) co_return record->info;
  if (!is_over(record->info.state)) {
    co_return fail(Code::failed_precondition,
                   fmt::format("swarm {} is {}; end it first with 'swarmctl shutdown {}'", record->info.name,
                               state_name(record->info.state), record->info.name));
  }
  auto swarm = living(record->info.id);
  if (swarm == nullptr) {
    swarm = detached(*record);
  }
  if (const Result<void> settled = co_await settle_publication(swarm); !settled) co_return fail(settled.error());
  if (request.branch) {
    const Result<void> deleted = co_await remove_branches(swarm);
    if (!deleted) co_return fail(deleted.error());
  }
  const Result<void> removed = co_await swarm->repository.remove();
  if (!removed) co_return fail(removed.error());
  const Result<void> written = co_await change(swarm, [](Record& changed) {
    changed.info.state = SwarmState::discarded;
    changed.info.step = SwarmStep::over;
    changed.info.head.clear();
  });
  if (!written) co_return fail(written.error());
  living_.erase(record->info.id);
  co_return swarm->record.info;
}

}  // namespace swarm::swarms
