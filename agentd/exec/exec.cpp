#include "agentd/exec/exec.hpp"

#include <fmt/format.h>
#include <termios.h>

#include <utility>

namespace swarm::agentd {

async::Task<> Exec::wait_ended() {
  while (!ended()) co_await changed_.wait();
}

async::Task<> Exec::wait_gone() {
  while (!gone()) co_await changed_.wait();
}

Result<void> Exec::signal(int number, shim::Target target) {
  if (gone() || channel_ == nullptr || (ended() && target == shim::Target::process)) {
    return fail(Code::failed_precondition, fmt::format("{} has ended", id()));
  }
  channel_->send(
      {.verb = shim::Verb::signal, .a = static_cast<std::uint32_t>(number), .b = static_cast<std::uint32_t>(target)});
  return {};
}

void Exec::kill(std::chrono::milliseconds grace) {
  if (channel_ != nullptr && !gone()) channel_->send({.verb = shim::Verb::kill, .value = grace.count()});
}

Result<void> Exec::resize(const TerminalSize& size) {
  if (!about_.terminal) return fail(Code::failed_precondition, fmt::format("{} has no terminal", id()));
  if (ended() || channel_ == nullptr) return fail(Code::failed_precondition, fmt::format("{} has ended", id()));
  channel_->send({.verb = shim::Verb::resize, .a = size.cols, .b = size.rows});
  return {};
}

Exec::Extent Exec::extent(Output which) const {
  const auto& file = ring(which);
  if (file) return {.first = file->first(), .end = file->end()};
  const std::uint64_t bytes = which == Output::out ? out_bytes_ : err_bytes_;
  const std::uint64_t spooled = which == Output::out ? state_.out_end : state_.err_end;
  const std::uint64_t end = background() ? spooled : bytes;
  return {.first = end, .end = end};
}

void Exec::watch_output() {
  if (channel_ != nullptr) channel_->send({.verb = shim::Verb::seen});
}

Result<void> Exec::input_free() const {
  if (input_taken_) return fail(Code::failed_precondition, fmt::format("another client gives {} its input", id()));
  if (ended()) return fail(Code::failed_precondition, fmt::format("{} has ended", id()));
  if (state_.has_input == 0) {
    return fail(Code::failed_precondition, fmt::format("{} was started without input, or its input was closed", id()));
  }
  return {};
}

async::Task<Result<UniqueFd>> Exec::take_input() {
  if (const Result<void> free = input_free(); !free) co_return fail(free.error());
  input_taken_ = true;
  struct Release {  // also when this task is dropped half-way
    Exec* exec;
    ~Release() {
      if (exec != nullptr) exec->input_taken_ = false;
    }
  } release{this};
  input_.reset();
  if (channel_ != nullptr) channel_->send({.verb = shim::Verb::give_input});
  while (!input_ && !ended() && state_.has_input != 0) co_await changed_.wait();
  if (!input_) {
    release.exec = nullptr;
    input_taken_ = false;
    const Result<void> why = input_free();
    co_return fail(why ? Error{.code = Code::internal, .message = "the supervisor gave no input"} : why.error());
  }
  release.exec = nullptr;
  co_return std::move(input_);
}

void Exec::release_input(InputEnd end) {
  input_taken_ = false;
  if (end == InputEnd::close && channel_ != nullptr) channel_->send({.verb = shim::Verb::close_input});
}

void Exec::take(ShimReport report) {
  state_ = report.state;
  if (report.input) input_ = std::move(report.input);
  changed_.notify_all();
}

void Exec::finish() {
  channel_.reset();
  lost_ = !gone();
  changed_.notify_all();
}

}  // namespace swarm::agentd
