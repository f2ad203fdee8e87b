#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "client/connect.hpp"
#include "client/monitor/draw.hpp"
#include "protocol/api/pane_requests.hpp"
#include "protocol/async/task_set.hpp"

namespace swarm::client {

/// Keeps pictures of the screens that are visible: each is asked for once and then waited for, so one that stands still
/// costs nothing. Goes on when the daemon or the sandbox was away. A look changes nothing in the pane: nobody is
/// attached for it.
class WatchScreens {
 public:
  /// `changed` is called when a picture is another. `context` must outlive this.
  WatchScreens(Context& context, std::string swarm, std::function<void()> changed);
  WatchScreens(const WatchScreens&) = delete;
  WatchScreens& operator=(const WatchScreens&) = delete;
  ~WatchScreens();

  /// The panes whose pictures are wanted from now on.
  void want(const std::set<std::string>& panes);

  [[nodiscard]] const Screens& screens() const { return screens_; }

 private:
  static async::Task<> run(WatchScreens* self);
  static async::Task<> follow(WatchScreens* self, Client* client, std::string pane);
  static async::Task<> wake_at_end(WatchScreens* self, Client* client);
  void take(const std::string& pane, api::PaneScreenReply reply);

  Context& context_;
  std::string swarm_;
  std::function<void()> changed_;
  std::set<std::string> wanted_;
  Screens screens_;
  std::unique_ptr<Client> client_;
  async::Condition news_;
  bool again_ = false;    ///< `wanted_` has changed, or the connection ended
  async::TaskSet tasks_;  // last: its task uses the rest
};

}  // namespace swarm::client
