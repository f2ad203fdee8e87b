#pragma once

#include <memory>

#include "agentd/files/watch_tree.hpp"
#include "protocol/async/fd.hpp"
#include "protocol/tree/transfer.hpp"

namespace swarm::agentd::files {

/// A watch on the loop. Changes that nobody asks for stay in the kernel's queue, which is bounded and says so when it
/// overflows; so a slow reader costs no memory here.
class Watch {
 public:
  /// Reads the tree and begins to watch, as `around` makes it (see tree::Around).
  static async::Task<Result<std::unique_ptr<Watch>>> open(async::Loop& loop, std::string path, bool recursive,
                                                          WatchLimits limits, tree::Around around);

  /// Waits for changes, gathers them for a moment, and gives what was seen; never an empty batch. After one that has
  /// `ended` there is none. Dropping the task may lose a batch, so drop it only together with the watch.
  async::Task<WatchBatch> next();

 private:
  Watch(async::Loop& loop, std::shared_ptr<WatchTree> tree, tree::Around around)
      : loop_(loop), tree_(std::move(tree)), around_(std::move(around)), watcher_(loop, tree_->fd()) {}

  async::Loop& loop_;
  std::shared_ptr<WatchTree> tree_;  // shared with the job that reads it
  tree::Around around_;
  async::FdWatcher watcher_;  // after tree_: it must go first
};

}  // namespace swarm::agentd::files
