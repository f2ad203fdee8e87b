#include "client/monitor/watch_screens.hpp"

#include "client/commands/swarm_target.hpp"
#include "protocol/api/pane.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::client {
namespace {

/// A program that paints all the time is drawn a few times a second.
constexpr auto kBetweenPictures = std::chrono::milliseconds(120);
constexpr auto kAfterTrouble = std::chrono::seconds(1);
constexpr auto kReconnect = std::chrono::milliseconds(500);

}  // namespace

WatchScreens::WatchScreens(Context& context, std::string swarm, std::function<void()> changed)
    : context_(context),
      swarm_(std::move(swarm)),
      changed_(std::move(changed)),
      news_(context.loop),
      tasks_(context.loop) {
  tasks_.spawn(run(this));
}

WatchScreens::~WatchScreens() = default;

void WatchScreens::want(const std::set<std::string>& panes) {
  if (panes == wanted_) return;
  wanted_ = panes;
  std::erase_if(screens_, [&](const auto& one) { return !wanted_.contains(one.first); });
  again_ = true;
  news_.notify_all();
}

async::Task<> WatchScreens::wake_at_end(WatchScreens* self, Client* client) {
  co_await client->ended();
  self->again_ = true;
  self->news_.notify_all();
}

async::Task<> WatchScreens::run(WatchScreens* self) {
  for (;;) {
    // As the rest of the monitor does: a daemon that went away comes back by whoever asks first.
    Result<std::unique_ptr<Client>> opened = co_await Client::open(self->context_);
    if (!opened) {
      co_await async::sleep_for(self->context_.loop, kReconnect);
      continue;
    }
    self->client_ = std::move(*opened);
    {
      std::map<std::string, async::TaskSet::Ticket> followed;
      async::TaskSet following(self->context_.loop);
      following.spawn(wake_at_end(self, self->client_.get()));
      while (!self->client_->end()) {
        self->again_ = false;
        for (auto one = followed.begin(); one != followed.end();) {
          const bool wanted = self->wanted_.contains(one->first);
          if (!wanted) following.cancel(one->second);  // the call with it
          one = wanted ? std::next(one) : followed.erase(one);
        }
        for (const std::string& pane : self->wanted_) {
          if (followed.contains(pane)) continue;
          followed[pane] = following.spawn(follow(self, self->client_.get(), pane));
        }
        while (!self->again_) co_await self->news_.wait();
      }
    }
    self->client_.reset();
    co_await async::sleep_for(self->context_.loop, kReconnect);
  }
}

// Never finishes: `run` cancels it.
async::Task<> WatchScreens::follow(WatchScreens* self, Client* client, std::string pane) {
  std::string mark;
  for (;;) {
    api::AtPane<api::PaneScreenRequest> request;
    request.swarm = self->swarm_;
    request.pane = pane;
    request.styles = true;
    if (!mark.empty()) request.unlike = mark;
    Result<api::PaneScreenReply> reply = co_await client->call_patiently(api::kPaneScreen, request);
    if (!reply) {
      Shown& shown = self->screens_[pane];
      if (shown.trouble != reply.error().message) {
        shown.trouble = reply.error().message;
        self->changed_();
      }
      mark.clear();
      co_await async::sleep_for(self->context_.loop, kAfterTrouble);
      continue;
    }
    if (reply->unchanged) continue;
    mark = reply->mark;
    // An agentd of an older version has no marks: it can only be asked again.
    const Duration pause = mark.empty() ? Duration(kAfterTrouble) : Duration(kBetweenPictures);
    self->take(pane, std::move(*reply));
    co_await async::sleep_for(self->context_.loop, pause);
  }
}

void WatchScreens::take(const std::string& pane, api::PaneScreenReply reply) {
  std::optional<Spot> cursor;
  if (reply.info.running && !reply.cursor_hidden) {
    cursor = Spot{.column = reply.cursor_col, .row = reply.cursor_row};
  }
  screens_[pane] = {.picture = Picture(reply.text.bytes, cursor), .pane = std::move(reply.info), .trouble = {}};
  changed_();
}

}  // namespace swarm::client
