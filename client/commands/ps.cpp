#include <fmt/format.h>
#include <unistd.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/programs.hpp"
#include "client/output/human.hpp"
#include "client/output/progress.hpp"
#include "client/output/sanitizer.hpp"
#include "client/program/interactive.hpp"

namespace swarm::client {
namespace {

struct PsOptions {
  std::string sandbox;
  bool all = false;
  std::vector<std::string> labels;
};

std::string command_text(const api::ExecInfo& program) {
  if (program.command) return one_line(*program.command);
  std::string text;
  for (const api::Text& word : program.argv) text += (text.empty() ? "" : " ") + word.bytes;
  return one_line(text);
}

Cell state_cell(const api::ExecStatus& status) {
  switch (status.state) {
    case api::ExecState::running:
      return {"running", Style::good};
    case api::ExecState::lost:
      return {"lost", Style::bad};
    case api::ExecState::exited:
      break;
  }
  if (status.timed_out) return {"timed out", Style::bad};
  if (status.oom_killed) return {"out of memory", Style::bad};
  if (status.signal) return {fmt::format("signal {}", *status.signal), Style::warning};
  const std::uint32_t code = status.exit_code.value_or(0);
  return {fmt::format("exit {}", code), code == 0 ? Style::plain : Style::warning};
}

Table program_table(const std::vector<api::ExecInfo>& programs, WallTime now) {
  Table table({{"ID"},
               {"PID", Align::right},
               {"USER"},
               {"STATE"},
               {"AGE", Align::right},
               {"RAN", Align::right},
               {"COMMAND", Align::left, Fit::shorten}});
  for (const api::ExecInfo& program : programs) {
    const auto ran =
        program.status.duration_ms.value_or(std::chrono::milliseconds((now.us - program.status.started_us) / 1000));
    table.add({program.status.exec, std::to_string(program.pid), one_line(program.user), state_cell(program.status),
               human_age(now, program.status.started_us), human_duration(std::max(ran, std::chrono::milliseconds(0))),
               command_text(program)});
  }
  return table;
}

async::Task<Result<int>> list_programs(Context& context, PsOptions options) {
  if (options.sandbox.empty()) {
    co_return fail(Code::invalid_argument,
                   "name the sandbox, for example 'swarmctl ps web'; 'swarmctl sandbox ls' lists them");
  }
  auto labels = read_pairs("--mark", options.labels);
  if (!labels) co_return fail(labels.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::ExecListReply> programs =
      co_await programs_of(**client, options.sandbox, options.all, std::move(*labels));
  if (!programs) co_return fail(programs.error());
  if (context.printer.json()) {
    context.printer.document_of(*programs);
  } else if (programs->execs.empty()) {
    context.printer.note(options.all ? "Nothing has run in it" : "Nothing runs in it; --all shows what ran before");
  } else {
    context.printer.table(program_table(programs->execs, context.now()));
  }
  co_return kExitOk;
}

struct AttachArguments {
  std::string sandbox;
  std::string exec;
  std::string detach_keys = "ctrl-p,ctrl-q";
  bool no_input = false;
  bool raw = false;
};

async::Task<Result<int>> attach(Context& context, AttachArguments options) {
  auto keys = DetachKeys::parse(options.detach_keys);
  if (!keys) co_return fail(keys.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::ExecInfo> program = co_await find_program(**client, options.sandbox, options.exec);
  if (!program) co_return fail(program.error());
  const bool on_terminal = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  InteractiveOptions how{.detach = std::move(*keys), .raw = options.raw};
  how.terminal = program->pty && on_terminal && !options.no_input;
  how.input = !options.no_input && program->status.state == api::ExecState::running;
  // A terminal program repaints when its size changes; its whole past would only flicker by.
  if (how.terminal)
    how.stdout_from = program->stdout_end - std::min<std::uint64_t>(program->stdout_end - program->stdout_first, 4096);
  Result<int> status = co_await attach_interactively(context, **client, options.sandbox, program->status.exec, how);
  co_return status;
}

async::Task<Result<int>> wait(Context& context, std::string sandbox, std::string exec) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  Progress progress(context, "Waiting for " + exec);
  const Result<api::ExecStatus> status =
      co_await (*client)->call(api::kExecWait, in_sandbox(sandbox, api::ExecWaitRequest{.exec = exec}));
  progress.finish();
  if (!status) co_return fail(status.error());
  if (context.printer.json()) context.printer.document_of(*status);
  co_return exit_of(*status);
}

struct KillArguments {
  std::string sandbox;
  std::vector<std::string> execs;
  std::string grace;
  std::string signal;
};

async::Task<Result<int>> kill(Context& context, KillArguments options) {
  const auto grace = read_duration("--grace", options.grace);
  if (!grace) co_return fail(grace.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  int worst = kExitOk;
  for (const std::string& exec : options.execs) {
    Result<void> done;
    if (!options.signal.empty()) {
      const Result<api::Empty> sent = co_await (*client)->call(
          api::kExecSignal,
          in_sandbox(options.sandbox, api::ExecSignalRequest{.exec = exec, .signal = options.signal}));
      if (!sent) done = fail(sent.error());
    } else {
      api::ExecKillRequest request{.exec = exec};
      if (*grace) request.grace_ms = **grace;
      const Result<api::ExecStatus> ended =
          co_await (*client)->call(api::kExecKill, in_sandbox(options.sandbox, request));
      if (!ended) done = fail(ended.error());
      if (ended && context.printer.json()) context.printer.json_line(api::encode(*ended));
    }
    if (!done) {
      context.printer.error(done.error());
      worst = exit_of(done.error());
    } else if (!context.printer.json()) {
      context.printer.line(exec);
    }
  }
  co_return worst;
}

}  // namespace

async::Task<Result<api::ExecListReply>> programs_of(Client& client, std::string sandbox, bool all,
                                                    std::map<std::string, std::string> labels) {
  api::ExecListRequest request{.all = all, .labels = std::move(labels)};
  api::ExecListReply programs;
  do {
    Result<api::ExecListReply> page = co_await client.call(api::kExecList, in_sandbox(sandbox, request));
    if (!page) co_return fail(page.error());
    std::ranges::move(page->execs, std::back_inserter(programs.execs));
    request.cursor = page->next_cursor;
  } while (request.cursor);
  co_return programs;
}

async::Task<Result<api::ExecInfo>> find_program(Client& client, std::string sandbox, std::string exec) {
  Result<api::ExecListReply> programs = co_await programs_of(client, sandbox, true, {});
  if (!programs) co_return fail(programs.error());
  std::vector<api::ExecInfo*> found;
  for (api::ExecInfo& program : programs->execs) {
    if (exec.empty() ? program.background : program.status.exec.starts_with(exec)) found.push_back(&program);
    if (program.status.exec == exec) co_return std::move(program);
  }
  if (found.empty()) {
    co_return fail(Code::not_found,
                   exec.empty() ? fmt::format("nothing has run in the background in '{}'; 'swarmctl exec -d {} -- "
                                              "PROGRAM' starts something",
                                              sandbox, sandbox)
                                : fmt::format("'{}' has no program '{}'; 'swarmctl ps --all {}' lists them", sandbox,
                                              exec, sandbox));
  }
  if (!exec.empty() && found.size() > 1) {
    co_return fail(Code::invalid_argument,
                   fmt::format("'{}' is the beginning of {} programs' ids; give more of it ('swarmctl ps --all {}')",
                               exec, found.size(), sandbox));
  }
  co_return std::move(*found.front());  // newest first
}

void add_ps_commands(CLI::App& root, Selection& selection) {
  CLI::App& group =
      add_command(root, selection, "ps", "List programs that run in a sandbox; attach to, wait for or end one",
                  "  swarmctl ps web\n"
                  "  swarmctl ps --all web\n"
                  "  swarmctl ps attach web prc_01J8\n"
                  "  swarmctl ps kill web prc_01J8\n");
  group.require_subcommand(0, 1);
  auto list_options = std::make_shared<PsOptions>();
  group.add_option("SANDBOX", list_options->sandbox, "Its id, a unique beginning of it, or its name");
  group.add_flag("-a,--all", list_options->all, "Also those that have ended");
  group.add_option("--mark", list_options->labels, "Only those with this mark; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  group.callback([&selection, &group, list_options] {
    if (!group.get_subcommands().empty()) return;
    selection.action = [list_options](Context& context) { return list_programs(context, *list_options); };
  });

  CLI::App& attaching = add_command(group, selection, "attach", "Attach to a program in the background",
                                    "  swarmctl ps attach web prc_01J8\n");
  auto arguments = std::make_shared<AttachArguments>();
  add_sandbox_argument(attaching, arguments->sandbox);
  attaching.add_option("EXEC", arguments->exec, "The program's id, or a unique beginning of it; else the newest");
  attaching.add_option("--detach-keys", arguments->detach_keys, "Keys that detach: ctrl-p,ctrl-q; or none")
      ->type_name("KEYS");
  attaching.add_flag("-n,--no-input", arguments->no_input, "Only look");
  attaching.add_flag("--raw", arguments->raw, "Let control sequences pass to the terminal");
  attaching.callback([&selection, arguments] {
    selection.runs_program = true;
    selection.action = [arguments](Context& context) { return attach(context, *arguments); };
  });

  CLI::App& waiting = add_command(group, selection, "wait", "Wait until a program has ended, with its exit status");
  auto wait_for = std::make_shared<std::pair<std::string, std::string>>();
  add_sandbox_argument(waiting, wait_for->first);
  waiting.add_option("EXEC", wait_for->second, "The program's id, or a unique beginning of it")->required();
  waiting.callback([&selection, wait_for] {
    selection.runs_program = true;
    selection.action = [wait_for](Context& context) { return wait(context, wait_for->first, wait_for->second); };
  });

  CLI::App& killing = add_command(group, selection, "kill", "End programs and everything that they started",
                                  "  swarmctl ps kill web prc_01J8 --grace 0\n"
                                  "  swarmctl ps kill web prc_01J8 --signal HUP\n");
  auto kill_arguments = std::make_shared<KillArguments>();
  add_sandbox_argument(killing, kill_arguments->sandbox);
  killing.add_option("EXEC", kill_arguments->execs, "The programs' ids, or unique beginnings of them")->required();
  killing.add_option("--grace", kill_arguments->grace, "Between TERM and KILL (5s)")->type_name("DURATION");
  killing.add_option("-s,--signal", kill_arguments->signal, "Send only this signal: HUP, USR1, 15")->type_name("NAME");
  killing.callback([&selection, kill_arguments] {
    selection.action = [kill_arguments](Context& context) { return kill(context, *kill_arguments); };
  });
}

}  // namespace swarm::client
