#pragma once

#include <string>
#include <vector>

#include "protocol/core/value.hpp"

namespace swarm::agentd::delivery {

/// Messages for a conversation, each as `MessageLetter` travels: one JSON object a line. A text can look like anything
/// and still is the value of `body`, on one line. Empty for none.
std::string letters_text(const std::vector<const Value*>& letters);

}  // namespace swarm::agentd::delivery
