#include "protocol/wire/connection.hpp"

#include <fmt/format.h>

#include "protocol/async/timer.hpp"
#include "protocol/wire/connection_state.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::wire {

PendingCall::PendingCall(Connection::State& owner, std::string name, Value arguments)
    : state(owner), method(std::move(name)), params(std::move(arguments)), done(owner.loop) {
  if (state.reason) {
    settle(fail(state.gone()));
    return;
  }
  do msgid = state.next_msgid++;
  while (state.calls.contains(msgid));
  state.calls.emplace(msgid, this);
}

PendingCall::~PendingCall() {
  if (result) return;
  state.calls.erase(msgid);
  if (!sent || state.reason) return;
  append_notification(state.output.buffer(), "rpc.cancel", Value(Value::Array{Value(msgid)}));
  state.output.flush_soon();
}

void PendingCall::settle(Result<Value> with) {
  result = std::move(with);
  done.set();
}

Connection::State::State(Connection& owner, async::Loop& on, std::unique_ptr<transport::Stream> over, Side end_of,
                         const Limits& bounds, Handler* answers)
    : connection(&owner),
      loop(on),
      stream(std::move(over)),
      limits(bounds),
      handler(answers),
      output(on, *stream, [this](Error error) { end(std::move(error)); }),
      streams(std::make_shared<Streams>(on, output, end_of, limits)),
      ended(on),
      user_tasks(on),
      serving(on) {}

Error Connection::State::gone() const {
  return fail(Code::unavailable, "the connection has ended: " + reason->message).error();
}

void Connection::State::end(Error why) {
  if (reason) return;
  reason = std::move(why);
  ended.set();
  output.progress().notify_all();
}

void Connection::State::drop_work() {
  serving.cancel_all();
  user_tasks.cancel_all();
  served.clear();
  streams->connection_ended(gone());
  const auto waiting = std::exchange(calls, {});
  for (const auto& [msgid, call] : waiting) call->settle(fail(gone()));
}

async::Task<Error> Connection::State::run(std::shared_ptr<State> self) {
  State& state = *self;
  {
    async::TaskSet writing(state.loop);
    writing.spawn(state.output.run());
    {
      async::TaskSet reading(state.loop);
      reading.spawn(state.read_loop());
      co_await state.ended.wait();
    }
    state.drop_work();
    co_await state.drain();
  }
  co_return *state.reason;
}

async::Task<> Connection::State::drain() {
  async::Timer patience(loop);
  patience.start_after(limits.linger, [this] { output.discard(); });
  output.flush();
  while (output.size() > 0) co_await output.progress().wait();
  output.discard();
  stream->shutdown_write();
}

Result<void> Connection::State::check_size(std::size_t before, std::string_view what) {
  const std::size_t size = output.buffer().size() - before;
  if (size <= limits.max_frame_bytes) return {};
  output.buffer().resize(before);
  return fail(Code::resource_exhausted,
              fmt::format("{} has {} bytes, and a message at most {}; ask for less at a time, or use a stream", what,
                          size, limits.max_frame_bytes));
}

void Connection::State::send(PendingCall& call) {
  const std::size_t before = output.buffer().size();
  append_request(output.buffer(), call.msgid, call.method, call.params);
  call.params = Value();
  const Result<void> fits = check_size(before, "the request");
  if (!fits) {
    calls.erase(call.msgid);
    call.settle(fail(fits.error(), call.method));
    return;
  }
  call.sent = true;
  output.flush_soon();
}

async::Task<Result<Value>> Connection::State::answer_to(std::shared_ptr<State> self,
                                                        std::unique_ptr<PendingCall> call) {
  State& state = *self;
  while (!call->sent && !call->result) {
    if (state.output.size() < state.limits.max_output_bytes) {
      state.send(*call);
    } else {
      co_await state.output.progress().wait();
    }
  }
  if (!call->result) co_await call->done.wait();
  co_return std::move(*call->result);
}

Connection::Connection(async::Loop& loop, std::unique_ptr<transport::Stream> stream, Side side, const Limits& limits,
                       Handler* handler)
    : state_(std::make_shared<State>(*this, loop, std::move(stream), side, limits, handler)) {}

Connection::~Connection() {
  state_->end(fail(Code::unavailable, "it was closed on this side").error());
  state_->drop_work();
  state_->connection = nullptr;
  state_->handler = nullptr;
}

async::Task<Error> Connection::run() { return State::run(state_); }

async::Task<Result<Value>> Connection::call(std::string method, Value params) {
  State& state = *state_;
  auto call = std::make_unique<PendingCall>(state, std::move(method), std::move(params));
  // Now rather than when the task is awaited: the bytes of its streams must come behind it.
  if (!call->result && state.output.size() < state.limits.max_output_bytes) state.send(*call);
  return State::answer_to(state_, std::move(call));
}

Result<void> Connection::notify(std::string_view method, const Value& params) {
  State& state = *state_;
  if (state.reason) return fail(state.gone());
  if (state.output.size() >= state.limits.max_output_bytes) {
    return fail(Code::resource_exhausted,
                fmt::format("notify {}: {} bytes wait for a slow peer", method, state.output.size()));
  }
  const std::size_t before = state.output.buffer().size();
  append_notification(state.output.buffer(), method, params);
  const Result<void> fits = state.check_size(before, "the notification");
  if (!fits) return fail(fits.error(), method);
  state.output.flush_soon();
  return {};
}

async::Task<> Connection::output_drained() { return State::drained(state_); }

async::Task<> Connection::State::drained(std::shared_ptr<State> self) {
  State& state = *self;
  while (!state.reason && state.output.size() > state.limits.max_output_bytes / 2) {
    co_await state.output.progress().wait();
  }
}

async::Task<> Connection::requests_answered() { return State::all_answered(state_); }

async::Task<> Connection::State::all_answered(std::shared_ptr<State> self) {
  State& state = *self;
  while (!state.reason && !state.served.empty()) co_await state.output.progress().wait();
}

std::uint32_t Connection::new_stream_id() { return state_->streams->new_id(); }

Result<std::unique_ptr<ByteSource>> Connection::open_source(std::uint32_t id) {
  return state_->streams->open_source(id);
}

Result<std::unique_ptr<ByteSink>> Connection::open_sink(std::uint32_t id) { return state_->streams->open_sink(id); }

void Connection::close(Error reason) { state_->end(std::move(reason)); }

void Connection::abandon(Error reason) {
  const std::shared_ptr<State> state = state_;
  state->end(std::move(reason));
  state->output.discard();
  state->drop_work();
}

void Connection::set_error_shape(ErrorShape shape) { state_->shape = shape; }

const std::optional<Failure>& Connection::last_error() const { return state_->last_error; }

async::Loop& Connection::loop() { return state_->loop; }

const Limits& Connection::limits() const { return state_->limits; }

std::optional<transport::PeerCredentials> Connection::peer() const { return state_->stream->peer(); }

std::string Connection::describe() const { return state_->stream->describe(); }

bool Connection::closed() const { return state_->reason.has_value(); }

std::size_t Connection::requests_in_flight() const { return state_->served.size(); }

async::TaskSet& Connection::tasks() { return state_->user_tasks; }

}  // namespace swarm::wire
