#include "protocol/store/answers.hpp"

#include <fmt/format.h>
#include <sodium.h>

namespace swarm::store {
namespace {

constexpr std::size_t kMaxKey = 256;
constexpr Sql kFind{"answers.find", "SELECT method, args_hash, answer FROM answers WHERE scope = ? AND key = ?"};
constexpr Sql kRecord{
    "answers.record",
    "INSERT INTO answers (scope, key, method, args_hash, answer, created_us) VALUES (?, ?, ?, ?, ?, ?)"};
constexpr Sql kPrune{"answers.prune",
                     "DELETE FROM answers WHERE (scope, key) IN"
                     " (SELECT scope, key FROM answers WHERE created_us < ? ORDER BY created_us LIMIT ?)"};

/// BLAKE2b-256; method and arguments with a separator that no method name contains.
Bytes hash_of(const CallKey& call) {
  const std::string input = call.method + '\0' + call.arguments;
  Bytes out{std::string(crypto_generichash_BYTES, '\0')};
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data.data()), out.data.size(),
                     reinterpret_cast<const unsigned char*>(input.data()), input.size(), nullptr, 0);
  return out;
}

}  // namespace

Result<std::optional<std::string>> find_answer(Database& db, const CallKey& call) {
  if (call.key.empty() || call.key.size() > kMaxKey) {
    return fail(Code::invalid_argument,
                fmt::format("idempotency_key has {} bytes; it takes 1 to {}", call.key.size(), kMaxKey));
  }
  auto row = db.one<std::string, Bytes, Bytes>(kFind, call.scope, call.key);
  if (!row) return fail(row.error());
  if (!*row) return std::optional<std::string>();
  auto& [method, hash, answer] = **row;
  if (method != call.method) {
    return fail(Code::invalid_argument,
                fmt::format("this idempotency_key was used for {} before; take a new key for {}", method, call.method));
  }
  if (hash != hash_of(call)) {
    return fail(Code::invalid_argument,
                fmt::format("this idempotency_key was used for {} with other arguments; take a new key", method));
  }
  return std::optional(std::move(answer.data));
}

Result<void> record_answer(Database& db, const CallKey& call, std::string_view answer, WallTime now) {
  return db.run(kRecord, call.scope, call.key, call.method, hash_of(call), Bytes{std::string(answer)}, now.us);
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
  if (auto pruned = db.run(kPrune, now.us - retention.max_age.count(), limit); !pruned) return fail(pruned.error());
  return db.changes();
}

}  // namespace swarm::store
