// A report of what a swarm did: who made what, who read it, what was disputed and how that ended, what it cost. All of
// it comes from the record, none from what agents say of themselves.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "client/commands/arguments.hpp"
#include "client/commands/artifacts.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/exit_codes.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/report/document.hpp"
#include "protocol/api/costs.hpp"
#include "protocol/async/file.hpp"

namespace swarm::client {
namespace {

constexpr std::size_t kDiffBytes = 256U << 10U;

/// What a report is made of.
struct Material {
  api::SwarmInfo swarm;
  std::vector<api::TaskShowReply> tasks;
  std::vector<api::ProposalInfo> proposals;
  std::vector<api::SwarmCommit> commits;
  std::vector<api::Event> events;
  std::vector<api::ArtifactInfo> artifacts;
  std::optional<api::CostSummaryReply> costs;
  std::string stat;
  std::string diff;
  bool diff_truncated = false;
};

/// What happened, from the durable log; what retention took is not there any more.
async::Task<Result<void>> gather_events(Client& client, Material& material) {
  const Result<api::EventsSubscribeReply> range = co_await client.call(api::kEventsSubscribe, {.types = {"none"}});
  if (!range) co_return fail(range.error());
  api::EventsListRequest request{.types = {"swarm.*", "task.changed", "review.changed", "proposal.changed"},
                                 .sandbox = {},
                                 .from = range->oldest_seq,
                                 .limit = 1000};
  do {
    Result<api::EventsListReply> page = co_await client.call(api::kEventsList, request);
    if (!page) co_return fail(page.error());
    for (api::Event& event : page->events) {
      if (event.swarm == material.swarm.id) material.events.push_back(std::move(event));
    }
    request.cursor = page->next_cursor;
    request.from.reset();
  } while (request.cursor);
  co_return {};
}

async::Task<Result<void>> gather_work(Client& client, Material& material) {
  if (material.swarm.run.empty()) co_return {};
  api::FromAgent<api::TaskListRequest> tasks;
  tasks.swarm = material.swarm.id;
  tasks.limit = 1000;
  const Result<api::TaskListReply> listed = co_await client.call(api::kTaskList, tasks);
  if (!listed) co_return fail(listed.error());
  for (const api::TaskInfo& task : listed->tasks) {
    api::FromAgent<api::TaskRef> one;
    one.swarm = material.swarm.id;
    one.task = task.id;
    Result<api::TaskShowReply> shown = co_await client.call(api::kTaskShow, one);
    if (!shown) co_return fail(shown.error());
    material.tasks.push_back(std::move(*shown));
  }
  Result<std::vector<api::ArtifactInfo>> artifacts =
      co_await artifacts_of(client, {.swarm = material.swarm.id, .task = {}, .review = {}});
  if (!artifacts) co_return fail(artifacts.error());
  material.artifacts = std::move(*artifacts);
  api::FromAgent<api::ProposalListRequest> proposals;
  proposals.swarm = material.swarm.id;
  proposals.limit = 1000;
  Result<api::ProposalListReply> proposed = co_await client.call(api::kProposalList, proposals);
  if (!proposed) co_return fail(proposed.error());
  material.proposals = std::move(proposed->proposals);
  co_return {};
}

async::Task<Result<Material>> gather(Client& client, SwarmTarget target) {
  Material material;
  Result<api::SwarmInfo> swarm = co_await find_swarm(client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  material.swarm = std::move(*swarm);
  const std::string id = material.swarm.id;
  const Result<void> work = co_await gather_work(client, material);
  if (!work) co_return fail(work.error());
  const Result<void> events = co_await gather_events(client, material);
  if (!events) co_return fail(events.error());
  if (!material.swarm.head.empty()) {
    Result<api::SwarmLogReply> log =
        co_await client.call(api::kSwarmLog, in_swarm<api::SwarmLogRequest>(id, {.limit = 1000}));
    if (!log) co_return fail(log.error());
    material.commits = std::move(log->commits);
    const Result<api::SwarmDiffReply> stat =
        co_await client.call(api::kSwarmDiff, in_swarm<api::SwarmDiffRequest>(id, {.stat = true}));
    if (!stat) co_return fail(stat.error());
    material.stat = stat->text;
    const Result<api::SwarmDiffReply> diff =
        co_await client.call(api::kSwarmDiff, in_swarm<api::SwarmDiffRequest>(id, {.max_bytes = kDiffBytes}));
    if (!diff) co_return fail(diff.error());
    material.diff = diff->text;
    material.diff_truncated = diff->truncated;
  }
  Result<api::CostSummaryReply> costs =
      co_await client.call(api::kCostSummary, {.by = api::CostGroup::all, .filter = {.swarm = id}});
  if (costs) material.costs = std::move(*costs);
  co_return material;
}

std::string with_commas(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

void add_summary(Document& document, const Material& material) {
  const api::SwarmInfo& swarm = material.swarm;
  document.paragraph(swarm.feature);
  if (!swarm.protected_paths.empty()) {
    document.paragraph(
        fmt::format("Look here first: this changes protected path{} {}. A push of it waits for a person.",
                    swarm.protected_paths.size() == 1 ? "" : "s", with_commas(swarm.protected_paths)));
  }
  const bool several = !swarm.repos.empty();
  std::vector<std::vector<std::string>> rows{
      {"State", swarm.reason.empty() ? name_of(swarm.state) : name_of(swarm.state) + ": " + swarm.reason}};
  if (!several) rows.push_back({"Repository", swarm.repo});
  for (const api::SwarmRepo& repo : swarm.repos) {
    const std::string landed = repo.head.empty()        ? "nothing of it was changed"
                               : repo.published.empty() ? repo.head + " merged, no branch was set"
                                                        : swarm.branch + " at " + repo.published;
    rows.push_back({"Repository " + repo.name, fmt::format("{} from {}: {}", repo.repo, repo.base_commit, landed)});
  }
  if (!several) {
    rows.push_back({"Base", swarm.base + " at " + swarm.base_commit});
    rows.push_back({"Result", swarm.published.empty() ? "no branch was set" : swarm.branch + " at " + swarm.published});
  }
  rows.insert(rows.end(), {{"Tested by", swarm.test_command},
                           {"Reviewed by", swarm.review.reviewers == 0
                                               ? "nobody"
                                               : fmt::format("{} other than the author", swarm.review.reviewers)},
                           {"Workflow", swarm.workflow + ", run " + swarm.run},
                           {"Began", local_time(swarm.created_us)}});
  if (swarm.ended_us) {
    rows.push_back({"Took", human_duration(std::chrono::milliseconds((*swarm.ended_us - swarm.created_us) / 1000))});
  }
  document.table({"", ""}, std::move(rows));
}

void add_people(Document& document, const Material& material) {
  document.heading(2, "Who did what");
  std::vector<std::vector<std::string>> rows;
  for (const api::SwarmAgentInfo& agent : material.swarm.agents) {
    std::size_t merged = 0;
    std::size_t reviews = 0;
    std::size_t refused = 0;
    for (const api::TaskShowReply& task : material.tasks) {
      if (task.task.merged && task.task.agent == agent.id) ++merged;
      for (const api::ReviewInfo& review : task.reviews) {
        for (const api::ReviewerInfo& reviewer : review.reviewers) {
          if (reviewer.agent != agent.id || !reviewer.verdict) continue;
          ++reviews;
          if (*reviewer.verdict != api::Verdict::approve) ++refused;
        }
      }
    }
    rows.push_back({agent.id, agent.kind, agent.role.empty() ? "any" : agent.role, std::to_string(merged),
                    std::to_string(reviews), std::to_string(refused)});
  }
  document.table({"Agent", "Kind", "Role", "Changes merged", "Reviews", "of them not approving"}, std::move(rows));
}

void add_tasks(Document& document, const Material& material) {
  document.heading(2, "Tasks");
  std::vector<std::vector<std::string>> rows;
  for (const api::TaskShowReply& shown : material.tasks) {
    const api::TaskInfo& task = shown.task;
    rows.push_back({task.title, name_of(task.state), task.agent.value_or("-"), std::to_string(task.attempt),
                    task.merged ? task.merged->substr(0, 10) : "-"});
  }
  document.table({"Task", "State", "Agent", "Attempts", "Merged as"}, std::move(rows));
  for (const api::TaskShowReply& shown : material.tasks) {
    if (shown.attempts.size() < 2) continue;
    document.heading(3, shown.task.title);
    std::vector<std::string> attempts;
    for (const api::TaskAttempt& attempt : shown.attempts) {
      std::string line = fmt::format("Attempt {} by {}: {}", attempt.attempt, attempt.agent,
                                     attempt.outcome.empty() ? "under way" : attempt.outcome);
      if (!attempt.reason.empty()) line += ". " + attempt.reason.substr(0, 400);
      attempts.push_back(std::move(line));
    }
    document.list(std::move(attempts));
  }
}

void add_reviews(Document& document, const Material& material) {
  document.heading(2, "Reviews");
  for (const api::TaskShowReply& shown : material.tasks) {
    for (const api::ReviewInfo& review : shown.reviews) {
      document.heading(3, fmt::format("{}, round {}: {}", review.title, review.round, name_of(review.state)));
      std::vector<std::string> lines;
      for (const api::ReviewerInfo& reviewer : review.reviewers) {
        lines.push_back(fmt::format("{} on {} of {}: {}{}", reviewer.agent, review.commit.substr(0, 10), review.author,
                                    reviewer.verdict ? name_of(*reviewer.verdict) : "no answer",
                                    reviewer.summary.empty() ? "" : ". " + reviewer.summary));
        for (const api::Finding& finding : reviewer.findings) {
          lines.push_back(fmt::format("Finding {} ({}) in {}: {}{}{}", finding.number, name_of(finding.severity),
                                      finding.file.bytes.empty() ? "all of it" : finding.file.bytes, finding.text,
                                      finding.evidence.empty() ? "" : " Evidence: " + finding.evidence.substr(0, 400),
                                      finding.answer.empty() ? "" : " Answer: " + finding.answer.substr(0, 400)));
        }
      }
      document.list(std::move(lines));
    }
  }
}

void add_votes(Document& document, const Material& material) {
  if (material.proposals.empty()) return;
  document.heading(2, "Votes");
  for (const api::ProposalInfo& proposal : material.proposals) {
    document.heading(3, proposal.title);
    document.paragraph(fmt::format("{} by {}: {}{}", name_of(proposal.method), with_commas(proposal.options),
                                   name_of(proposal.state),
                                   proposal.decision.empty() ? "" : " for '" + proposal.decision + "'"));
    if (proposal.count) document.paragraph(proposal.count->why);
    std::vector<std::vector<std::string>> rows;
    for (const api::VoteInfo& vote : proposal.votes) {
      rows.push_back({vote.voter, vote.abstain ? "abstains" : with_commas(vote.choice),
                      fmt::format("{:g}", vote.weight), vote.reason});
    }
    document.table({"Who", "Vote", "Weight", "Why"}, std::move(rows));
  }
}

void add_artifacts(Document& document, const Material& material) {
  if (material.artifacts.empty()) return;
  document.heading(2, "Files");
  std::vector<std::vector<std::string>> rows;
  for (const api::ArtifactInfo& one : material.artifacts) {
    rows.push_back({one_line(one.name.bytes), human_size(one.size_bytes), one.by, one.task.value_or(""), one.note,
                    one.id, one.sha256});
  }
  document.table({"Name", "Size", "By", "Task", "Note", "Id", "SHA-256"}, std::move(rows));
}

void add_changes(Document& document, const Material& material) {
  document.heading(2, "Commits");
  std::vector<std::vector<std::string>> rows;
  for (const api::SwarmCommit& commit : material.commits) {
    rows.push_back({commit.commit.substr(0, 10), commit.author, commit.subject});
  }
  document.table({"Commit", "Author", "Subject"}, std::move(rows));
  if (!material.stat.empty()) document.listing(material.stat);
  if (!material.diff.empty()) {
    document.heading(2, "The change");
    document.listing(material.diff);
    if (material.diff_truncated) document.paragraph("The rest is left out; the branch has all of it.");
  }
}

Document make_report(const Material& material) {
  Document document("Swarm " + material.swarm.name);
  add_summary(document, material);
  add_people(document, material);
  add_tasks(document, material);
  add_reviews(document, material);
  add_votes(document, material);
  add_artifacts(document, material);
  document.heading(2, "Costs");
  if (material.costs) {
    const api::CostLine& total = material.costs->total;
    document.paragraph(fmt::format("{} USD; {:.4f} vCPU hours, {} calls of models, {} tokens read and {} written.",
                                   total.usd, total.vcpu_hours, total.calls, total.input_tokens, total.output_tokens));
  } else {
    document.paragraph("Nothing was recorded.");
  }
  document.heading(2, "What happened");
  std::vector<std::vector<std::string>> rows;
  for (const api::Event& event : material.events) {
    const std::string line = event_line(event);
    if (!line.empty()) rows.push_back({clock_time(event.time_us), line});
  }
  document.table({"Time", ""}, std::move(rows));
  add_changes(document, material);
  return document;
}

async::Task<Result<int>> report(Context& context, SwarmTarget target, std::string form, std::string output) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<Material> material = co_await gather(**client, std::move(target));
  if (!material) co_return fail(material.error());
  const Document document = make_report(*material);
  const bool as_html = form == "html" || (form.empty() && (output.ends_with(".html") || output.ends_with(".htm")));
  const std::string text = as_html ? document.html() : document.markdown();
  if (output.empty()) {
    context.printer.text(text);
    co_return kExitOk;
  }
  const Result<void> written = co_await async::write_file_atomic(context.loop, output, text, 0644, async::Sync::none);
  if (!written) co_return fail(written.error());
  context.printer.note(fmt::format("Written to {}", one_line(output)));
  co_return kExitOk;
}

}  // namespace

void add_report_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "report", "Write what a swarm did: who, what, reviews, votes, costs",
                                  "  swarmctl report login > login.md\n"
                                  "  swarmctl report login --output login.html\n");
  auto target = std::make_shared<SwarmTarget>();
  auto form = std::make_shared<std::string>();
  auto output = std::make_shared<std::string>();
  add_swarm_target(command, *target);
  command.add_option("--format", *form, "markdown or html; else by the file's name, else markdown")
      ->type_name("FORM")
      ->check(CLI::IsMember({"markdown", "html"}));
  command.add_option("-o,--output", *output, "The file to write; else standard output")->type_name("FILE");
  command.callback([&selection, target, form, output] {
    selection.action = [=](Context& context) { return report(context, *target, *form, *output); };
  });
}

}  // namespace swarm::client
