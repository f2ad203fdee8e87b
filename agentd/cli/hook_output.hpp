#pragma once
// What a hook answers: the JSON that Claude Code documents and Codex reads as well.

#include <string>
#include <string_view>

#include "protocol/core/value.hpp"

namespace swarm::cli {

/// Who the agent is and how it talks to others; for the beginning of a conversation.
std::string welcome_text(const Value& reply);

/// Text that enters the conversation with this event; empty for none, and for events that can add nothing.
std::string answer_with_context(std::string_view event, const std::string& context);
/// The tool is not run, and the model is told why.
std::string answer_denied(const std::string& why);
/// The prompt is not sent, and the person told why.
std::string answer_stopped(const std::string& why);
/// A line for the person at the screen.
std::string answer_notice(const std::string& line);

/// Whether text can enter the conversation with this event.
bool takes_context(std::string_view event);

}  // namespace swarm::cli
