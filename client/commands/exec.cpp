#include <fmt/format.h>
#include <unistd.h>

#include "client/commands/arguments.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/sandbox_views.hpp"
#include "client/exit_codes.hpp"
#include "client/output/progress.hpp"
#include "client/program/attachment.hpp"

namespace swarm::client {
namespace {

struct ExecOptions {
  std::vector<std::string> words;  // SANDBOX and the program, or with --rm the program alone
  bool interactive = false;
  bool no_input = false;
  bool terminal = false;
  bool detach = false;
  bool shell = false;
  bool raw = false;
  bool remove = false;
  bool clear_env = false;
  std::string timeout;
  std::string grace;
  std::vector<std::string> env;
  std::vector<std::string> labels;
  std::string cwd;
  std::string user;
  CreateOptions create;  // for --rm
};

Result<api::InSandbox<api::ExecStartRequest>> start_request(const ExecOptions& options) {
  api::InSandbox<api::ExecStartRequest> request;
  std::vector<std::string> words = options.words;
  if (!options.remove) {
    if (words.empty()) {
      return fail(Code::invalid_argument,
                  "name a sandbox and a program, for example 'swarmctl exec web -- ls -la', or take a fresh sandbox "
                  "with --rm");
    }
    request.sandbox = words.front();
    words.erase(words.begin());
  }
  if (words.empty()) {
    return fail(Code::invalid_argument, fmt::format("name the program to run, for example 'swarmctl exec {} -- ls -la'",
                                                    options.remove ? "--rm" : request.sandbox));
  }
  if (options.shell) {
    if (words.size() > 1) {
      return fail(Code::invalid_argument,
                  fmt::format("--shell takes one line, and {} words were given: put the line in quotes", words.size()));
    }
    request.command = words.front();
  } else {
    request.argv = std::move(words);
  }
  auto env = read_pairs("--env", options.env);
  if (!env) return fail(env.error());
  request.env = std::move(*env);
  auto labels = read_pairs("--label", options.labels);
  if (!labels) return fail(labels.error());
  request.labels = std::move(*labels);
  const auto timeout = read_duration("--timeout", options.timeout);
  if (!timeout) return fail(timeout.error());
  request.timeout_ms = *timeout;
  const auto grace = read_duration("--grace", options.grace);
  if (!grace) return fail(grace.error());
  if (*grace) request.grace_ms = **grace;
  request.clear_env = options.clear_env;
  if (!options.cwd.empty()) request.cwd = api::Path(options.cwd);
  request.user = non_empty(options.user);
  request.background = options.detach;
  request.wait = false;
  if (options.terminal) {
    const TerminalSize size = terminal_size(STDIN_FILENO);
    const char* term = ::getenv("TERM");
    request.pty = api::Pty{
        .cols = size.columns, .rows = size.rows, .term = term != nullptr && *term != '\0' ? term : "xterm-256color"};
  }
  return request;
}

/// 126 and 127 as a shell gives them, when it was the program that could not be run and not we who failed.
async::Task<int> exit_of_failed_start(Client& client, api::InSandbox<api::ExecStartRequest> request, Error error) {
  if (error.code == Code::permission_denied) co_return kExitNotInvoked;
  if (error.code != Code::not_found) co_return kExitOurs;
  const Result<api::SandboxInfo> sandbox = co_await client.call(api::kSandboxInfo, {{}, request.sandbox});
  if (!sandbox) co_return kExitOurs;
  // A working directory or user can be missing too; the message quotes what is.
  const bool names_program = !request.argv.empty() && error.message.contains("'" + request.argv.front() + "'");
  co_return (!request.cwd && !request.user) || names_program ? kExitNoProgram : kExitNotInvoked;
}

Result<AttachOptions> attach_options(const ExecOptions& options) {
  if (options.terminal && (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1)) {
    return fail(Code::failed_precondition,
                "-t needs a terminal, and standard input or output is none; leave -t out in scripts and pipes");
  }
  return AttachOptions{.terminal = options.terminal, .raw_output = options.raw};
}

/// Input from a pipe or file is meant for the program; a terminal's only when -i says so.
bool wants_input(const ExecOptions& options) {
  if (options.no_input || !has_standard_input()) return false;
  return options.interactive || options.terminal || ::isatty(STDIN_FILENO) != 1;
}

async::Task<Result<int>> run_attached(Context& context, Client& client, ExecOptions options,
                                      api::InSandbox<api::ExecStartRequest> request) {
  Result<AttachOptions> attach = attach_options(options);
  if (!attach) co_return fail(attach.error());
  const bool input = wants_input(options);
  Result<ProgramStreams> streams =
      open_streams(client.connection(), {.input = input, .output = true, .error = !options.terminal});
  if (!streams) co_return fail(streams.error());
  const auto id = [](std::uint32_t stream) { return stream == 0 ? std::nullopt : std::optional(stream); };
  request.stdin_stream = id(streams->input_id);
  request.stdout_stream = id(streams->output_id);
  request.stderr_stream = id(streams->error_id);
  const Result<api::ExecStartReply> started = co_await client.call_patiently(api::kExecStart, request);
  if (!started) {
    context.printer.error(started.error());
    const int status = co_await exit_of_failed_start(client, request, started.error());
    co_return status;
  }
  Attachment attachment(context, client, request.sandbox, started->exec, std::move(*streams), std::move(*attach));
  const Result<AttachEnd> end = co_await attachment.run();
  if (!end) co_return fail(end.error());
  switch (end->how) {
    case AttachEnd::How::output_closed:
      end_for_closed_output();
    case AttachEnd::How::given_up:
      context.printer.note("Gave up waiting; the program is ended with the connection");
      co_return kExitSignal + end->signal;
    default:
      break;
  }
  if (end->status.timed_out) context.printer.note("The program was ended: --timeout " + options.timeout + " ran out");
  if (end->status.oom_killed) context.printer.note("The program was ended: its sandbox ran out of memory");
  if (end->status.state == api::ExecState::lost) {
    co_return fail(Code::unavailable, "it is not known how the program ended: its sandbox vanished");
  }
  co_return exit_of(end->status);
}

async::Task<> send_input(async::Loop& loop, std::unique_ptr<wire::ByteSink> sink) {
  const Result<std::uint64_t> sent = co_await send_standard_input(loop, *sink);
  static_cast<void>(sent);  // a program that reads no more has what it needs
}

async::Task<Result<int>> run_captured(Context& context, Client& client, ExecOptions options,
                                      api::InSandbox<api::ExecStartRequest> request) {
  request.wait = true;
  request.capture = true;
  Result<ProgramStreams> streams =
      open_streams(client.connection(), {.input = wants_input(options), .output = false, .error = false});
  if (!streams) co_return fail(streams.error());
  async::TaskSet feeding(context.loop);
  if (streams->input) {
    request.stdin_stream = streams->input_id;
    feeding.spawn(send_input(context.loop, std::move(streams->input)));
  }
  const Result<api::ExecStartReply> reply = co_await client.call_patiently(api::kExecStart, request);
  if (!reply) {
    context.printer.error(reply.error());
    const int status = co_await exit_of_failed_start(client, request, reply.error());
    co_return status;
  }
  context.printer.document_of(*reply);
  co_return reply->status ? exit_of(*reply->status) : kExitOurs;
}

async::Task<Result<int>> run_detached(Context& context, Client& client, api::InSandbox<api::ExecStartRequest> request) {
  const Result<api::ExecStartReply> started = co_await client.call(api::kExecStart, request);
  if (!started) {
    context.printer.error(started.error());
    const int status = co_await exit_of_failed_start(client, request, started.error());
    co_return status;
  }
  if (context.printer.json()) {
    context.printer.document_of(*started);
  } else {
    context.printer.line(started->exec);
    if (context.printer.out().terminal) {
      context.printer.note(fmt::format("Its output: swarmctl logs -f {} {}", request.sandbox, started->exec));
    }
  }
  co_return kExitOk;
}

async::Task<Result<int>> run(Context& context, ExecOptions options) {
  Result<api::InSandbox<api::ExecStartRequest>> request = start_request(options);
  if (!request) co_return fail(request.error());
  if (options.remove && options.detach) {
    co_return fail(Code::invalid_argument,
                   "--rm removes the sandbox when the program has ended, and --detach does not "
                   "wait for that; leave one of them out");
  }
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  if (options.remove) {
    const Result<api::SandboxCreateRequest> wanted = create_request(options.create, context.globals.provider);
    if (!wanted) co_return fail(wanted.error());
    Progress progress(context, "Making a sandbox");
    const Result<api::SandboxInfo> made = co_await (*client)->call(api::kSandboxCreate, *wanted);
    progress.finish();
    if (!made) co_return fail(made.error());
    request->sandbox = made->id;
  }
  Result<int> status(0);
  if (options.detach) {
    status = co_await run_detached(context, **client, *request);
  } else if (context.printer.json() && !options.terminal) {
    status = co_await run_captured(context, **client, options, *request);
  } else {
    status = co_await run_attached(context, **client, options, *request);
  }
  if (options.remove) {
    api::InSandbox<api::SandboxKillRequest> kill;
    kill.sandbox = request->sandbox;
    kill.reason = "swarmctl exec --rm";
    kill.grace_ms = std::chrono::milliseconds(0);
    const Result<api::SandboxInfo> ended = co_await (*client)->call(api::kSandboxKill, kill);
    if (!ended) {
      context.printer.warning(
          fmt::format("swarmctl: the sandbox {} was not removed: {}", request->sandbox, safe(ended.error().message)));
    }
  }
  co_return status;
}

}  // namespace

void add_exec_commands(CLI::App& root, Selection& selection) {
  auto options = std::make_shared<ExecOptions>();
  CLI::App& command = *root.add_subcommand("exec", "Run a program in a sandbox");
  command.add_option("--timeout", options->timeout, "End it, and all that it started, after this long")
      ->type_name("DURATION");
  add_globals(command, selection.globals);
  command.footer(
      "\nWith --rm there is no SANDBOX: swarmctl exec --rm [OPTIONS] [--] PROGRAM [ARGUMENTS]...\n"
      "\nOptions stand before SANDBOX; what follows it belongs to the program. Input from a pipe or file goes to the\n"
      "program; from a terminal only with -i. On a terminal, control sequences are taken out of the output unless the\n"
      "program has a terminal of its own (-t) or --raw is given. Ctrl-C is passed on; twice within a second gives up.\n"
      "The exit status is the program's: swarmctl help exit-codes\n"
      "\nExamples:\n"
      "  swarmctl exec web -- ls -la\n"
      "  swarmctl exec -it web -- bash\n"
      "  tar c src | swarmctl exec web -- tar x\n"
      "  swarmctl exec --shell web 'make test 2>&1 | tail'\n"
      "  swarmctl exec -d web -- ./server       (then: swarmctl logs -f web)\n"
      "  swarmctl exec --rm --template python -- python3 -c 'print(1)'\n"
      "\nOptions of every command (--json, --socket, ...): swarmctl --help");
  command.add_flag("-i,--interactive", options->interactive, "Pass on input from a terminal too");
  command.add_flag("-n,--no-input", options->no_input, "Pass on no input, not even from a pipe");
  command.add_flag("-t,--tty", options->terminal, "Give it a terminal: ours");
  command.add_flag("-d,--detach", options->detach, "Let it run in the background and print its id");
  command.add_flag("-c,--shell", options->shell, "PROGRAM is a line for the sandbox's shell");
  command.add_flag("--raw", options->raw, "Let control sequences pass to the terminal");
  command.add_option("-e,--env", options->env, "A variable of its environment; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_flag("--clear-env", options->clear_env, "Give it only the variables of --env");
  command.add_option("-w,--cwd,--workdir", options->cwd, "Its working directory")->type_name("DIR");
  command.add_option("-u,--user", options->user, "As whom: a user name or uid in the sandbox")->type_name("USER");
  command.add_option("--grace", options->grace, "Between TERM and KILL when it is ended (5s)")->type_name("DURATION");
  command.add_flag("--rm", options->remove, "Run it in a fresh sandbox, which is removed afterwards");
  command.add_option("--mark", options->labels, "A mark to find the program by; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  auto* fresh = command.add_option_group("The sandbox of --rm");
  add_create_options(*fresh, options->create);
  command.prefix_command();
  command.callback([&selection, &command, options] {
    options->words = command.remaining();
    if (selection.after_dashes) {
      // The first "--" ends our part; one further right is the program's: exec web git log -- file
      if (options->words.size() > (options->remove ? 0U : 1U)) options->words.emplace_back("--");
      std::ranges::copy(*selection.after_dashes, std::back_inserter(options->words));
    }
    selection.runs_program = true;
    selection.action = [options](Context& context) { return run(context, *options); };
  });
}

}  // namespace swarm::client
