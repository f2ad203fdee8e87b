#include <fmt/format.h>
#include <unistd.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/pane_target.hpp"
#include "client/program/interactive.hpp"

namespace swarm::client {
namespace {

struct AttachmentOptions {
  PaneTarget target;
  bool watch = false;
  std::string detach_keys = "ctrl-p,ctrl-q";
};

async::Task<Result<int>> attach(Context& context, AttachmentOptions options) {
  auto keys = DetachKeys::parse(options.detach_keys);
  if (!keys) co_return fail(keys.error());
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
    co_return fail(Code::failed_precondition,
                   fmt::format("attach needs a terminal, and standard input or output is none; in scripts use "
                               "'swarmctl agent screen {}' and 'swarmctl agent send {}'",
                               options.target.pane, options.target.pane));
  }
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<std::string> sandbox = co_await find_pane(**client, options.target);
  if (!sandbox) co_return fail(sandbox.error());
  Result<ProgramStreams> streams =
      open_streams((*client)->connection(), {.input = true, .output = true, .error = false});
  if (!streams) co_return fail(streams.error());
  const api::Pty terminal = our_terminal();
  const api::PaneAttachRequest request{.pane = options.target.pane,
                                       .input = streams->input_id,
                                       .output = streams->output_id,
                                       .cols = terminal.cols,
                                       .rows = terminal.rows,
                                       .term = terminal.term,
                                       .mode = options.watch ? api::ViewerMode::watch : api::ViewerMode::drive};
  const Result<api::PaneAttachReply> attached =
      co_await (*client)->call(api::kPaneAttach, at_sandbox(*sandbox, request));
  if (!attached) co_return fail(attached.error());
  // To the client it is a program with a terminal: the tmux that shows the pane.
  Attachment attachment(context, **client, *sandbox, attached->exec, std::move(*streams),
                        {.terminal = true, .own_end = true, .detach = std::move(*keys)});
  const Result<AttachEnd> end = co_await attachment.run();
  if (!end) co_return fail(end.error());
  switch (end->how) {
    case AttachEnd::How::detached:
      context.printer.note(fmt::format("\nDetached; 'swarmctl attach {}' comes back", options.target.pane));
      co_return kExitOk;
    case AttachEnd::How::given_up:
      co_return kExitSignal + end->signal;
    case AttachEnd::How::output_closed:
      end_for_closed_output();
    case AttachEnd::How::exited:
      break;
  }
  context.printer.note(fmt::format("Pane '{}' was closed", options.target.pane));
  co_return kExitOk;
}

}  // namespace

void add_attach_command(CLI::App& root, Selection& selection) {
  CLI::App& command =
      add_command(root, selection, "attach", "Work in the terminal of an agent",
                  "  swarmctl attach agent-1\n"
                  "  swarmctl attach agent-1 --swarm login --watch\n"
                  "  swarmctl attach agent-1 --sandbox web\n"
                  "\nctrl-p ctrl-q leaves it running. The wheel scrolls back; a smaller terminal shows a "
                  "part.\n");
  auto options = std::make_shared<AttachmentOptions>();
  add_pane_target(command, options->target);
  command.add_flag("--watch", options->watch, "Look on; what is typed goes nowhere");
  command.add_option("--detach-keys", options->detach_keys, "Keys that detach: ctrl-p,ctrl-q; or none")
      ->type_name("KEYS");
  command.callback([&selection, options] {
    selection.runs_program = true;
    selection.action = [options](Context& context) { return attach(context, *options); };
  });
}

}  // namespace swarm::client
