#include "agentd/cli/mcp_tools.hpp"

#include <algorithm>
#include <array>

#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

constexpr std::array kTools = {
    Tool{"whoami", "inner.whoami", ""},
    Tool{"agents", "agent.list", ""},
    Tool{"agent", "agent.info", ""},
    Tool{"find_agent", "agent.find", ""},
    Tool{"status", "agent.update", "Without arguments it changes nothing and shows how you are listed."},
    Tool{"send", "message.send", "Say one of `to`, `role` and `all`."},
    Tool{"inbox", "message.inbox", "What was read does not come again."},
    Tool{"ack", "message.ack", ""},
    Tool{"message", "message.show", ""},
    Tool{"search_messages", "message.search", ""},
    Tool{"lock", "lock.acquire", ""},
    Tool{"unlock", "lock.release", ""},
    Tool{"locks", "lock.list", ""},
    Tool{"note_get", "note.get", ""},
    Tool{"note_put", "note.put", ""},
    Tool{"notes", "note.list", ""},
    Tool{"decide", "note.decide", ""},
    Tool{"decisions", "note.decisions", ""},
    Tool{"ask_human", "human.ask", "Waits for the answer as long as `wait_ms` says."},
    Tool{"task_next", "task.next", ""},
    Tool{"task_list", "task.list", ""},
    Tool{"task_show", "task.show", ""},
    Tool{"task_add", "task.add", ""},
    Tool{"task_claim", "task.claim", ""},
    Tool{"task_progress", "task.progress", ""},
    Tool{"task_done", "task.done", ""},
    Tool{"task_fail", "task.fail", ""},
    Tool{"task_block", "task.block", ""},
    Tool{"task_release", "task.release", ""},
    Tool{"review_next", "review.next", ""},
    Tool{"review_show", "review.show", ""},
    Tool{"review_submit", "review.submit", ""},
    Tool{"review_answer", "review.answer", ""},
    Tool{"proposals", "proposal.list", ""},
    Tool{"proposal_show", "proposal.show", ""},
    Tool{"propose", "proposal.open", ""},
    Tool{"vote", "proposal.vote", ""},
    Tool{"artifacts", "artifact.list", "`swarm artifact add FILE` attaches one, `swarm artifact get` reads one."},
    Tool{"commit", "git.commit", ""},
    Tool{"changes", "git.status", ""},
    Tool{"diff", "git.diff", ""},
    Tool{"log", "git.log", ""},
    Tool{"sync", "git.sync", ""},
    Tool{"rebase", "git.rebase", ""},
};

/// So deep types are told; below that anything goes, and agentd says what is wrong.
constexpr int kMostDepth = 6;

const Value* named(const Value& discovered, std::string_view list, std::string_view name) {
  for (const Value& one : list_of(discovered, list)) {
    if (text_of(one, "name") == name) return &one;
  }
  return nullptr;
}

/// Not for a caller to say: its swarm is the one that it lives in, its name what the kernel says, and a repeated call
/// is our matter.
bool is_ours(std::string_view method, std::string_view field) {
  if (field == "swarm" || field == "idempotency_key") return true;
  const bool relayed = method.starts_with("artifact.") || method.starts_with("task.") ||
                       method.starts_with("review.") || method.starts_with("proposal.") || method.starts_with("human.");
  return relayed && field == "agent";
}

Value object_schema(const Value::Array& fields, const Value& discovered, std::string_view method, int depth);

Value type_schema(std::string_view type, const Value& discovered, int depth) {
  if (type.ends_with('?')) type.remove_suffix(1);
  if (type == "boolean" || type == "integer" || type == "number" || type == "string") return Value::Map{{"type", type}};
  if (type == "path" || type == "text" || type == "bytes") return Value::Map{{"type", "string"}};
  if (depth <= 0) return Value::Map{};
  if (type.starts_with("list<") && type.ends_with('>')) {
    type = type.substr(5, type.size() - 6);
    return Value::Map{{"type", "array"}, {"items", type_schema(type, discovered, depth - 1)}};
  }
  if (type.starts_with("map<") && type.ends_with('>')) {
    type = type.substr(4, type.size() - 5);
    return Value::Map{{"type", "object"}, {"additionalProperties", type_schema(type, discovered, depth - 1)}};
  }
  const Value* known = named(discovered, "types", type);
  if (known == nullptr) return Value::Map{};
  Value::Array names;
  for (const Value& value : list_of(*known, "values")) names.emplace_back(text_of(value, "name"));
  if (!names.empty()) return Value::Map{{"type", "string"}, {"enum", std::move(names)}};
  return object_schema(list_of(*known, "fields"), discovered, {}, depth - 1);
}

Value object_schema(const Value::Array& fields, const Value& discovered, std::string_view method, int depth) {
  Value::Map properties;
  Value::Array required;
  for (const Value& field : fields) {
    const std::string name = text_of(field, "name");
    if (is_ours(method, name)) continue;
    Value schema = type_schema(text_of(field, "type"), discovered, depth);
    schema.set("description", text_of(field, "doc"));
    const bool number = text_of(schema, "type") == "integer" || text_of(schema, "type") == "number";
    if (const Value* least = field.find("min"); number && least != nullptr && !least->is_nil()) {
      schema.set("minimum", *least);
    }
    if (const Value* most = field.find("max"); number && most != nullptr && !most->is_nil()) {
      schema.set("maximum", *most);
    }
    if (const Value* otherwise = field.find("default"); otherwise != nullptr && !otherwise->is_nil()) {
      schema.set("default", *otherwise);
    }
    if (truth_of(field, "required")) required.emplace_back(name);
    properties.emplace_back(name, std::move(schema));
  }
  Value out(Value::Map{{"type", "object"}, {"properties", std::move(properties)}});
  if (!required.empty()) out.set("required", std::move(required));
  if (!method.empty()) out.set("additionalProperties", false);
  return out;
}

}  // namespace

std::span<const Tool> all_tools() { return kTools; }

Value tool_info(const Tool& tool, const Value& discovered) {
  const Value* method = named(discovered, "methods", tool.method);
  if (method == nullptr) return {};
  std::string doc = text_of(*method, "doc");
  if (!tool.hint.empty()) doc += " " + std::string(tool.hint);
  return Value::Map{{"name", tool.name},
                    {"description", std::move(doc)},
                    {"inputSchema", object_schema(list_of(*method, "params"), discovered, tool.method, kMostDepth)},
                    {"annotations", Value::Map{{"readOnlyHint", !truth_of(*method, "mutating")},
                                               {"destructiveHint", false},
                                               {"openWorldHint", false}}}};
}

}  // namespace swarm::cli
