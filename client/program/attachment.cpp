#include "client/program/attachment.hpp"

#include <unistd.h>

#include <csignal>

#include "protocol/async/signals.hpp"

namespace swarm::client {
namespace {

/// A second signal of the same kind within this time means: never mind the program, let me go.
constexpr auto kImpatience = std::chrono::seconds(1);

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Result<ProgramStreams> open_streams(wire::Connection& connection, WantedStreams wanted) {
  ProgramStreams streams;
  if (wanted.input) {
    streams.input_id = connection.new_stream_id();
    auto sink = connection.open_sink(streams.input_id);
    if (!sink) return fail(sink.error());
    streams.input = std::move(*sink);
  }
  const auto source = [&connection](bool want, std::uint32_t& id,
                                    std::unique_ptr<wire::ByteSource>& out) -> Result<void> {
    if (!want) return {};
    id = connection.new_stream_id();
    auto opened = connection.open_source(id);
    if (!opened) return fail(opened.error());
    out = std::move(*opened);
    return {};
  };
  if (auto opened = source(wanted.output, streams.output_id, streams.output); !opened) return fail(opened.error());
  if (auto opened = source(wanted.error, streams.error_id, streams.error); !opened) return fail(opened.error());
  return streams;
}

Attachment::Attachment(Context& context, Client& client, std::string sandbox, std::string exec, ProgramStreams streams,
                       AttachOptions options)
    : context_(context),
      client_(client),
      sandbox_(std::move(sandbox)),
      exec_(std::move(exec)),
      streams_(std::move(streams)),
      options_(std::move(options)),
      done_(context.loop),
      tasks_(context.loop) {}

async::Task<Result<AttachEnd>> Attachment::run() {
  if (options_.terminal) {
    Result<std::unique_ptr<RawMode>> raw = RawMode::enter(STDIN_FILENO);
    if (!raw) co_return fail(raw.error());
    raw_ = std::move(*raw);
    tasks_.spawn(follow_size());
  }
  // Before any output: whoever answers to it with a signal must find us listening.
  constexpr std::array kPassedOn{std::pair{SIGINT, "INT"},   std::pair{SIGTERM, "TERM"}, std::pair{SIGHUP, "HUP"},
                                 std::pair{SIGQUIT, "QUIT"}, std::pair{SIGUSR1, "USR1"}, std::pair{SIGUSR2, "USR2"}};
  for (const auto& [number, name] : kPassedOn) tasks_.spawn(pass_on_signal(number, name));
  if (streams_.output) {
    ++open_outputs_;
    tasks_.spawn(carry_output(std::move(streams_.output), STDOUT_FILENO));
  }
  if (streams_.error) {
    ++open_outputs_;
    tasks_.spawn(carry_output(std::move(streams_.error), STDERR_FILENO));
  }
  if (streams_.input) tasks_.spawn(carry_input(std::move(streams_.input)));
  tasks_.spawn(wait_for_exit());
  co_await done_.wait();
  tasks_.cancel_all();
  if (raw_) {
    const std::string undo = modes_.undo();
    if (!undo.empty()) context_.printer.out().write(undo);
    raw_.reset();
  }
  if (failure_) co_return fail(*failure_);
  if (status_) end_.status = *status_;
  co_return end_;
}

void Attachment::finish(AttachEnd::How how, int signal) {
  if (done_.is_set()) return;
  end_.how = how;
  end_.signal = signal;
  done_.set();
}

void Attachment::fail_with(Error error) {
  if (done_.is_set()) return;
  failure_ = std::move(error);
  done_.set();
}

void Attachment::look_whether_done() {
  if (status_ && open_outputs_ == 0) finish(AttachEnd::How::exited);
}

async::Task<> Attachment::wait_for_exit() {
  api::InSandbox<api::ExecWaitRequest> request;
  request.sandbox = sandbox_;
  request.exec = exec_;
  Result<api::ExecStatus> status = co_await client_.call_patiently(api::kExecWait, request);
  if (!status) {
    fail_with(status.error());
    co_return;
  }
  status_ = std::move(*status);
  look_whether_done();
}

async::Task<> Attachment::carry_output(std::unique_ptr<wire::ByteSource> source, int fd) {
  const bool to_terminal = ::isatty(fd) == 1;
  const bool clean = to_terminal && !options_.terminal && !options_.raw_output;
  Sanitizer sanitizer;
  Result<std::unique_ptr<StandardStream>> out = StandardStream::open(context_.loop, fd);
  if (!out) {
    fail_with(out.error());
    co_return;
  }
  for (bool more = true; more;) {
    Result<std::optional<std::string>> chunk = co_await source->read();
    if (!chunk) {
      // When the connection ended, exec.wait says so in better words.
      if (!client_.connection().closed()) fail_with(chunk.error().with_context("the program's output broke off"));
      co_return;
    }
    more = chunk->has_value();
    std::string text = more ? std::move(**chunk) : std::string();
    if (clean) text = more ? sanitizer.feed(text) : sanitizer.finish();
    if (options_.terminal) modes_.feed(text);
    const Result<void> written = co_await (*out)->write(bytes_of(text));
    if (!written) {
      if (written.error().code == Code::unavailable) {
        finish(AttachEnd::How::output_closed);
      } else {
        fail_with(written.error().with_context("write the program's output"));
      }
      co_return;
    }
  }
  --open_outputs_;
  look_whether_done();
}

async::Task<> Attachment::carry_input(std::unique_ptr<wire::ByteSink> sink) {
  Result<std::unique_ptr<StandardStream>> in = StandardStream::open(context_.loop, STDIN_FILENO);
  if (!in) {
    fail_with(in.error());
    co_return;
  }
  std::vector<std::byte> buffer(std::size_t{64} << 10U);
  for (;;) {
    const Result<std::size_t> size = co_await (*in)->read(buffer);
    if (!size) {
      // The program sees the failure as the end of its input; it may well have all that it needs.
      sink->fail(size.error().with_context("read standard input"));
      co_return;
    }
    if (*size == 0) {
      if (options_.terminal) finish(AttachEnd::How::given_up, SIGHUP);  // our terminal has gone
      sink->end();
      co_return;
    }
    std::string_view typed(reinterpret_cast<const char*>(buffer.data()), *size);  // NOLINT: bytes as characters
    DetachKeys::Typed keys;
    if (options_.terminal) {
      keys = options_.detach.feed(typed);
      typed = keys.forward;
    }
    const Result<void> written = co_await sink->write(bytes_of(typed));
    if (keys.detach) finish(AttachEnd::How::detached);
    if (!written) co_return;  // it reads no more: it closed its input or ended
  }
}

async::Task<> Attachment::pass_on_signal(int number, std::string name) {
  async::SignalWatcher watcher(context_.loop, number);
  std::optional<MonoTime> last;
  for (;;) {
    co_await watcher.next();
    if (options_.own_end && (number == SIGTERM || number == SIGHUP)) {
      finish(AttachEnd::How::given_up, number);
      co_return;
    }
    const MonoTime now = context_.loop.clock().now();
    const bool ends_us = number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
    if (ends_us && last && now - *last < kImpatience) {
      finish(AttachEnd::How::given_up, number);
      co_return;
    }
    last = now;
    api::InSandbox<api::ExecSignalRequest> request;
    request.sandbox = sandbox_;
    request.exec = exec_;
    request.signal = name;
    // Not waited for: the second signal must be heard while a stuck daemon does not answer the first.
    tasks_.spawn(send_signal(client_, std::move(request)));
  }
}

async::Task<> Attachment::send_signal(Client& client, api::InSandbox<api::ExecSignalRequest> request) {
  const Result<api::Empty> sent = co_await client.call_patiently(api::kExecSignal, request);
  static_cast<void>(sent);  // it has ended meanwhile: then exec.wait says how
}

async::Task<> Attachment::follow_size() {
  async::SignalWatcher changed(context_.loop, SIGWINCH);
  std::optional<TerminalSize> told;
  for (;;) {
    const TerminalSize size = terminal_size(STDIN_FILENO);
    if (size != told) {
      told = size;
      api::InSandbox<api::ExecResizeRequest> request;
      request.sandbox = sandbox_;
      request.exec = exec_;
      request.cols = size.columns;
      request.rows = size.rows;
      const Result<api::Empty> resized = co_await client_.call_patiently(api::kExecResize, request);
      static_cast<void>(resized);
      continue;  // the size may have changed while we told it
    }
    co_await changed.next();
  }
}

}  // namespace swarm::client
