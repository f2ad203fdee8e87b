#pragma once

#include <string_view>

namespace swarm::agentd {

/// What an idle program with hooks is given as a prompt, so that its hook asks for the messages that wait. The hook
/// knows it again and stops a prompt of these words for which there is nothing.
inline constexpr std::string_view kWakeLine = "[swarm] There are new messages for you.";

}  // namespace swarm::agentd
