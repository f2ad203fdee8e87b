// Tasks, reviews and votes of a run, as people look at them and step in.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/commands/arguments.hpp"
#include "client/commands/artifacts.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/commands/swarm_views.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"

namespace swarm::client {
namespace {

/// What every command here may say.
struct Of {
  std::string swarm;
  std::string what;  ///< the id that a command is about
};

template <class T>
api::FromAgent<T> of_swarm(const Of& of, T request = {}) {
  api::FromAgent<T> made;
  static_cast<T&>(made) = std::move(request);
  made.swarm = non_empty(of.swarm);
  return made;
}

void add_of(CLI::App& command, Of& of, const std::string& positional = {}) {
  command.add_option("--swarm", of.swarm, "The swarm, where there are several")->type_name("SWARM");
  if (!positional.empty()) {
    command.add_option(positional, of.what, "Its id, or a unique prefix of it")->required()->type_name(positional);
  }
}

void show_task(Context& context, const api::TaskInfo& task) {
  Fields fields;
  fields.add("Task", task.id);
  fields.add("Title", one_line(task.title));
  fields.add("State", name_of(task.state));
  fields.add("Kind", name_of(task.kind));
  fields.add("Role", one_line(task.role));
  fields.add("Agent", one_line(task.agent.value_or("")));
  fields.add("Attempt", fmt::format("{} ({} left)", task.attempt, task.attempts_left));
  fields.add("Lease", task.lease_until_us ? human_until(context.now(), *task.lease_until_us) : "");
  fields.add("Needs", fmt::format("{}", fmt::join(task.needs, ", ")));
  fields.add("Files", one_line(fmt::format("{}", fmt::join(task.files, ", "))));
  fields.add("Proof", one_line(task.proof));
  fields.add("Progress", one_line(task.progress));
  fields.add("Commit", task.commit.value_or(""));
  fields.add("Merged", task.merged.value_or(""));
  fields.add("Reason", sanitized(task.reason));
  context.printer.fields(fields);
  if (!task.body.empty()) context.printer.text("\n" + sanitized(task.body) + "\n");
  if (!task.answer.empty()) context.printer.text("\n" + sanitized(task.answer) + "\n");
}

void show_review(Context& context, const api::ReviewInfo& review) {
  Fields fields;
  fields.add("Review", review.id);
  fields.add("Change",
             fmt::format("{} by {}, round {}", one_line(review.title), one_line(review.author), review.round));
  fields.add("Commit", review.commit);
  fields.add("State", name_of(review.state));
  fields.add("Settled by", review.settled_by);
  fields.add("Summary", sanitized(review.summary));
  context.printer.fields(fields);
  for (const api::ReviewerInfo& each : review.reviewers) {
    context.printer.line(fmt::format("\n{}: {} {}", one_line(each.agent),
                                     each.replaced_by ? "replaced"
                                     : each.verdict   ? name_of(*each.verdict)
                                                      : "asked",
                                     one_line(each.summary)));
    for (const api::Finding& finding : each.findings) {
      context.printer.line(fmt::format("  {}. [{}] {}:{} {}", finding.number, name_of(finding.severity),
                                       one_line(finding.file.bytes), finding.line, one_line(finding.text)));
      if (!finding.answer.empty()) context.printer.line("     the author: " + one_line(finding.answer));
    }
  }
}

void show_proposal(Context& context, const api::ProposalInfo& proposal) {
  Fields fields;
  fields.add("Proposal", proposal.id);
  fields.add("Question", one_line(proposal.title));
  fields.add("Method", fmt::format("{}, quorum {}", name_of(proposal.method), proposal.quorum));
  fields.add("Options", one_line(fmt::format("{}", fmt::join(proposal.options, ", "))));
  fields.add("State", name_of(proposal.state));
  fields.add("Until", proposal.deadline_us ? human_until(context.now(), *proposal.deadline_us) : "");
  fields.add("Decision", proposal.decision.empty()
                             ? ""
                             : fmt::format("{} (by {})", one_line(proposal.decision), one_line(proposal.decided_by)));
  fields.add("Count", proposal.count ? one_line(proposal.count->why) : "");
  context.printer.fields(fields);
  if (!proposal.body.empty()) context.printer.text("\n" + sanitized(proposal.body) + "\n");
  Table table({{"VOTER"}, {"VOTE"}, {"WEIGHT", Align::right}, {"REASON", Align::left, Fit::shorten}});
  for (const api::VoteInfo& vote : proposal.votes) {
    table.add({one_line(vote.voter),
               vote.abstain ? "abstains" : one_line(fmt::format("{}", fmt::join(vote.choice, " > "))),
               fmt::format("{}", vote.weight), one_line(vote.reason)});
  }
  if (!table.empty()) context.printer.table(table);
  if (!proposal.count || proposal.count->rounds.size() < 2) return;
  for (std::size_t i = 0; i < proposal.count->rounds.size(); ++i) {
    const api::CountRound& round = proposal.count->rounds[i];
    std::vector<std::string> sums;
    for (const auto& [option, votes] : round.votes) sums.push_back(fmt::format("{} {}", one_line(option), votes));
    context.printer.line(fmt::format("Round {}: {}{}", i + 1, fmt::join(sums, ", "),
                                     round.left_out.empty() ? "" : "; leaves: " + one_line(round.left_out)));
  }
}

/// A command with one call: `request` is made when it runs.
template <class Req, class Res, class Show>
void one_call(CLI::App& command, Selection& selection, const api::Method<Req, Res>& method,
              std::function<Req()> request, Show show) {
  command.callback([&selection, &method, request, show] {
    selection.action = [&method, request, show](Context& context) {
      return call_and_show(context, method, request(), show);
    };
  });
}

void show_task_history(Context& context, const api::TaskShowReply& reply) {
  show_task(context, reply.task);
  for (const api::TaskAttempt& each : reply.attempts) {
    context.printer.text(fmt::format("\nAttempt {} by {}: {}\n{}\n", each.attempt, one_line(each.agent),
                                     each.outcome.empty() ? "under way" : one_line(each.outcome),
                                     sanitized(each.reason)));
  }
  if (!reply.reviews.empty()) context.printer.table(review_table(reply.reviews));
}

async::Task<Result<int>> show_one_task(Context& context, Of of) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::TaskShowReply> task =
      co_await (*client)->call(api::kTaskShow, of_swarm<api::TaskRef>(of, {.task = of.what}));
  if (!task) co_return fail(task.error());
  const auto artifacts = co_await artifacts_of(**client, {.swarm = of.swarm, .task = task->task.id, .review = {}});
  if (!artifacts) co_return fail(artifacts.error());
  show_with_artifacts(context, *task, *artifacts, show_task_history);
  co_return kExitOk;
}

async::Task<Result<int>> show_one_review(Context& context, Of of) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::ReviewInfo> review =
      co_await (*client)->call(api::kReviewShow, of_swarm<api::ReviewRef>(of, {.review = of.what}));
  if (!review) co_return fail(review.error());
  const auto artifacts = co_await artifacts_of(**client, {.swarm = of.swarm, .task = {}, .review = review->id});
  if (!artifacts) co_return fail(artifacts.error());
  show_with_artifacts(context, *review, *artifacts, show_review);
  co_return kExitOk;
}

