#pragma once
// One swarm's coordination on a store in memory, driven step by step with a time that only the test moves.

#include <catch2/catch.hpp>

#include "protocol/coord/coordination.hpp"
#include "protocol/coord/schema.hpp"
#include "protocol/store/core_schema.hpp"

namespace swarm::coord {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline const store::Identity kTestIdentity{.program = "test"};

/// A migrated store in memory.
inline store::Database in_memory() {
  store::Database db = must(store::Database::open(":memory:", {.access = store::Access::create}));
  const std::array domains = {store::kCoreDomain, kCoordDomain};
  must(store::migrate(db, domains, kTestIdentity));
  return db;
}

struct World {
  store::Database db = in_memory();
  SeededRandom random{7};
  CoordOptions options{};
  std::string swarm = "swm_1";
  std::optional<Coordination> host;
  Moment now{1'800'000'000'000'000};
  StepReport report;

  World() { start(); }
  explicit World(CoordOptions o) : options(std::move(o)) { start(); }
  /// A new host object on the same tables.
  void start() { host.emplace(swarm, options, random); }

  /// A step in a transaction of its own, undone when it fails.
  template <class F>
  std::invoke_result_t<F&, Step&> step(F f) {
    store::Transaction transaction = must(store::Transaction::begin(db, store::Transaction::Mode::immediate));
    report = {};
    auto result = host->in_tables(db, {.now = now}, report, std::move(f));
    if (result) must(transaction.commit());
    return result;
  }
  template <class F>
  std::invoke_result_t<F&, Step&> lock_step(F f) {
    store::Transaction transaction = must(store::Transaction::begin(db, store::Transaction::Mode::immediate));
    report = {};
    auto result = must(host->with_locks(db, {.now = now}, report, std::move(f)));
    must(transaction.commit());
    return result;
  }
  void advance(Span by) {
    now = now + by;
    store::Transaction transaction = must(store::Transaction::begin(db, store::Transaction::Mode::immediate));
    report = {};
    must(host->advance(db, {.now = now}, report));
    must(transaction.commit());
  }

  void add_agent(const std::string& id, const std::string& role = "implement", std::optional<std::int64_t> uid = {}) {
    must(step([&](Step& s) { return s.registry.add(s.turn, {.id = id, .uid = uid, .role = role}); }));
  }
  void alive(const std::string& id) {
    must(step([&](Step& s) { return s.registry.update(s.turn, id, AgentState::idle, {}, {}); }));
  }
  Result<Sent> send(const std::string& from, const Draft& draft) {
    return step([&](Step& s) { return s.messages.send(s.turn, {.name = from}, draft); });
  }
  Result<Sent> send(const std::string& from, const std::string& to, const std::string& body,
                    MessageKind kind = MessageKind::info, Priority priority = Priority::normal) {
    Draft draft;
    draft.to = {to};
    draft.body = body;
    draft.kind = kind;
    draft.priority = priority;
    return send(from, draft);
  }
  std::vector<Letter> take(const std::string& who, int limit = 100) {
    return must(step([&](Step& s) { return s.messages.take(s.turn, who, limit, 1 << 20); }));
  }
  Result<void> confirm(const std::string& who, const std::string& id, Proof::Stage stage = Proof::Stage::delivered) {
    return step([&](Step& s) { return s.messages.confirm(s.turn, who, id, {stage, "hook:Stop"}); });
  }
  Result<void> ack(const std::string& who, const std::string& id, std::optional<std::string> text = {}) {
    return step([&](Step& s) { return s.messages.acknowledge(s.turn, {.name = who}, id, text); });
  }
  /// The bodies that are taken, each confirmed at once.
  std::vector<std::string> read_all(const std::string& who) {
    std::vector<std::string> out;
    for (const Letter& letter : take(who)) {
      out.push_back(letter.message.body);
      must(confirm(who, letter.message.id, Proof::Stage::seen));
    }
    return out;
  }
  std::vector<Delivery> where(const std::string& id) {
    return must(step([&](Step& s) -> Result<std::vector<Delivery>> {
      const Result<Message> message = s.messages.find(s.turn, id);
      if (!message) return fail(message.error());
      return s.messages.deliveries(s.turn, message->seq);
    }));
  }
  std::vector<std::string> happened(const std::string& type) const {
    std::vector<std::string> out;
    for (const Happening& h : report.happenings) {
      if (h.type == type) out.push_back(h.agent);
    }
    return out;
  }
};

}  // namespace swarm::coord
