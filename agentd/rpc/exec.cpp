#include "agentd/rpc/exec.hpp"

#include <fmt/format.h>
#include <string.h>

#include <cctype>
#include <charconv>
#include <csignal>

#include "agentd/rpc/exec_start.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::agentd {
namespace {

using api::ExecInfo;
using wire::CallContext;

std::uint64_t unsigned_of(std::int64_t value) { return value < 0 ? 0 : static_cast<std::uint64_t>(value); }

ExecInfo exec_info(const Exec& exec) {
  const ExecSummary& about = exec.about();
  ExecInfo info{.status = exec_status(exec),
                .argv = {},
                .command = about.command,
                .cwd = api::Path(about.cwd),
                .user = about.user,
                .pid = static_cast<std::uint32_t>(exec.state().pid),
                .pty = about.terminal,
                .background = exec.background(),
                .labels = about.labels,
                .stdout_first = exec.extent(Output::out).first,
                .stdout_end = exec.extent(Output::out).end,
                .stderr_first = exec.extent(Output::err).first,
                .stderr_end = exec.extent(Output::err).end};
  for (const std::string& word : about.argv) info.argv.push_back(api::Text{word});
  return info;
}

bool has_labels(const Exec& exec, const std::map<std::string, std::string>& wanted) {
  const auto& labels = exec.about().labels;
  return std::ranges::all_of(wanted, [&labels](const auto& label) {
    const auto at = labels.find(label.first);
    return at != labels.end() && at->second == label.second;
  });
}

/// The cursor is the id of the last exec of the answer before; older ones follow.
Result<api::ExecListReply> list(ExecService& service, const api::ExecListRequest& request) {
  api::ExecListReply reply;
  for (const auto& exec : service.execs.list()) {
    if (request.cursor && exec->id() >= *request.cursor) continue;
    if ((exec->ended() && !request.all) || !has_labels(*exec, request.labels)) continue;
    if (reply.execs.size() == request.limit) {
      reply.next_cursor = reply.execs.back().status.exec;
      break;
    }
    reply.execs.push_back(exec_info(*exec));
  }
  return reply;
}

async::Task<Result<void>> ended(std::shared_ptr<Exec> exec) {
  co_await exec->wait_ended();
  co_return {};
}

async::Task<Result<api::ExecStatus>> wait(ExecService& service, api::ExecWaitRequest request) {
  const Result<std::shared_ptr<Exec>> exec = service.execs.find(request.exec);
  if (!exec) co_return fail(exec.error());
  Result<void> over;
  if (request.timeout_ms) {
    over = co_await async::with_timeout(service.loop, ended(*exec), *request.timeout_ms,
                                        fmt::format("{} still runs", (*exec)->id()));
  } else {
    over = co_await ended(*exec);
  }
  if (!over) co_return fail(over.error());
  co_return exec_status(**exec);
}

async::Task<Result<api::ExecStatus>> kill_exec(ExecService& service, api::ExecKillRequest request) {
  const Result<std::shared_ptr<Exec>> exec = service.execs.find(request.exec);
  if (!exec) co_return fail(exec.error());
  (*exec)->kill(request.grace_ms);
  co_await (*exec)->wait_gone();
  co_return exec_status(**exec);
}

Result<api::Empty> signal_exec(ExecService& service, const api::ExecSignalRequest& request) {
  const Result<std::shared_ptr<Exec>> exec = service.execs.find(request.exec);
  if (!exec) return fail(exec.error());
  const Result<int> number = parse_signal(request.signal);
  if (!number) return fail(number.error());
  const auto target = request.target == api::SignalTarget::process ? shim::Target::process
                      : request.target == api::SignalTarget::group ? shim::Target::group
                                                                   : shim::Target::all;
  if (const Result<void> sent = (*exec)->signal(*number, target); !sent) return fail(sent.error());
  return api::Empty{};
}

Result<api::Empty> resize_exec(ExecService& service, const api::ExecResizeRequest& request) {
  const Result<std::shared_ptr<Exec>> exec = service.execs.find(request.exec);
  if (!exec) return fail(exec.error());
  const Result<void> resized = (*exec)->resize({.cols = request.cols, .rows = request.rows});
  if (!resized) return fail(resized.error());
  return api::Empty{};
}

/// Where to begin: what was asked for, or the oldest byte.
Result<std::uint64_t> begin_at(const Exec& exec, Output which, const std::optional<std::uint64_t>& from) {
  const Exec::Extent extent = exec.extent(which);
  if (!from) return extent.first;
  if (*from < extent.first || *from > extent.end) {
    return fail(Code::out_of_range,
                fmt::format("{} offset {} is not there; {} keeps {} to {}", which == Output::out ? "stdout" : "stderr",
                            *from, exec.id(), extent.first, extent.end));
  }
  return *from;
}

Result<api::ExecAttachReply> attach(ExecService& service, CallContext& context, const api::ExecAttachRequest& request) {
  const Result<std::shared_ptr<Exec>> found = service.execs.find(request.exec);
  if (!found) return fail(found.error());
  const std::shared_ptr<Exec>& exec = *found;
  if (!exec->background()) {
    return fail(Code::failed_precondition,
                fmt::format("{} runs in the foreground; its output goes to who started it", exec->id()));
  }
  const Result<std::uint64_t> out_from = begin_at(*exec, Output::out, request.stdout_from);
  if (!out_from) return fail(out_from.error());
  const Result<std::uint64_t> err_from = begin_at(*exec, Output::err, request.stderr_from);
  if (!err_from) return fail(err_from.error());
  if (request.stdin_stream) {
    if (const Result<void> free = exec->input_free(); !free) return fail(free.error());
  }
  std::unique_ptr<wire::ByteSource> in;
  std::unique_ptr<wire::ByteSink> out;
  std::unique_ptr<wire::ByteSink> err;
  if (request.stdin_stream) {
    auto source = context.connection.open_source(*request.stdin_stream);
    if (!source) return fail(source.error(), "stdin");
    in = std::move(*source);
  }
  if (request.stdout_stream) {
    auto sink = context.connection.open_sink(*request.stdout_stream);
    if (!sink) return fail(sink.error(), "stdout");
    out = std::move(*sink);
  }
  if (request.stderr_stream) {
    auto sink = context.connection.open_sink(*request.stderr_stream);
    if (!sink) return fail(sink.error(), "stderr");
    err = std::move(*sink);
  }
  const auto follow = request.follow ? Execs::Follow::yes : Execs::Follow::no;
  async::TaskSet& tasks = context.connection.tasks();
  if (in) tasks.spawn(carry_input(service.execs, exec, std::move(in)));
  if (out) tasks.spawn(carry_output(service.execs, exec, Output::out, *out_from, follow, std::move(out)));
  if (err) tasks.spawn(carry_output(service.execs, exec, Output::err, *err_from, follow, std::move(err)));
  return api::ExecAttachReply{.status = exec_status(*exec), .stdout_from = *out_from, .stderr_from = *err_from};
}

}  // namespace

