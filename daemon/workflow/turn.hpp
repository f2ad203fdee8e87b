#pragma once
// What one step of the engine works with: the open transaction, the time, and what it has to tell. Everything in this
// folder but the engine itself runs inside a turn, on the store's writer thread, and knows neither loop nor network.
//
// Two kinds of failure. A refusal (`Result`) is an answer to a caller. Trouble of the store is kept in the turn and
// undoes all of it at the end: until then reads give nothing and writes do nothing, so no decision can rest on half a
// state.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "protocol/api/method.hpp"
#include "protocol/core/call_key.hpp"
#include "protocol/core/id.hpp"
#include "protocol/store/events.hpp"

namespace swarm::workflow {

/// Where an event belongs.
struct Where {
  std::string swarm;
  std::string run;
  std::string task{};
  std::string agent{};
};

/// A kind of deadline; the number is what the store keeps.
enum class Due : std::uint8_t { lease, reserved, reviewer, proposal, question, run, step };

struct Definition;

/// Definitions as they are read from their text; kept, since every turn needs its run's. Any thread.
class Definitions {
 public:
  std::shared_ptr<const Definition> of(const std::string& toml);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Definition>> known_;  // guarded by mutex_
};

class Turn {
 public:
  /// `now_us` is a moment of the engine's time, which stands still while it is paused; `paused_us` turns it into UTC.
  Turn(store::Database& db, std::int64_t now_us, std::int64_t paused_us, Random& random, Definitions& definitions)
      : db_(db), now_us_(now_us), paused_us_(paused_us), random_(random), definitions_(definitions) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  [[nodiscard]] std::int64_t now_us() const { return now_us_; }
  /// UTC, for people.
  [[nodiscard]] std::int64_t wall_us() const { return now_us_ + paused_us_; }
  [[nodiscard]] std::int64_t wall_us(std::int64_t moment_us) const { return moment_us + paused_us_; }
  [[nodiscard]] std::string make_id(std::string_view prefix);
  [[nodiscard]] Definitions& definitions() { return definitions_; }

  template <class... T, class... A>
  std::vector<std::tuple<T...>> all(store::Sql sql, const A&... values) {
    if (trouble_) return {};
    auto rows = db_.all<T...>(sql, values...);
    if (rows) return std::move(*rows);
    trouble_ = rows.error();
    return {};
  }
  template <class... T, class... A>
  std::optional<std::tuple<T...>> one(store::Sql sql, const A&... values) {
    if (trouble_) return {};
    auto row = db_.one<T...>(sql, values...);
    if (row) return std::move(*row);
    trouble_ = row.error();
    return {};
  }
  template <class... A>
  void run(store::Sql sql, const A&... values) {
    if (trouble_) return;
    if (auto done = db_.run(sql, values...); !done) trouble_ = done.error();
  }
  void broken(Error error) {
    if (!trouble_) trouble_ = std::move(error);
  }
  /// The first answer of a call with a key, or what `effect` gives; both belong to this turn's transaction. Answers are
  /// in an encoding of the caller's.
  Result<std::string> once(const CallKey& call, const std::function<Result<std::string>()>& effect);
  /// Keeps what this turn has changed although its caller is refused.
  void keep() { kept_ = true; }
  [[nodiscard]] bool kept() const { return kept_; }
  /// What undoes this turn.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

  /// Says that something happened: in the log, if the turn is.
  template <class Data>
  void tell(const api::EventType<Data>& type, const Where& where, const Data& data) {
    append(type.name, where, &api::type_of<Data>, &data);
  }
  [[nodiscard]] std::vector<store::NewEvent>& events() { return events_; }
  /// Runs in which something may have to go on after the commit.
  void touch(std::string_view run) { touched_.emplace(run); }
  [[nodiscard]] const std::set<std::string, std::less<>>& touched() const { return touched_; }

  /// Sets (or moves) the deadline of something.
  void set_due(Due kind, std::string_view id, std::string_view run, std::int64_t due_us);
  void clear_due(Due kind, std::string_view id);
  /// As a moment.
  [[nodiscard]] std::optional<std::int64_t> due(Due kind, std::string_view id);

 private:
  void append(std::string_view type, const Where& where, api::TypeRef shape, const void* data);

  store::Database& db_;
  std::int64_t now_us_;
  std::int64_t paused_us_;
  Random& random_;
  Definitions& definitions_;
  std::optional<Error> trouble_;
  bool kept_ = false;
  std::vector<store::NewEvent> events_;
  std::set<std::string, std::less<>> touched_;
};

}  // namespace swarm::workflow
