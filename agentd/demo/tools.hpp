#pragma once
// The `swarm` command, as every agent calls it: as a program, with `--json`.

#include <string>
#include <vector>

#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"

namespace swarm::demo {

/// `swarm WORDS... --json`, and what it answered. The error is what it said on standard error.
Result<Value> swarm_tool(std::vector<std::string> words, const std::string& input = {});

/// The member as text; empty where it is absent or null.
std::string text(const Value& map, std::string_view key);
std::int64_t number(const Value& map, std::string_view key);
/// The members of a list; empty where it is absent.
const Value::Array& items(const Value& map, std::string_view key);

/// A line about what is being done, into the pane.
void say(const std::string& line);

}  // namespace swarm::demo
