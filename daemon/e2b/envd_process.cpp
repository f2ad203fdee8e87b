#include <fmt/format.h>
#include <string.h>

#include "daemon/e2b/process_parts.hpp"
#include "protocol/async/channel.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::e2b_endpoint {

/// The output of one process on its way to one client.
struct Feed {
  explicit Feed(async::Loop& l) : loop(l), events(l, 4), readers(l) {}
  async::Loop& loop;
  async::Channel<Value> events;
  std::optional<Error> failure;
  async::TaskSet readers;
};

namespace {

using namespace std::chrono_literals;

Value event(std::string_view kind, Value body) {
  Value inner;
  inner.set(kind, std::move(body));
  Value out;
  out.set("event", std::move(inner));
  return out;
}

Value data_event(std::string_view kind, std::string_view bytes) {
  Value data;
  data.set(kind, base64_encode(bytes));
  return event("data", std::move(data));
}

/// How a process ended, with zero values left out as in proto3's JSON.
Value end_event(const api::ExecStatus& status) {
  Value end(Value::Map{});
  if (status.exit_code) {
    if (*status.exit_code != 0) end.set("exitCode", *status.exit_code);
    end.set("exited", true);
    end.set("status", fmt::format("exit status {}", *status.exit_code));
    if (*status.exit_code != 0) end.set("error", fmt::format("exit status {}", *status.exit_code));
  } else {
    std::string how = "unknown";
    if (status.signal) how = fmt::format("signal: {}", http::lower(strsignal(static_cast<int>(*status.signal))));
    end.set("exitCode", -1);
    end.set("status", how);
    end.set("error", how);
  }
  return event("end", std::move(end));
}

async::Task<> read_output(Feed& feed, std::unique_ptr<wire::ByteSource> source, std::string kind) {
  for (;;) {
    const Result<std::optional<std::string>> part = co_await source->read();
    if (!part) {
      if (!feed.failure) feed.failure = part.error();
      co_return;
    }
    if (!*part) co_return;
    const bool taken = co_await feed.events.send(data_event(kind, **part));
    if (!taken) co_return;
  }
}

async::Task<> close_when_read(Feed& feed) {
  co_await feed.readers.join();
  feed.events.close();
}

async::Task<Result<std::optional<Value>>> next_event(Feed& feed) {
  std::optional<Value> value = co_await feed.events.receive();
  co_return value;
}

}  // namespace

async::Task<> Envd::process_call(Call& call, std::string method) {
  if (method == "Start" || method == "Connect" || method == "StreamInput") {
    if (method == "Start") {
      co_await start(call);
    } else if (method == "Connect") {
      co_await connect(call);
    } else {
      co_await stream_input(call);
    }
    co_return;
  }
  const std::optional<CallHead> head = co_await read_head(call.exchange, false);
  if (!head) co_return;
  RpcResult<Value> message = co_await read_message(call.exchange, false);
  RpcResult<Value> answer = rpc_fail("unimplemented", fmt::format("process.Process/{} is not known", method));
  if (!message) {
    answer = std::unexpected(message.error());
  } else if (method == "List") {
    answer = co_await list_processes(call);
  } else if (method == "Update") {
    answer = co_await update(call, std::move(*message));
  } else if (method == "SendInput") {
    answer = co_await give_input(call, std::move(*message));
  } else if (method == "CloseStdin") {
    answer = co_await close_input(call, std::move(*message));
  } else if (method == "SendSignal") {
    answer = co_await signal(call, std::move(*message));
  } else {
    const Result<void> sent = co_await call.exchange.respond({.status = 404, .headers = {}}, "");
    static_cast<void>(sent);
    co_return;
  }
  co_await answer_unary(call.exchange, std::move(answer));
}