api::ExecStatus exec_status(const Exec& exec) {
  const shim::State& state = exec.state();
  api::ExecStatus status{.exec = exec.id(), .started_us = state.started_us};
  status.timed_out = state.timed_out != 0;
  status.oom_killed = state.oom_killed != 0;
  if (exec.lost()) {
    status.state = api::ExecState::lost;
    return status;
  }
  if (!exec.ended()) return status;
  status.state = api::ExecState::exited;
  if (state.signal != 0) {
    status.signal = static_cast<std::uint32_t>(state.signal);
  } else {
    status.exit_code = static_cast<std::uint32_t>(state.exit_code);
  }
  status.ended_us = state.ended_us;
  status.duration_ms = std::chrono::milliseconds(state.duration_us / 1000);
  status.cpu_user_us = unsigned_of(state.user_us);
  status.cpu_system_us = unsigned_of(state.system_us);
  status.max_rss_bytes = unsigned_of(state.max_rss_bytes);
  return status;
}

Result<int> parse_signal(std::string_view text) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc{} && end == text.data() + text.size()) {
    if (number >= 1 && number <= SIGRTMAX) return number;
    return fail(Code::invalid_argument, fmt::format("signal: {} is not from 1 to {}", number, SIGRTMAX));
  }
  std::string name(text);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (number = 1; number < SIGRTMIN; ++number) {
    const char* known = sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  return fail(Code::invalid_argument, fmt::format("signal: no signal '{}'; give a name as INT or a number", text));
}

void bind_exec(wire::Router& router, ExecService& service) {
  router.bind(api::inside::kExecStart, [&service](CallContext& context, api::ExecStartRequest request) {
    return start_exec(service, context, std::move(request));
  });
  router.bind(api::inside::kExecWait,
              [&service](CallContext&, api::ExecWaitRequest request) { return wait(service, std::move(request)); });
  router.bind(api::inside::kExecList,
              [&service](CallContext&, const api::ExecListRequest& request) { return list(service, request); });
  router.bind(api::inside::kExecAttach, [&service](CallContext& context, const api::ExecAttachRequest& request) {
    return attach(service, context, request);
  });
  router.bind(api::inside::kExecResize, [&service](CallContext&, const api::ExecResizeRequest& request) {
    return resize_exec(service, request);
  });
  router.bind(api::inside::kExecSignal, [&service](CallContext&, const api::ExecSignalRequest& request) {
    return signal_exec(service, request);
  });
  router.bind(api::inside::kExecKill, [&service](CallContext&, api::ExecKillRequest request) {
    return kill_exec(service, std::move(request));
  });
}

}  // namespace swarm::agentd
