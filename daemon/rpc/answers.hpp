#pragma once
// The daemon's book of answers. A call with an idempotency key is recorded before it is made, and its answer after:
//
//    new key            -> begun -> made -> answered     asked again: the answer
//                                        -> refused      changed nothing: the key is new again
//                                        -> doubtful     unavailable, late, internal: what it changed is not known
//    the daemon dies, or is stopped, before the answer: begun, and not made a second time
//
// A call that comes while the first is being made waits for that one's answer.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "protocol/async/event.hpp"
#include "protocol/store/store.hpp"
#include "protocol/wire/once.hpp"

namespace swarm::rpc {

class Answers final : public wire::AnswerBook {
 public:
  /// Both outlive the book and its tasks.
  Answers(async::Loop& loop, store::Store& store) : loop_(loop), store_(store) {}

  async::Task<Result<Value>> once(CallKey call, wire::Attempt attempt) override;

 private:
  /// A call that is being made; shared with those who wait for its answer.
  struct Running {
    Running(async::Loop& loop, CallKey made) : call(std::move(made)), over(loop) {}
    CallKey call;
    async::Event over;
    std::optional<Result<Value>> answer;
  };
  struct Entry;

  async::Task<Result<Value>> first(CallKey call, wire::Attempt attempt);
  async::Task<> note(CallKey call, Result<Value> answer, bool untouched);

  async::Loop& loop_;
  store::Store& store_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Running>> running_;  // by scope and key
};

}  // namespace swarm::rpc
