#include "daemon/e2b/programs.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include "protocol/api/agentd.hpp"
#include "protocol/async/fd.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::e2b_endpoint {
namespace {

constexpr std::size_t kChunk = std::size_t{256} << 10U;
constexpr std::size_t kLongestLine = std::size_t{16} << 10U;
// Between two looks whether a template is ready.
constexpr Duration kFirstPause = std::chrono::milliseconds(20);
constexpr Duration kMostPause = std::chrono::milliseconds(500);
constexpr std::size_t kToldMost = 300;  // of what a failed command said

/// What goes on beside the program; lives until it has ended.
struct Flow {
  std::optional<Error> failure;
  void note(const Error& error) {
    if (!failure) failure = error;
  }
};

async::Task<> send_file(async::Loop& loop, std::unique_ptr<wire::ByteSink> sink, std::string path, Flow& flow) {
  UniqueFd opened(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened) {
    const auto failed = fail_errno("open", path);
    flow.note(failed.error());
    sink->fail(failed.error());
    co_return;
  }
  async::Fd file(loop, std::move(opened));
  std::string chunk(kChunk, '\0');
  for (;;) {
    const Result<std::size_t> got = co_await file.read(std::as_writable_bytes(std::span(chunk)));
    if (!got) {
      flow.note(got.error());
      sink->fail(got.error());
      co_return;
    }
    if (*got == 0) break;
    const Result<void> sent = co_await sink->write(std::as_bytes(std::span(chunk).first(*got)));
    if (!sent) co_return;  // it reads no more: its exit status says whether that was meant
  }
  sink->end();
}

async::Task<> keep_output(async::Loop& loop, std::unique_ptr<wire::ByteSource> source, std::string path, Flow& flow) {
  UniqueFd opened(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!opened) {
    flow.note(fail_errno("open", path).error());
    co_return;
  }
  async::Fd file(loop, std::move(opened));
  for (;;) {
    const Result<std::optional<std::string>> part = co_await source->read();
    if (!part) flow.note(part.error());
    if (!part || !*part) co_return;
    const Result<void> kept = co_await file.write(std::as_bytes(std::span(**part)));
    if (!kept) {
      flow.note(kept.error());
      co_return;
    }
  }
}

async::Task<> tell_lines(std::unique_ptr<wire::ByteSource> source, std::function<void(std::string, bool)> line,
                         bool error, Flow& flow) {
  const auto tell = std::move(line);
  std::string rest;
  for (;;) {
    const Result<std::optional<std::string>> part = co_await source->read();
    if (!part) flow.note(part.error());
    if (!part || !*part) break;
    rest += **part;
    for (;;) {
      std::size_t end = rest.find('\n');
      if (end == rest.npos && rest.size() < kLongestLine) break;
      end = std::min(end, kLongestLine);
      if (tell) tell(rest.substr(0, end), error);
      rest.erase(0, end < rest.size() && rest[end] == '\n' ? end + 1 : end);
    }
  }
  if (tell && !rest.empty()) tell(std::move(rest), error);
}

std::string last_words(const std::optional<api::Text>& text) {
  if (!text) return "nothing was said";
  const std::string& bytes = text->bytes;
  const std::string said = bytes.substr(bytes.size() - std::min(bytes.size(), kToldMost));
  return said.empty() ? "nothing was said" : said;
}

}  // namespace

async::Task<Result<api::ExecStatus>> run_program(std::shared_ptr<wire::Connection> agent, Program program) {
  const std::shared_ptr<wire::Connection> connection = std::move(agent);
  async::Loop& loop = connection->loop();
  api::ExecStartRequest request;
  request.argv = std::move(program.argv);
  request.user = program.user;
  request.cwd = api::Path(program.cwd);
  request.env = std::move(program.env);
  request.labels["e2b"] = "1";
  request.stdout_stream = connection->new_stream_id();
  auto out = connection->open_source(*request.stdout_stream);
  request.stderr_stream = connection->new_stream_id();
  auto err = connection->open_source(*request.stderr_stream);
  if (!out || !err) co_return fail(out ? err.error() : out.error());
  Flow flow;
  async::TaskSet beside(loop);
  if (!program.input.empty()) {
    request.stdin_stream = connection->new_stream_id();
    auto in = connection->open_sink(*request.stdin_stream);
    if (!in) co_return fail(in.error());
    beside.spawn(send_file(loop, std::move(*in), program.input, flow));
  }
  if (program.output.empty()) {
    beside.spawn(tell_lines(std::move(*out), program.line, false, flow));
  } else {
    beside.spawn(keep_output(loop, std::move(*out), program.output, flow));
  }
  beside.spawn(tell_lines(std::move(*err), program.line, true, flow));
  const Result<api::ExecStartReply> done = co_await wire::call(*connection, api::inside::kExecStart, request);
  if (!done) co_return fail(done.error());
  co_await beside.join();
  if (flow.failure) co_return fail(*flow.failure);
  if (!done->status) co_return fail(Code::internal, "the sandbox does not say how the program ended");
  co_return *done->status;
}

async::Task<Result<std::uint32_t>> begin_template(std::shared_ptr<wire::Connection> agent, Beginning what) {
  const std::shared_ptr<wire::Connection> connection = std::move(agent);
  async::Loop& loop = connection->loop();
  api::ExecStartRequest start;
  start.command = what.command;
  start.user = what.user;
  start.env = what.env;
  start.labels = std::move(what.labels);
  start.background = true;
  start.wait = false;
  const Result<api::ExecStartReply> started = co_await wire::call(*connection, api::inside::kExecStart, start);
  if (!started) co_return fail(started.error(), "the template's start command");
  if (what.ready.empty()) co_return started->pid;

  api::ExecStartRequest check;
  check.command = what.ready;
  check.user = what.user;
  check.env = std::move(what.env);
  check.capture = true;
  check.timeout_ms = what.within;
  const MonoTime end = loop.clock().now() + what.within;
  for (Duration pause = kFirstPause;; pause = std::min(pause * 2, kMostPause)) {
    const Result<api::ExecStartReply> checked = co_await wire::call(*connection, api::inside::kExecStart, check);
    if (!checked) co_return fail(checked.error(), "the template's ready command");
    if (checked->status && checked->status->exit_code == 0) co_return started->pid;
    if (loop.clock().now() >= end) {
      co_return fail(Code::deadline_exceeded,
                     fmt::format("the template is not ready after {} s; its ready command '{}' says: {}",
                                 what.within.count(), what.ready, last_words(checked->stderr_text)));
    }
    co_await async::sleep_for(loop, pause);
  }
}

}  // namespace swarm::e2b_endpoint
