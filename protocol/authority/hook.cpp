#include "protocol/authority/hook.hpp"

#include "protocol/core/id.hpp"

namespace swarm::authority {
namespace {

using coord::AgentState;
using coord::Step;

constexpr int kMostLetters = 50;
constexpr int kMostUnproven = 20;

/// Counted from the last edit. Commits are checked against the locks of others too.
constexpr std::chrono::minutes kShared{30};
/// Counted from the last call of its hooks: long enough for a review and a test, and not for ever.
constexpr std::chrono::hours kReserved{4};
/// Renewed when less is left, so that not every call of a hook writes.
constexpr std::chrono::hours kRenewBelow{3};

constexpr std::string_view kReason = "changes it with ";
constexpr std::string_view kReservedReason = "reserved until it is merged; changed with ";

/// Why not; nothing where the agent has all of them.
async::Task<Result<std::optional<std::string>>> lock_all(Desk& desk, coord::Actor caller, std::vector<Edit> edits,
                                                         std::string tool) {
  coord::Host& host = desk.host();
  const std::string with = tool.empty() ? "its edit tool" : tool;
  std::vector<std::string> fresh;
  std::optional<std::string> refused;
  for (Edit& edit : edits) {
    coord::LockRequest wanted{.id = new_id("lck", desk.loop.clock(), desk.random),
                              .owner = {.agent = caller.name, .proven = caller.proven},
                              .key = std::move(edit.key),
                              .mode = coord::LockMode::exclusive,
                              .reason = std::string(edit.own ? kReservedReason : kReason) + with,
                              .purpose = edit.own ? coord::LockPurpose::edit : coord::LockPurpose::asked,
                              .ttl = edit.own ? coord::Span(kReserved) : coord::Span(kShared)};
    const Result<coord::Acquired> got = co_await host.acquire(std::move(wanted), coord::Span(0));
    if (!got && got.error().code != Code::failed_precondition) co_return fail(got.error());
    if (!got) {
      refused = got.error().message;
      break;
    }
    if (!got->renewed && got->lease) fresh.push_back(got->lease->id);
  }
  if (!refused || fresh.empty()) co_return refused;
  auto task = host.with_locks("hook.give_back", [agent = caller.name, fresh](Step& step) -> Result<void> {
    for (const std::string& id : fresh) {
      const Result<bool> released = step.locks.release(id, agent, step.turn.now);
      if (!released) return fail(released.error());
    }
    return {};
  });
  const Result<void> given_back = co_await std::move(task);
  if (!given_back) co_return fail(given_back.error());
  co_return refused;
}

Result<api::HookEventReply> record(Step& step, const coord::Actor& caller, const Hook& hook) {
  api::HookEventReply reply;
  reply.agent = caller.name;
  if (hook.take) {
    const auto letters = step.messages.take(step.turn, caller.name, kMostLetters, hook.max_bytes);
    if (!letters) return fail(letters.error());
    for (const coord::Letter& letter : *letters) reply.letters.push_back(letter_info(letter, step.turn));
  }
  const auto unproven = step.messages.unproven(step.turn, caller.name, kMostUnproven);
  if (!unproven) return fail(unproven.error());
  for (const coord::Letter& letter : *unproven) reply.unproven.push_back(letter_info(letter, step.turn));
  const auto unread = step.messages.unread(step.turn);
  if (!unread) return fail(unread.error());
  if (const auto at = unread->find(caller.name); at != unread->end()) {
    reply.waiting = static_cast<std::uint64_t>(at->second);
  }
  auto updated =
      step.registry.update(step.turn, caller.name, state_of(hook, !reply.letters.empty()), std::nullopt, std::nullopt);
  if (!updated) return fail(updated.error());
  return reply;
}

}  // namespace

std::optional<AgentState> state_of(const Hook& hook, bool letters) {
  const std::string& event = hook.event;
  if (hook.wake && !letters) return AgentState::idle;  // stopped: no turn begins
  if (event == "SessionStart") return AgentState::idle;
  if (event == "Stop" || event == "notify") return letters ? AgentState::working : AgentState::idle;
  if (event == "PermissionRequest") return AgentState::waiting;
  if (event == "Notification") {
    if (hook.detail.starts_with("permission")) return AgentState::waiting;
    return hook.detail.starts_with("idle") ? std::optional(AgentState::idle) : std::nullopt;
  }
  if (event == "UserPromptSubmit" || event == "PreToolUse" || event == "PostToolUse" || event == "PostToolUseFailure" ||
      event == "PreCompact") {
    return AgentState::working;
  }
  return std::nullopt;
}

bool reserved_by_edit(std::string_view reason) { return reason.starts_with(kReservedReason); }

void keep_edit_locks(Step& step, const std::string& agent) {
  std::vector<std::string> old;
  for (const coord::Lease* lease : step.locks.leases_of(agent)) {
    if (lease->purpose != coord::LockPurpose::edit || !lease->expires) continue;
    if (*lease->expires - step.turn.now < coord::Span(kRenewBelow)) old.push_back(lease->id);
  }
  for (const std::string& id : old) {
    static_cast<void>(step.locks.renew(id, agent, coord::Span(kReserved), step.turn.now));  // it was there just now
  }
}

async::Task<Result<api::HookEventReply>> hook_event(
    Desk& desk, coord::Actor caller, Hook hook, std::function<Result<void>(Step&, std::optional<AgentState>)> also) {
  const bool edits = !hook.edits.empty() || hook.refused;
  std::optional<std::string> refused = hook.refused;
  if (!refused) {
    auto locking = lock_all(desk, caller, std::move(hook.edits), hook.tool);
    Result<std::optional<std::string>> locked = co_await std::move(locking);
    if (!locked) co_return fail(locked.error());
    refused = std::move(*locked);
  }
  if (edits || hook.event == "UserPromptSubmit" || hook.event == "Stop") {
    auto keeping = desk.host().with_locks("hook.keep", [agent = caller.name](Step& step) {
      keep_edit_locks(step, agent);
      return Result<void>();
    });
    const Result<void> kept = co_await std::move(keeping);
    if (!kept) co_return fail(kept.error());
  }
  auto task = desk.host().in_tables(
      "hook.event", store::Durability::process,
      [caller, hook = std::move(hook), also = std::move(also)](Step& step) -> Result<api::HookEventReply> {
        Result<api::HookEventReply> reply = record(step, caller, hook);
        if (!reply || !also) return reply;
        const Result<void> done = also(step, state_of(hook, !reply->letters.empty()));
        if (!done) return fail(done.error());
        return reply;
      });
  Result<api::HookEventReply> reply = co_await std::move(task);
  if (reply) reply->refused = std::move(refused);
  co_return reply;
}

}  // namespace swarm::authority
