#pragma once

#include "protocol/store/migration.hpp"

namespace swarm::workflow {

/// The tables of runs, steps, tasks, reviews, proposals, votes, questions and deadlines.
extern const store::Domain kWorkflowDomain;

}  // namespace swarm::workflow
