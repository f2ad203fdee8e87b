#include "agentd/files/watch.hpp"

#include "protocol/async/blocking.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::agentd::files {
namespace {

/// How long changes are gathered before they are told.
constexpr auto kGather = std::chrono::milliseconds(20);
/// How long the first half of a move waits for its second. The kernel queues both within one system call.
constexpr auto kSettle = std::chrono::milliseconds(30);

using Step = WatchBatch (WatchTree::*)();

async::Task<WatchBatch> step(async::Loop& loop, std::shared_ptr<WatchTree> tree, tree::Around around, Step what) {
  auto job = [tree, around, what] {
    WatchBatch batch;
    const Result<void> done = around([&]() -> Result<void> {
      batch = ((*tree).*what)();
      return {};
    });
    if (!done) batch.ended = done.error().message;
    return batch;
  };
  co_return co_await async::run_blocking(loop, std::move(job));
}

void append(WatchBatch& to, WatchBatch more) {
  to.overflow = to.overflow || more.overflow;
  to.pending = more.pending;
  if (!to.ended) to.ended = std::move(more.ended);
  if (to.overflow) {
    to.changes.clear();
  } else {
    std::ranges::move(more.changes, std::back_inserter(to.changes));
  }
}

}  // namespace

async::Task<Result<std::unique_ptr<Watch>>> Watch::open(async::Loop& loop, std::string path, bool recursive,
                                                        WatchLimits limits, tree::Around around) {
  auto job = [path = std::move(path), recursive, limits, around]() -> Result<std::shared_ptr<WatchTree>> {
    std::shared_ptr<WatchTree> tree;
    const Result<void> done = around([&]() -> Result<void> {
      Result<std::unique_ptr<WatchTree>> opened = WatchTree::open(path, recursive, limits);
      if (!opened) return fail(opened.error());
      tree = std::move(*opened);
      return {};
    });
    if (!done) return fail(done.error());
    return tree;
  };
  Result<std::shared_ptr<WatchTree>> tree = co_await async::run_blocking(loop, std::move(job));
  if (!tree) co_return fail(tree.error());
  co_return std::unique_ptr<Watch>(new Watch(loop, std::move(*tree), std::move(around)));
}

async::Task<WatchBatch> Watch::next() {
  for (;;) {
    co_await watcher_.readable();
    co_await async::sleep_for(loop_, kGather);
    WatchBatch batch = co_await step(loop_, tree_, around_, &WatchTree::read);
    if (batch.pending && !batch.ended) {
      co_await async::sleep_for(loop_, kSettle);
      WatchBatch more = co_await step(loop_, tree_, around_, &WatchTree::read);
      append(batch, std::move(more));
      WatchBatch settled = co_await step(loop_, tree_, around_, &WatchTree::settle);
      append(batch, std::move(settled));
    }
    if (!batch.changes.empty() || batch.overflow || batch.ended) co_return batch;
  }
}

}  // namespace swarm::agentd::files
