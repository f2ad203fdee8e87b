#pragma once
// Inputs and outcomes of steps as they are recorded.

#include "daemon/workflow/ports.hpp"
#include "protocol/core/value.hpp"

namespace swarm::workflow {

Value to_value(const StartAgent& what);
Value to_value(const Prompt& what);
Value to_value(const Change& what);
Value to_value(const Merge& what);
Value to_value(const Merged& what);
Value to_value(const Test& what);
Value to_value(const TestRun& what);
Value to_value(const Deliver& what);
Value to_value(const Delivered& what);

StartAgent start_agent_of(const Value& value);
Prompt prompt_of(const Value& value);
Inspect inspect_of(const Value& value);
Change change_of(const Value& value);
Merge merge_of(const Value& value);
Merged merged_of(const Value& value);
Test test_of(const Value& value);
TestRun test_run_of(const Value& value);
Deliver deliver_of(const Value& value);
Delivered delivered_of(const Value& value);

/// A member that is text; empty where there is none.
std::string string_of(const Value& value, std::string_view key);

}  // namespace swarm::workflow
