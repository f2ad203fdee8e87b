#include "agentd/delivery/delivery.hpp"

#include <fmt/format.h>

#include "agentd/delivery/letters.hpp"
#include "agentd/delivery/wake_line.hpp"
#include "agentd/rpc/team.hpp"
#include "agentd/team/far.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::delivery {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals
using api::PaneDelivery;
using api::PaneState;
using coord::Step;

/// The screen must have been ready just before; longer than a program needs to settle.
constexpr std::chrono::milliseconds kStillReady{500};
constexpr std::chrono::milliseconds kLookPause{50};
constexpr std::chrono::milliseconds kMorePause{200};
constexpr std::string_view kPasted = "paste: seen in the composer, then sent";
constexpr int kMostLetters = 50;
constexpr std::size_t kMostBytes = 32'768;

std::string_view way_name(PaneDelivery way) { return way == PaneDelivery::hooks ? "hooks" : "paste"; }

/// Also in a way that only a newer version knows.
bool reads_itself(const api::PaneProgram& program) {
  return program.delivery != PaneDelivery::hooks && program.delivery != PaneDelivery::paste;
}

/// What nobody but a person can end.
std::string obstacle(PaneState state) {
  switch (state) {
    case PaneState::typing:
      return "somebody has typed something into its pane and not sent it";
    case PaneState::permission:
      return "its pane shows a dialog that a person has to answer";
    case PaneState::rate_limited:
      return "its provider lets it wait";
    case PaneState::logged_out:
      return "its program is not logged in";
    default:
      return {};
  }
}

}  // namespace

Delivery::Delivery(async::Loop& loop, Team& team, panes::Panes& panes, Timing timing)
    : loop_(loop), team_(team), panes_(panes), timing_(timing), mail_(loop), tasks_(loop) {
  team.listen([this](const Team::Happenings& happenings) {
    for (const coord::Happening& one : happenings) {
      if (one.type == "message.queued" || one.type == "message.again" || one.type == "message.reminded") {
        new_mail_ = true;
      }
      // Read in another way: nobody is to be woken for it.
      if (one.type != "message.state") continue;
      if (const auto served = served_.find(one.agent); served != served_.end()) served->second->changed.notify_all();
    }
    if (new_mail_) mail_.notify_all();
  });
}

void Delivery::begin() {
  new_mail_ = true;
  tasks_.spawn(watch());
}

void Delivery::heard(const std::string& agent, bool woken_in_vain) {
  if (woken_in_vain) tasks_.spawn(take_back(agent));
  const auto served = served_.find(agent);
  if (served == served_.end()) return;
  ++served->second->hooks;
  served->second->changed.notify_all();
}

async::Task<> Delivery::watch() {
  MonoTime looked{};
  for (;;) {
    while (!new_mail_) co_await mail_.wait();
    // Under a stream of messages one look stands for many.
    const MonoTime now = loop_.clock().now();
    if (now - looked < kLookPause) co_await async::sleep_until(loop_, looked + kLookPause);
    new_mail_ = false;
    const Result<std::vector<std::string>> agents = co_await with_mail();
    looked = loop_.clock().now();
    if (!agents) {
      // The store is busy or broken; what was accepted is not forgotten.
      co_await async::sleep_for(loop_, timing_.look_again);
      new_mail_ = team_.is_open();
      continue;
    }
    for (const std::string& agent : *agents) {
      const auto [place, is_new] = served_.try_emplace(agent, nullptr);
      if (!is_new) continue;
      place->second = std::make_shared<Served>(loop_);
      tasks_.spawn(serve(agent, place->second));
    }
  }
}

async::Task<Result<std::vector<std::string>>> Delivery::with_mail() {
  std::vector<std::string> agents;
  if (!team_.is_open()) co_return agents;
  Result<std::map<std::string, std::int64_t>> unread = std::map<std::string, std::int64_t>();
  if (team_.is_far()) {
    for (const auto& [agent, count] : team_.mail()) (*unread)[agent] = static_cast<std::int64_t>(count);
  } else {
    auto task =
        (*team_.host())->with_locks("delivery.mail", [](Step& step) { return step.messages.unread(step.turn); });
    unread = co_await std::move(task);
  }
  if (!unread) co_return fail(unread.error());
  for (const auto& [agent, count] : *unread) {
    const auto member = team_.find(agent);
    const api::PaneProgram* program = panes_.program(agent);
    const bool itself = program != nullptr && reads_itself(*program);
    if (count > 0 && member && !(*member)->gone && !itself) agents.push_back(agent);
  }
  co_return agents;
}

