#include "agentd/cli/hook_output.hpp"

#include <algorithm>
#include <array>

#include "agentd/cli/print.hpp"
#include "protocol/api/json.hpp"

namespace swarm::cli {
namespace {

std::string json(Value::Map map) { return api::to_json(Value(std::move(map))); }

}  // namespace

std::string welcome_text(const Value& reply) {
  std::string text = "You are " + text_of(reply, "agent");
  if (const std::string role = text_of(reply, "role"); !role.empty()) text += " (role: " + role + ")";
  text += " in the swarm '" + text_of(reply, "swarm_name") +
          "', a team of agents that work on the same repository. The command `swarm` talks to it: `swarm agents` says "
          "who there is, `swarm send NAME TEXT` writes to somebody, `swarm inbox` reads, `swarm ack ID` acknowledges, "
          "`swarm locks` says who changes what, `swarm help` the rest. Messages to you come into this conversation by "
          "themselves. A file that you edit is locked for you; an edit of a file that somebody else has locked is "
          "refused.\n";
  return text;
}

bool takes_context(std::string_view event) {
  constexpr std::array<std::string_view, 4> kEvents = {"SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"};
  return std::ranges::find(kEvents, event) != kEvents.end();
}

std::string answer_with_context(std::string_view event, const std::string& context) {
  if (context.empty() || !takes_context(event)) return {};
  // The turn goes on with them.
  if (event == "Stop") return json({{"decision", "block"}, {"reason", context}});
  return json(
      {{"hookSpecificOutput", Value::Map{{"hookEventName", std::string(event)}, {"additionalContext", context}}}});
}

std::string answer_denied(const std::string& why) {
  return json({{"hookSpecificOutput", Value::Map{{"hookEventName", "PreToolUse"},
                                                 {"permissionDecision", "deny"},
                                                 {"permissionDecisionReason", why}}}});
}

std::string answer_stopped(const std::string& why) { return json({{"decision", "block"}, {"reason", why}}); }

std::string answer_notice(const std::string& line) { return json({{"systemMessage", line}}); }

}  // namespace swarm::cli
