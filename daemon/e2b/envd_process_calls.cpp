#include <fmt/format.h>

#include "daemon/e2b/process_parts.hpp"

namespace swarm::e2b_endpoint {
namespace {

/// For so long a process that has ended can still be connected to.
constexpr std::int64_t kRemembered = 30'000'000;

}  // namespace

const Value& member(const Value& map, std::string_view name) {
  static const Value none;
  const Value* found = map.find(name);
  return found == nullptr ? none : *found;
}

const std::vector<std::string>& wrapper() {
  static const std::vector<std::string> made = {"/bin/sh", "-c", "exec \"$@\"", "sh"};
  return made;
}

RpcResult<Size> read_size(const Value& pty) {
  const Value& size = member(pty, "size");
  const auto cols = checked(int_field(size, "cols"));
  const auto rows = checked(int_field(size, "rows"));
  if (!cols || !rows) return std::unexpected(cols ? rows.error() : cols.error());
  const std::int64_t c = cols->value_or(80);
  const std::int64_t r = rows->value_or(24);
  if (c < 1 || c > 1000 || r < 1 || r > 1000)
    return rpc_fail("invalid_argument", "pty.size: 1 to 1000 columns and rows");
  return Size{.cols = static_cast<std::uint32_t>(c), .rows = static_cast<std::uint32_t>(r)};
}

async::Task<RpcResult<api::ExecInfo>> find_process(Call& call, Value message, std::int64_t now_us) {
  const Value& selector = member(message, "process");
  const auto pid = checked(int_field(selector, "pid"));
  const auto tag = checked(text_field(selector, "tag"));
  if (!pid || !tag) co_return std::unexpected(pid ? tag.error() : pid.error());
  if (!*pid && !*tag) co_return rpc_fail("invalid_argument", "process: a selector by pid or tag is needed");
  api::ExecListRequest request;
  request.all = true;
  request.limit = 1000;
  request.labels["e2b"] = "1";
  if (*tag) request.labels["e2b.tag"] = **tag;
  Result<api::ExecListReply> known = co_await wire::call(call.use.agent(), api::inside::kExecList, request);
  if (!known) co_return std::unexpected(rpc_error(known.error()));
  for (api::ExecInfo& info : known->execs) {  // newest first
    if (*pid && info.pid != **pid) continue;
    const bool over = info.status.state != api::ExecState::running;
    if (over && info.status.ended_us.value_or(0) + kRemembered < now_us) continue;
    co_return std::move(info);
  }
  if (*pid) co_return rpc_fail("not_found", fmt::format("process with pid {} not found", **pid));
  co_return rpc_fail("not_found", fmt::format("process with tag {} not found", **tag));
}

async::Task<RpcResult<Value>> Envd::list_processes(Call& call) {
  api::ExecListRequest request;
  request.limit = 1000;
  request.labels["e2b"] = "1";
  const Result<api::ExecListReply> known = co_await wire::call(call.use.agent(), api::inside::kExecList, request);
  if (!known) co_return std::unexpected(rpc_error(known.error()));
  Value::Array processes;
  for (const api::ExecInfo& info : known->execs) {
    Value config;
    Value::Array args;
    for (std::size_t i = wrapper().size(); i < info.argv.size(); ++i) {
      if (i == wrapper().size()) {
        config.set("cmd", info.argv[i].bytes);
      } else {
        args.emplace_back(info.argv[i].bytes);
      }
    }
    if (!args.empty()) config.set("args", std::move(args));
    Value::Map envs;
    if (const auto found = call.box->process_env.find(info.status.exec); found != call.box->process_env.end()) {
      for (const auto& [name, value] : found->second) envs.emplace_back(name, value);
    }
    if (!envs.empty()) config.set("envs", std::move(envs));
    if (info.cwd) config.set("cwd", info.cwd->bytes);
    Value process;
    process.set("config", std::move(config));
    process.set("pid", info.pid);
    if (const auto tag = info.labels.find("e2b.tag"); tag != info.labels.end()) process.set("tag", tag->second);
    processes.push_back(std::move(process));
  }
  Value out(Value::Map{});
  if (!processes.empty()) out.set("processes", std::move(processes));
  co_return out;
}

async::Task<RpcResult<Value>> Envd::update(Call& call, Value message) {
  const RpcResult<Size> size = read_size(member(message, "pty"));
  if (!size) co_return std::unexpected(size.error());
  const RpcResult<api::ExecInfo> info = co_await find_process(call, std::move(message), boxes_.now_us());
  if (!info) co_return std::unexpected(info.error());
  const api::ExecResizeRequest request{.exec = info->status.exec, .cols = size->cols, .rows = size->rows};
  const Result<api::Empty> done = co_await wire::call(call.use.agent(), api::inside::kExecResize, request);
  if (!done) co_return std::unexpected(rpc_error(done.error()));
  co_return Value();
}

async::Task<RpcResult<Value>> Envd::give_input(Call& call, Value message) {
  const Value input = member(message, "input");
  const auto to_stdin = checked(text_field(input, "stdin"));
  const auto to_pty = checked(text_field(input, "pty"));
  if (!to_stdin || !to_pty) co_return std::unexpected(to_stdin ? to_pty.error() : to_stdin.error());
  const RpcResult<api::ExecInfo> info = co_await find_process(call, std::move(message), boxes_.now_us());
  if (!info) co_return std::unexpected(info.error());
  if (info->status.state != api::ExecState::running) {
    co_return rpc_fail("not_found", fmt::format("process with pid {} not found", info->pid));
  }
  if (info->pty != to_pty->has_value()) {
    co_return rpc_fail("internal", info->pty ? "this process has a terminal: give it `pty` input"
                                             : "this process has no terminal: give it `stdin` input");
  }
  const std::optional<std::string> bytes = base64_decode(to_pty->value_or(to_stdin->value_or("")));
  if (!bytes) co_return rpc_fail("invalid_argument", "input: is not base64");
  const std::string exec = info->status.exec;
  if (!call.box->inputs.contains(exec)) {
    wire::Connection& agent = call.use.agent();
    api::ExecAttachRequest attach;
    attach.exec = exec;
    attach.follow = false;
    attach.stdin_stream = agent.new_stream_id();
    auto sink = agent.open_sink(*attach.stdin_stream);
    if (!sink) co_return std::unexpected(rpc_error(sink.error()));
    const Result<api::ExecAttachReply> attached = co_await wire::call(agent, api::inside::kExecAttach, attach);
    if (!attached) co_return rpc_fail("internal", "error writing to stdin: " + attached.error().message);
    call.box->inputs[exec] = std::make_shared<ProcessInput>(agent.loop(), std::move(*sink));
  }
  const std::shared_ptr<ProcessInput> held = call.box->inputs[exec];
  const auto turn = co_await held->turn.take();
  if (held->sink == nullptr) co_return rpc_fail("internal", "error writing to stdin: it was closed");
  const Result<void> written = co_await held->sink->write(std::as_bytes(std::span(*bytes)));
  if (!written) co_return rpc_fail("internal", "error writing to stdin: " + written.error().message);
  co_return Value();
}

async::Task<RpcResult<Value>> Envd::close_input(Call& call, Value message) {
  const RpcResult<api::ExecInfo> info = co_await find_process(call, std::move(message), boxes_.now_us());
  if (!info) co_return std::unexpected(info.error());
  if (info->pty) co_return rpc_fail("failed_precondition", "a terminal's input ends with byte 0x04");
  const auto found = call.box->inputs.find(info->status.exec);
  if (found == call.box->inputs.end()) {
    co_return rpc_fail("failed_precondition", "this process was started without input, or it was closed");
  }
  const std::shared_ptr<ProcessInput> held = found->second;
  const auto turn = co_await held->turn.take();
  if (held->sink != nullptr) held->sink->end();
  held->sink.reset();
  co_return Value();
}

async::Task<RpcResult<Value>> Envd::signal(Call& call, Value message) {
  const auto name = checked(text_field(message, "signal"));
  if (!name) co_return std::unexpected(name.error());
  std::string number;
  if (*name == "SIGNAL_SIGKILL") number = "KILL";
  if (*name == "SIGNAL_SIGTERM") number = "TERM";
  if (number.empty())
    co_return rpc_fail("unimplemented", "invalid signal: SIGNAL_SIGKILL and SIGNAL_SIGTERM are known");
  const RpcResult<api::ExecInfo> info = co_await find_process(call, std::move(message), boxes_.now_us());
  if (!info) co_return std::unexpected(info.error());
  if (info->status.state != api::ExecState::running) {
    co_return rpc_fail("not_found", fmt::format("process with pid {} not found", info->pid));
  }
  api::ExecSignalRequest request;
  request.exec = info->status.exec;
  request.signal = number;
  request.target = api::SignalTarget::process;
  const Result<api::Empty> sent = co_await wire::call(call.use.agent(), api::inside::kExecSignal, request);
  if (!sent && sent.error().code == Code::failed_precondition) {
    co_return rpc_fail("not_found", fmt::format("process with pid {} not found", info->pid));
  }
  if (!sent) co_return std::unexpected(rpc_error(sent.error()));
  co_return Value();
}

async::Task<> Envd::stream_input(Call& call) {
  const std::optional<CallHead> head = co_await read_head(call.exchange, true);
  if (!head) co_return;
  StreamWriter writer(call.exchange);
  EnvelopeReader reader(call.exchange);
  Value selector;
  for (;;) {
    RpcResult<std::optional<Value>> message = co_await reader.next();
    std::optional<RpcError> wrong;
    if (!message) {
      wrong = message.error();
    } else if (!*message) {
      break;
    } else if (const Value* began = (*message)->find("start")) {
      selector = member(*began, "process");
      Value one;
      one.set("process", selector);
      const RpcResult<api::ExecInfo> info = co_await find_process(call, std::move(one), boxes_.now_us());
      if (!info) wrong = info.error();
    } else if (const Value* data = (*message)->find("data")) {
      if (selector.is_nil()) {
        wrong = RpcError{"invalid_argument", "the first message has to be `start`"};
      } else {
        Value one;
        one.set("process", selector);
        one.set("input", member(*data, "input"));
        const RpcResult<Value> given = co_await give_input(call, std::move(one));
        if (!given) wrong = given.error();
      }
    }
    if (wrong) {
      co_await writer.finish(std::move(wrong));
      co_return;
    }
  }
  const bool open = co_await writer.send(Value(Value::Map{}));
  if (open) co_await writer.finish();
}

}  // namespace swarm::e2b_endpoint
