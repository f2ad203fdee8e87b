#pragma once
// What `swarm` prints. Texts of others can do nothing to a terminal: everything but the JSON (which escapes control
// characters) goes through `clean_text`.

#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/value.hpp"

namespace swarm::cli {

/// The answer as agentd gave it, indented.
void print_json(const Value& value);

/// A line, without what could act on a terminal or deceive a reader.
void print_line(std::string_view text);
/// Text of several lines, each behind `indent`.
void print_text(std::string_view text, std::string_view indent = "");

/// Columns with two blanks between them; the first row is the heading. No rows but that: prints `empty`.
void print_table(const std::vector<std::vector<std::string>>& rows, std::string_view empty);

/// Whether all that was printed went out; the exit status.
int flushed();

/// A scalar as text; nothing for what is absent.
std::string text_of(const Value* value);
/// The member of that name as text.
std::string text_of(const Value& map, std::string_view key);
std::int64_t number_of(const Value& map, std::string_view key, std::int64_t otherwise = 0);
bool truth_of(const Value& map, std::string_view key);
/// The members of a list; empty where it is absent.
const Value::Array& list_of(const Value& map, std::string_view key);

/// "3m", "2h": how long ago a UTC time was.
std::string ago(std::int64_t time_us);
/// "in 3m", or "never" for nothing.
std::string until(const Value* time_us);

}  // namespace swarm::cli
