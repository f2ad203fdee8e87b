#include "daemon/swarm/kinds/kinds.hpp"

#include <fmt/format.h>

#include <span>

#include "daemon/swarm/kinds/data.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::kinds {
namespace {

/// The kernel takes 128 KiB for one argument; a longer brief travels as a file.
constexpr std::size_t kLongestBrief = 60'000;

using Values = std::map<std::string, std::string, std::less<>>;

/// A string's content in JSON, and in a basic string of TOML.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

/// `text` with its placeholders filled in. `empty` becomes true when one of them had nothing. What is between braces
/// and no placeholder stays: JSON has braces too.
std::string filled(std::string_view text, const Values& values, bool escape, bool* empty = nullptr) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const auto close = text.find('}');
    const auto value = close == std::string_view::npos ? values.end() : values.find(text.substr(1, close - 1));
    if (value == values.end()) {
      out += '{';
      text.remove_prefix(1);
      continue;
    }
    if (value->second.empty() && empty != nullptr) *empty = true;
    out += escape ? escaped(value->second) : value->second;
    text.remove_prefix(close + 1);
  }
  return out;
}

std::vector<std::string> filled_words(const std::vector<std::string>& words, const Values& values) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    bool empty = false;
    std::string made = filled(word, values, false, &empty);
    if (!empty) {
      // A brief that begins with a dash is no option.
      out.push_back(std::move(made));
    } else if (!out.empty() && out.back().starts_with('-') && out.back().size() > 1 && out.back() != "--") {
      out.pop_back();
    }
  }
  if (!out.empty() && out.back() == "--") out.pop_back();
  return out;
}

}  // namespace

Result<Start> Kind::start(const StartSpec& spec) const {
  const std::vector<std::string>& words = spec.mode == Mode::full_screen ? full_screen_
                                          : spec.mode == Mode::one_shot  ? one_shot_
                                                                         : resume_;
  if (words.empty()) {
    return fail(Code::unimplemented,
                fmt::format("agents of kind '{}' have no way to {}", shown(name_),
                            spec.mode == Mode::one_shot ? "do one thing and end" : "resume a conversation"));
  }
  Start start;
  std::string brief = spec.brief;
  if (brief.size() > kLongestBrief) {
    const std::string path = spec.home + "/BRIEF.md";
    start.files.push_back({.path = path, .content = std::move(brief), .mode = 0600});
    brief = fmt::format("Your brief is in the file {}: read all of it, then do what it says.", path);
  }
  const Values values = {
      {"agent", spec.agent},
      {"role", spec.role},
      {"brief", brief},
      {"home", spec.home},
      {"worktree", spec.worktree},
      {"model_url", spec.model_url},
      {"model_key", spec.model_key},
      {"model_key_tail",
       spec.model_key.substr(spec.model_key.size() - std::min<std::size_t>(20, spec.model_key.size()))},
      {"model", spec.model},
      {"swarm", spec.swarm},
  };
  start.argv = filled_words(words, values);
  start.env = {{"SWARM_AGENT", spec.agent}, {"SWARM_ROLE", spec.role}, {"SWARM_BRIEF", brief}};
  for (const auto& [name, value] : env_) {
    bool empty = false;
    std::string made = filled(value, values, false, &empty);
    if (!empty) start.env.insert_or_assign(name, std::move(made));
  }
  for (const Template& file : files_) {
    start.files.push_back({.path = filled(file.path, values, false),
                           .content = filled(file.content, values, file.format != "raw"),
                           .mode = file.mode,
                           .root = file.root,
                           .keep = file.keep});
  }
  return start;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const DataFile& file : data_files()) all.emplace_back(file.name);
  std::ranges::sort(all);
  return all;
}

Result<Kind> find(std::string_view name) {
  if (name.starts_with("cmd:")) {
    if (name.size() == 4) return fail(Code::invalid_argument, "kind: 'cmd:' needs a line for the shell behind it");
    Kind kind;
    kind.name_ = name;
    kind.summary_ = "Any program; it finds its role, brief and tasks through `swarm`";
    kind.full_screen_ = kind.one_shot_ = kind.resume_ = {"/bin/sh", "-c", std::string(name.substr(4))};
    kind.program_.kind = "cmd";
    return kind;
  }
  for (const DataFile& file : data_files()) {
    if (file.name == name) return Kind::parse(file.name, file.text);
  }
  const std::vector<std::string> all = names();
  return fail(Code::not_found, fmt::format("no kind of agent '{}'{}; there are {} and 'cmd:PROGRAM'", shown(name),
                                           did_you_mean(name, all), fmt::join(all, ", ")));
}

}  // namespace swarm::kinds
