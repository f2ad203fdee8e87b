#include "agentd/cli/hook_input.hpp"

#include <algorithm>
#include <array>

#include "protocol/api/json.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::cli {
namespace {

constexpr std::size_t kMostPath = 4096;

std::string text_at(const Value& map, std::string_view key, std::size_t most) {
  const Value* value = map.find(key);
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string() : std::string(utf8_prefix(*text, most));
}

/// A path that is cut off would be another one, and one with a NUL is none.
std::string path_at(const Value& map, std::string_view key) {
  std::string path = text_at(map, key, kMostPath + 1);
  if (path.size() > kMostPath || path.find('\0') != std::string::npos) path.clear();
  return path;
}

}  // namespace

bool changes_files(std::string_view tool) {
  constexpr std::array<std::string_view, 4> kTools = {"Edit", "Write", "MultiEdit", "NotebookEdit"};
  return std::ranges::find(kTools, tool) != kTools.end();
}

Result<HookInput> read_hook(std::string_view json) {
  const Result<Value> read = api::value_from_json(json, {.max_bytes = kMostHookBytes, .max_depth = 128});
  if (!read) return fail(read.error());
  if (read->as_map() == nullptr) return fail(Code::invalid_argument, "the hook's input is no JSON object");
  HookInput input;
  input.event = text_at(*read, "hook_event_name", 64);
  input.session = text_at(*read, "session_id", 200);
  input.transcript = path_at(*read, "transcript_path");
  input.cwd = path_at(*read, "cwd");
  input.tool = text_at(*read, "tool_name", 200);
  input.prompt = text_at(*read, "prompt", 1000);
  for (const std::string_view key : {"source", "notification_type", "reason", "trigger", "message"}) {
    if (input.detail.empty()) input.detail = text_at(*read, key, 500);
  }
  const Value* arguments = read->find("tool_input");
  if (arguments == nullptr || !changes_files(input.tool)) return input;
  for (const std::string_view key : {"file_path", "notebook_path", "path"}) {
    std::string path = path_at(*arguments, key);
    if (path.empty()) continue;
    if (!path.starts_with('/') && input.cwd.starts_with('/')) path = input.cwd + "/" + path;
    input.path = std::move(path);
    break;
  }
  return input;
}

}  // namespace swarm::cli
