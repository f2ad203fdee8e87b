#include "client/program/interactive.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "client/exit_codes.hpp"

namespace swarm::client {
namespace {

async::Task<> end_program(Client& client, std::string sandbox, std::string exec) {
  api::InSandbox<api::ExecKillRequest> kill;
  kill.sandbox = std::move(sandbox);
  kill.exec = std::move(exec);
  kill.grace_ms = std::chrono::milliseconds(500);
  auto call = wire::call_with_timeout(client.connection(), api::kExecKill, kill, std::chrono::seconds(3));
  const Result<api::ExecStatus> ended = co_await std::move(call);
  static_cast<void>(ended);
}

}  // namespace

api::Pty our_terminal() {
  const TerminalSize size = terminal_size(STDIN_FILENO);
  const char* term = std::getenv("TERM");
  return {.cols = size.columns, .rows = size.rows, .term = term != nullptr && *term != '\0' ? term : "xterm-256color"};
}

async::Task<Result<int>> attach_interactively(Context& context, Client& client, std::string sandbox, std::string exec,
                                              InteractiveOptions options) {
  Result<ProgramStreams> streams =
      open_streams(client.connection(), {.input = options.input, .output = options.output, .error = !options.terminal});
  if (!streams) co_return fail(streams.error());
  const auto id = [](std::uint32_t stream) { return stream == 0 ? std::nullopt : std::optional(stream); };
  api::InSandbox<api::ExecAttachRequest> request;
  request.sandbox = sandbox;
  request.exec = exec;
  request.stdout_from = options.stdout_from;
  request.stderr_from = options.stderr_from;
  request.stdin_stream = id(streams->input_id);
  request.stdout_stream = id(streams->output_id);
  request.stderr_stream = id(streams->error_id);
  const Result<api::ExecAttachReply> attached = co_await client.call(api::kExecAttach, request);
  if (!attached) co_return fail(attached.error());
  Attachment attachment(
      context, client, sandbox, exec, std::move(*streams),
      {.terminal = options.terminal, .raw_output = options.raw, .own_end = true, .detach = std::move(options.detach)});
  const Result<AttachEnd> end = co_await attachment.run();
  if (!end) co_return fail(end.error());
  switch (end->how) {
    case AttachEnd::How::detached:
      context.printer.note(fmt::format("\nDetached; 'swarmctl ps attach {} {}' comes back", sandbox, exec));
      co_return kExitOk;
    case AttachEnd::How::given_up:
      if (options.on_hangup == OnHangup::end_program) co_await end_program(client, sandbox, exec);
      co_return kExitSignal + end->signal;
    case AttachEnd::How::output_closed:
      end_for_closed_output();
    case AttachEnd::How::exited:
      break;
  }
  if (end->status.state == api::ExecState::lost) {
    co_return fail(Code::unavailable, "it is not known how the program ended: its sandbox vanished");
  }
  co_return exit_of(end->status);
}

}  // namespace swarm::client