async::Task<Result<Delivery::Standing>> Delivery::standing(std::string agent) {
  if (team_.is_far()) {
    auto record = find(team_.store()->reader(), agent);
    if (!record) co_return fail(record.error());
    co_return Standing{.unread = static_cast<std::int64_t>(team_.mail_of(agent)),
                       .record = *record ? std::move(**record) : Record{.agent = agent}};
  }
  const auto host = team_.host();
  if (!host) co_return fail(host.error());
  auto task = (*host)->with_locks("delivery.standing", [agent](Step& step) -> Result<Standing> {
    const auto unread = step.messages.unread(step.turn);
    if (!unread) return fail(unread.error());
    auto record = find(step.turn.db, agent);
    if (!record) return fail(record.error());
    const auto at = unread->find(agent);
    return Standing{.unread = at == unread->end() ? 0 : at->second,
                    .record = *record ? std::move(**record) : Record{.agent = agent}};
  });
  Result<Standing> result = co_await std::move(task);
  co_return result;
}

async::Task<> Delivery::note(Record record) {
  if (!team_.is_open()) co_return;
  auto task = team_.store()->write("delivery.note", store::Durability::process,
                                   [record](store::Changes& changes) { return put_progress(changes.db(), record); });
  static_cast<void>(co_await std::move(task));  // told again with the next change
}

async::Task<> Delivery::change_or_time(std::shared_ptr<Served> served, Duration most) {
  async::Timer timer(loop_);
  timer.start_after(most, [condition = &served->changed] { condition->notify_all(); });
  co_await served->changed.wait();
}

async::Task<> Delivery::serve(std::string agent, std::shared_ptr<Served> served) {
  for (;;) {
    Result<Standing> now = co_await standing(agent);
    const auto member = team_.find(agent);
    const api::PaneProgram* program = panes_.program(agent);
    const bool itself = program != nullptr && reads_itself(*program);
    if (!now) {
      co_await async::sleep_for(loop_, timing_.look_again);  // the store is busy or broken
      continue;
    }
    if (now->unread == 0 || itself || !member || (*member)->gone) {
      if (!now->record.problem.empty() || now->record.failures > 0) {
        now->record.problem.clear();
        now->record.failures = 0;
        now->record.next_us = 0;
        co_await note(now->record);
      }
      break;
    }
    Record next = now->record;
    next.problem.clear();
    bool failed = false;
    Duration pause = timing_.look_again;
    if (program == nullptr) {
      next.problem = "no program of it runs in a pane";
      pause = timing_.no_program;
    } else {
      const PaneDelivery way = program->delivery;
      next.way = way_name(way);
      const Result<PaneState> state = co_await panes_.state(agent);
      if (!state) {
        next.problem = state.error().message;
      } else if (*state != PaneState::ready) {
        // A wake-up of an earlier agentd may be what is typed there.
        bool ours = false;
        if (*state == PaneState::typing) ours = co_await panes_.take_back(agent, std::string(kWakeLine), {});
        if (ours) {
          pause = kLookPause;
        } else {
          next.problem = obstacle(*state);
        }
      } else {
        next.woken_us = loop_.clock().wall().us;
        auto trying = way == PaneDelivery::hooks ? wake(agent, served) : paste(agent);
        next.problem = co_await std::move(trying);
        failed = !next.problem.empty();
        // What came while this was given to it need not wait for a sign of its program.
        if (!failed && way == PaneDelivery::paste) pause = kMorePause;
      }
    }
    next.failures = failed ? now->record.failures + 1 : 0;
    if (failed) {
      const auto doublings = static_cast<unsigned>(std::min<std::int64_t>(next.failures - 1, 10));
      pause = std::min<Duration>(timing_.backoff_most, timing_.backoff * (1U << doublings));
    }
    const bool in_the_way = !next.problem.empty();
    next.next_us =
        in_the_way ? loop_.clock().wall().us + std::chrono::duration_cast<std::chrono::microseconds>(pause).count() : 0;
    if (next.problem != now->record.problem || next.failures != now->record.failures ||
        next.woken_us != now->record.woken_us) {
      co_await note(next);
    }
    // A queue that has become empty meanwhile ends this at once.
    const Result<Standing> after = co_await standing(agent);
    if (after && after->unread == 0) continue;
    co_await change_or_time(served, pause);
  }
  served_.erase(agent);
  // What came in between found this task still there.
  new_mail_ = true;
  mail_.notify_all();
}

async::Task<bool> Delivery::has_mail(Delivery* self, std::string agent) {
  const Result<Standing> now = co_await self->standing(std::move(agent));
  co_return !now || now->unread > 0;
}

