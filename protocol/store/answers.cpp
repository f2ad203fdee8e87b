#include "protocol/store/answers.hpp"

#include <fmt/format.h>
#include <sodium.h>

namespace swarm::store {
namespace {

constexpr std::size_t kMaxKey = 256;
constexpr Sql kFind{"answers.find", "SELECT method, args_hash, state, answer FROM answers WHERE scope = ? AND key = ?"};
constexpr Sql kRecordAnswer{"answers.record",
                            "INSERT INTO answers (scope, key, method, args_hash, answer, created_us, state)"
                            " VALUES (?, ?, ?, ?, ?, ?, ?)"};
constexpr Sql kSettle{"answers.settle", "UPDATE answers SET state = ?, answer = ? WHERE scope = ? AND key = ?"};
constexpr Sql kForget{"answers.forget", "DELETE FROM answers WHERE scope = ? AND key = ?"};
constexpr Sql kPruneAnswers{"answers.prune",
                            "DELETE FROM answers WHERE (scope, key) IN"
                            " (SELECT scope, key FROM answers WHERE created_us < ? ORDER BY created_us LIMIT ?)"};

// What `answer` holds in each state.
constexpr std::string_view kAnswered = "answered";  // the encoded answer
constexpr std::string_view kBegun = "begun";        // nothing: the program ended before it knew
constexpr std::string_view kDoubtful = "doubtful";  // the failure, for people
constexpr std::string_view kTooLong = "too long";   // nothing: the call was made

/// BLAKE2b-256; method and arguments with a separator that no method name contains.
Bytes hash_of(const CallKey& call) {
  const std::string input = call.method + '\0' + call.arguments;
  Bytes out{std::string(crypto_generichash_BYTES, '\0')};
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data.data()), out.data.size(),
                     reinterpret_cast<const unsigned char*>(input.data()), input.size(), nullptr, 0);
  return out;
}

std::unexpected<Error> other_method(std::string_view first, std::string_view again) {
  return fail(Code::invalid_argument,
              fmt::format("this idempotency_key was used for {} before; take a new key for {}", first, again));
}

std::unexpected<Error> other_arguments(std::string_view method) {
  return fail(Code::invalid_argument,
              fmt::format("this idempotency_key was used for {} with other arguments; take a new key", method));
}

Result<void> insert(Database& db, const CallKey& call, std::string_view state, std::string_view answer, WallTime now) {
  return db.run(kRecordAnswer, call.scope, call.key, call.method, hash_of(call), Bytes{std::string(answer)}, now.us,
                std::string(state));
}

Result<void> settle(Database& db, const CallKey& call, std::string_view state, std::string_view answer) {
  return db.run(kSettle, std::string(state), Bytes{std::string(answer)}, call.scope, call.key);
}

}  // namespace

Result<std::optional<std::string>> find_answer(Database& db, const CallKey& call) {
  if (call.key.empty() || call.key.size() > kMaxKey) {
    return fail(Code::invalid_argument,
                fmt::format("idempotency_key has {} bytes; it takes 1 to {}", call.key.size(), kMaxKey));
  }
  auto row = db.one<std::string, Bytes, std::string, Bytes>(kFind, call.scope, call.key);
  if (!row) return fail(row.error());
  if (!*row) return std::optional<std::string>();
  auto& [method, hash, state, answer] = **row;
  if (method != call.method) return other_method(method, call.method);
  if (hash != hash_of(call)) return other_arguments(method);
  if (state == kAnswered) return std::optional(std::move(answer.data));
  if (state == kTooLong) {
    return fail(Code::failed_precondition,
                fmt::format("this call of {} was made, and its answer was too long to be kept for a second time; it is "
                            "not made again. Take a new idempotency_key for another call",
                            method));
  }
  return fail(Code::failed_precondition,
              fmt::format("nobody knows how this call of {} ended: {}. It is not made a second time. Look whether it "
                          "was done; take a new idempotency_key to do it (again)",
                          method,
                          state == kBegun ? std::string("the daemon ended, or gave it up, before its answer")
                                          : "its answer was '" + answer.data + "'"));
}

Result<void> same_call(const CallKey& first, const CallKey& again) {
  if (first.method != again.method) return other_method(first.method, again.method);
  if (first.arguments != again.arguments) return other_arguments(first.method);
  return {};
}

Result<std::optional<std::string>> begin_call(Database& db, const CallKey& call, WallTime now) {
  Result<std::optional<std::string>> known = find_answer(db, call);
  if (!known || *known) return known;
  if (Result<void> begun = insert(db, call, kBegun, "", now); !begun) return fail(begun.error());
  return std::optional<std::string>();
}

Result<void> finish_call(Database& db, const CallKey& call, std::string_view answer) {
  if (answer.size() > kMaxKeptAnswer) return settle(db, call, kTooLong, "");
  return settle(db, call, kAnswered, answer);
}

Result<void> forget_call(Database& db, const CallKey& call) { return db.run(kForget, call.scope, call.key); }

Result<void> doubt_call(Database& db, const CallKey& call, std::string_view failure) {
  return settle(db, call, kDoubtful, failure);
}

Result<void> record_answer(Database& db, const CallKey& call, std::string_view answer, WallTime now) {
  return insert(db, call, kAnswered, answer, now);
}

Result<std::string> answer_once(Database& db, const CallKey& call, WallTime now,
                                const std::function<Result<std::string>()>& effect) {
  Result<std::optional<std::string>> known = find_answer(db, call);
  if (!known) return fail(known.error());
  if (*known) return std::move(**known);
  Result<std::string> answer = effect();
  if (!answer) return answer;
  if (Result<void> recorded = record_answer(db, call, *answer, now); !recorded) return fail(recorded.error());
  return answer;
}

Result<std::int64_t> prune_answers(Database& db, const AnswerRetention& retention, WallTime now, int limit) {
  if (auto pruned = db.run(kPruneAnswers, now.us - retention.max_age.count(), limit); !pruned)
    return fail(pruned.error());
  return db.changes();
}

}  // namespace swarm::store
