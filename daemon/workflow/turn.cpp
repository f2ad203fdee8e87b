#include "daemon/workflow/turn.hpp"

#include "protocol/api/codec.hpp"
#include "protocol/store/answers.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::workflow {
namespace {

using store::Sql;

constexpr Sql kSetDue{"workflow.set_due",
                      "INSERT INTO wf_due (kind, id, run, due_us) VALUES (?, ?, ?, ?)"
                      " ON CONFLICT (kind, id) DO UPDATE SET due_us = excluded.due_us"};
constexpr Sql kClearDue{"workflow.clear_due", "DELETE FROM wf_due WHERE kind = ? AND id = ?"};
constexpr Sql kDue{"workflow.due", "SELECT due_us FROM wf_due WHERE kind = ? AND id = ?"};

/// Ids begin with the time at which they are made; here that is the turn's.
class TurnClock final : public Clock {
 public:
  explicit TurnClock(WallTime wall) : wall_(wall) {}
  [[nodiscard]] MonoTime now() const override { return {}; }
  [[nodiscard]] WallTime wall() const override { return wall_; }

 private:
  WallTime wall_;
};

std::optional<std::string> named(const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); }

}  // namespace

Result<std::string> Turn::once(const CallKey& call, const std::function<Result<std::string>()>& effect) {
  return store::answer_once(db_, call, WallTime{wall_us()}, effect);
}

std::string Turn::make_id(std::string_view prefix) { return new_id(prefix, TurnClock({wall_us()}), random_); }

void Turn::append(std::string_view type, const Where& where, api::TypeRef shape, const void* data) {
  touch(where.run);
  events_.push_back({.type = std::string(type),
                     .swarm = named(where.swarm),
                     .agent = named(where.agent),
                     .run = named(where.run),
                     .task = named(where.task),
                     .data = wire::encode(api::encode_from(shape(), data))});
}

void Turn::set_due(Due kind, std::string_view id, std::string_view run, std::int64_t due_us) {
  touch(run);
  this->run(kSetDue, static_cast<int>(kind), id, run, due_us);
}

void Turn::clear_due(Due kind, std::string_view id) { run(kClearDue, static_cast<int>(kind), id); }

std::optional<std::int64_t> Turn::due(Due kind, std::string_view id) {
  const auto row = one<std::int64_t>(kDue, static_cast<int>(kind), id);
  return row ? std::optional(std::get<0>(*row)) : std::nullopt;
}

}  // namespace swarm::workflow