void add_tasks(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "task", "Look at the tasks of a run, add and end them");

  const auto ls_of = std::make_shared<Of>();
  CLI::App& ls = add_command(group, selection, "ls", "List tasks", "  swarmctl task ls\n");
  ls.alias("list");
  add_of(ls, *ls_of);
  one_call<api::FromAgent<api::TaskListRequest>>(
      ls, selection, api::kTaskList, [ls_of] { return of_swarm<api::TaskListRequest>(*ls_of, {.limit = 1000}); },
      [](Context& context, const api::TaskListReply& reply) { context.printer.table(task_table(reply.tasks)); });

  const auto show_of = std::make_shared<Of>();
  CLI::App& show = add_command(group, selection, "show", "Show a task with its attempts and reviews");
  add_of(show, *show_of, "TASK");
  show.callback([&selection, show_of] {
    selection.action = [show_of](Context& context) { return show_one_task(context, *show_of); };
  });

  struct Add {
    Of of;
    api::TaskAddRequest request;
  };
  const auto adding = std::make_shared<Add>();
  CLI::App& add = add_command(group, selection, "add", "Add a task to the run that is under way",
                              "  swarmctl task add \"Explain the flags\" --body \"In README.md\" --file README.md\n");
  add_of(add, adding->of);
  add.add_option("TITLE", adding->request.title, "In one line")->required();
  add.add_option("--body", adding->request.body, "What is to be done")->type_name("TEXT");
  add.add_option("--needs", adding->request.needs, "A task that has to be done before")->type_name("TASK");
  add.add_option("--file", adding->request.files, "What it will probably touch")->type_name("PATTERN");
  add.add_option("--skill", adding->request.skills, "What it asks for")->type_name("NAME");
  add.add_option("--role", adding->request.role, "Only agents of this role take it")->type_name("ROLE");
  add.add_option("--priority", adding->request.priority, "More comes first")->type_name("N");
  add.add_option("--proof", adding->request.proof, "A command that fails before it and passes after it: a fix")
      ->type_name("COMMAND");
  one_call<api::FromAgent<api::TaskAddRequest>>(
      add, selection, api::kTaskAdd,
      [adding] {
        api::TaskAddRequest request = adding->request;
        if (!request.proof.empty()) request.kind = api::TaskKind::fix;
        return of_swarm(adding->of, std::move(request));
      },
      [](Context& context, const api::TaskInfo& task) { context.printer.line(task.id); });

  const auto reasoned = [&](const std::string& name, const std::string& help, const auto& method) {
    const auto of = std::make_shared<Of>();
    const auto reason = std::make_shared<std::string>("by a person");
    CLI::App& command = add_command(group, selection, name, help);
    add_of(command, *of, "TASK");
    command.add_option("--reason", *reason, "Why; agents read it")->type_name("TEXT");
    one_call<api::FromAgent<api::TaskReasonRequest>>(
        command, selection, method,
        [of, reason] { return of_swarm<api::TaskReasonRequest>(*of, {.task = of->what, .reason = *reason}); },
        show_task);
  };
  reasoned("release", "Take a task from its agent, for others", api::kTaskRelease);
  reasoned("drop", "Take a task out of the run, with those that need it", api::kTaskDrop);
}

