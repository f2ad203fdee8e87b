#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/programs.hpp"
#include "client/output/sanitizer.hpp"
#include "client/terminal/standard_stream.hpp"

namespace swarm::client {
namespace {

struct LogOptions {
  std::string sandbox;
  std::string exec;
  bool follow = false;
  bool raw = false;
  bool only_output = false;
  bool only_errors = false;
  std::optional<std::uint64_t> from;
  std::string tail;
};

struct Copying {
  std::optional<Error> failure;
  bool closed = false;
};

/// Spooled output is printed like any other text of a sandbox: cleaned, even into a pipe, unless asked otherwise.
async::Task<> copy(async::Loop& loop, std::unique_ptr<wire::ByteSource> source, int fd, bool raw, Copying& state,
                   async::Event& stop) {
  Result<std::unique_ptr<StandardStream>> out = StandardStream::open(loop, fd);
  if (!out) {
    state.failure = out.error();
    stop.set();
    co_return;
  }
  Sanitizer sanitizer;
  for (bool more = true; more;) {
    Result<std::optional<std::string>> chunk = co_await source->read();
    if (!chunk) {
      state.failure = chunk.error();
      break;
    }
    more = chunk->has_value();
    std::string text = more ? std::move(**chunk) : std::string();
    if (!raw) text = more ? sanitizer.feed(text) : sanitizer.finish();
    const Result<void> written = co_await (*out)->write(std::as_bytes(std::span(text)));
    if (!written) {
      state.closed = written.error().code == Code::unavailable;
      if (!state.closed) state.failure = written.error();
      break;
    }
  }
  stop.set();
}

async::Task<Result<int>> sandbox_logs(Context& context, LogOptions options) {
  if (options.only_output && options.only_errors) {
    co_return fail(Code::invalid_argument, "--stdout and --stderr each leave the other out; give one of them or none");
  }
  const auto tail = read_size("--tail", options.tail);
  if (!tail) co_return fail(tail.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::ExecInfo> program = co_await find_program(**client, options.sandbox, options.exec);
  if (!program) co_return fail(program.error());
  wire::Connection& connection = (*client)->connection();
  api::InSandbox<api::ExecAttachRequest> request =
      in_sandbox(options.sandbox, api::ExecAttachRequest{.exec = program->status.exec, .follow = options.follow});
  std::unique_ptr<wire::ByteSource> output;
  std::unique_ptr<wire::ByteSource> errors;
  const auto from = [&](std::uint64_t first, std::uint64_t end) -> std::optional<std::uint64_t> {
    if (options.from) return options.from;
    if (*tail) return end - std::min(end - first, **tail);
    return std::nullopt;
  };
  if (!options.only_errors) {
    request.stdout_stream = connection.new_stream_id();
    auto opened = connection.open_source(*request.stdout_stream);
    if (!opened) co_return fail(opened.error());
    output = std::move(*opened);
    request.stdout_from = from(program->stdout_first, program->stdout_end);
  }
  if (!options.only_output && !program->pty) {
    request.stderr_stream = connection.new_stream_id();
    auto opened = connection.open_source(*request.stderr_stream);
    if (!opened) co_return fail(opened.error());
    errors = std::move(*opened);
    request.stderr_from = from(program->stderr_first, program->stderr_end);
  }
  const Result<api::ExecAttachReply> attached = co_await (*client)->call(api::kExecAttach, request);
  if (!attached) co_return fail(attached.error());
  if (!options.from && !*tail && (program->stdout_first > 0 || program->stderr_first > 0)) {
    context.printer.note("The oldest output is no longer kept; this begins in the middle");
  }
  Copying state;
  async::Event stop(context.loop);
  async::TaskSet copying(context.loop);
  if (output) copying.spawn(copy(context.loop, std::move(output), 1, options.raw, state, stop));
  if (errors) copying.spawn(copy(context.loop, std::move(errors), 2, options.raw, state, stop));
  while (copying.size() > 0 && !state.failure && !state.closed) {
    co_await stop.wait();
    stop.reset();
    co_await context.loop.yield();  // lets the task that set it end
  }
  if (state.closed) end_for_closed_output();
  if (state.failure) co_return fail(state.failure->with_context("the output broke off"));
  co_return kExitOk;
}

}  // namespace

void add_logs_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "logs", "Show the output of a program in the background",
                                  "  swarmctl logs web                 of the newest\n"
                                  "  swarmctl logs -f web prc_01J8     and what comes\n"
                                  "  swarmctl logs --tail 64KiB web\n"
                                  "\nControl sequences are taken out; --raw lets them pass.\n");
  auto options = std::make_shared<LogOptions>();
  add_sandbox_argument(command, options->sandbox);
  command.add_option("EXEC", options->exec, "The program's id, or a unique beginning of it; else the newest");
  command.add_flag("-f,--follow", options->follow, "Go on with new output until it ends");
  command.add_flag("--raw", options->raw, "Every byte as it came");
  command.add_flag("--stdout", options->only_output, "Only its output");
  command.add_flag("--stderr", options->only_errors, "Only its error output");
  command.add_option("--from", options->from, "Begin at this byte")->type_name("OFFSET");
  command.add_option("--tail", options->tail, "Only so much of its end: 64KiB")->type_name("SIZE");
  command.callback([&selection, options] {
    selection.action = [options](Context& context) { return sandbox_logs(context, *options); };
  });
}

}  // namespace swarm::client
