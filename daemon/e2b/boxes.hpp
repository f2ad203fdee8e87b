#pragma once
// Every sandbox that was made through the E2B endpoint, on top of the daemon's own sandboxes: E2B's timeouts (which
// come whether or not somebody uses the sandbox), metadata, pause and resume in E2B's sense, samples, logs.

#include <map>

#include "daemon/config/config.hpp"
#include "daemon/e2b/box.hpp"
#include "daemon/e2b/builds.hpp"
#include "daemon/e2b/reply.hpp"
#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::e2b_endpoint {

/// What `POST /sandboxes` asks for.
struct Wish {
  std::string template_id;
  std::int64_t timeout_s = 15;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> env;
  bool secure = false;
  bool public_traffic = true;
  bool auto_pause = false;
  bool auto_resume = false;
  std::optional<bool> internet;
  Value network;
};

enum class BoxState : std::uint8_t { running, paused, gone };

class Boxes {
 public:
  struct Surroundings {
    async::Loop& loop;
    store::Store& store;
    sandbox::Sandboxes& sandboxes;
    const config::Config& config;
    Builds& builds;
  };
  explicit Boxes(Surroundings surroundings);
  Boxes(const Boxes&) = delete;
  Boxes& operator=(const Boxes&) = delete;
  ~Boxes();

  /// Takes up what an earlier run left: timeouts that came meanwhile come now.
  async::Task<Result<void>> recover();

  async::Task<Answered<BoxPtr>> create(Wish wish);
  /// Null when there is none; `<id>-<client>`, as old clients write it, is understood.
  [[nodiscard]] BoxPtr find(std::string_view id) const;
  [[nodiscard]] const std::map<std::string, BoxPtr>& all() const { return boxes_; }
  /// What was made from a template since this run began.
  struct Spawned {
    std::uint64_t count = 0;
    std::int64_t last_us = 0;
  };
  [[nodiscard]] Spawned spawned(const std::string& template_id) const;
  [[nodiscard]] std::int64_t began_us() const { return began_us_; }
  /// Creates under way.
  [[nodiscard]] std::size_t creating() const { return creating_; }
  /// Those that ended within `span`, for a list that is late on purpose. Kept for a minute.
  [[nodiscard]] std::vector<BoxPtr> ended_within(Duration span) const;

  [[nodiscard]] BoxState state(const Box& box) const;
  /// What our own sandbox says of itself; null when it has ended.
  [[nodiscard]] const sandbox::Record* record(const Box& box) const;

  async::Task<Answered<bool>> kill(BoxPtr box, std::string reason);
  async::Task<Answered<bool>> pause(BoxPtr box);
  /// Lets a paused one go on for `timeout_s`; 409 when it runs.
  async::Task<Answered<bool>> resume(BoxPtr box, std::int64_t timeout_s);
  /// True when it was paused and goes on, false when it ran: then its end moves back if it has to.
  async::Task<Answered<bool>> connect(BoxPtr box, std::int64_t timeout_s);
  /// Its end is so far from now, whether that is later or sooner; 0 ends it now.
  async::Task<Answered<bool>> set_timeout(BoxPtr box, std::int64_t timeout_s);
  /// Its end is at least so far from now.
  async::Task<Answered<bool>> refresh(BoxPtr box, std::int64_t duration_s);
  async::Task<Answered<bool>> set_network(BoxPtr box, Value network, std::optional<bool> internet);

  /// A way inside; wakes one that was paused by its timeout where that was asked for. 502 in E2B's words when it does
  /// not run.
  async::Task<Answered<sandbox::Sandboxes::Use>> use(BoxPtr box);

  /// Takes a sample of what it uses now, if there is none yet.
  async::Task<> sample_first(BoxPtr box);

  [[nodiscard]] std::int64_t most_seconds() const;
  [[nodiscard]] async::Loop& loop() const { return with_.loop; }
  /// Work that outlives its request.
  [[nodiscard]] async::TaskSet& tasks() { return tasks_; }
  [[nodiscard]] std::int64_t now_us() const { return with_.loop.clock().wall().us; }

 private:
  async::Task<Result<void>> save(BoxRecord record);
  /// Runs its template's start command, and waits until that is ready.
  async::Task<Answered<bool>> begin(BoxPtr box, std::string command, std::string ready, std::string user);
  /// What makes a new sandbox one of its template: what a build left, and its start command.
  async::Task<Answered<bool>> furnish(BoxPtr box);
  async::Task<> forget(std::string id);
  async::Task<> expire(BoxPtr box);
  async::Task<> sample_all();
  async::Task<> sample(BoxPtr box);
  void arm(const BoxPtr& box);
  async::Task<Answered<bool>> end_at(BoxPtr box, std::int64_t end_us);
  void sandbox_changed(const std::vector<store::Event>& events);

  Surroundings with_;
  void note_end(const BoxPtr& box);

  std::map<std::string, BoxPtr> boxes_;
  std::size_t creating_ = 0;
  std::map<std::string, Spawned> spawned_;
  std::int64_t began_us_;
  std::deque<std::pair<MonoTime, BoxPtr>> ended_;  ///< oldest first
  store::Subscription listening_;
  async::TaskSet tasks_;
};

}  // namespace swarm::e2b_endpoint
