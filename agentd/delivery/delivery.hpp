#pragma once
// Brings messages to programs that wait for input. While a program works they enter through its hooks; one that waits
// has to be woken:
//
//   queue has mail -> what does its pane do?
//     busy, starting       hooks bring it in, or the turn ends: look again then
//     ready, with hooks    a prompt of one line; its hook asks for the messages and proves their delivery
//     ready, without       the messages are the prompt, in hand until the screen shows that it was taken
//     typing, a dialog...  nothing is typed into it: what stands in the way is recorded, and it is tried again
//
// Nothing is counted as delivered because time passed. Queues, attempts and what stands in the way are in the store
// (record.hpp), so an agentd that comes after this one goes on.

#include <map>

#include "agentd/delivery/record.hpp"
#include "agentd/panes/panes.hpp"
#include "agentd/team/team.hpp"

namespace swarm::agentd::delivery {

struct Timing {
  std::chrono::milliseconds look_again{3000};      ///< at what a program does, without a sign of it
  std::chrono::milliseconds no_program{10'000};    ///< the same for an agent without one
  std::chrono::milliseconds hook_answers{15'000};  ///< from a wake-up to the hook that it causes
  std::chrono::milliseconds backoff{2000};         ///< doubled with each failure
  std::chrono::milliseconds backoff_most{300'000};
  std::chrono::milliseconds paste_shows{10'000};
  std::chrono::milliseconds stopped_shows{10'000};  ///< from the hook that stops a wake-up to the composer with it
};

/// Belongs to the loop's thread; `team` and `panes` must outlive it.
class Delivery {
 public:
  Delivery(async::Loop& loop, Team& team, panes::Panes& panes, Timing timing = {});
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// Starts. Once panes and team are recovered.
  void begin();
  /// A hook of this agent's program told something; `woken_in_vain`: it stops the wake-up, for nothing waits any more.
  void heard(const std::string& agent, bool woken_in_vain);

 private:
  /// An agent with mail, while it is looked after.
  struct Served {
    async::Condition changed;
    std::uint64_t hooks = 0;  ///< how many told something
    explicit Served(async::Loop& loop) : changed(loop) {}
  };
  /// How things stand before a try.
  struct Standing {
    std::int64_t unread = 0;
    Record record;
  };

  async::Task<> watch();
  async::Task<> serve(std::string agent, std::shared_ptr<Served> served);
  async::Task<Result<std::vector<std::string>>> with_mail();
  async::Task<Result<Standing>> standing(std::string agent);
  static async::Task<bool> has_mail(Delivery* self, std::string agent);
  /// Tries once; what stands in the way, or nothing.
  async::Task<std::string> wake(std::string agent, std::shared_ptr<Served> served);
  /// Takes an agent's messages into hand, in their wire form.
  async::Task<Result<std::vector<Value>>> take(std::string agent);
  async::Task<std::string> paste(std::string agent);
  async::Task<> take_back(std::string agent);
  async::Task<> settle(std::string agent, std::vector<std::string> ids, std::string why_not);
  async::Task<> note(Record record);
  async::Task<> change_or_time(std::shared_ptr<Served> served, Duration most);

  async::Loop& loop_;
  Team& team_;
  panes::Panes& panes_;
  Timing timing_;
  async::Condition mail_;
  bool new_mail_ = false;
  std::map<std::string, std::shared_ptr<Served>> served_;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace swarm::agentd::delivery
