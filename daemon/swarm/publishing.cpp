// Branches in the user's repositories, of several in all or in none. What is meant is recorded before the first branch
// is set; from then on all are set, or those that were are put back, whoever dies in between:
//
//   each is asked -> recorded --> set, set, set ... --> recorded as published
//                        |              one refuses
//                        '---> recorded as undone --> those that stand where they were set are put back --> forgotten
#include <fmt/format.h>

#include <filesystem>

#include "daemon/log/log.hpp"
#include "daemon/swarm/swarms.hpp"

namespace swarm::swarms {
namespace {

/// What this sets, to be put back.
git::Published published_by(const Landing& landing, const std::string& branch) {
  return {.branch = branch, .commit = landing.commit, .before = landing.before};
}

}  // namespace

async::Task<Result<git::Published>> Swarms::publish_members(std::shared_ptr<Swarm> swarm, bool replace) {
  const auto one_by_one = co_await swarm->publishing.take();
  if (swarm->record.hidden.publishing) {
    // One that a crash cut short is brought to its end first, whichever that is.
    const Result<std::optional<Error>> ended = co_await land(swarm);
    if (!ended) co_return fail(ended.error());
  }
  const api::SwarmInfo info = swarm->record.info;
  Publishing meant{.head = info.head, .branches = {}, .undoing = false, .why = {}};
  for (const api::SwarmRepo& repo : info.repos) {
    if (repo.head.empty()) continue;  // nothing of it was changed
    // Each is asked first: what one refuses is known before any is changed.
    const Result<git::Published> can = co_await swarm->repository.publish_one(
        {.repository = repo.repo,
         .commit = repo.head,
         .branch = info.branch,
         .existing = replace ? git::Publication::Existing::replace : git::Publication::Existing::refuse,
         .depth = git::Publication::Depth::look});
    if (!can) co_return fail(can.error());
    meant.branches.push_back({.name = repo.name, .repository = repo.repo, .commit = repo.head, .before = can->before});
  }
  // On disk before a branch is: a machine that loses its power must know, too, what it had begun.
  const Result<void> recorded =
      co_await change(swarm, [meant](Record& record) { record.hidden.publishing = meant; }, store::Durability::power);
  if (!recorded) co_return fail(recorded.error());
  const Result<std::optional<Error>> ended = co_await land(swarm);
  if (!ended) co_return fail(ended.error());
  if (*ended) co_return fail(**ended);
  co_return git::Published{.branch = info.branch, .commit = info.head, .before = info.published};
}

/// Brings the publication that was recorded to its end. Gives why it was put back, or nothing where all branches are
/// set; an error: some are set and some are not, and it is to be tried again. Holding `publishing`.
async::Task<Result<std::optional<Error>>> Swarms::land(std::shared_ptr<Swarm> swarm) {
  const Publishing meant = *swarm->record.hidden.publishing;
  const std::string branch = swarm->record.info.branch;
  std::optional<Error> refused;
  if (meant.undoing) refused = Error{.code = Code::failed_precondition, .message = meant.why};
  for (const Landing& landing : meant.branches) {
    if (refused) break;
    // What it replaces was looked at, and is what stands there still.
    const Result<git::Published> published =
        co_await swarm->repository.publish_one({.repository = landing.repository,
                                                .commit = landing.commit,
                                                .branch = branch,
                                                .existing = git::Publication::Existing::replace,
                                                .depth = git::Publication::Depth::all,
                                                .before = landing.before});
    if (!published) refused = published.error();
  }
  if (!refused) {
    const Result<void> written = co_await change(swarm, [meant](Record& record) {
      record.hidden.publishing.reset();
      record.info.published = meant.head;
      for (api::SwarmRepo& repo : record.info.repos) {
        for (const Landing& landing : meant.branches) {
          if (landing.name == repo.name) repo.published = landing.commit;
        }
      }
    });
    if (!written) co_return fail(written.error());
    co_return std::nullopt;
  }
  if (!meant.undoing) {
    const Result<void> turned = co_await change(
        swarm,
        [why = refused->message](Record& record) {
          record.hidden.publishing->undoing = true;
          record.hidden.publishing->why = why;
        },
        store::Durability::power);
    if (!turned) co_return fail(turned.error());
  }
  Error left = *refused;
  bool whole = true;
  for (const Landing& landing : meant.branches) {
    const Result<void> back = co_await swarm->repository.withdraw(landing.repository, published_by(landing, branch));
    if (back) continue;
    whole = false;
    left.message += fmt::format(
        "; branch {} of '{}' could not be put back yet, the daemon tries it again when it "
        "starts, or on 'swarmctl swarm fetch': {}",
        branch, landing.repository, back.error().message);
  }
  if (!whole) co_return fail(std::move(left));
  const Result<void> forgotten = co_await change(swarm, [](Record& record) { record.hidden.publishing.reset(); });
  if (!forgotten) co_return fail(forgotten.error());
  co_return refused;
}

async::Task<Result<void>> Swarms::settle_publication(std::shared_ptr<Swarm> swarm) {
  const auto one_by_one = co_await swarm->publishing.take();
  if (!swarm->record.hidden.publishing) co_return {};
  const Result<std::optional<Error>> ended = co_await land(swarm);
  if (!ended) co_return fail(ended.error());
  if (*ended) {
    log::logger<"swarm">().warn("branches of several repositories were put back",
                                {{"swarm", swarm->id()}, {"error", **ended}});
  }
  co_return {};
}

/// Removes what was published from the user's repositories: from all, or where a branch was moved by somebody from
/// none.
async::Task<Result<void>> Swarms::remove_branches(std::shared_ptr<Swarm> swarm) {
  const api::SwarmInfo info = swarm->record.info;
  std::vector<api::SwarmRepo> repos = info.repos;
  if (repos.empty()) repos.push_back({.repo = info.repo, .published = info.published});
  const std::string ref = "refs/heads/" + info.branch;
  const auto ask = [&](const api::SwarmRepo& repo, std::vector<std::string> words) {
    return with_.git.ask({.git_dir = {}, .cwd = repo.repo, .arguments = std::move(words), .env = {}, .input = {}});
  };
  std::vector<api::SwarmRepo> standing;
  for (const api::SwarmRepo& repo : repos) {
    std::error_code unknown;
    if (repo.published.empty() || (!std::filesystem::exists(repo.repo, unknown) && !unknown)) continue;
    const Result<async::CommandOutput> stands = co_await ask(repo, {"rev-parse", "--verify", "--quiet", ref});
    if (!stands) co_return fail(stands.error());
    if (stands->status.code != 0 && stands->out.empty() && stands->err.empty()) continue;  // it is gone already
    if (!stands->out.starts_with(repo.published)) {
      co_return fail(Code::failed_precondition,
                     fmt::format("branch {} of '{}' does not stand any more where it was set{}", info.branch, repo.repo,
                                 stands->err.empty() ? "" : ": " + stands->err));
    }
    standing.push_back(repo);
  }
  for (std::size_t i = 0; i < standing.size(); ++i) {
    // Compare and delete: a branch that somebody has moved on is not ours any more.
    const Result<async::CommandOutput> deleted =
        co_await ask(standing[i], {"update-ref", "-d", ref, standing[i].published});
    if (deleted && deleted->status.code == 0) continue;
    for (std::size_t before = 0; before < i; ++before) {
      const Result<async::CommandOutput> back =
          co_await ask(standing[before], {"update-ref", ref, standing[before].published, ""});
      static_cast<void>(back);  // somebody has made one of that name: theirs
    }
    if (!deleted) co_return fail(deleted.error());
    co_return fail(Code::failed_precondition, fmt::format("branch {} of '{}' could not be removed: {}", info.branch,
                                                          standing[i].repo, deleted->err));
  }
  co_return {};
}

}  // namespace swarm::swarms