async::Task<> Envd::start(Call& call) {
  const std::optional<CallHead> head = co_await read_head(call.exchange, true);
  if (!head) co_return;
  StreamWriter writer(call.exchange);
  const RpcResult<Value> message = co_await read_message(call.exchange, true);
  if (!message) {
    co_await writer.finish(message.error());
    co_return;
  }
  const Value& process = member(*message, "process");
  const auto cmd = checked(text_field(process, "cmd"));
  const auto envs = checked(text_map_field(process, "envs"));
  const auto cwd = checked(text_field(process, "cwd"));
  const auto tag = checked(text_field(*message, "tag"));
  const auto with_stdin = checked(bool_field(*message, "stdin"));
  std::optional<RpcError> wrong;
  if (!cmd) wrong = cmd.error();
  if (!envs) wrong = envs.error();
  if (!cwd) wrong = cwd.error();
  if (!tag) wrong = tag.error();
  if (!with_stdin) wrong = with_stdin.error();
  if (!wrong && cmd->value_or("").empty()) wrong = RpcError{"invalid_argument", "process.cmd: is required"};
  api::ExecStartRequest request;
  request.argv = wrapper();
  if (!wrong) request.argv.push_back(**cmd);
  if (const Value::Array* args = member(process, "args").as_array(); args != nullptr && !wrong) {
    for (const Value& arg : *args) {
      if (arg.as_string() == nullptr) {
        wrong = RpcError{"invalid_argument", "process.args: has to be strings"};
        break;
      }
      request.argv.push_back(*arg.as_string());
    }
  }
  const Value& pty = member(*message, "pty");
  if (pty.as_map() != nullptr && !wrong) {
    const RpcResult<Size> size = read_size(pty);
    if (size) {
      request.pty = api::Pty{.cols = size->cols, .rows = size->rows};
    } else {
      wrong = size.error();
    }
  }
  if (wrong) {
    co_await writer.finish(std::move(wrong));
    co_return;
  }
  request.env = call.box->record.env;
  request.env["E2B_SANDBOX"] = "true";
  request.env["E2B_SANDBOX_ID"] = call.box->record.id;
  request.env["E2B_TEMPLATE_ID"] = call.box->record.template_id;
  for (const auto& [name, value] : *envs) request.env[name] = value;
  request.cwd = api::Path(resolve_path(call.user, cwd->value_or("")));
  request.user = call.user.name;
  request.background = true;  // it outlives this stream, and what it leaves running outlives it
  request.wait = false;
  request.grace_ms = 0ms;
  if (head->timeout)
    request.timeout_ms = std::chrono::ceil<std::chrono::milliseconds>(std::max(*head->timeout, Duration(1ms)));
  request.labels["e2b"] = "1";
  if (*tag) request.labels["e2b.tag"] = **tag;

  wire::Connection& agent = call.use.agent();
  Feed feed(agent.loop());
  std::unique_ptr<wire::ByteSink> input;
  const bool terminal = request.pty.has_value();
  if (terminal || with_stdin->value_or(true)) {
    request.stdin_stream = agent.new_stream_id();
    auto sink = agent.open_sink(*request.stdin_stream);
    if (!sink) {
      co_await writer.finish(rpc_error(sink.error()));
      co_return;
    }
    input = std::move(*sink);
  }
  request.stdout_stream = agent.new_stream_id();
  auto out = agent.open_source(*request.stdout_stream);
  Result<std::unique_ptr<wire::ByteSource>> err = std::unique_ptr<wire::ByteSource>();
  if (!terminal) {
    request.stderr_stream = agent.new_stream_id();
    err = agent.open_source(*request.stderr_stream);
  }
  if (!out || !err) {
    co_await writer.finish(rpc_error(out ? err.error() : out.error()));
    co_return;
  }
  const Result<api::ExecStartReply> started = co_await wire::call(agent, api::inside::kExecStart, request);
  if (!started) {
    RpcError error = rpc_error(started.error());
    if (error.code == "not_found") error.code = "invalid_argument";  // the working directory
    co_await writer.finish(std::move(error));
    co_return;
  }
  if (input) call.box->inputs[started->exec] = std::make_shared<ProcessInput>(agent.loop(), std::move(input));
  call.box->process_env[started->exec] = *envs;
  call.box->note(boxes_.now_us(), "info", "process started", {{"pid", std::to_string(started->pid)}, {"cmd", **cmd}});
  boxes_.tasks().spawn(watch_process(call.box, call.use.connection(), started->exec));

  feed.readers.spawn(read_output(feed, std::move(*out), terminal ? "pty" : "stdout"));
  if (*err) feed.readers.spawn(read_output(feed, std::move(*err), "stderr"));
  co_await follow_feed(call, feed, started->exec, started->pid, *head, Deadline::of_process);
}

