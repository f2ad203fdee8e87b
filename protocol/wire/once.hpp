#pragma once
// Calls that carry an idempotency key. The router recognises them and hands them to a book of answers, which makes each
// at most once; where the book is kept is not known here.

#include <functional>
#include <memory>

#include "protocol/core/call_key.hpp"
#include "protocol/wire/connection.hpp"

namespace swarm::wire {

/// A call that can be made.
struct Attempt {
  std::move_only_function<Reply()> make;
  /// Set by the handler of a call that failed before it changed anything, although its error does not say so.
  std::shared_ptr<const bool> untouched;
};

/// Makes calls with a key once, and gives the first answer to whoever makes one again.
class AnswerBook {
 public:
  virtual ~AnswerBook() = default;
  /// The first answer, or that of `attempt`. Dropping the task drops the call where it is; it then counts as one whose
  /// outcome is unknown.
  virtual async::Task<Result<Value>> once(CallKey call, Attempt attempt) = 0;
};

/// Who honours the key of a method that changes something.
enum class Keys {
  by_router,   ///< the router's book: what the call changes lies outside of the daemon's store
  by_handler,  ///< the handler, with `call_key`, in the transaction of its effect
};

}  // namespace swarm::wire