async::Task<std::string> Delivery::wake(std::string agent, std::shared_ptr<Served> served) {
  // What its hooks took since the look is not worth a turn.
  const Result<Standing> still = co_await standing(agent);
  if (still && still->unread == 0) co_return std::string();
  const std::uint64_t before = served->hooks;
  api::PanePromptRequest prompt{.pane = agent, .wait_ms = kStillReady, .confirm_ms = timing_.paste_shows};
  prompt.text.bytes = kWakeLine;
  const Result<api::PanePromptReply> sent =
      co_await panes_.prompt(std::move(prompt), [this, &agent] { return has_mail(this, agent); });
  // Somebody else woke it, and it took them.
  if (!sent && sent.error().code == Code::cancelled) co_return std::string();
  if (!sent) co_return sent.error().message;
  const MonoTime deadline = loop_.clock().now() + timing_.hook_answers;
  while (served->hooks == before && loop_.clock().now() < deadline) {
    co_await change_or_time(served, deadline - loop_.clock().now());
  }
  if (served->hooks != before) co_return std::string();
  co_return fmt::format("its program was woken, and within {} its hooks did not ask for its messages",
                        async::format_duration(timing_.hook_answers));
}

// Claude Code puts a prompt that its hook stopped back into the composer, where it would stand in everybody's way.
async::Task<> Delivery::take_back(std::string agent) {
  auto taking_back = panes_.take_back(agent, std::string(kWakeLine), timing_.stopped_shows);
  static_cast<void>(co_await std::move(taking_back));
}

async::Task<Result<std::vector<Value>>> Delivery::take(std::string agent) {
  if (team_.is_far()) {
    api::InSwarm<api::MessageInboxRequest> request;
    request.limit = kMostLetters;
    request.max_bytes = kMostBytes;
    const Result<api::MessageInboxReply> inbox =
        co_await ask_host_as(team_, agent, api::kMessageInbox, std::move(request));
    if (!inbox) co_return fail(inbox.error());
    std::vector<Value> out;
    for (const api::MessageLetter& letter : inbox->letters) out.push_back(api::encode(letter));
    co_return out;
  }
  const auto host = team_.host();
  if (!host) co_return fail(host.error());
  auto taking = (*host)->in_tables(
      "delivery.take", store::Durability::process, [agent](Step& step) -> Result<std::vector<Value>> {
        const auto letters = step.messages.take(step.turn, agent, kMostLetters, kMostBytes);
        if (!letters) return fail(letters.error());
        std::vector<Value> out;
        for (const coord::Letter& letter : *letters) {
          out.push_back(api::encode(authority::letter_info(letter, step.turn)));
        }
        return out;
      });
  Result<std::vector<Value>> letters = co_await std::move(taking);
  co_return letters;
}

async::Task<std::string> Delivery::paste(std::string agent) {
  const Result<std::vector<Value>> letters = co_await take(agent);
  if (!letters) co_return letters.error().message;
  if (letters->empty()) co_return std::string();
  std::vector<const Value*> lines;
  std::vector<std::string> ids;
  for (const Value& letter : *letters) {
    lines.push_back(&letter);
    ids.push_back(*letter.find("message")->find("id")->as_string());
  }
  api::PanePromptRequest prompt{.pane = agent, .wait_ms = kStillReady, .confirm_ms = timing_.paste_shows};
  prompt.text.bytes = letters_text(lines);
  const Result<api::PanePromptReply> sent = co_await panes_.prompt(std::move(prompt));
  std::string why_not = sent ? std::string() : sent.error().message;
  if (sent && !sent->verified) why_not = "the screen of its program does not show whether a prompt was taken";
  co_await settle(agent, std::move(ids), why_not);
  co_return why_not;
}

async::Task<> Delivery::settle(std::string agent, std::vector<std::string> ids, std::string why_not) {
  if (team_.is_far()) {
    api::InSwarm<api::MessageConfirmRequest> request;
    const std::uint64_t letters = ids.size();
    request.ids = std::move(ids);
    request.by = kPasted;
    if (!why_not.empty()) request.failed = why_not;
    const auto done = co_await ask_host_as(team_, agent, api::kMessageConfirm, std::move(request));
    if (!done) co_return;  // they come back by themselves, marked as repeats
    const std::uint64_t left = team_.mail_of(agent);
    if (why_not.empty()) team_.set_mail_of(agent, left > letters ? left - letters : 0);
    co_return;
  }
  const auto host = team_.host();
  if (!host) co_return;
  auto task = (*host)->in_tables("delivery.settle", store::Durability::process,
                                 [agent, ids = std::move(ids), why_not](Step& step) -> Result<void> {
                                   for (const std::string& id : ids) {
                                     const coord::Proof proof{.stage = coord::Proof::Stage::delivered,
                                                              .by = std::string(kPasted)};
                                     auto done = why_not.empty() ? step.messages.confirm(step.turn, agent, id, proof)
                                                                 : step.messages.failed(step.turn, agent, id, why_not);
                                     if (!done) return done;
                                   }
                                   return {};
                                 });
  static_cast<void>(co_await std::move(task));  // else they come back by themselves, marked as repeats
}

}  // namespace swarm::agentd::delivery
