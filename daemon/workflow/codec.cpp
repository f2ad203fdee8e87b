#include "daemon/workflow/codec.hpp"

#include <array>

namespace swarm::workflow {
namespace {

// File names and outputs are raw bytes.
std::string raw_of(const Value& value, std::string_view key) {
  const Value* member = value.find(key);
  if (member == nullptr) return {};
  if (const auto* bytes = member->as_bytes()) return bytes->data;
  if (const auto* text = member->as_string()) return *text;
  return {};
}

std::int64_t int_of(const Value& value, std::string_view key) {
  const Value* member = value.find(key);
  const auto* number = member == nullptr ? nullptr : member->as_int();
  return number == nullptr ? 0 : *number;
}

bool bool_of(const Value& value, std::string_view key) {
  const Value* member = value.find(key);
  const auto* flag = member == nullptr ? nullptr : member->as_bool();
  return flag != nullptr && *flag;
}

const Value::Array& list_of(const Value& value, std::string_view key) {
  static const Value::Array kNone;
  const Value* member = value.find(key);
  const auto* list = member == nullptr ? nullptr : member->as_array();
  return list == nullptr ? kNone : *list;
}

Value raw(const std::string& bytes) { return Bytes{bytes}; }

constexpr std::array<std::string_view, 4> kOutcomes = {"merged", "conflict", "red", "empty"};

}  // namespace

std::string string_of(const Value& value, std::string_view key) { return raw_of(value, key); }

Value to_value(const StartAgent& what) {
  return Value::Map{{"agent", what.agent}, {"role", what.role}, {"brief", what.brief}};
}
StartAgent start_agent_of(const Value& value) {
  return {.agent = string_of(value, "agent"), .role = string_of(value, "role"), .brief = string_of(value, "brief")};
}

Value to_value(const Prompt& what) {
  return Value::Map{{"agent", what.agent}, {"about", what.about}, {"text", what.text}};
}
Prompt prompt_of(const Value& value) {
  return {.agent = string_of(value, "agent"), .about = string_of(value, "about"), .text = string_of(value, "text")};
}

Inspect inspect_of(const Value& value) {
  Inspect out{.agent = string_of(value, "agent"), .commit = {}};
  if (value.find("commit") != nullptr) out.commit = string_of(value, "commit");
  return out;
}

Value to_value(const Change& what) {
  Value::Array files;
  for (const std::string& file : what.files) files.push_back(raw(file));
  return Value::Map{{"commit", what.commit},        {"base", what.base},           {"patch", what.patch},
                    {"files", std::move(files)},    {"contained", what.contained}, {"for_task", what.for_task},
                    {"tree_dirty", what.tree_dirty}};
}
Change change_of(const Value& value) {
  Change out{.commit = string_of(value, "commit"),
             .base = string_of(value, "base"),
             .patch = string_of(value, "patch"),
             .files = {},
             .contained = bool_of(value, "contained"),
             .for_task = string_of(value, "for_task"),
             .tree_dirty = bool_of(value, "tree_dirty")};
  for (const Value& file : list_of(value, "files")) {
    if (const auto* bytes = file.as_bytes()) out.files.push_back(bytes->data);
  }
  return out;
}

Value to_value(const Merge& what) {
  Value::Array trailers;
  for (const auto& [name, text] : what.trailers) trailers.push_back(Value::Array{name, text});
  return Value::Map{{"task", what.task},
                    {"attempt", what.attempt},
                    {"agent", what.agent},
                    {"commit", what.commit},
                    {"message", what.message},
                    {"trailers", std::move(trailers)},
                    {"command", what.test_command},
                    {"timeout_ms", static_cast<std::int64_t>(what.timeout.count())}};
}
Merge merge_of(const Value& value) {
  Merge out{.task = string_of(value, "task"),
            .attempt = static_cast<std::uint32_t>(int_of(value, "attempt")),
            .agent = string_of(value, "agent"),
            .commit = string_of(value, "commit"),
            .message = string_of(value, "message"),
            .trailers = {},
            .test_command = string_of(value, "command"),
            .timeout = std::chrono::milliseconds(int_of(value, "timeout_ms"))};
  for (const Value& trailer : list_of(value, "trailers")) {
    const auto* pair = trailer.as_array();
    if (pair == nullptr || pair->size() != 2) continue;
    const auto* name = (*pair)[0].as_string();
    const auto* text = (*pair)[1].as_string();
    if (name != nullptr && text != nullptr) out.trailers.emplace_back(*name, *text);
  }
  return out;
}

Value to_value(const TestRun& what) {
  return Value::Map{{"id", what.id},
                    {"commit", what.commit},
                    {"exit_status", what.exit_status},
                    {"timed_out", what.timed_out},
                    {"output", raw(what.output)},
                    {"took_ms", static_cast<std::int64_t>(what.took.count())}};
}
TestRun test_run_of(const Value& value) {
  return {.id = string_of(value, "id"),
          .commit = string_of(value, "commit"),
          .exit_status = static_cast<int>(int_of(value, "exit_status")),
          .timed_out = bool_of(value, "timed_out"),
          .output = raw_of(value, "output"),
          .took = std::chrono::milliseconds(int_of(value, "took_ms"))};
}

Value to_value(const Merged& what) {
  Value::Array conflicts;
  for (const Conflict& each : what.conflicts) {
    conflicts.push_back(Value::Map{{"path", raw(each.path)}, {"hunks", raw(each.hunks)}});
  }
  Value out = Value::Map{{"outcome", kOutcomes.at(static_cast<std::size_t>(what.outcome))},
                         {"commit", what.commit},
                         {"contained", what.contained},
                         {"conflicts", std::move(conflicts)}};
  if (what.test) out.set("test", to_value(*what.test));
  return out;
}
Merged merged_of(const Value& value) {
  Merged out;
  const std::string outcome = string_of(value, "outcome");
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    if (kOutcomes.at(i) == outcome) out.outcome = static_cast<Merged::Outcome>(i);
  }
  out.commit = string_of(value, "commit");
  out.contained = bool_of(value, "contained");
  for (const Value& each : list_of(value, "conflicts")) {
    out.conflicts.push_back({.path = raw_of(each, "path"), .hunks = raw_of(each, "hunks")});
  }
  if (const Value* test = value.find("test")) out.test = test_run_of(*test);
  return out;
}

Value to_value(const Test& what) {
  return Value::Map{{"commit", what.commit},
                    {"command", what.command},
                    {"timeout_ms", static_cast<std::int64_t>(what.timeout.count())}};
}
Test test_of(const Value& value) {
  return {.commit = string_of(value, "commit"),
          .command = string_of(value, "command"),
          .timeout = std::chrono::milliseconds(int_of(value, "timeout_ms"))};
}

Value to_value(const Deliver& what) {
  return Value::Map{{"commit", what.commit}, {"title", what.title}, {"body", what.body}};
}
Deliver deliver_of(const Value& value) {
  return {.commit = string_of(value, "commit"), .title = string_of(value, "title"), .body = string_of(value, "body")};
}

Value to_value(const Delivered& what) { return Value::Map{{"where", what.where}, {"commit", what.commit}}; }
Delivered delivered_of(const Value& value) {
  return {.where = string_of(value, "where"), .commit = string_of(value, "commit")};
}

}  // namespace swarm::workflow
