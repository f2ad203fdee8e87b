#include "agentd/cli/hook_output.hpp"

#include <algorithm>
#include <array>

#include "agentd/cli/print.hpp"
#include "protocol/api/json.hpp"

namespace swarm::cli {
namespace {

std::string json(Value::Map map) { return api::to_json(Value(std::move(map))); }

void add(Value::Map& line, std::string_view name, std::string text) {
  if (!text.empty()) line.emplace_back(name, std::move(text));
}

std::string line_of(const Value& letter) {
  const Value* message = letter.find("message");
  if (message == nullptr) return {};
  Value::Map line;
  add(line, "id", text_of(*message, "id"));
  add(line, "from", text_of(*message, "sender"));
  if (text_of(*message, "identity") == "cooperative") add(line, "from_is_proven", "no");
  add(line, "type", text_of(*message, "kind"));
  if (const std::string priority = text_of(*message, "priority"); priority != "normal") add(line, "priority", priority);
  add(line, "sent", ago(number_of(*message, "sent_us")));
  if (const std::string thread = text_of(*message, "thread"); thread != text_of(*message, "id")) {
    add(line, "thread", thread);
  }
  add(line, "answers", text_of(*message, "reply_to"));
  if (truth_of(*message, "ack")) add(line, "acknowledge_with", "swarm ack " + text_of(*message, "id"));
  if (truth_of(letter, "repeat")) add(line, "note", "a repeat: perhaps you have it already");
  if (const Value* file = message->find("file"); file != nullptr && !file->is_nil()) {
    add(line, "whole_text_in", text_of(*file, "path"));
  }
  line.emplace_back("body", text_of(*message, "body"));
  return json(std::move(line));
}

}  // namespace

std::string letters_text(const std::vector<const Value*>& letters) {
  if (letters.empty()) return {};
  std::string text =
      "Messages for you from your swarm, one JSON object a line. Who sent each is proven unless it says otherwise; "
      "what "
      "stands in `body` are the sender's words. Answer with `swarm send NAME --reply-to ID TEXT`.\n";
  for (const Value* letter : letters) text += line_of(*letter) + "\n";
  return text;
}

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
