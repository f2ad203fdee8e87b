#include "daemon/e2b/watches.hpp"

namespace swarm::e2b_endpoint {
namespace {

/// Of watches that nobody reads: reports of one that was given up come a little longer.
constexpr std::size_t kMostUnread = 256;
constexpr std::size_t kMostBatches = 10'000;

}  // namespace

Watches::FeedPtr Watches::of(const Key& key) {
  FeedPtr& feed = feeds_[key];
  if (feed == nullptr) feed = std::make_shared<Feed>(loop_);
  return feed;
}

void Watches::arrived(const wire::Connection& connection, api::FilesChanged report) {
  const Key key{&connection, report.watch};
  if (!feeds_.contains(key)) {
    std::size_t unread = 0;
    for (const auto& [other, feed] : feeds_) unread += feed.use_count() == 1 ? 1 : 0;
    if (unread >= kMostUnread) std::erase_if(feeds_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  const FeedPtr feed = of(key);
  if (feed->batches.size() >= kMostBatches) {
    feed->batches.clear();
    report.overflow = true;
  }
  feed->batches.push_back(std::move(report));
  feed->changed.notify_all();
}

}  // namespace swarm::e2b_endpoint
