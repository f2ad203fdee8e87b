#include "agentd/cli/hook_input.hpp"

#include <algorithm>
#include <array>

#include "protocol/api/json.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::cli {
namespace {

constexpr std::size_t kMostPath = 4096;
constexpr std::size_t kMostPaths = 500;

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

void add_path(HookInput& input, std::string path) {
  if (path.empty() || path.size() > kMostPath || path.find('\0') != std::string::npos) return;
  if (!path.starts_with('/') && input.cwd.starts_with('/')) path = input.cwd + "/" + path;
  if (input.paths.size() < kMostPaths) input.paths.push_back(std::move(path));
}

/// The files of a patch as Codex writes them: "*** Update File: src/a.c".
void add_patched(HookInput& input, std::string_view patch) {
  while (!patch.empty()) {
    std::string_view line = patch.substr(0, patch.find('\n'));
    patch.remove_prefix(std::min(line.size() + 1, patch.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    for (const std::string_view mark : {"*** Update File: ", "*** Add File: ", "*** Delete File: ", "*** Move to: "}) {
      if (line.starts_with(mark)) add_path(input, std::string(line.substr(mark.size())));
    }
  }
}

}  // namespace

bool changes_files(std::string_view tool) {
  constexpr std::array<std::string_view, 5> kTools = {"Edit", "Write", "MultiEdit", "NotebookEdit", "apply_patch"};
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
  if (arguments == nullptr) return input;
  if (changes_files(input.tool)) {
    for (const std::string_view key : {"file_path", "notebook_path", "path"}) add_path(input, path_at(*arguments, key));
  }
  // Codex takes a patch from its shell too, and applies it itself.
  for (const std::string_view key : {"command", "patch", "input"}) {
    const Value* patch = arguments->find(key);
    const std::string* text = patch == nullptr ? nullptr : patch->as_string();
    if (text != nullptr && text->find("*** Begin Patch") != std::string::npos) add_patched(input, *text);
  }
  return input;
}

}  // namespace swarm::cli