async::Task<> Envd::connect(Call& call) {
  const std::optional<CallHead> head = co_await read_head(call.exchange, true);
  if (!head) co_return;
  StreamWriter writer(call.exchange);
  RpcResult<Value> message = co_await read_message(call.exchange, true);
  if (!message) {
    co_await writer.finish(message.error());
    co_return;
  }
  const RpcResult<api::ExecInfo> info = co_await find_process(call, std::move(*message), boxes_.now_us());
  if (!info) {
    co_await writer.finish(info.error());
    co_return;
  }
  // Nothing is repeated: what comes from now on is sent.
  wire::Connection& agent = call.use.agent();
  api::ExecAttachRequest request;
  request.exec = info->status.exec;
  request.stdout_from = info->stdout_end;
  request.stdout_stream = agent.new_stream_id();
  auto out = agent.open_source(*request.stdout_stream);
  Result<std::unique_ptr<wire::ByteSource>> err = std::unique_ptr<wire::ByteSource>();
  if (!info->pty) {
    request.stderr_from = info->stderr_end;
    request.stderr_stream = agent.new_stream_id();
    err = agent.open_source(*request.stderr_stream);
  }
  if (!out || !err) {
    co_await writer.finish(rpc_error(out ? err.error() : out.error()));
    co_return;
  }
  Feed feed(agent.loop());
  const Result<api::ExecAttachReply> attached = co_await wire::call(agent, api::inside::kExecAttach, request);
  if (attached) {
    feed.readers.spawn(read_output(feed, std::move(*out), info->pty ? "pty" : "stdout"));
    if (*err) feed.readers.spawn(read_output(feed, std::move(*err), "stderr"));
  } else if (info->status.state == api::ExecState::running) {
    co_await writer.finish(rpc_error(attached.error()));
    co_return;
  }
  co_await follow_feed(call, feed, info->status.exec, info->pid, *head, Deadline::of_stream);
}

async::Task<> Envd::follow_feed(Call& call, Feed& feed, std::string exec, std::uint32_t pid, CallHead head,
                                Deadline deadline) {
  StreamWriter writer(call.exchange);
  Value began;
  began.set("pid", pid);
  bool open = co_await writer.send(event("start", std::move(began)));
  async::TaskSet closing(feed.loop);
  closing.spawn(close_when_read(feed));
  const Duration ping = head.keepalive.value_or(kKeepalive);
  const MonoTime end = head.timeout && deadline == Deadline::of_stream ? feed.loop.clock().now() + *head.timeout
                                                                       : MonoTime{Duration::max()};
  while (open) {
    const Duration left = end - feed.loop.clock().now();
    if (left <= Duration::zero()) {
      co_await writer.finish(RpcError{"deadline_exceeded", "the time for this stream is over"});
      co_return;
    }
    Result<std::optional<Value>> next =
        co_await async::with_timeout(feed.loop, next_event(feed), std::min(ping, left), "event");
    if (!next) {
      if (ping <= left) open = co_await writer.send(event("keepalive", Value(Value::Map{})));
      continue;
    }
    if (!*next) break;
    open = co_await writer.send(std::move(**next));
  }
  if (!open) co_return;
  if (feed.failure) {
    RpcError error = rpc_error(*feed.failure);
    if (feed.failure->code == Code::out_of_range) {
      error = {"data_loss", "output came faster than it was read, and more than is kept: write it to a file"};
    }
    co_await writer.finish(std::move(error));
    co_return;
  }
  api::ExecWaitRequest wait;
  wait.exec = exec;
  const Result<api::ExecStatus> status = co_await wire::call(call.use.agent(), api::inside::kExecWait, wait);
  if (!status) {
    co_await writer.finish(rpc_error(status.error()));
    co_return;
  }
  if (status->timed_out) {
    co_await writer.finish(RpcError{"deadline_exceeded", "the process was killed: its time was over"});
    co_return;
  }
  open = co_await writer.send(end_event(*status));
  if (open) co_await writer.finish();
}

async::Task<> Envd::watch_process(BoxPtr box, std::shared_ptr<wire::Connection> agent, std::string exec) {
  const BoxPtr kept = std::move(box);
  const std::shared_ptr<wire::Connection> connection = std::move(agent);
  const std::string id = std::move(exec);
  api::ExecWaitRequest wait;
  wait.exec = id;
  const Result<api::ExecStatus> status = co_await wire::call(*connection, api::inside::kExecWait, wait);
  kept->inputs.erase(id);
  kept->process_env.erase(id);
  if (!status) co_return;
  const std::string how = status->exit_code ? fmt::format("exit status {}", *status->exit_code)
                                            : fmt::format("signal {}", status->signal.value_or(0));
  kept->note(boxes_.now_us(), "info", "process ended", {{"status", how}});
}

}  // namespace swarm::e2b_endpoint
