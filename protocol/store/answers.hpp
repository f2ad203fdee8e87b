#pragma once
// Idempotency: the same key with the same arguments gives the first answer again, also after a crash; with other
// arguments it is refused. Two ways to it:
//
//   answer_once                      begin_call ... the effect ... finish_call | forget_call | doubt_call
//   the effect is a change of this   the effect is elsewhere: a crash between leaves a call that has begun, and nobody
//   store: one transaction           knows how it ended. It is never made again; who asks is told so

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/core/call_key.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/store/database.hpp"

namespace swarm::store {

using swarm::CallKey;

/// How long answers are kept. A key that is used again later is a new call.
struct AnswerRetention {
  std::chrono::microseconds max_age = std::chrono::days(7);
};

/// The recorded answer of this call; nullopt when the key is new. `invalid_argument` when the key is malformed or was
/// used for another method or other arguments; `failed_precondition` when the call was made and its answer is not
/// known.
Result<std::optional<std::string>> find_answer(Database& db, const CallKey& call);

/// Records the (encoded) answer, inside the caller's transaction.
Result<void> record_answer(Database& db, const CallKey& call, std::string_view answer, WallTime now);

/// Runs `effect` unless the call has an answer; records what it gives. Inside the caller's transaction.
Result<std::string> answer_once(Database& db, const CallKey& call, WallTime now,
                                const std::function<Result<std::string>()>& effect);

/// `invalid_argument` unless both are the same call (their keys are the same already).
Result<void> same_call(const CallKey& first, const CallKey& again);

/// Records that the call is about to be made; nullopt then. Otherwise, and with the same errors, as `find_answer`.
Result<std::optional<std::string>> begin_call(Database& db, const CallKey& call, WallTime now);

/// Answers above this are not kept: whoever asks again is told that the call was made.
constexpr std::size_t kMaxKeptAnswer = std::size_t{1} << 20U;

/// Records the (encoded) answer of a call that has begun.
Result<void> finish_call(Database& db, const CallKey& call, std::string_view answer);

/// The call was refused and changed nothing: its key is new again.
Result<void> forget_call(Database& db, const CallKey& call);

/// The call failed in a way that does not tell what it has changed; `failure` is kept for whoever asks again.
Result<void> doubt_call(Database& db, const CallKey& call, std::string_view failure);

/// Deletes up to `limit` answers that are too old; gives how many.
Result<std::int64_t> prune_answers(Database& db, const AnswerRetention& retention, WallTime now, int limit);

}  // namespace swarm::store