void add_reviews(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "review", "Look at reviews, and give a person's verdict");
  const auto ls_of = std::make_shared<Of>();
  CLI::App& ls = add_command(group, selection, "ls", "List reviews");
  ls.alias("list");
  add_of(ls, *ls_of);
  one_call<api::FromAgent<api::ReviewListRequest>>(
      ls, selection, api::kReviewList, [ls_of] { return of_swarm<api::ReviewListRequest>(*ls_of, {.limit = 1000}); },
      [](Context& context, const api::ReviewListReply& reply) { context.printer.table(review_table(reply.reviews)); });

  const auto show_of = std::make_shared<Of>();
  CLI::App& show = add_command(group, selection, "show", "Show a review with its verdicts and findings");
  add_of(show, *show_of, "REVIEW");
  show.callback([&selection, show_of] {
    selection.action = [show_of](Context& context) { return show_one_review(context, *show_of); };
  });

  struct Submit {
    Of of;
    bool approve = false;
    std::string text;
  };
  const auto submitting = std::make_shared<Submit>();
  CLI::App& submit =
      add_command(group, selection, "submit", "Give a verdict that stands for all who have said nothing yet",
                  "  swarmctl review submit rev_01k --approve\n"
                  "  swarmctl review submit rev_01k --request-changes \"the limit is off by one\"\n");
  add_of(submit, submitting->of, "REVIEW");
  auto* verdict = submit.add_option_group("verdict");
  verdict->add_flag("--approve", submitting->approve, "It may be merged");
  verdict->add_option("--request-changes", submitting->text, "What has to be mended")->type_name("TEXT");
  verdict->require_option(1);
  one_call<api::FromAgent<api::ReviewSubmitRequest>>(
      submit, selection, api::kReviewSubmit,
      [submitting] {
        return of_swarm<api::ReviewSubmitRequest>(
            submitting->of, {.review = submitting->of.what,
                             .verdict = submitting->approve ? api::Verdict::approve : api::Verdict::request_changes,
                             .summary = submitting->text});
      },
      show_review);
}

