// A swarm over several repositories: they go in as directories of one, and each gets its own part of the history back.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/swarm/swarms.hpp"

namespace swarm::swarms {
namespace {

/// What they are called together: `/workspace/<this>/<name>`.
constexpr const char* kTogether = "repositories";

std::vector<git::Member> members_of(const api::SwarmInfo& info) {
  std::vector<git::Member> members;
  for (const api::SwarmRepo& repo : info.repos) members.push_back({.name = repo.name, .base = repo.base_commit});
  return members;
}

}  // namespace

async::Task<Result<void>> Swarms::plan_members(Record& record, Looked first, api::SwarmCreateRequest request) {
  api::SwarmInfo& info = record.info;
  std::vector<Looked> all;
  all.push_back(std::move(first));
  for (const std::string& path : request.more_repos) {
    Result<Looked> looked =
        co_await Repository::look(with_.git, path, request.base, (with_.repos / (info.id + ".look")).string());
    if (!looked) co_return fail(looked.error(), path);
    all.push_back(std::move(*looked));
  }
  for (const Looked& looked : all) {
    if (std::ranges::find(info.repos, looked.root, &api::SwarmRepo::repo) != info.repos.end()) {
      co_return fail(Code::invalid_argument, fmt::format("'{}' is given twice", looked.root));
    }
    std::string name = looked.name;
    for (int again = 2; std::ranges::find(info.repos, name, &api::SwarmRepo::name) != info.repos.end(); ++again) {
      name = fmt::format("{}-{}", looked.name, again);
    }
    record.hidden.repos[name] = {.git_dir = looked.git_dir, .base_branch = looked.branch};
    info.repos.push_back(
        {.repo = looked.root, .name = name, .base_commit = looked.commit, .head = {}, .published = {}});
    // All of them are tested, or it is not known what landing in all of them does.
    if (looked.test_command.empty() && request.test_command.empty()) {
      co_return fail(Code::invalid_argument,
                     fmt::format("the files of '{}' do not tell how it is tested; say with --test-command how all of "
                                 "them are, from a directory that has them as '{}' and so on",
                                 looked.root, name));
    }
    if (request.test_command.empty()) {
      info.test_command +=
          fmt::format("{}(cd {} && {})", info.test_command.empty() ? "" : " && ", name, looked.test_command);
    }
  }
  info.repo_name = kTogether;
  co_return {};
}

async::Task<Result<void>> Swarms::take_members(std::shared_ptr<Swarm> swarm) {
  if (!swarm->record.hidden.joined.empty()) co_return {};
  const api::SwarmInfo info = swarm->record.info;
  for (const api::SwarmRepo& repo : info.repos) {
    const Result<void> taken =
        co_await swarm->repository.take_member(repo.repo, {.name = repo.name, .base = repo.base_commit});
    if (!taken) co_return fail(taken.error(), repo.repo);
  }
  std::string message = "Repositories side by side\n\n";
  for (const api::SwarmRepo& repo : info.repos) message += fmt::format("{}: {}\n", repo.name, repo.base_commit);
  const Result<std::string> joined =
      co_await swarm->repository.join(members_of(info), std::move(message), info.created_us / 1'000'000);
  if (!joined) co_return fail(joined.error(), "put the repositories side by side");
  Result<void> written = co_await change(swarm, [commit = *joined](Record& record) {
    record.hidden.joined = commit;
    record.info.base_commit = commit;
  });
  co_return written;
}

async::Task<Result<std::vector<api::SwarmRepo>>> Swarms::split_heads(std::shared_ptr<Swarm> swarm, std::string head) {
  std::vector<api::SwarmRepo> repos = swarm->record.info.repos;
  for (api::SwarmRepo& repo : repos) {
    Result<std::string> own = co_await swarm->repository.split_off({.name = repo.name, .base = repo.base_commit},
                                                                   swarm->record.hidden.joined, head);
    if (!own) co_return fail(own.error());
    repo.head = *own == repo.base_commit ? "" : std::move(*own);
  }
  co_return repos;
}

}  // namespace swarm::swarms
