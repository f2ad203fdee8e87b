#pragma once
// Idempotency: the answer of a mutating call is recorded in the transaction of its effect. The same key with the same
// arguments gives that answer again, also after a crash; with other arguments it is refused.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/core/clock.hpp"
#include "protocol/store/database.hpp"

namespace swarm::store {

/// One call that carries an idempotency key.
struct CallKey {
  /// Whose key it is ("uid:1000", "swarm:swm_..."): callers cannot see each other's answers.
  std::string scope;
  std::string key;  ///< 1 to 256 bytes, chosen by the caller
  std::string method;
  /// The arguments in one canonical encoding, without the key itself. Only a hash is stored.
  std::string arguments;
};

/// How long answers are kept. A key that is used again later is a new call.
struct AnswerRetention {
  std::chrono::microseconds max_age = std::chrono::days(7);
};

/// The recorded answer of this call; nullopt when the key is new. `invalid_argument` when the key is malformed or was
/// used for another method or other arguments.
Result<std::optional<std::string>> find_answer(Database& db, const CallKey& call);

/// Records the (encoded) answer, inside the caller's transaction.
Result<void> record_answer(Database& db, const CallKey& call, std::string_view answer, WallTime now);

/// Runs `effect` unless the call has an answer; records what it gives. Inside the caller's transaction.
Result<std::string> answer_once(Database& db, const CallKey& call, WallTime now,
                                const std::function<Result<std::string>()>& effect);

/// Deletes up to `limit` answers that are too old; gives how many.
Result<std::int64_t> prune_answers(Database& db, const AnswerRetention& retention, WallTime now, int limit);

}  // namespace swarm::store