void add_votes(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "vote", "Look at votes and their counts");
  const auto ls_of = std::make_shared<Of>();
  CLI::App& ls = add_command(group, selection, "ls", "List votes");
  ls.alias("list");
  add_of(ls, *ls_of);
  one_call<api::FromAgent<api::ProposalListRequest>>(
      ls, selection, api::kProposalList,
      [ls_of] { return of_swarm<api::ProposalListRequest>(*ls_of, {.limit = 1000}); },
      [](Context& context, const api::ProposalListReply& reply) {
        context.printer.table(proposal_table(reply.proposals));
      });

  const auto by_id = [&](const std::string& name, const std::string& help, const auto& method) {
    const auto of = std::make_shared<Of>();
    CLI::App& command = add_command(group, selection, name, help);
    add_of(command, *of, "PROPOSAL");
    one_call<api::FromAgent<api::ProposalRef>>(
        command, selection, method, [of] { return of_swarm<api::ProposalRef>(*of, {.proposal = of->what}); },
        show_proposal);
  };
  by_id("show", "Show a vote with its ballots and the full count", api::kProposalShow);
  by_id("close", "Close a vote before its deadline, and count", api::kProposalClose);

  struct Open {
    Of of;
    api::ProposalOpenRequest request;
    std::string method = "majority";
  };
  const auto opening = std::make_shared<Open>();
  CLI::App& open = add_command(group, selection, "open", "Let the agents of a run vote on a question",
                               "  swarmctl vote open \"Which parser?\" --option flex --option hand --method ranked\n");
  add_of(open, opening->of);
  open.add_option("QUESTION", opening->request.title, "The question")->required();
  open.add_option("--body", opening->request.body, "What one has to know")->type_name("TEXT");
  open.add_option("--option", opening->request.options, "What can be voted for (yes, no)")->type_name("TEXT");
  open.add_option("--method", opening->method, "How it is counted (majority)")
      ->check(CLI::IsMember({"majority", "supermajority", "unanimous", "ranked", "approval"}));
  open.add_option("--quorum", opening->request.quorum, "The share that has to vote (0.5)")->check(CLI::Range(0.0, 1.0));
  open.add_flag("--veto", opening->request.veto, "A person has the last word");
  one_call<api::FromAgent<api::ProposalOpenRequest>>(
      open, selection, api::kProposalOpen,
      [opening] {
        api::ProposalOpenRequest request = opening->request;
        for (const api::EnumValue& each : api::type_of<api::VoteMethod>().values) {
          if (each.name == opening->method) request.method = static_cast<api::VoteMethod>(each.value);
        }
        return of_swarm(opening->of, std::move(request));
      },
      show_proposal);
}

}  // namespace

void add_work_commands(CLI::App& root, Selection& selection) {
  add_tasks(root, selection);
  add_reviews(root, selection);
  add_votes(root, selection);
}

}  // namespace swarm::client
