#pragma once

namespace swarm::local {

/// Removes everything below the open directory `root`, never `root` itself. Follows no symbolic link, crosses no mount,
/// and needs a bounded number of descriptors and no stack however deep the tree is: a hostile program can make one of a
/// million levels. Goes on after a failure. Returns the first errno that left something behind, 0 when all is gone.
int remove_contents(int root);

}  // namespace swarm::local
