#include "agentd/exec/foreground.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include "agentd/exec/request.hpp"
#include "protocol/core/id.hpp"

namespace swarm::agentd {

Foreground::Foreground(async::Loop& loop, std::shared_ptr<Exec> exec, std::chrono::milliseconds grace)
    : loop_(loop), exec_(std::move(exec)), grace_(grace), inputs_(loop), outputs_(loop) {}

Foreground::~Foreground() {
  // The pumps go before the program is asked to end: a terminal that hangs up, or a pipe that breaks, may end it first.
  outputs_.cancel_all();
  inputs_.cancel_all();
  exec_->kill(grace_);
}

async::Task<> Foreground::give_input(std::unique_ptr<wire::ByteSource> from, UniqueFd to) {
  const InputResult result = co_await pump_input(loop_, std::move(from), std::move(to));
  static_cast<void>(result);  // however it ended, the program reads the end
}

void Foreground::start_output(UniqueFd from, std::unique_ptr<wire::ByteSink> to, OutputPump::Kind kind,
                              std::uint64_t& count) {
  pumps_.push_back(std::make_unique<OutputPump>(loop_, std::move(from), std::move(to), kind, count));
  outputs_.spawn(pumps_.back()->run());
}

async::Task<> Foreground::finish() {
  co_await exec_->wait_gone();
  for (const auto& pump : pumps_) pump->last();
  co_await outputs_.join();
}

async::Task<Result<std::unique_ptr<Foreground>>> Execs::start_foreground(ExecSpec spec, ExecStreams streams) {
  if (const Result<void> room = check_room(); !room) co_return fail(room.error());
  spec.lifetime = Lifetime::foreground;
  const std::string id = new_id("prc", loop_.clock(), random_);
  auto exec = std::make_shared<Exec>(loop_, summarise(id, spec));  // shared by the table and its caller
  auto foreground = std::make_unique<Foreground>(loop_, exec, spec.grace);

  UniqueFd in_child;
  UniqueFd out_child;
  UniqueFd err_child;
  UniqueFd in_ours;
  UniqueFd out_ours;
  UniqueFd err_ours;
  Descriptors fds;
  if (spec.terminal) {
    Result<TerminalEnds> ends = make_terminal(*spec.terminal, spec.user);
    if (!ends) co_return fail(ends.error());
    in_child = std::move(ends->slave);
    out_ours = std::move(ends->master);
    // A second number for the same terminal, since a descriptor can be watched once.
    in_ours.reset(fcntl(out_ours.get(), F_DUPFD_CLOEXEC, 3));
    fds = {{0, in_child.get()}, {1, in_child.get()}, {2, in_child.get()}, {shim::kInputFd, out_ours.get()}};
  } else {
    if (spec.input_from == Input::bytes) {
      Result<UniqueFd> file = make_memory_file("exec-input", spec.input);
      if (!file) co_return fail(file.error());
      in_child = std::move(*file);
    } else if (streams.in != nullptr) {
      Result<PipeEnds> pipe = make_pipe(spec.user);
      if (!pipe) co_return fail(pipe.error());
      in_child = std::move(pipe->reading);
      in_ours = std::move(pipe->writing);
    }
    if (streams.out != nullptr) {
      Result<PipeEnds> pipe = make_pipe(spec.user);
      if (!pipe) co_return fail(pipe.error());
      out_child = std::move(pipe->writing);
      out_ours = std::move(pipe->reading);
    }
    if (streams.err != nullptr) {
      Result<PipeEnds> pipe = make_pipe(spec.user);
      if (!pipe) co_return fail(pipe.error());
      err_child = std::move(pipe->writing);
      err_ours = std::move(pipe->reading);
    }
    if (in_child) fds.emplace_back(0, in_child.get());
    if (out_child) fds.emplace_back(1, out_child.get());
    if (err_child) fds.emplace_back(2, err_child.get());
  }
  const Result<void> started = co_await launch(exec, spec, std::move(fds));
  if (!started) co_return fail(started.error());

  const auto kind = spec.terminal ? OutputPump::Kind::terminal : OutputPump::Kind::pipe;
  if (out_ours) foreground->start_output(std::move(out_ours), std::move(streams.out), kind, exec->out_bytes_);
  if (err_ours) foreground->start_output(std::move(err_ours), std::move(streams.err), kind, exec->err_bytes_);
  if (in_ours && streams.in != nullptr) {
    foreground->inputs_.spawn(foreground->give_input(std::move(streams.in), std::move(in_ours)));
  }
  co_return foreground;
}

}  // namespace swarm::agentd
