#pragma once

#include <deque>
#include <map>
#include <memory>

#include "protocol/api/agentd.hpp"
#include "protocol/async/event.hpp"
#include "protocol/wire/connection.hpp"

namespace swarm::e2b_endpoint {

/// Hands what agentds report of watched files to who asked for the watch.
class Watches {
 public:
  explicit Watches(async::Loop& loop) : loop_(loop) {}

  struct Feed {
    explicit Feed(async::Loop& loop) : changed(loop) {}
    std::deque<api::FilesChanged> batches;
    async::Condition changed;
  };
  using FeedPtr = std::shared_ptr<Feed>;  // shared by the table and by the reader

  /// A report has come. One that comes before its reader is kept, a few of them.
  void arrived(const wire::Connection& connection, api::FilesChanged report);

  FeedPtr open(const wire::Connection& connection, const std::string& watch) { return of({&connection, watch}); }
  void close(const wire::Connection& connection, const std::string& watch) { feeds_.erase({&connection, watch}); }

 private:
  using Key = std::pair<const wire::Connection*, std::string>;
  FeedPtr of(const Key& key);
  async::Loop& loop_;
  std::map<Key, FeedPtr> feeds_;
};

}  // namespace swarm::e2b_endpoint
