#pragma once
// Folds a store's log into its database beside the writer, so that nobody who writes waits for those fsyncs: on a busy
// disk they take tens of milliseconds. It reads what is committed, on a connection of its own, and never keeps the
// writer from appending. The log begins anew as soon as the writer finds all of it folded; a writer that never rests
// makes it grow up to its own `checkpoint_frames`, and then folds what little is left itself.

#include "protocol/store/store.hpp"

namespace swarm::store {

/// Every `every` in which something was written, until dropped. `store` outlives the task; what is under way on the
/// thread pool does not need it. Trouble with the disk is the writer's to find and to tell.
async::Task<> fold_aside(async::Loop& loop, Store& store, std::string vfs, Duration every);

}  // namespace swarm::store
