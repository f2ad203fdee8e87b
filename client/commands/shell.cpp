#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/program/attachment.hpp"
#include "client/program/interactive.hpp"

namespace swarm::client {
namespace {

struct ShellOptions {
  std::string sandbox;
  std::string program;
  std::string user;
  std::string cwd;
  std::vector<std::string> env;
  std::string detach_keys = "ctrl-p,ctrl-q";
};

async::Task<Result<int>> shell(Context& context, ShellOptions options) {
  auto keys = DetachKeys::parse(options.detach_keys);
  if (!keys) co_return fail(keys.error());
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
    co_return fail(Code::failed_precondition,
                   fmt::format("shell needs a terminal, and standard input or output is none; in scripts use 'swarmctl "
                               "exec {} -- PROGRAM'",
                               options.sandbox));
  }
  api::ExecStartRequest start{.background = true, .wait = false};
  if (options.program.empty()) {
    // The user's own login shell; where that is only sh, one that people can edit a line in.
    start.command =
        "case \"${SHELL:-/bin/sh}\" in */sh|*/dash) s=$(command -v bash || echo /bin/sh);; *) s=$SHELL;; esac; exec "
        "\"$s\" -l";
  } else {
    start.command = options.program;
  }
  auto env = read_pairs("--env", options.env);
  if (!env) co_return fail(env.error());
  start.env = std::move(*env);
  start.user = non_empty(options.user);
  if (!options.cwd.empty()) start.cwd = api::Path(options.cwd);
  start.pty = our_terminal();
  start.labels = {{"swarmctl", "shell"}};
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  // In the background, so that detaching leaves it; what we start and do not detach from we also end.
  const Result<api::ExecStartReply> started =
      co_await (*client)->call(api::kExecStart, in_sandbox(options.sandbox, std::move(start)));
  if (!started) co_return fail(started.error());
  Result<int> status = co_await attach_interactively(
      context, **client, options.sandbox, started->exec,
      {.detach = std::move(*keys), .on_hangup = OnHangup::end_program, .output = true, .terminal = true});
  co_return status;
}

}  // namespace

void add_shell_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "shell", "Work in a sandbox: an interactive shell in this terminal",
                                  "  swarmctl shell web\n"
                                  "  swarmctl shell web --user root --cwd /tmp\n"
                                  "  swarmctl shell web --program 'vim notes.md'\n"
                                  "\nctrl-p ctrl-q leaves it running; 'swarmctl ps attach web ID' comes back to it.\n");
  auto options = std::make_shared<ShellOptions>();
  add_sandbox_argument(command, options->sandbox);
  command.add_option("--program", options->program, "A shell line to run instead of the login shell")
      ->type_name("LINE");
  command.add_option("-u,--user", options->user, "As whom: a user name or uid in the sandbox")->type_name("USER");
  command.add_option("-w,--cwd", options->cwd, "Where to begin")->type_name("DIR");
  command.add_option("-e,--env", options->env, "A variable of its environment; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--detach-keys", options->detach_keys, "Keys that detach: ctrl-p,ctrl-q; or none")
      ->type_name("KEYS");
  command.callback([&selection, options] {
    selection.runs_program = true;
    selection.action = [options](Context& context) { return shell(context, *options); };
  });
}

}  // namespace swarm::client
