// Workflows, and their runs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <iterator>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/sandbox_views.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/run.hpp"

namespace swarm::client {
namespace {

void show_phases(Context& context, const api::WorkflowInfo& workflow) {
  Fields fields;
  fields.add("Workflow", one_line(workflow.name));
  fields.add("Title", one_line(workflow.title));
  fields.add("Roles", one_line(fmt::format("{}", fmt::join(workflow.roles, ", "))));
  fields.add("Variables", one_line(fmt::format("{}", fmt::join(workflow.variables, ", "))));
  context.printer.fields(fields);
  Table table({{"PHASE"}, {"KIND"}, {"ROLE"}, {"ABOUT", Align::left, Fit::shorten}});
  for (const api::WorkflowPhase& each : workflow.phases) {
    table.add({one_line(each.name), one_line(each.kind), one_line(each.role), one_line(each.about)});
  }
  context.printer.table(table);
}

async::Task<Result<int>> check(Context& context, std::string path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) co_return fail(Code::not_found, fmt::format("'{}' cannot be read", one_line(path)));
  api::WorkflowCheckRequest request{
      .definition = std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>())};
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::WorkflowCheckReply> reply = co_await (*client)->call(api::kWorkflowCheck, request);
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    for (const std::string& problem : reply->problems) context.printer.line(one_line(path + ": " + problem));
    if (reply->workflow) show_phases(context, *reply->workflow);
  }
  co_return reply->problems.empty() ? kExitOk : kExitFailed;
}

void show_run(Context& context, const api::RunInfo& run) {
  Fields fields;
  fields.add("Run", run.id);
  fields.add("Workflow", one_line(run.workflow));
  fields.add("Feature", sanitized(run.feature));
  fields.add("State", fmt::format("{} ({})", name_of(run.state), one_line(run.phase)));
  fields.add("Reason", sanitized(run.reason));
  fields.add("Head", run.head);
  fields.add("Delivered", one_line(run.delivered));
  fields.add("Until", run.deadline_us && !run.ended_us ? human_until(context.now(), *run.deadline_us) : "");
  context.printer.fields(fields);
  Table table({{"PHASE"}, {"STATE"}, {"ROUND", Align::right}, {"NOTE", Align::left, Fit::shorten}});
  for (const api::PhaseInfo& each : run.phases) {
    table.add({one_line(each.name), name_of(each.state), std::to_string(each.round), one_line(each.note)});
  }
  context.printer.table(table);
}

struct Which {
  std::string swarm;
  std::string run;
  std::string text;
};

void add_which(CLI::App& command, Which& which) {
  command.add_option("--swarm", which.swarm, "The swarm, where there are several")->type_name("SWARM");
  command.add_option("RUN", which.run, "Its id, or a unique prefix of it; 'swarmctl run ls' lists them")->required();
}

template <class T, class Make>
void add_on_run(CLI::App& group, Selection& selection, const std::string& name, const std::string& help,
                const api::Method<api::InSwarm<T>, api::RunInfo>& method, const std::string& text, Make make) {
  CLI::App& command = add_command(group, selection, name, help);
  const auto which = std::make_shared<Which>();
  add_which(command, *which);
  if (text == "--reason") command.add_option(text, which->text, "Why, for the record")->type_name("TEXT");
  if (text == "FEATURE") command.add_option(text, which->text, "What shall be made instead")->required();
  command.callback([&selection, &method, which, make] {
    selection.action = [&method, which, make](Context& context) {
      return call_and_show(context, method, in_swarm<T>(which->swarm, make(*which)), show_run);
    };
  });
}

