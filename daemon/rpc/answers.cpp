#include "daemon/rpc/answers.hpp"

#include <algorithm>
#include <array>

#include "daemon/log/log.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::rpc {
namespace {

/// Whether a call that was answered with this may have changed something all the same.
bool leaves_doubt(Code code) {
  constexpr std::array kDoubtful = {Code::unavailable, Code::deadline_exceeded, Code::cancelled, Code::internal};
  return std::ranges::find(kDoubtful, code) != kDoubtful.end();
}

}  // namespace

/// Its place in the list, given back whatever way the call ends.
struct Answers::Entry {
  Entry(Answers& in, std::shared_ptr<Running> call) : book(in), running(std::move(call)) {
    book.running_.emplace(place(), running);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() {
    book.running_.erase(place());
    running->over.set();
  }
  [[nodiscard]] std::pair<std::string, std::string> place() const { return {running->call.scope, running->call.key}; }

  Answers& book;
  std::shared_ptr<Running> running;
};

async::Task<Result<Value>> Answers::once(CallKey call, wire::Attempt attempt) {
  if (const auto found = running_.find({call.scope, call.key}); found != running_.end()) {
    const std::shared_ptr<Running> running = found->second;
    if (Result<void> same = store::same_call(running->call, call); !same) co_return fail(same.error());
    co_await running->over.wait();
    if (running->answer) co_return *running->answer;
    co_return fail(Code::unavailable, "the first call with this idempotency_key was given up; ask again how it ended");
  }
  const Entry entry(*this, std::make_shared<Running>(loop_, call));
  Result<Value> answer = co_await first(std::move(call), std::move(attempt));
  entry.running->answer = answer;
  co_return answer;
}

async::Task<Result<Value>> Answers::first(CallKey call, wire::Attempt attempt) {
  const Result<std::optional<std::string>> known = co_await store_.write(
      "answers.begin", store::Durability::process,
      [call](store::Changes& changes) { return store::begin_call(changes.db(), call, changes.now()); });
  if (!known) co_return fail(known.error());
  if (*known) co_return wire::decode_scanned(std::as_bytes(std::span(**known)), "answer");

  wire::Reply reply = attempt.make();
  Result<Value> answer = Value();
  if (auto* plain = std::get_if<Result<Value>>(&reply)) {
    answer = std::move(*plain);
  } else {
    answer = co_await std::move(std::get<async::Task<Result<Value>>>(reply));
  }
  co_await note(std::move(call), answer, *attempt.untouched);
  co_return answer;
}

async::Task<> Answers::note(CallKey call, Result<Value> answer, bool untouched) {
  const std::string method = call.method;
  const Result<void> noted = co_await store_.write(
      "answers.end", store::Durability::process,
      [call = std::move(call), answer = std::move(answer), untouched](store::Changes& changes) -> Result<void> {
        if (answer) return store::finish_call(changes.db(), call, wire::encode(*answer));
        if (untouched || !leaves_doubt(answer.error().code)) return store::forget_call(changes.db(), call);
        return store::doubt_call(changes.db(), call, answer.error().to_string());
      });
  // The answer itself is true: its caller gets it. Whoever asks again is told that it is not known.
  if (!noted)
    log::logger<"answers">().warn("an answer could not be kept", {{"method", method}, {"error", noted.error()}});
}

}  // namespace swarm::rpc
