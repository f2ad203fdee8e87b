#include "agentd/rpc/exec_start.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentd/exec/foreground.hpp"
#include "agentd/rpc/byte_ends.hpp"

namespace swarm::agentd {
namespace {

bool is_directory(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<void> check(const api::ExecStartRequest& request) {
  if (request.capture && (request.background || !request.wait)) {
    return fail(Code::invalid_argument,
                "capture: only with 'wait' and without 'background'; attach to the output instead");
  }
  for (const auto& [name, value] : request.env) {
    if (name.empty() || name.contains('=')) {
      return fail(Code::invalid_argument, fmt::format("env: '{}' is no name for a variable", name));
    }
  }
  return {};
}

/// The streams of one call, opened on its connection.
struct Opened {
  std::unique_ptr<wire::ByteSource> in;
  std::unique_ptr<wire::ByteSink> out;
  std::unique_ptr<wire::ByteSink> err;
};

Result<Opened> open_streams(wire::Connection& connection, const api::ExecStartRequest& request) {
  Opened opened;
  if (request.stdin_stream) {
    auto source = connection.open_source(*request.stdin_stream);
    if (!source) return fail(source.error(), "stdin");
    opened.in = std::move(*source);
  }
  if (request.stdout_stream) {
    auto sink = connection.open_sink(*request.stdout_stream);
    if (!sink) return fail(sink.error(), "stdout");
    opened.out = std::move(*sink);
  }
  if (request.stderr_stream) {
    auto sink = connection.open_sink(*request.stderr_stream);
    if (!sink) return fail(sink.error(), "stderr");
    opened.err = std::move(*sink);
  }
  return opened;
}

async::Task<> hold(std::unique_ptr<Foreground> foreground) { co_await foreground->finish(); }

api::ExecStartReply reply_for(const Exec& exec) {
  return {.exec = exec.id(), .pid = static_cast<std::uint32_t>(exec.state().pid)};
}

async::Task<Result<api::ExecStartReply>> start_in_background(ExecService& service, wire::Connection& connection,
                                                             api::ExecStartRequest request, ExecSpec spec) {
  Result<Opened> opened = open_streams(connection, request);
  if (!opened) co_return fail(opened.error());
  if (spec.terminal && request.input) opened->in = std::make_unique<BytesSource>(std::move(request.input->data));
  Result<std::shared_ptr<Exec>> exec = co_await service.execs.start_background(std::move(spec));
  if (!exec) co_return fail(exec.error());
  async::TaskSet& tasks = connection.tasks();
  if (opened->in) tasks.spawn(carry_input(service.execs, *exec, std::move(opened->in)));
  if (opened->out)
    tasks.spawn(carry_output(service.execs, *exec, Output::out, 0, Execs::Follow::yes, std::move(opened->out)));
  if (opened->err)
    tasks.spawn(carry_output(service.execs, *exec, Output::err, 0, Execs::Follow::yes, std::move(opened->err)));
  co_return reply_for(**exec);  // whoever wants its end calls exec.wait
}

async::Task<Result<api::ExecStartReply>> start_in_foreground(ExecService& service, wire::Connection& connection,
                                                             api::ExecStartRequest request, ExecSpec spec) {
  Captured out;
  Captured err;
  Result<Opened> opened = open_streams(connection, request);
  if (!opened) co_return fail(opened.error());
  ExecStreams streams{.in = std::move(opened->in), .out = std::move(opened->out), .err = std::move(opened->err)};
  if (request.capture) {
    streams.out = std::make_unique<CaptureSink>(out, request.capture_limit_bytes, std::move(streams.out));
    streams.err = std::make_unique<CaptureSink>(err, request.capture_limit_bytes, std::move(streams.err));
  }
  if (spec.terminal) {
    if (request.input) streams.in = std::make_unique<BytesSource>(std::move(request.input->data));
    if (streams.err != nullptr) std::exchange(streams.err, nullptr)->end();  // a terminal has one output
  }
  Result<std::unique_ptr<Foreground>> foreground =
      co_await service.execs.start_foreground(std::move(spec), std::move(streams));
  if (!foreground) co_return fail(foreground.error());
  const std::shared_ptr<Exec> exec = (*foreground)->exec();
  api::ExecStartReply reply = reply_for(*exec);
  if (!request.wait) {
    connection.tasks().spawn(hold(std::move(*foreground)));
    co_return reply;
  }
  co_await (*foreground)->finish();
  reply.status = exec_status(*exec);
  if (request.capture) {
    reply.stdout_text = api::Text{std::move(out.bytes)};
    reply.stderr_text = api::Text{std::move(err.bytes)};
    reply.stdout_dropped_bytes = out.dropped;
    reply.stderr_dropped_bytes = err.dropped;
  }
  co_return reply;
}

}  // namespace

async::Task<> carry_output(Execs& execs, std::shared_ptr<Exec> exec, Output which, std::uint64_t from,
                           Execs::Follow follow, std::unique_ptr<wire::ByteSink> sink) {
  const Result<void> sent = co_await execs.send_output(exec, which, from, follow, std::move(sink));
  static_cast<void>(sent);  // the receiver was told
}

async::Task<> carry_input(Execs& execs, std::shared_ptr<Exec> exec, std::unique_ptr<wire::ByteSource> source) {
  const Result<void> given = co_await execs.send_input(exec, std::move(source));
  static_cast<void>(given);  // the giver was told
}

Result<ExecSpec> make_spec(const ExecService& service, const api::ExecStartRequest& request) {
  Result<ExecUser> user = request.user ? service.users.find(*request.user) : service.users.fallback();
  if (!user) return fail(user.error(), "user");
  if (geteuid() != 0 && user->uid != geteuid()) {
    return fail(Code::permission_denied, fmt::format("user: this sandbox has one uid; programs run as '{}' alone",
                                                     service.users.name_of(geteuid())));
  }
  ExecSpec spec;
  spec.argv = request.argv;
  if (request.command) {
    spec.argv = {"/bin/sh", "-c", *request.command};
    spec.command = request.command;
  }
  const std::string term = request.pty ? request.pty->term : "";
  spec.env = make_environment(request.clear_env ? nullptr : &service.defaults.environment, *user, term, request.env);
  if (request.cwd) {
    spec.cwd = request.cwd->bytes;
  } else if (is_directory(service.defaults.workspace)) {
    spec.cwd = service.defaults.workspace;
  } else {
    spec.cwd = is_directory(user->home) ? user->home : "/";
  }
  spec.user = std::move(*user);
  if (request.pty) spec.terminal = TerminalSize{.cols = request.pty->cols, .rows = request.pty->rows};
  spec.timeout = request.timeout_ms;
  spec.grace = request.grace_ms;
  spec.lifetime = request.background ? Lifetime::background : Lifetime::foreground;
  if (request.stdin_stream || request.pty) {
    spec.input_from = Input::stream;
  } else if (request.input) {
    spec.input_from = Input::bytes;
    spec.input = request.input->data;
  }
  spec.labels = request.labels;
  spec.caller = "daemon";
  return spec;
}

async::Task<Result<api::ExecStartReply>> start_exec(ExecService& service, wire::CallContext& context,
                                                    api::ExecStartRequest request) {
  wire::Connection& connection = context.connection;
  if (const Result<void> checked = check(request); !checked) co_return fail(checked.error());
  Result<ExecSpec> spec = make_spec(service, request);
  if (!spec) co_return fail(spec.error());
  async::Task<Result<api::ExecStartReply>> started =
      request.background ? start_in_background(service, connection, std::move(request), std::move(*spec))
                         : start_in_foreground(service, connection, std::move(request), std::move(*spec));
  Result<api::ExecStartReply> reply = co_await std::move(started);
  co_return reply;
}

}  // namespace swarm::agentd