void add_runs(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "run", "Look at runs of workflows, halt and retry them");
  CLI::App& ls = add_command(group, selection, "ls", "List runs");
  ls.alias("list");
  const auto which = std::make_shared<Which>();
  const auto all = std::make_shared<bool>(false);
  ls.add_option("--swarm", which->swarm, "The swarm, where there are several")->type_name("SWARM");
  ls.add_flag("-a,--all", *all, "Also those that are over");
  ls.callback([&selection, which, all] {
    selection.action = [which, all](Context& context) {
      return call_and_show(
          context, api::kRunList, in_swarm<api::RunListRequest>(which->swarm, {.all = *all, .limit = 1000}),
          [](Context& c, const api::RunListReply& reply) {
            Table table({{"RUN"}, {"WORKFLOW"}, {"STATE"}, {"PHASE"}, {"FEATURE", Align::left, Fit::shorten}});
            for (const api::RunInfo& each : reply.runs) {
              table.add({each.id, one_line(each.workflow), name_of(each.state), one_line(each.phase),
                         one_line(each.feature)});
            }
            c.printer.table(table);
          });
    };
  });

  const auto ref = [](const Which& w) { return api::RunRef{.run = w.run}; };
  const auto reason = [](const Which& w) { return api::RunReasonRequest{.run = w.run, .reason = w.text}; };
  add_on_run<api::RunRef>(group, selection, "show", "Show a run and its phases", api::kRunShow, "", ref);
  add_on_run<api::RunReasonRequest>(group, selection, "pause", "Halt a run; its deadlines stand still", api::kRunPause,
                                    "--reason", reason);
  add_on_run<api::RunRef>(group, selection, "resume", "Let a halted run go on", api::kRunResume, "", ref);
  add_on_run<api::RunReasonRequest>(group, selection, "cancel", "End a run; what was merged stays", api::kRunCancel,
                                    "--reason", reason);
  add_on_run<api::RunRef>(group, selection, "retry", "Let a failed run try again what failed", api::kRunRetry, "", ref);
  add_on_run<api::RunChangeRequest>(
      group, selection, "change", "Change what shall be made while it is under way", api::kRunChange, "FEATURE",
      [](const Which& w) { return api::RunChangeRequest{.run = w.run, .feature = w.text}; });

  CLI::App& steps = add_command(group, selection, "steps", "List what a run did outside, with outcomes");
  const auto of = std::make_shared<Which>();
  add_which(steps, *of);
  steps.callback([&selection, of] {
    selection.action = [of](Context& context) {
      return call_and_show(context, api::kRunSteps,
                           in_swarm<api::RunStepsRequest>(of->swarm, {.run = of->run, .limit = 1000}),
                           [](Context& c, const api::RunStepsReply& reply) {
                             Table table({{"NO", Align::right},
                                          {"STATE"},
                                          {"TRIES", Align::right},
                                          {"STEP"},
                                          {"ERROR", Align::left, Fit::shorten}});
                             for (const api::StepInfo& each : reply.steps) {
                               table.add({std::to_string(each.number), name_of(each.state), std::to_string(each.tries),
                                          one_line(each.key), one_line(each.error)});
                             }
                             c.printer.table(table);
                           });
    };
  });
}

}  // namespace

void add_workflow_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "workflow", "List, show and check workflows");
  CLI::App& ls = add_command(group, selection, "ls", "List the workflows that can be run");
  ls.alias("list");
  ls.callback([&selection] {
    selection.action = [](Context& context) {
      return call_and_show(context, api::kWorkflowList, {}, [](Context& c, const api::WorkflowListReply& reply) {
        Table table({{"WORKFLOW"}, {"SOURCE"}, {"TITLE", Align::left, Fit::shorten}});
        for (const api::WorkflowInfo& each : reply.workflows) {
          table.add({one_line(each.name), one_line(each.source), one_line(each.title)});
        }
        c.printer.table(table);
      });
    };
  });

  CLI::App& show = add_command(group, selection, "show", "Show a workflow, or its text to copy and change",
                               "  swarmctl workflow show autonomous-dev --text > mine.toml\n");
  const auto name = std::make_shared<std::string>();
  const auto text = std::make_shared<bool>(false);
  show.add_option("WORKFLOW", *name, "Its name")->required();
  show.add_flag("--text", *text, "Its TOML alone");
  show.callback([&selection, name, text] {
    selection.action = [name, text](Context& context) {
      return call_and_show(context, api::kWorkflowShow, {.name = *name},
                           [text = *text](Context& c, const api::WorkflowInfo& workflow) {
                             if (text) return c.printer.text(sanitized(workflow.definition));
                             show_phases(c, workflow);
                           });
    };
  });

  CLI::App& checking = add_command(group, selection, "check", "Say what is wrong with a workflow file",
                                   "  swarmctl workflow check mine.toml\n");
  const auto path = std::make_shared<std::string>();
  checking.add_option("FILE", *path, "The TOML file")->required();
  checking.callback(
      [&selection, path] { selection.action = [path](Context& context) { return check(context, *path); }; });
  add_runs(root, selection);
}

}  // namespace swarm::client
