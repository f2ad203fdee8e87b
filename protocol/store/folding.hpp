#pragma once
// Folds a store's log into its database beside the writer, so that nobody who writes waits for those fsyncs: on a busy
// disk they take tens of milliseconds. It reads what is committed, on a connection and a thread of its own, and never
// keeps the writer from appending. The thread takes only processor time that nothing else wants: a round copies
// hundreds of pages, and who waits for an answer meanwhile should not wait for those. The log begins anew as soon as
// the writer finds all of it folded; a writer that never rests, or a machine that never does, makes it grow up to the
// writer's own `checkpoint_frames`, and then the writer folds what is left itself.

#include "protocol/store/store.hpp"

namespace swarm::store {

/// Every `every` in which something was written, until dropped; dropping it waits for a round that is under way.
/// `store` outlives the task. Trouble with the disk is the writer's to find and to tell.
async::Task<> fold_aside(async::Loop& loop, Store& store, std::string vfs, Duration every);

}  // namespace swarm::store
