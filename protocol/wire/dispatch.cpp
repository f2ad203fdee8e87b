// The receiving half of Connection: from bytes to handlers, and their answers.

#include <fmt/format.h>

#include "protocol/wire/connection_state.hpp"
#include "protocol/wire/input.hpp"
#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/reader.hpp"

namespace swarm::wire {
namespace {

// After this much of one peer, others have a turn: a few busy peers must not delay the rest by more than some tens of
// microseconds. Its answers still leave together, for up to this many turns.
constexpr std::size_t kMessagesATurn = 8;
constexpr std::size_t kBytesATurn = std::size_t{128} << 10U;
constexpr std::size_t kTurnsAWrite = 4;

}  // namespace

async::Task<> Connection::State::read_loop() {
  Input input;
  FrameScanner scanner(limits);
  for (;;) {
    const Result<std::size_t> got = co_await stream->read(input.space());
    if (!got) {
      end(got.error());
      co_return;
    }
    if (*got == 0) {
      const std::size_t left = input.bytes().size();
      end(fail(Code::unavailable, left == 0 ? std::string("the peer closed the connection")
                                            : fmt::format("the peer closed the connection within a message, {} bytes "
                                                          "into it",
                                                          left))
              .error());
      co_return;
    }
    input.added(*got);
    for (std::size_t turn = 1;; ++turn) {
      const Step step = take_messages(input, scanner);
      if (step != Step::share || turn % kTurnsAWrite == 0) output.flush();
      if (step == Step::stopped || reason) co_return;
      if (step == Step::hungry) break;
      if (step == Step::share) co_await loop.give_way();
      if (step == Step::full) co_await room_for_requests();
    }
  }
}

async::Task<> Connection::State::room_for_requests() {
  if (may_take_request()) co_return;
  // Not reading, we would not see the end of a peer that went away; its calls must not outlive it.
  async::TaskSet watch(loop);
  watch.spawn(end_when_gone());
  while (!may_take_request() && !reason) co_await output.progress().wait();
}

async::Task<> Connection::State::end_when_gone() {
  co_await stream->gone();
  end(fail(Code::unavailable, "the peer closed the connection").error());
}

Connection::State::Step Connection::State::take_messages(Input& input, FrameScanner& scanner) {
  std::size_t bytes = 0;
  for (std::size_t count = 0; count < kMessagesATurn && bytes < kBytesATurn; ++count) {
    const Result<FrameScanner::Found> found = scanner.scan(input.bytes());
    if (!found) {
      protocol_error(found.error());
      return Step::stopped;
    }
    if (*found == FrameScanner::Found::more) return Step::hungry;
    const std::span<const std::byte> frame = input.bytes().first(scanner.size());
    const std::size_t weight = frame.size() + scanner.items() * sizeof(Value);
    const std::expected<Message, BadMessage> message = parse_message(frame);
    if (message) {
      if (!take(*message, weight)) return Step::full;
    } else if (message.error().answer_to) {
      if (!may_take_request()) return Step::full;
      answer(*message.error().answer_to, "", fail(message.error().error));
    } else {
      protocol_error(message.error().error);
    }
    if (reason) return Step::stopped;
    bytes += frame.size();
    input.take(frame.size());
    scanner.next();
  }
  return Step::share;
}

bool Connection::State::may_take_request() const {
  return served.size() < limits.max_requests && served_bytes < limits.max_request_bytes &&
         output.size() < limits.max_output_bytes;
}

bool Connection::State::take(const Message& message, std::size_t weight) {
  switch (message.type) {
    case MessageType::request:
      if (!may_take_request()) return false;
      take_request(message, weight);
      return true;
    case MessageType::response:
      take_response(message);
      return true;
    case MessageType::notification:
      take_notification(message);
      return true;
  }
  return true;
}

void Connection::State::take_request(const Message& message, std::size_t weight) {
  streams->request_came(++serial);
  if (served.contains(message.msgid)) {
    answer(message.msgid, message.method,
           fail(Code::invalid_argument,
                fmt::format("message id {} belongs to a request that has no answer yet; count up", message.msgid)));
    return;
  }
  if (handler == nullptr) {
    answer(message.msgid, message.method,
           fail(Code::unimplemented, fmt::format("'{}': this end answers no requests", message.method)));
    return;
  }
  Incoming incoming{.method = std::string(message.method), .params = {}, .msgid = message.msgid};
  if (!message.params.empty()) {
    Result<Value> params = decode_scanned(message.params, "params");
    if (!params) {
      answer(message.msgid, message.method, fail(params.error()));
      return;
    }
    incoming.params = std::move(*params);
  }
  Reply reply = Result<Value>(Value());
  try {
    reply = handler->request(*connection, std::move(incoming));
  } catch (const std::exception& e) {
    reply = Result<Value>(fail(Code::internal, fmt::format("{}: {}", message.method, e.what())));
  }
  if (const auto* result = std::get_if<Result<Value>>(&reply)) {
    answer(message.msgid, message.method, *result);
    return;
  }
  auto& task = std::get<async::Task<Result<Value>>>(reply);
  const auto ticket = serving.spawn(serve(*this, message.msgid, std::move(task)));
  served.emplace(message.msgid,
                 Served{.method = std::string(message.method), .serial = serial, .weight = weight, .task = ticket});
  served_bytes += weight;
}

async::Task<> Connection::State::serve(State& self, std::uint32_t msgid, async::Task<Result<Value>> task) {
  Result<Value> result = Value();
  try {
    result = co_await std::move(task);
  } catch (const std::exception& e) {
    result = fail(Code::internal, e.what());
  }
  task.reset();  // what the handler held goes before the answer does
  const auto found = self.served.find(msgid);
  const Served served = std::move(found->second);
  self.served.erase(found);
  self.served_bytes -= served.weight;
  self.answer(msgid, served.method, result);
  self.output.flush_soon();
}

void Connection::State::answer(std::uint32_t msgid, std::string_view method, const Result<Value>& result) {
  const Error* error = result ? nullptr : &result.error();
  const std::size_t before = output.buffer().size();
  Result<void> fits;
  if (error == nullptr) {
    append_result(output.buffer(), msgid, *result);
    fits = check_size(before, "the answer");
    if (!fits) error = &fits.error();
  }
  if (error != nullptr) {
    append_error(output.buffer(), msgid, *error, shape);
    if (method != "rpc.last_error") last_error = Failure{.error = *error, .method = std::string(method)};
  }
  request_over();
}

void Connection::State::request_over() {
  output.progress().notify_all();  // another request may be taken
  std::uint64_t oldest = serial + 1;
  if (streams->has_early()) {
    for (const auto& [msgid, request] : served) oldest = std::min(oldest, request.serial);
  } else if (!served.empty()) {
    oldest = 0;
  }
  streams->requests_answered(oldest);
}

void Connection::State::take_response(const Message& message) {
  const auto found = calls.find(message.msgid);
  // Not ours, or its caller has given up: the answer and our rpc.cancel passed each other.
  if (found == calls.end() || !found->second->sent) return;
  PendingCall& call = *found->second;
  calls.erase(found);
  if (!message.error.empty()) {
    const Result<Value> error = decode_scanned(message.error, "error");
    call.settle(fail(error ? error_from(*error) : error.error()));
    return;
  }
  call.settle(decode_scanned(message.result, "result"));
}

void Connection::State::take_notification(const Message& message) {
  if (Streams::handles(message.method)) {
    const Result<void> taken = streams->take(message);
    if (!taken) protocol_error(taken.error());
    return;
  }
  if (message.method == "rpc.cancel") {
    take_cancel(message);
    return;
  }
  if (handler == nullptr) return;
  Incoming incoming{.method = std::string(message.method), .params = {}};
  if (!message.params.empty()) {
    Result<Value> params = decode_scanned(message.params, "params");
    if (!params) {
      protocol_error(params.error());
      return;
    }
    incoming.params = std::move(*params);
  }
  try {
    handler->notification(*connection, std::move(incoming));
  } catch (const std::exception& e) {
    protocol_error(fail(Code::internal, fmt::format("{}: {}", message.method, e.what())).error());
  }
}

void Connection::State::take_cancel(const Message& message) {
  Reader params(message.params);
  const std::optional<std::size_t> count = params.array();
  const std::optional<std::uint64_t> msgid = params.unsigned_integer();
  if (count != 1 || !msgid || *msgid > UINT32_MAX) {
    protocol_error(fail(Code::invalid_argument, "rpc.cancel: expected [msgid]").error());
    return;
  }
  const auto found = served.find(static_cast<std::uint32_t>(*msgid));
  if (found == served.end()) return;  // its answer is on the way, or was never asked for
  const Served request = std::move(found->second);
  served.erase(found);
  served_bytes -= request.weight;
  serving.cancel(request.task);
  answer(static_cast<std::uint32_t>(*msgid), request.method,
         fail(Code::cancelled, fmt::format("{}: cancelled by the caller", request.method)));
}

void Connection::State::protocol_error(Error error) {
  if (reason) return;
  append_notification(output.buffer(), "rpc.error", Value(Value::Array{error_map(error)}));
  end(error.with_context("protocol error"));
}

}  // namespace swarm::wire
